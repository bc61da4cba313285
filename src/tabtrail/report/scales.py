"""What the page and the picture files must agree on: the range of an axis, its ticks and labels, the colours of the layers."""

import math
from collections.abc import Sequence
from datetime import date

from matplotlib.ticker import MaxNLocator

from tabtrail.report.charts import Axis, Band, Bars, Boxes, Cells, Chart, Columns, Layer, Line, Points, Values
from tabtrail.report.figures import are_years

_MOST_TICKS = 5
_MOST_DAYS = 3  # a label with year, month and day is long
_MARGIN = 0.04
_DAY_STEPS = (1, 2, 7, 14, 28)
_MONTH_STEPS = (1, 2, 3, 6, 12, 24, 60, 120, 300, 600, 1200, 2400, 6000, 12000, 24000)
_MONTH = 30.4  # days
_MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LAST_DAY = date.max.toordinal()
_LINES = 3  # of the name of a category


def span(chart: Chart, axis: str) -> tuple[float, float]:
    """Return the least and greatest value to be shown along "x" or "y"."""
    own: Axis = getattr(chart, axis)
    if own.categories:
        return -0.5, len(own.categories) - 0.5
    values = [value for layer in chart.layers for value in _extent(layer, axis)] or [0.0, 1.0]
    low = min(values) if own.low is None else own.low
    high = max(values) if own.high is None else own.high
    reach = (high - low) or abs(high) or 1.0
    if high == low:
        return low - reach / 2, high + reach / 2
    from_zero = low == 0 and any(isinstance(layer, Columns | Bars) for layer in chart.layers)
    below, above = (0.0 if from_zero else _MARGIN), max(_MARGIN, _room(chart, axis))
    return (low if own.low is not None else low - below * reach), (high if own.high is not None else high + above * reach)


def _room(chart: Chart, axis: str) -> float:
    """Share of the axis that texts at the ends of bars need beyond them."""
    texts = [text for layer in chart.layers if isinstance(layer, Bars) for text in layer.ends if axis == "x"]
    return 0.025 * max(map(len, texts), default=0)


def _extent(layer: Layer, axis: str) -> Values:
    across = axis == "x"
    match layer:
        case Points() | Line():
            return layer.x if across else tuple(each for each in layer.y if not math.isnan(each))
        case Band():
            return layer.x if across else (*layer.low, *layer.high)
        case Columns():
            return layer.edges if across else (0.0, *layer.heights)
        case Bars():
            return (*(layer.starts or (0.0,)), *layer.values, *layer.low, *layer.high) if across else ()
        case Boxes():
            return tuple(value for each in layer.quantiles for value in each) if across else ()
        case Cells():
            return ()


def colours_of(chart: Chart) -> list[int | None]:
    """Return the number of the colour of each layer; faint ones are grey and have none.

    Bars, columns and boxes have the first, each line or set of points the next one, a band that of the line after it.
    """
    filled = any(isinstance(layer, Bars | Boxes) or (isinstance(layer, Columns) and not layer.faint) for layer in chart.layers)
    taken = int(filled)
    found: list[int | None] = []
    for layer in chart.layers:
        if isinstance(layer, Cells) or (isinstance(layer, Line | Columns) and layer.faint):
            found.append(None)
        else:
            found.append(0 if isinstance(layer, Bars | Columns | Boxes) else taken)
            taken += isinstance(layer, Points | Line)
    return found


def depths_of(chart: Chart) -> list[int]:
    """Return for each layer that is a band how many of its colour lie over one another where it is drawn, with itself, so that
    its key is as dark as it is seen; 0 for the others.
    """
    found: list[int] = []
    seen: dict[int | None, int] = {}
    for layer, kind in zip(chart.layers, colours_of(chart), strict=True):
        seen[kind] = seen.get(kind, 0) + isinstance(layer, Band)
        found.append(seen[kind] if isinstance(layer, Band) else 0)
    return found


def isolated(line: Line) -> list[int]:
    """Return the places of single known values between unknown ones: they are no line, and would not be seen."""
    known = [False, *(not math.isnan(each) for each in line.y), False]
    return [place for place in range(len(line.y)) if known[place : place + 3] == [False, True, False]]


def ticks(axis: Axis, low: float, high: float) -> list[tuple[float, str]]:
    """Return round places between two bounds, six at most, each with its label. Not for categories."""
    if axis.dates:
        return _date_ticks(low, high)
    reach = (high - low) * 1e-9
    places = MaxNLocator(_MOST_TICKS, integer=axis.whole).tick_values(low, high)
    within = [float(each) for each in places if low - reach <= each <= high + reach]
    years = axis.whole and are_years(math.ceil(low), math.floor(high))
    largest = max(map(abs, within), default=0.0)
    return [(each, f"{each:.0f}" if years else short(each, largest)) for each in within]


