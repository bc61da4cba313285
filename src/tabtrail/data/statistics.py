"""Statistics of the columns of the dataset, combined from those of its parts."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from tabtrail.data.manifest import ColumnStatistics


def measure(frame: pl.DataFrame) -> pl.DataFrame:
    """Return one row: `rows`, and `nulls`, `min`, `max`, `sum`, `longest` by column, each as `WHAT COLUMN`."""
    expressions = []
    for name, dtype in frame.schema.items():
        column = pl.col(name)
        expressions.append(column.null_count().alias(f"nulls {name}"))
        if dtype == pl.String:
            expressions.append(column.str.len_bytes().max().alias(f"longest {name}"))
            continue
        expressions += [column.min().alias(f"min {name}"), column.max().alias(f"max {name}")]
        if dtype.is_numeric():
            expressions.append(column.cast(pl.Float64).sum().alias(f"sum {name}"))
    return frame.lazy().select(pl.len().alias("rows"), *expressions).collect()


def combine(measured: Sequence[pl.DataFrame], schema: pl.Schema) -> dict[str, ColumnStatistics]:
    """Return the statistics of every column from what `measure` found in each part; none without parts."""
    if not measured:
        return {}
    parts = pl.concat(measured)
    return {name: _combined(parts, name, dtype) for name, dtype in schema.items()}


def merge(
    old: Mapping[str, ColumnStatistics], old_rows: int, new: Mapping[str, ColumnStatistics], new_rows: int
) -> dict[str, ColumnStatistics]:
    """Return the statistics of the rows of two datasets together."""
    result = {}
    for name, before in old.items():
        after = new[name]
        weights = [
            (each.mean, rows - each.nulls) for each, rows in ((before, old_rows), (after, new_rows)) if each.mean is not None
        ]
        mean = sum(value * weight for value, weight in weights) / sum(w for _, w in weights) if weights else None
        result[name] = ColumnStatistics(
            before.nulls + after.nulls,
            _of_known(min, before.min, after.min),
            _of_known(max, before.max, after.max),
            _finite(mean),
            _of_known(max, before.longest, after.longest),
        )
    return result


def _of_known(function: Any, *values: Any) -> Any:
    known = [value for value in values if value is not None]
    return function(known) if known else None


def _combined(parts: pl.DataFrame, name: str, dtype: pl.DataType) -> ColumnStatistics:
    nulls = int(parts.get_column(f"nulls {name}").sum())
    if dtype == pl.String:
        return ColumnStatistics(nulls, longest=_value(parts.get_column(f"longest {name}").max()))
    low, high = parts.get_column(f"min {name}").min(), parts.get_column(f"max {name}").max()
    values = int(parts.get_column("rows").sum()) - nulls
    mean = float(parts.get_column(f"sum {name}").sum()) / values if dtype.is_numeric() and values else None
    return ColumnStatistics(nulls, _value(low), _value(high), _finite(mean))


def _finite(mean: float | None) -> float | None:
    """Return 12 significant digits of a mean; None where the sum is beyond what a double holds."""
    return None if mean is None or not math.isfinite(mean) else float(f"{mean:.12g}")


def _value(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
