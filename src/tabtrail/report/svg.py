"""Charts as inline SVG: colours from the page's style, a text alternative each, every text escaped."""

from dataclasses import dataclass
from itertools import groupby, pairwise
from math import isnan

from markupsafe import Markup

from tabtrail.report.charts import Band, Bars, Boxes, Cells, Chart, Columns, Layer, Line, Points
from tabtrail.report.scales import clipped, colours_of, depths_of, isolated, shortened, span, ticks, wrapped

# In units of the drawing. At the width of a phone they are about pixels.
_WIDTH = 380
_HEIGHT = 250
_ROW = 22
_TOP, _BOTTOM, _RIGHT = 10, 44, 18
_LETTER = 6.8
_LABEL = 20  # letters of a line of a category's name
_LINE = 12  # from one line of a name to the next
# Below a matrix, for the slanting names of its columns.
_SLANTED = 60
_SHADES = 5
_DEEPEST = 4  # bands over one another that the page's style tells apart


@dataclass(frozen=True)
class _Frame:
    """The area of the axes: `x` and `y` turn a value into a place of the drawing."""

    left: float
    height: float
    x_span: tuple[float, float]
    y_span: tuple[float, float]

    @property
    def right(self) -> float:
        return _WIDTH - _RIGHT

    @property
    def bottom(self) -> float:
        return self.height - _BOTTOM

    def x(self, value: float) -> float:
        low, high = self.x_span
        return round(self.left + (value - low) / (high - low) * (self.right - self.left), 1)

    def y(self, value: float) -> float:
        low, high = self.y_span
        return round(self.bottom - (value - low) / (high - low) * (self.bottom - _TOP), 1)


def svg(chart: Chart, identity: str) -> Markup:
    """Return a chart as SVG. `identity` is unique in the page: title and description are referred to by it."""
    frame = _frame(chart)
    head = _tag(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-labelledby="{}-t {}-d">',
        _WIDTH,
        round(frame.height),
        identity,
        identity,
    )
    named = _tag('<title id="{}-t">{}</title><desc id="{}-d">{}</desc>', identity, chart.title, identity, chart.alt)
    drawn = Markup("").join(_draw(layer, frame, kind) for layer, kind in zip(chart.layers, colours_of(chart), strict=True))
    return head + named + _axes(chart, frame) + drawn + Markup("</svg>")


def picture_file(chart: Chart, style: str) -> str:
    """Return a chart as an SVG file of its own, with the page's `style` in it."""
    drawn = str(svg(chart, "chart")).replace("<svg ", f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * _WIDTH}" ', 1)
    return drawn.replace("<title", f"<style>{style}</style><title", 1)


def _tag(template: str, *values: object) -> Markup:
    """Fill a template of ours; every value is escaped."""
    return Markup(template).format(*values)  # noqa: S704


def legend(chart: Chart) -> list[tuple[str, str]]:
    """Return the colour class and label of each labelled layer."""
    found = []
    for kind, depth, layer in zip(colours_of(chart), depths_of(chart), chart.layers, strict=True):
        if isinstance(layer, Points | Line | Band | Columns | Bars) and layer.label:
            found.append((_style(layer, kind) + (f" over{min(depth, _DEEPEST)}" if depth > 1 else ""), layer.label))
    return found


def _style(layer: Points | Line | Band | Columns | Bars, kind: int | None) -> str:
    """The classes of a layer in the page's style; the template draws the key of a legend by the first of them."""
    match layer:
        case Points():
            return f"dot k{kind}"
        case Line():
            return ("faint" if kind is None else f"line k{kind}") + (" dashed" if layer.dashed else "")
        case Band():
            return f"area k{kind}"
        case Columns():
            return "bar grey" if kind is None else "bar"
        case Bars():
            return "bar"


def _frame(chart: Chart) -> _Frame:
    rows = chart.y.categories
    labels = wrapped(rows, _LABEL)
    row = max(_ROW, *(_LINE * len(lines) + 6 for lines in labels)) if rows else 0
    height = _TOP + _BOTTOM + row * max(len(rows), 2) if rows else _HEIGHT
    x_span, y_span = span(chart, "x"), span(chart, "y")
    if rows:
        y_span = (y_span[1], y_span[0])  # the first category stands on top
    if any(isinstance(layer, Cells) for layer in chart.layers):
        height += _SLANTED
    names = [line for lines in labels for line in lines] if rows else [label for _, label in ticks(chart.y, *y_span)]
    left = 12 + max(map(_wide, names), default=_LETTER) + (0 if rows else 16)
    return _Frame(round(left, 1), height, x_span, y_span)


def _wide(text: str) -> float:
    """Estimate the width of a label: what font a browser takes is not known here."""
    return sum(_LETTER * (1.25 if each.isupper() or each in "mwMW…%" else 0.6 if each in ".,:;ijltfI |'" else 1) for each in text)