def _date_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Return the firsts of years or months, or single days of less than three months, within two ordinals."""
    low, high = max(low, 1.0), min(high, float(_LAST_DAY))
    if high - low <= _MOST_DAYS * _DAY_STEPS[-1]:
        return [(float(day), date.fromordinal(day).isoformat()) for day in _days_within(low, high)]
    firsts = _months_within(low, high)
    labels = [_month_label(each, named=place == 0) for place, each in enumerate(firsts)]
    return [(float(each.toordinal()), label) for each, label in zip(firsts, labels, strict=True)]


def _days_within(low: float, high: float) -> range:
    step = next((each for each in _DAY_STEPS if (high - low) / each <= _MOST_DAYS), _DAY_STEPS[-1])
    # Ordinal 1 is a Monday: steps of weeks begin on Mondays.
    return range(math.ceil((low - 1) / step) * step + 1, math.floor(high) + 1, step)


def _months_within(low: float, high: float) -> list[date]:
    # Half a step more: how many ticks fit depends on where the first one is.
    step = next((each for each in _MONTH_STEPS if (high - low) / (_MONTH * each) < _MOST_TICKS + 0.5), _MONTH_STEPS[-1])
    start, end = (date.fromordinal(int(each)) for each in (low, high))
    months = range((start.year * 12 + start.month - 1) // step * step, end.year * 12 + end.month, step)
    firsts = [date(month // 12, month % 12 + 1, 1) for month in months if month >= 12]
    return [each for each in firsts if low <= each.toordinal() <= high]


def _month_label(day: date, *, named: bool) -> str:
    """A year for its January, else the month; `named` with its year, where no tick before it names the year."""
    return f"{day.year}" if day.month == 1 else f"{day:%Y-%m}" if named else _MONTH_NAMES[day.month - 1]


def short(value: float, largest: float) -> str:
    """Write a tick in the unit of the largest of its axis: 0.25 · 1,500 · 200k · 1.2M."""
    value = 0.0 if abs(value) < 1e-12 else value
    for least, size, letter in ((1e9, 1e9, "B"), (1e6, 1e6, "M"), (1e5, 1e3, "k")):
        if largest >= least and value:
            return f"{value / size:,.4g}{letter}"
    return f"{value:,.6g}"


def clipped(text: str, most: int = 22) -> str:
    """Shorten a label to what fits beside an axis; nothing that breaks a line stays in it."""
    text = _clean(text)
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def shortened(names: Sequence[str], most: int) -> list[str]:
    """Return labels of at most `most` characters that are told apart where the names are: those that begin alike keep their ends,
    and have a number where these are alike too.
    """
    cut = [clipped(name, most) for name in names]
    cut = [_without_middle(name, most) if cut.count(label) > 1 else label for name, label in zip(names, cut, strict=True)]
    seen: dict[str, list[str]] = {}
    found = []
    for name, label in zip(names, cut, strict=True):
        alike = seen.setdefault(label, [])
        alike += [] if name in alike else [name]
        place = alike.index(name)
        found.append(label if place == 0 else f"{label[: most - len(str(place)) - 4]}… ({place + 1})")
    return found


def wrapped(names: Sequence[str], most: int) -> list[list[str]]:
    """Return labels in up to three lines of `most` characters, broken between words and told apart where the names are."""
    return [_lines(label, most) for label in shortened(names, _LINES * most - most // 2)]  # half a line for what breaks leave


def _lines(label: str, most: int) -> list[str]:
    lines, rest = list[str](), label
    for left in range(_LINES - 1, 0, -1):
        if len(rest) <= most:
            break
        # After the last character at which a word, or a part of a name, may end, so that what is left fits the lines left.
        places = [place for place in range(max(len(rest) - left * most, 1), most + 1) if _may_break(rest, place)]
        place = places[-1] if places else most
        lines.append(rest[:place].rstrip())
        rest = rest[place:].lstrip()
    return [*lines, rest]


def _may_break(text: str, place: int) -> bool:
    """Whether a line may end before a place: after a word or a part of a name, not within a number."""
    return text[place - 1] in " _-:/·" or (text[place - 1] in ".," and not text[place : place + 1].isdigit())


def _without_middle(name: str, most: int) -> str:
    text = _clean(name)
    head = (most - 1) // 2
    return text if len(text) <= most else f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"


def _clean(text: str) -> str:
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
