"""Tukey's fences (Exploratory Data Analysis, 1977, section 2D): which rows are far outside the middle half of a column."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl


@dataclass(frozen=True)
class Fences:
    """Low and high fence by column, in its units, `factor` × IQR beyond the quartiles."""

    factor: float
    by_column: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def rule(self, column: str) -> str:
        """Name of the rule that an outlier of a column breaks."""
        return f"{column}: outlier beyond {self.factor:g} IQR"

    @property
    def rules(self) -> dict[str, pl.Expr]:
        """Conditions that are true for outliers, by rule name. Nulls are not outliers."""
        outside = {name: (pl.col(name) < low) | (pl.col(name) > high) for name, (low, high) in self.by_column.items()}
        return {self.rule(name): expression.fill_null(False) for name, expression in outside.items()}


def tukey_bounds(q1: float, q3: float, factor: float) -> tuple[float, float]:
    """Return q1 - factor × IQR and q3 + factor × IQR, in units of the column."""
    reach = factor * (q3 - q1)
    return q1 - reach, q3 + reach


def sequential_fences(rows: pl.LazyFrame, columns: Iterable[str], factor: float) -> Fences:
    """Return the fences of each column among the rows that lie within those of all earlier columns.

    Quartiles are interpolated linearly (Hyndman & Fan 1996, type 7). Nulls are not outliers; a column of nulls has no fences.
    """
    found: dict[str, tuple[float, float]] = {}
    left: pl.Series | None = None  # which rows are: a filter for each column would be read again with every later one
    for name in columns:
        column = rows.select(name).collect().to_series()
        kept = column if left is None else column.filter(left)
        q1, q3 = (kept.quantile(share, "linear") for share in (0.25, 0.75))
        if q1 is None or q3 is None:
            continue
        low, high = found[name] = tukey_bounds(float(q1), float(q3), factor)
        inside = ((column >= low) & (column <= high)).fill_null(True)
        left = inside if left is None else left & inside
    return Fences(factor, found)
