"""Charts as inline SVG: colours from the page's style, a text alternative each, every text escaped."""

from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from tabtrail.report.charts import (
    Bars,
    Boxes,
    Cells,
    Chart,
    Columns,
    Layer,
    Line,
    Points,
    clipped,
    colours_of,
    short,
    span,
    ticks,
)

WIDTH = 380
_HEIGHT = 250
_ROW = 22
_TOP, _BOTTOM, _RIGHT = 10, 44, 18
_LETTER = 6.8
_SHADES = 5


@dataclass(frozen=True)
class _Frame:
    """Where values lie: `x` and `y` turn a value into a place of the drawing."""

    left: float
    height: float
    x_span: tuple[float, float]
    y_span: tuple[float, float]

    @property
    def right(self) -> float:
        return WIDTH - _RIGHT

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
        WIDTH,
        round(frame.height),
        identity,
        identity,
    )
    named = _tag('<title id="{}-t">{}</title><desc id="{}-d">{}</desc>', identity, chart.title, identity, chart.alt)
    drawn = Markup("").join(_draw(layer, frame, kind) for layer, kind in zip(chart.layers, colours_of(chart), strict=True))
    return head + named + _axes(chart, frame) + drawn + Markup("</svg>")


def _tag(template: str, *values: object) -> Markup:
    """Fill a template of ours; every value is escaped."""
    return Markup(template).format(*values)  # noqa: S704


def legend(chart: Chart) -> list[tuple[str, str]]:
    """Return the colour class and label of each labelled layer."""
    found = []
    for kind, layer in zip(colours_of(chart), chart.layers, strict=True):
        if kind is not None and isinstance(layer, Points | Line) and layer.label:
            shape = "dot" if isinstance(layer, Points) else "dashed line" if layer.dashed else "line"
            found.append((f"{shape} k{kind}", layer.label))
    return found


def _frame(chart: Chart) -> _Frame:
    rows = chart.y.categories
    height = _TOP + _BOTTOM + _ROW * max(len(rows), 2) if rows else _HEIGHT
    x_span, y_span = span(chart, "x"), span(chart, "y")
    if rows:
        y_span = (y_span[1], y_span[0])  # the first category stands on top
    if any(isinstance(layer, Cells) for layer in chart.layers):
        height += 60
    names = [clipped(name) for name in rows] if rows else [short(value) for value in ticks(*y_span)]
    left = 12 + max(map(_wide, names), default=_LETTER) + (0 if rows else 16)
    return _Frame(round(left, 1), height, x_span, y_span)


def _wide(text: str) -> float:
    """Guess how wide a label is: no font can be asked."""
    return sum(_LETTER * (1.25 if each.isupper() or each in "mwMW…%" else 0.6 if each in ".,:;ijltfI |'" else 1) for each in text)


def _axes(chart: Chart, frame: _Frame) -> Markup:
    parts = []
    cells = any(isinstance(layer, Cells) for layer in chart.layers)
    bottom = frame.bottom - (60 if cells else 0)
    if chart.x.categories:
        for place, name in enumerate(chart.x.categories):
            x = frame.x(place)
            tag = '<text class="tick" text-anchor="end" transform="translate({} {}) rotate(-40)">{}</text>'
            parts.append(_tag(tag, x + 4, bottom + 12, clipped(name, 16)))
    else:
        for value in ticks(*frame.x_span, whole=chart.x.whole):
            x = frame.x(value)
            parts.append(_tag('<path class="grid" d="M{} {}V{}"/>', x, _TOP, frame.bottom))
            tag = '<text class="tick" text-anchor="middle" x="{}" y="{}">{}</text>'
            parts.append(_tag(tag, x, frame.bottom + 15, short(value)))
    if chart.y.categories:
        for place, name in enumerate(chart.y.categories):
            tag = '<text class="tick" text-anchor="end" x="{}" y="{}">{}<title>{}</title></text>'
            y = _cell_y(frame, place, len(chart.y.categories)) if cells else frame.y(place)
            parts.append(_tag(tag, frame.left - 6, y + 4, clipped(name), name))
    else:
        for value in ticks(*frame.y_span, whole=chart.y.whole):
            y = frame.y(value)
            parts.append(_tag('<path class="grid" d="M{} {}H{}"/>', frame.left, y, frame.right))
            tag = '<text class="tick" text-anchor="end" x="{}" y="{}">{}</text>'
            parts.append(_tag(tag, frame.left - 6, y + 4, short(value)))
        tag = '<text class="label" text-anchor="middle" transform="translate(11 {}) rotate(-90)">{}</text>'
        parts.append(_tag(tag, round((_TOP + frame.bottom) / 2, 1), clipped(chart.y.label, 36)))
    tag = '<text class="label" text-anchor="middle" x="{}" y="{}">{}</text>'
    if chart.x.label:
        middle = round((frame.left + frame.right) / 2, 1)
        half = min(middle, WIDTH - middle)
        parts.append(_tag(tag, middle, frame.height - 8, clipped(chart.x.label, int(2 * half / _LETTER))))
    return Markup("").join(parts)


