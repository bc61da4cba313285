"""The latest values of a series, sent with the question, in the place of the stored history: for models that read a window."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabtrail.bundle.demand.expander import Panel
from tabtrail.bundle.demand.features import HORIZON
from tabtrail.bundle.demand.history import History
from tabtrail.bundle.rows import PayloadError, Problem, Row

VALUES = "values"
ReadRow = Callable[[Mapping[str, Any]], Row]
_ONE_COLUMN = ("series", "category")  # what a series of one column may be called


def window_size(metadata: Mapping[str, Any]) -> int | None:
    """Values that the model of a bundle reads, None where it reads no window."""
    stated = metadata.get("window")
    return None if stated is None else int(stated["size"])


def read_window(body: Mapping[str, Any], panel: Panel, history: History, size: int, *, read: ReadRow) -> dict[str, NDArray[Any]]:
    """Return the inputs of the graph [1, 1] for the value after those that were sent, oldest first; `read` reads the columns of
    a row as the model takes them.

    The series is named by its columns, in the body or in an object `series`; where it has one, by `series` or `category` too.
    Raises `PayloadError` for an unknown series or column, and for other values than so many numbers; null is one not known.
    """
    key, known = _key(body, panel, history, read), [tuple(map(str, each)) for each in history.keys]
    if key not in known:
        raise PayloadError([Problem(panel.series[0], "the series is not known; see GET /series")])
    place, values = known.index(key), _values(body.get(VALUES), size)
    feed: dict[str, NDArray[Any]] = {name: np.array([[math.nan]]) for name in panel.recipe.names}
    feed |= {f"lag_{lag}": np.array([[value]]) for lag, value in enumerate(reversed(values), 1)}
    feed[HORIZON] = np.array([[1.0]])
    texts = dict(zip(panel.series, key, strict=True)) | {name: str(each[place]) for name, each in history.static.items()}
    return feed | {name: np.array([[texts[name]]], dtype=object) for name in panel.texts}


def _key(body: Mapping[str, Any], panel: Panel, history: History, read: ReadRow) -> tuple[str, ...]:
    named = {name: value for name, value in body.items() if name != VALUES}
    if isinstance(named.get("series"), Mapping) and "series" not in panel.series:
        named |= dict(named.pop("series"))
    if len(panel.series) == 1:
        named = {panel.series[0] if name in _ONE_COLUMN else name: value for name, value in named.items()}
    found = read(named)
    if len(history.keys) == 1:  # the only series of a model need not be named, where its schema lets it be left out
        only = dict(zip(panel.series, map(str, history.keys[0]), strict=True))
        found |= {name: only[name] for name in panel.series if name in found and name not in named}
    missing = [name for name in panel.series if not isinstance(found.get(name), str)]
    unknown = [name for name in named if name not in panel.series]
    if missing or unknown:
        wrong = [Problem(name, "has to be sent, as a text") for name in missing]
        raise PayloadError([*wrong, *(Problem(name[:200], "is not a column of the series") for name in unknown)])
    return tuple(str(found[name]) for name in panel.series)


def _values(sent: object, size: int) -> list[float]:
    if not isinstance(sent, list):
        raise PayloadError([Problem(VALUES, f"has to be a list of the last {size:,} values of the series, oldest first")])
    if len(sent) != size:
        raise PayloadError([Problem(VALUES, f"has {len(sent):,} values, and the model was trained on windows of {size:,}")])
    if wrong := [at for at, each in enumerate(sent, 1) if not _is_value(each)]:
        raise PayloadError([Problem(VALUES, f"value {wrong[0]:,} is neither a number nor null")])
    if all(each is None for each in sent):
        raise PayloadError([Problem(VALUES, "has no number; send the last values of the series")])
    return [math.nan if each is None else float(each) for each in sent]


def _is_value(each: object) -> bool:
    if isinstance(each, bool) or not isinstance(each, int | float | None):
        return False
    return each is None or abs(each) <= 1e300