def _axes(chart: Chart, frame: _Frame) -> Markup:
    cells = any(isinstance(layer, Cells) for layer in chart.layers)
    across = _x_names(chart, frame, cells=cells) if chart.x.categories else _x_ticks(chart, frame)
    upright = _y_names(chart, frame, cells=cells) if chart.y.categories else _y_ticks(chart, frame)
    return across + upright + _x_label(chart, frame)


def _x_names(chart: Chart, frame: _Frame, *, cells: bool) -> Markup:
    bottom = frame.bottom - (_SLANTED if cells else 0)
    tag = '<text class="tick" text-anchor="end" transform="translate({} {}) rotate(-40)">{}</text>'
    names = enumerate(shortened(chart.x.categories, 16))
    return Markup("").join(_tag(tag, frame.x(place) + 4, bottom + 12, name) for place, name in names)


def _x_ticks(chart: Chart, frame: _Frame) -> Markup:
    tag = '<path class="grid" d="M{} {}V{}"/><text class="tick" text-anchor="middle" x="{}" y="{}">{}</text>'
    drawn = []
    for value, label in ticks(chart.x, *frame.x_span):
        x = frame.x(value)
        # A wide label at the edge of the drawing is moved inside.
        middle = round(min(x, _WIDTH - _wide(label) / 2), 1)
        drawn.append(_tag(tag, x, _TOP, frame.bottom, middle, frame.bottom + 15, label))
    return Markup("").join(drawn)


def _y_names(chart: Chart, frame: _Frame, *, cells: bool) -> Markup:
    tag, line_tag = '<text class="tick" text-anchor="end">{}<title>{}</title></text>', '<tspan x="{}" y="{}">{}</tspan>'
    drawn = []
    for place, (name, lines) in enumerate(zip(chart.y.categories, wrapped(chart.y.categories, _LABEL), strict=True)):
        y = (_cell_y(frame, place, len(chart.y.categories)) if cells else frame.y(place)) + 4 - _LINE / 2 * (len(lines) - 1)
        told = (_tag(line_tag, frame.left - 6, round(y + _LINE * at, 1), line) for at, line in enumerate(lines))
        drawn.append(_tag(tag, Markup("").join(told), name))
    return Markup("").join(drawn)


def _y_ticks(chart: Chart, frame: _Frame) -> Markup:
    tag = '<path class="grid" d="M{} {}H{}"/><text class="tick" text-anchor="end" x="{}" y="{}">{}</text>'
    drawn = []
    for value, label in ticks(chart.y, *frame.y_span):
        y = frame.y(value)
        drawn.append(_tag(tag, frame.left, y, frame.right, frame.left - 6, y + 4, label))
    tag = '<text class="label" text-anchor="middle" transform="translate(11 {}) rotate(-90)">{}</text>'
    drawn.append(_tag(tag, round((_TOP + frame.bottom) / 2, 1), clipped(chart.y.label, 36)))
    return Markup("").join(drawn)


def _x_label(chart: Chart, frame: _Frame) -> Markup:
    if not chart.x.label:
        return Markup("")
    middle = round((frame.left + frame.right) / 2, 1)
    half = min(middle, _WIDTH - middle)
    tag = '<text class="label" text-anchor="middle" x="{}" y="{}">{}</text>'
    return _tag(tag, middle, frame.height - 8, clipped(chart.x.label, int(2 * half / _LETTER)))


def _draw(layer: Layer, frame: _Frame, kind: int | None) -> Markup:
    match layer:
        case Points():
            return _points(layer, frame, kind)
        case Line():
            return _line(layer, frame, kind)
        case Band():
            return _band(layer, frame, kind)
        case Columns():
            return _columns(layer, frame, kind)
        case Bars():
            return _bars(layer, frame)
        case Boxes():
            return _boxes(layer, frame)
        case Cells():
            return _cells(layer, frame)


def _points(layer: Points, frame: _Frame, kind: int | None) -> Markup:
    """Dots without texts are one path, a tenth of the bytes of as many circles."""
    if layer.texts:
        tag = '<circle class="dot k{}" cx="{}" cy="{}" r="4"><title>{}</title></circle>'
        each = zip(layer.x, layer.y, layer.texts, strict=True)
        dots = [_tag(tag, kind, frame.x(x), frame.y(y), text) for x, y, text in each]
        note = '<text class="tick" text-anchor="end" x="{}" y="{}">{}</text>'
        notes = zip(layer.x, layer.y, layer.notes, strict=True) if layer.notes else ()
        return Markup("").join([*dots, *(_tag(note, frame.x(x) - 8, frame.y(y) + 4, text) for x, y, text in notes)])
    places = [f"M{frame.x(x):g} {frame.y(y):g}h0" for x, y in zip(layer.x, layer.y, strict=True)]
    if not layer.shade:
        return _tag('<path class="dots k{}" d="{}"/>', kind, "".join(places))
    levels = [min(int(value * _SHADES), _SHADES - 1) for value in layer.shade]
    paths = ("".join(place for place, own in zip(places, levels, strict=True) if own == level) for level in range(_SHADES))
    return Markup("").join(_tag('<path class="dots s{}" d="{}"/>', level, path) for level, path in enumerate(paths))


