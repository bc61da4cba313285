"""What is kept of one column instead of its rows: counts of cells, and how a value finds its cell.

Every statistic works on cells. Those of a number are [missing, up to the first edge, …, beyond the last edge], those of a
category [missing, each frequent value, other]; a value at an edge lies below it. Two edges hug the range that was seen, so that
a constant that changes leaves its cell.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tabtrail.contract.schema import ColumnRule

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
Counts = NDArray[np.int64]
Values = NDArray[Any]
Kind = Literal["number", "category", "date"]
Role = Literal["input", "prediction", "error"]
PREDICTION, ERROR = "(prediction)", "(error)"
"""The names under which the predictions and the errors (actual − predicted) stand beside the inputs."""
MISSING = 0
_DIGITS = 9  # of what is not compared with values: means, spreads


@dataclass(frozen=True)
class Column:
    """A column to watch. Numbers are float64 with NaN for missing, dates days since 1970-01-01, categories texts or None."""

    name: str
    kind: Kind
    role: Role = "input"
    rule: ColumnRule | None = None


@dataclass(frozen=True)
class Detail:
    """How much a sketch keeps: cells of a number, values of a category, and how often a text must occur to be kept (`least`)."""

    cells: int = 100
    values: int = 100
    least: int = 10


@dataclass(frozen=True)
class Sketch:
    """The cells of one column in the reference.

    `edges` are those of numbers and dates, `values` those of categories, most frequent first; `counts` [cells] are rows.
    `novel` is the number of rows whose text would be none of the frequent ones had the row itself been left out, which is what
    a fresh row can be compared with; `clump` is how many of them come together. `mean`, `sd` (ddof 0), `low` and `high` are of
    the values themselves; `out` counts those outside the contract.
    """

    name: str
    kind: Kind
    role: Role
    counts: Counts
    edges: Array = field(default_factory=lambda: np.empty(0))
    values: tuple[str, ...] = ()
    novel: int = 0
    clump: int = 1
    out: int = 0
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    rule: ColumnRule | None = None

    @property
    def is_ordered(self) -> bool:
        """Whether the cells have an order: numbers and dates."""
        return self.kind != "category"

    @property
    def rows(self) -> int:
        return int(self.counts.sum())

    @property
    def known(self) -> int:
        """Rows with a value."""
        return self.rows - int(self.counts[MISSING])

    def encode(self, values: Values) -> Codes:
        """Return the cell of each value [rows]. A number that is not finite counts as missing (and as out of contract)."""
        if self.is_ordered:
            numbers = np.asarray(values, dtype=np.float64)
            return np.where(np.isfinite(numbers), np.searchsorted(self.edges, numbers, side="left") + 1, MISSING)
        places, other = self._places, len(self.values) + 1
        return np.fromiter((places.get(value, other) for value in values.tolist()), np.int64, len(values))

    @cached_property
    def _places(self) -> Mapping[str | None, int]:
        return {None: MISSING, **{value: place for place, value in enumerate(self.values, 1)}}

    def is_beyond(self, values: Values, codes: Codes) -> NDArray[np.bool_]:
        """Tell for each row whether its value is one that the reference has nothing like: outside its range, or unseen."""
        if not self.is_ordered:
            # Where rare texts are pooled, a new one cannot be told from them.
            return np.zeros(len(codes), np.bool_) if self.novel else np.equal(codes, len(self.values) + 1)
        if self.low is None or self.high is None:
            return np.not_equal(codes, MISSING)
        numbers = np.asarray(values, dtype=np.float64)
        return np.less(numbers, self.low) | np.greater(numbers, self.high)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form. Edges keep every bit, as values are compared with them."""
        told: dict[str, Any] = {"name": self.name, "kind": self.kind, "role": self.role, "counts": self.counts.tolist()}
        told |= {"edges": self.edges.tolist()} if self.is_ordered else {"values": list(self.values), "novel": self.novel}
        told |= {"clump": self.clump, "out": self.out, "low": self.low, "high": self.high}
        told |= {"mean": _short(self.mean), "sd": _short(self.sd)}
        rule = self.rule
        told["rule"] = rule and {
            "dtype": rule.dtype,
            "min": rule.min,
            "max": rule.max,
            "allowed": rule.allowed and list(rule.allowed),
        }
        return told

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Sketch":
        """Rebuild a sketch from its JSON form."""
        rule = value["rule"] and ColumnRule(
            value["rule"]["dtype"],
            min=value["rule"]["min"],
            max=value["rule"]["max"],
            allowed=None if value["rule"]["allowed"] is None else tuple(value["rule"]["allowed"]),
        )
        own = {
            **value,
            "rule": rule,
            "counts": np.array(value["counts"], np.int64),
            "edges": np.array(value.get("edges", ()), np.float64),
            "values": tuple(value.get("values", ())),
        }
        return cls(**own)