def _draw(layer: Layer, frame: _Frame, kind: int | None) -> Markup:
    match layer:
        case Points():
            return _points(layer, frame, kind)
        case Line():
            return _line(layer, frame, kind)
        case Columns():
            return _columns(layer, frame)
        case Bars():
            return _bars(layer, frame)
        case Boxes():
            return _boxes(layer, frame)
        case Cells():
            return _cells(layer, frame)


def _points(layer: Points, frame: _Frame, kind: int | None) -> Markup:
    """Dots that say nothing when pointed at are one path: a tenth of the bytes of as many circles."""
    if layer.texts:
        tag = '<circle class="dot k{}" cx="{}" cy="{}" r="4"><title>{}</title></circle>'
        each = zip(layer.x, layer.y, layer.texts, strict=True)
        return Markup("").join(_tag(tag, kind, frame.x(x), frame.y(y), text) for x, y, text in each)
    places = [f"M{frame.x(x):g} {frame.y(y):g}h0" for x, y in zip(layer.x, layer.y, strict=True)]
    if not layer.shade:
        return _tag('<path class="dots k{}" d="{}"/>', kind, "".join(places))
    levels = [min(int(value * _SHADES), _SHADES - 1) for value in layer.shade]
    paths = ("".join(place for place, own in zip(places, levels, strict=True) if own == level) for level in range(_SHADES))
    return Markup("").join(_tag('<path class="dots s{}" d="{}"/>', level, path) for level, path in enumerate(paths))


def _line(layer: Line, frame: _Frame, kind: int | None) -> Markup:
    path = "M" + "L".join(f"{frame.x(x):g} {frame.y(y):g}" for x, y in zip(layer.x, layer.y, strict=True))
    style = "faint" if kind is None else f"line k{kind}" + (" dashed" if layer.dashed else "")
    return _tag('<path class="{}" d="{}"/>', style, path)


def _columns(layer: Columns, frame: _Frame) -> Markup:
    tag = '<rect class="bar" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>'
    drawn = []
    for (low, high), rows in zip(pairwise(layer.edges), layer.counts, strict=True):
        x, y = frame.x(low), frame.y(rows)
        width, height = max(frame.x(high) - x - 0.6, 0.5), round(frame.y(0) - y, 1)
        drawn.append(_tag(tag, x, y, round(width, 1), height, f"{low:,.6g} to {high:,.6g}: {rows:,.0f} rows"))
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
    return round(_TOP + (place + 0.5) * (frame.bottom - 60 - _TOP) / rows, 1)


def _cells(layer: Cells, frame: _Frame) -> Markup:
    tag = '<rect class="{}" fill-opacity="{}" x="{}" y="{}" width="{}" height="{}"/><text class="cell" x="{}" y="{}">{}</text>'
    rows = len(layer.values)
    wide = frame.x(1) - frame.x(0)
    tall = (frame.bottom - 60 - _TOP) / rows
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
