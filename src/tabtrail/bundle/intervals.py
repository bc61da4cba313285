"""Prediction intervals as the bundle holds them: a look-up, which needs neither a model nor a library."""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from tabtrail.contract.expressions import Value, parse_expression, row_function

ALL = ""


@dataclass(frozen=True)
class Band:
    """Residuals of one group of rows: interval = prediction ± quantile × scale(prediction).

    `quantile` is the conformal quantile of |residual| / scale over `rows` rows. `scales` are typical |residual| at
    `predictions` (both in units of the target; predictions ascending, scales > 0), linear in between and constant outside.
    """

    rows: int
    quantile: float
    predictions: tuple[float, ...]
    scales: tuple[float, ...]

    def half_width(self, prediction: float) -> float:
        """Return half the width of the interval around a prediction, in units of the target, ≥ 0."""
        return self.quantile * self._scale(prediction)

    def _scale(self, prediction: float) -> float:
        above = bisect_right(self.predictions, prediction)
        if above in (0, len(self.predictions)):
            return self.scales[min(above, len(self.scales) - 1)]
        left, right = self.predictions[above - 1 : above + 1]
        share = (prediction - left) / (right - left)
        return (1 - share) * self.scales[above - 1] + share * self.scales[above]


@dataclass(frozen=True)
class Intervals:
    """What turns a prediction into an interval that holds the actual value in a share `level` of new rows.

    Predictions lie between `floor` and `ceiling` (None: unbounded), and so do the bounds. `bands` go by group (Mondrian); the
    band of all rows, under the key "", serves the groups that are not listed: those that are new or had too few rows.
    """

    level: float
    floor: float | None
    bands: dict[str, Band]
    ceiling: float | None = None

    def bounds(self, prediction: float, group: str = ALL) -> tuple[float, float]:
        """Return the lower and upper bound, in units of the target: low ≤ prediction ≤ high, whatever the prediction is."""
        half = self.bands.get(group, self.bands[ALL]).half_width(prediction)
        low, high = self._inside(prediction - half), self._inside(prediction + half)
        return min(low, prediction), max(high, prediction)

    def _inside(self, value: float) -> float:
        value = value if self.floor is None else max(value, self.floor)
        return value if self.ceiling is None else min(value, self.ceiling)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Intervals":
        """Rebuild intervals from their JSON form."""
        bands = {
            group: Band(band["rows"], band["quantile"], tuple(band["predictions"]), tuple(band["scales"]))
            for group, band in value["bands"].items()
        }
        return cls(value["level"], value["floor"], bands, value.get("ceiling"))


@dataclass(frozen=True)
class Grouping:
    """How a row finds its group: the text in `column`, or the first of the named conditions `strata` that holds."""

    column: str | None = None
    strata: dict[str, str] = field(default_factory=dict)

    def group(self, row: Mapping[str, Any]) -> str:
        """Return the group of a row (raw column → value), "" where there is none."""
        if self.column is not None:
            return row[self.column] or ALL
        return next((name for name, holds in self._conditions if holds(row) is True), ALL)

    @cached_property
    def _conditions(self) -> list[tuple[str, Callable[[Mapping[str, Any]], Value]]]:
        return [(name, row_function(parse_expression(text))) for name, text in self.strata.items()]

    def to_dict(self) -> dict[str, Any]:
        return {"column": self.column, "strata": self.strata}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Grouping":
        """Rebuild a grouping from its JSON form."""
        return cls(value["column"], dict(value["strata"]))
