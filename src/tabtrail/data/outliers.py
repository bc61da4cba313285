"""Tukey's fences (Exploratory Data Analysis, 1977, section 2D): which rows are far outside the middle half of a column."""

from collections.abc import Iterable

import polars as pl


def fences(q1: float, q3: float, factor: float) -> tuple[float, float]:
    """Return q1 - factor × IQR and q3 + factor × IQR, in units of the column."""
    reach = factor * (q3 - q1)
    return q1 - reach, q3 + reach


def sequential_outliers(frame: pl.DataFrame, columns: Iterable[str], factor: float) -> dict[str, pl.Series]:
    """Return for each column the rows [height of `frame`] outside its fences, among the rows that no earlier column took.

    Quartiles are interpolated linearly (Hyndman & Fan 1996, type 7). Nulls are no outliers.
    """
    left = pl.repeat(True, frame.height, eager=True)
    found = {}
    for name in columns:
        values = frame.get_column(name)
        kept = values.filter(left)
        q1, q3 = kept.quantile(0.25, "linear"), kept.quantile(0.75, "linear")
        if q1 is None or q3 is None:
            found[name] = pl.repeat(False, frame.height, eager=True)
            continue
        low, high = fences(q1, q3, factor)
        found[name] = (left & ((values < low) | (values > high))).fill_null(False)
        left = left & ~found[name]
    return found
