"""Tukey's fences (Exploratory Data Analysis, 1977, section 2D): which rows are far outside the middle half of a column."""

from collections.abc import Iterable

import polars as pl


def fences(q1: float, q3: float, factor: float) -> tuple[float, float]:
    """Return q1 - factor × IQR and q3 + factor × IQR, in units of the column."""
    reach = factor * (q3 - q1)
    return q1 - reach, q3 + reach


def sequential_fences(rows: pl.LazyFrame, columns: Iterable[str], factor: float) -> dict[str, tuple[float, float]]:
    """Return the fences of each column (q1, q3 ± factor × IQR) among the rows that lie within those of all earlier columns.

    Quartiles are interpolated linearly (Hyndman & Fan 1996, type 7). Nulls are no outliers; a column of nulls has no fences.
    """
    found = {}
    for name in columns:
        column = pl.col(name)
        quartiles = rows.select(*(column.quantile(share, "linear").cast(pl.Float64).alias(str(share)) for share in (0.25, 0.75)))
        q1, q3 = quartiles.collect().row(0)
        if q1 is None or q3 is None:
            continue
        low, high = found[name] = fences(q1, q3, factor)
        rows = rows.filter(((column >= low) & (column <= high)).fill_null(True))
    return found
