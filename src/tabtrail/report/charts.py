"""A chart as data: what the page draws as SVG and the picture files as PNG is one and the same."""

from dataclasses import dataclass

Values = tuple[float, ...]


@dataclass(frozen=True)
class Axis:
    """`label` names quantity and unit. With `categories` the axis holds one place for each, else numbers from `low` to `high`
    (None: as the data asks), where `whole` only whole ones at the ticks."""

    label: str
    categories: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    whole: bool = False


@dataclass(frozen=True)
class Points:
    """Dots. `shade` (0 to 1 a dot) colours them from low to high; `texts` are shown for those that a person points at."""

    x: Values
    y: Values
    label: str = ""
    texts: tuple[str, ...] = ()
    shade: Values = ()


@dataclass(frozen=True)
class Line:
    """A line through points. `faint` ones are the crowd behind the others."""

    x: Values
    y: Values
    label: str = ""
    dashed: bool = False
    faint: bool = False


@dataclass(frozen=True)
class Columns:
    """A histogram: `counts` between neighbouring `edges`."""

    edges: Values
    counts: Values


@dataclass(frozen=True)
class Bars:
    """One horizontal bar for each category of the y axis, from 0 or from `starts`, and a whisker from `low` to `high`.

    `texts` are shown on pointing, `marked` bars have the second colour.
    """

    values: Values
    low: Values = ()
    high: Values = ()
    texts: tuple[str, ...] = ()
    marked: tuple[bool, ...] = ()
    starts: Values = ()


@dataclass(frozen=True)
class Boxes:
    """One box for each category of the y axis: 5th, 25th, 50th, 75th and 95th percentile."""

    quantiles: tuple[Values, ...]
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cells:
    """A matrix [y categories, x categories] of values from -1 to 1; None is blank."""

    values: tuple[tuple[float | None, ...], ...]


Layer = Points | Line | Columns | Bars | Boxes | Cells


@dataclass(frozen=True)
class Chart:
    """One pair of axes. `alt` says in words what is to be seen; later layers lie on top."""

    title: str
    alt: str
    x: Axis
    y: Axis
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class Picture:
    """One picture file or figure of the page: charts under a title. `note` says how to read it, and what is left out."""

    name: str
    title: str
    note: str
    charts: tuple[Chart, ...]


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
    edge = 0.0 if from_zero else 0.04 * reach
    return (low if own.low is not None else low - edge), (high if own.high is not None else high + 0.04 * reach)


def _extent(layer: Layer, axis: str) -> Values:
    match layer:
        case Points() | Line():
            return layer.x if axis == "x" else layer.y
        case Columns():
            return layer.edges if axis == "x" else (0.0, *layer.counts)
        case Bars():
            return (*(layer.starts or (0.0,)), *layer.values, *layer.low, *layer.high) if axis == "x" else ()
        case Boxes():
            return tuple(value for each in layer.quantiles for value in each) if axis == "x" else ()
        case Cells():
            return ()


def colours_of(chart: Chart) -> list[int | None]:
    """Return the number of the colour of each layer: bars and columns have the first, the crowd in grey none."""
    taken = int(any(isinstance(layer, Bars | Columns | Boxes) for layer in chart.layers))
    found: list[int | None] = []
    for layer in chart.layers:
        if isinstance(layer, Points) or (isinstance(layer, Line) and not layer.faint):
            found.append(taken)
            taken += 1
        else:
            found.append(None)
    return found


def ticks(low: float, high: float, most: int = 5, *, whole: bool = False) -> list[float]:
    """Return round numbers between two bounds, `most` + 1 at most."""
    from matplotlib.ticker import MaxNLocator

    reach = (high - low) * 1e-9
    return [
        float(each) for each in MaxNLocator(most, integer=whole).tick_values(low, high) if low - reach <= each <= high + reach
    ]


def short(value: float) -> str:
    """Write a tick: 0.25 · 1500 · 200k · 1.2M."""
    value = 0.0 if abs(value) < 1e-12 else value
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e5, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == 'k' else size):,.4g}{letter}"
    return f"{value:.6g}"


def clipped(text: str, most: int = 22) -> str:
    """Shorten a label to what fits beside an axis; nothing that breaks a line stays in it."""
    text = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
