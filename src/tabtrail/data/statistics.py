"""Statistics of the columns of the dataset, combined from those of its parts."""

import math
import sys
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import polars as pl

from tabtrail.data.manifest import ColumnStatistics

_LARGEST = Fraction(sys.float_info.max)


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
        sums = None if before.sums is None or after.sums is None else _exact(before.sums + after.sums)
        values = old_rows - before.nulls + new_rows - after.nulls
        result[name] = ColumnStatistics(
            before.nulls + after.nulls,
            _of_known(min, before.min, after.min),
            _of_known(max, before.max, after.max),
            _mean(sums, values),
            _of_known(max, before.longest, after.longest),
            sums,
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
    sums = _exact(parts.get_column(f"sum {name}").drop_nulls().to_list()) if dtype.is_numeric() else None
    return ColumnStatistics(nulls, _value(low), _value(high), _mean(sums, values), sums=sums)


def _exact(sums: Sequence[float]) -> tuple[float, ...] | None:
    """Return the fewest doubles, the largest first, with exactly this sum, whatever the order; None where one is not finite."""
    if not all(map(math.isfinite, sums)):
        return None
    rest, parts = sum(map(Fraction, sums), Fraction()), list[float]()
    while rest:
        parts.append(float(min(max(rest, -_LARGEST), _LARGEST)))
        rest -= Fraction(parts[-1])
    return tuple(parts)


def _mean(sums: Sequence[float] | None, values: int) -> float | None:
    """Return 12 significant digits of a mean; None where there are no numbers or no sums."""
    return None if sums is None or not values else float(f"{float(sum(map(Fraction, sums), Fraction()) / values):.12g}")


def _value(value: Any) -> Any:
    if isinstance(value, float):
        return value + 0.0  # never -0.0, which is equal to 0.0: which one comes first is chance
    return value.isoformat() if hasattr(value, "isoformat") else value