def sketch_of(column: Column, values: Values, detail: Detail = Detail()) -> Sketch:
    """Sketch the values [rows] of one column of the reference."""
    if column.kind == "category":
        return _of_texts(column, values, detail)
    numbers = np.asarray(values, dtype=np.float64)
    known = numbers[np.isfinite(numbers)]
    edges = _edges(known, detail.cells)
    codes = np.where(np.isfinite(numbers), np.searchsorted(edges, numbers, side="left") + 1, MISSING)
    has = len(known) > 0
    return Sketch(
        name=column.name,
        kind=column.kind,
        role=column.role,
        rule=column.rule,
        counts=np.bincount(codes, minlength=len(edges) + 2),
        edges=edges,
        out=count_out(column.rule, numbers),
        mean=float(known.mean()) if has else None,
        sd=float(known.std()) if has else None,
        low=float(known.min()) if has else None,
        high=float(known.max()) if has else None,
    )


def _edges(known: Array, cells: int) -> Array:
    """Quantiles that are values themselves, so that heaps stay in one cell, between two edges around the range."""
    if not len(known):
        return np.zeros(1)
    distinct = np.unique(known)
    inner = distinct if len(distinct) <= cells else np.quantile(known, np.linspace(0, 1, cells + 1), method="inverted_cdf")
    return np.unique(np.concatenate(([np.nextafter(distinct[0], -np.inf)], inner[inner < distinct[-1]], [distinct[-1]])))


def _of_texts(column: Column, values: Values, detail: Detail) -> Sketch:
    found = Counter(values.tolist())
    missing = found.pop(None, 0)
    ranked = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
    kept = [(text, count) for text, count in ranked[: detail.values] if count >= detail.least]
    pooled = ranked[len(kept) :]
    # Beyond the cap every row of a pooled text is a fresh one too; with none pooled, those kept by one row alone are left.
    novel = sum(count for _, count in pooled) + sum(count for _, count in kept if count <= detail.least)
    return Sketch(
        name=column.name,
        kind=column.kind,
        role=column.role,
        rule=column.rule,
        counts=np.array([missing, *(count for _, count in kept), sum(count for _, count in pooled)], np.int64),
        values=tuple(text for text, _ in kept),
        novel=novel,
        clump=max((count for _, count in pooled), default=1),
        out=count_out(column.rule, values),
    )


def count_out(rule: ColumnRule | None, values: Values) -> int:
    """Count the values that the contract does not allow: out of range, not in the list, not finite, missing where it must not."""
    if rule is None:
        return 0
    if values.dtype == object:
        texts = values.tolist()
        missing = 0 if rule.nullable else sum(text is None for text in texts)
        allowed = None if rule.allowed is None else {None, *rule.allowed}
        return missing + (0 if allowed is None else sum(text not in allowed for text in texts))
    missing_rows = np.isnan(values)
    bad = np.isinf(values)
    if not rule.nullable:
        bad |= missing_rows
    if rule.min is not None:
        bad |= values < rule.min
    if rule.max is not None:
        bad |= values > rule.max
    if rule.allowed is not None:
        bad |= ~missing_rows & ~np.isin(values, np.array([each for each in rule.allowed if isinstance(each, int | float)]))
    return int(bad.sum())


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{_DIGITS}g}")
