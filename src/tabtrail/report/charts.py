"""A chart as plain data: the page draws it as SVG, a picture file as PNG."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

Values = tuple[float, ...]


@dataclass(frozen=True)
class Axis:
    """`label` names quantity and unit. With `categories` the axis has one place for each, else numbers from `low` to `high`
    (None: as the data needs). `whole` ones have ticks at whole numbers only, `dates` are days as `days` makes them.
    """

    label: str
    categories: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    whole: bool = False
    dates: bool = False


@dataclass(frozen=True)
class Points:
    """Dots. `shade` (0 to 1 a dot) colours them from low to high; `texts` are shown for those that a person points at, `notes`
    are written before them.
    """

    x: Values
    y: Values
    label: str = ""
    texts: tuple[str, ...] = ()
    shade: Values = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """A line through points, each of them a dot where `dots`; it breaks where `y` is not a number. `faint` ones are the crowd
    behind the others.
    """

    x: Values
    y: Values
    label: str = ""
    dashed: bool = False
    faint: bool = False
    dots: bool = False


@dataclass(frozen=True)
class Band:
    """The area between two lines, in the colour of the line that follows."""

    x: Values
    low: Values
    high: Values
    label: str = ""


@dataclass(frozen=True)
class Columns:
    """Upright bars from 0 between neighbouring `edges`, as in a histogram. `faint` ones are grey.

    `texts` are shown on pointing.
    """

    edges: Values
    heights: Values
    label: str = ""
    faint: bool = False
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bars:
    """One horizontal bar for each category of the y axis, from 0 or from `starts`, and a whisker from `low` to `high`.

    `texts` are shown on pointing, `ends` are written at the ends of the bars, `marked` bars have the second colour.
    """

    values: Values
    low: Values = ()
    high: Values = ()
    texts: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    marked: tuple[bool, ...] = ()
    starts: Values = ()
    label: str = ""


@dataclass(frozen=True)
class Boxes:
    """One box for each category of the y axis: 5th, 25th, 50th, 75th and 95th percentile."""

    quantiles: tuple[Values, ...]
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cells:
    """A matrix [y categories, x categories] of values from -1 to 1; None is blank."""

    values: tuple[tuple[float | None, ...], ...]


Layer = Points | Line | Band | Columns | Bars | Boxes | Cells


@dataclass(frozen=True)
class Chart:
    """One pair of axes. `alt` says in words what the chart shows; later layers lie on top."""

    title: str
    alt: str
    x: Axis
    y: Axis
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class Picture:
    """One picture file or figure of the page: charts under a title. `note` says how to read it, and what is left out.

    In `one_row` the charts stand side by side, and only the first names their common categories. A `wide` one takes the width of
    the page.
    """

    name: str
    title: str
    note: str
    charts: tuple[Chart, ...]
    one_row: bool = False
    wide: bool = False


@dataclass(frozen=True)
class Placed:
    """A picture and its place on the page."""

    place: str
    picture: Picture


def file_name(*words: str) -> str:
    """Name of a file: in lower case, with an underscore for whatever could be awkward in a path."""
    return re.sub(r"[^a-z0-9]+", "_", "_".join(words).lower()).strip("_")


def are_whole(values: Values) -> bool:
    """Whether all that is known of the values are whole numbers, so that ticks between them would say nothing."""
    return all(each.is_integer() for each in map(float, values) if math.isfinite(each))


def days(dates: Iterable[date]) -> Values:
    """Return dates as numbers for an axis with `dates`."""
    return tuple(float(each.toordinal()) for each in dates)