def _line(layer: Line, frame: _Frame, kind: int | None) -> Markup:
    places = ["" if isnan(y) else f"{frame.x(x):g} {frame.y(y):g}" for x, y in zip(layer.x, layer.y, strict=True)]
    runs = [list(run) for known, run in groupby(places, bool) if known]
    drawn = _tag('<path class="{}" d="{}"/>', _style(layer, kind), "".join("M" + "L".join(run) for run in runs))
    if dots := [places[at] for at in (range(len(places)) if layer.dots else isolated(layer)) if places[at]]:
        style = "faint" if kind is None else f"dots k{kind}"
        drawn += _tag('<path class="{}" d="{}"/>', style, "".join(f"M{place}h0" for place in dots))
    return drawn


def _band(layer: Band, frame: _Frame, kind: int | None) -> Markup:
    edge = [*zip(layer.x, layer.high, strict=True), *reversed([*zip(layer.x, layer.low, strict=True)])]
    path = "L".join(f"{frame.x(x):g} {frame.y(y):g}" for x, y in edge)
    return _tag('<path class="{}" d="M{}Z"/>', _style(layer, kind), path)


def _columns(layer: Columns, frame: _Frame, kind: int | None) -> Markup:
    tag = '<rect class="{}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>'
    drawn = []
    for place, ((low, high), height) in enumerate(zip(pairwise(layer.edges), layer.heights, strict=True)):
        x, top, foot = frame.x(low), frame.y(max(height, 0.0)), frame.y(min(height, 0.0))
        width = round(max(frame.x(high) - x - 0.6, 0.5), 1)
        text = layer.texts[place] if layer.texts else ""
        drawn.append(_tag(tag, _style(layer, kind), x, top, width, round(foot - top, 1), text))
    return Markup("").join(drawn)


def _bars(layer: Bars, frame: _Frame) -> Markup:
    drawn = []
    zero = frame.x(min(max(0.0, frame.x_span[0]), frame.x_span[1]))
    for place, value in enumerate(layer.values):
        end, y = frame.x(value), frame.y(place)
        start = frame.x(layer.starts[place]) if layer.starts else zero
        mark = " marked" if layer.marked and layer.marked[place] else ""
        text = layer.texts[place] if layer.texts else f"{value:,.6g}"
        tag = '<rect class="bar{}" x="{}" y="{}" width="{}" height="14"><title>{}</title></rect>'
        drawn.append(_tag(tag, mark, min(start, end), y - 7, round(max(abs(end - start), 1), 1), text))
        if layer.low:
            left, right = frame.x(layer.low[place]), frame.x(layer.high[place])
            path = f"M{left} {y - 4}v8M{left} {y}H{right}M{right} {y - 4}v8"
            drawn.append(_tag('<path class="whisker" d="{}"/>', path))
        if layer.ends:
            drawn.append(
                _tag('<text class="tick" x="{}" y="{}">{}</text>', round(max(start, end) + 4, 1), y + 4, layer.ends[place])
            )
    return Markup("").join(drawn)


def _boxes(layer: Boxes, frame: _Frame) -> Markup:
    drawn = []
    for place, quantiles in enumerate(layer.quantiles):
        low, q1, median, q3, high = map(frame.x, quantiles)
        y = frame.y(place)
        text = layer.texts[place] if layer.texts else ""
        path = f"M{low} {y}H{q1}M{q3} {y}H{high}M{low} {y - 4}v8M{high} {y - 4}v8"
        tag = (
            '<g><title>{}</title><path class="whisker" d="{}"/><rect class="box" x="{}" y="{}" width="{}" height="14"/>'
            '<path class="median" d="M{} {}v14"/></g>'
        )
        drawn.append(_tag(tag, text, path, q1, y - 7, round(max(q3 - q1, 0.5), 1), median, y - 7))
    return Markup("").join(drawn)


def _cell_y(frame: _Frame, place: int, rows: int) -> float:
    return round(_TOP + (place + 0.5) * (frame.bottom - _SLANTED - _TOP) / rows, 1)


def _cells(layer: Cells, frame: _Frame) -> Markup:
    tag = '<rect class="{}" fill-opacity="{}" x="{}" y="{}" width="{}" height="{}"/><text class="cell" x="{}" y="{}">{}</text>'
    rows = len(layer.values)
    wide = frame.x(1) - frame.x(0)
    tall = (frame.bottom - _SLANTED - _TOP) / rows
    drawn = []
    for row, values in enumerate(layer.values):
        for column, value in enumerate(values):
            if value is None:
                continue
            x, y = frame.x(column), _cell_y(frame, row, rows)
            shown = f"{value:.1f}".replace("0.", ".").replace("-.0", ".0")
            size = round(wide - 1, 1), round(tall - 1, 1)
            place = round(x - size[0] / 2, 1), round(y - size[1] / 2, 1)
            style, depth = ("minus" if value < 0 else "plus"), round(0.08 + 0.5 * abs(value), 2)
            drawn.append(_tag(tag, style, depth, *place, *size, x, y + 3, shown))
    return Markup("").join(drawn)
