"""What the data looks like: every column, outliers, groups, correlations, and the few rows that a picture needs.

DuckDB reads the Parquet layer a column at a time: each column is grouped by its values once, and all of its statistics come
from that table of distinct values, so that memory follows the distinct values of one column and not the rows.
"""

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray

from tabtrail.config.tree import Config
from tabtrail.data.outliers import fences
from tabtrail.data.warehouse import parquet_view, quoted
from tabtrail.errors import DataError
from tabtrail.system.files import atomic_file, write_json

_BINS = 30
_TOP = 10
_MOST_GROUPS = 25
_MOST_CORRELATED = 15
_DEFAULT_SCATTERS = 2
_MEMORY = "1GB"
_SQUARABLE = 1e140
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_NUMBERS = ("BIGINT", "INTEGER", "DOUBLE")


@dataclass(frozen=True)
class Numbers:
    """Statistics of a number column over its known values, in its own units; `std` has ddof 1 (None for one row)."""

    mean: float
    std: float | None
    min: float
    p05: float
    q1: float
    median: float
    q3: float
    p95: float
    max: float


@dataclass(frozen=True)
class Histogram:
    """`counts` rows between neighbouring `edges` (one more than counts), each bin closed on the left, the last on both sides."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class ColumnProfile:
    """One column: rows, missing and distinct values; its most frequent values (text, rows) or its numbers."""

    column: str
    dtype: str
    rows: int
    missing: int
    distinct: int
    first: str | None
    last: str | None
    top: tuple[tuple[str, int], ...] = ()
    numbers: Numbers | None = None
    histogram: Histogram | None = None


@dataclass(frozen=True)
class OutlierReport:
    """Rows outside a column's fences, of all rows; `sequential`: of those that the columns before it leave."""

    column: str
    q1: float
    q3: float
    low: float
    high: float
    below: int
    above: int
    sequential: int


@dataclass(frozen=True)
class Group:
    """Statistics of `measure` over the rows in which `by` has this value."""

    measure: str
    by: str
    value: str
    rows: int
    numbers: Numbers


@dataclass(frozen=True)
class Profile:
    """The data as a person wants to see it. `sample` holds up to `profile.points` rows of the scatter plots, by column."""

    rows: int
    columns: tuple[ColumnProfile, ...]
    outlier_factor: float
    outlier_action: str
    outliers: tuple[OutlierReport, ...]
    groups: tuple[Group, ...]
    groups_left_out: dict[str, int]
    correlated: tuple[str, ...]
    correlations: tuple[tuple[float | None, ...], ...]
    scatter: tuple[tuple[str, str], ...]
    boxes: tuple[tuple[str, str], ...]
    sample: dict[str, tuple[float, ...]]

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> "Profile":
        """Rebuild a profile from its JSON form."""
        columns = tuple(_column_from(each) for each in value["columns"])
        groups = tuple(Group(**{**each, "numbers": Numbers(**each["numbers"])}) for each in value["groups"])
        return cls(
            **{
                **value,
                "columns": columns,
                "groups": groups,
                "outliers": tuple(OutlierReport(**each) for each in value["outliers"]),
                "scatter": tuple((x, y) for x, y in value["scatter"]),
                "boxes": tuple((x, y) for x, y in value["boxes"]),
                "correlated": tuple(value["correlated"]),
                "correlations": tuple(map(tuple, value["correlations"])),
                "sample": {name: tuple(values) for name, values in value["sample"].items()},
            }
        )


def profile_data(config: Config) -> Profile:
    """Describe the Parquet layer. Raises `DataError` where it cannot be read."""
    try:
        with parquet_view(config) as connection, _bounded(connection):
            return Profile.from_dict(_finite(asdict(_profile(config, connection))))
    except duckdb.Error as error:
        raise DataError(f"DuckDB cannot read {config.paths.processed_dir}: {error}; run `tabtrail ingest --force`") from error


def write_profile(config: Config, profile: Profile) -> None:
    """Write `summary/profile.json`, and as CSV and Parquet the statistics of number columns, the outliers and the groups."""
    folder = config.paths.output_dir / "summary"
    write_json(folder / "profile.json", asdict(profile))
    for name, frame in _tables(profile).items():
        with atomic_file(folder / f"{name}.csv") as temporary:
            frame.write_csv(temporary)
        with atomic_file(folder / f"{name}.parquet") as temporary:
            frame.write_parquet(temporary, compression="zstd")


def _finite(value: Any) -> Any:
    """Return a JSON value with null for what is beyond all numbers, as the square of 1e300."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def profile_files(config: Config) -> list[Path]:
    """Return the paths that `write_profile` writes."""
    folder = config.paths.output_dir / "summary"
    return [folder / "profile.json", *(folder / f"{name}.{kind}" for name in TABLES for kind in ("csv", "parquet"))]


TABLES = ("numeric_descriptive_stats", "outliers", "grouped_stats")


def _tables(profile: Profile) -> dict[str, pl.DataFrame]:
    numbers = [
        {"column": each.column, "count": each.rows - each.missing, "missing": each.missing, "distinct": each.distinct}
        | asdict(each.numbers)
        for each in profile.columns
        if each.numbers is not None
    ]
    groups = [
        {name: getattr(each, name) for name in ("measure", "by", "value", "rows")} | asdict(each.numbers)
        for each in profile.groups
    ]
    outliers = [asdict(each) | {"factor": profile.outlier_factor} for each in profile.outliers]
    frames = (pl.DataFrame(rows, infer_schema_length=None) for rows in (numbers, outliers, groups))
    return dict(zip(TABLES, frames, strict=True))


def _column_from(value: dict[str, Any]) -> ColumnProfile:
    numbers, histogram = value["numbers"], value["histogram"]
    return ColumnProfile(
        **{
            **value,
            "top": tuple((text, rows) for text, rows in value["top"]),
            "numbers": None if numbers is None else Numbers(**numbers),
            "histogram": None if histogram is None else Histogram(tuple(histogram["edges"]), tuple(histogram["counts"])),
        }
    )


@contextmanager
def _bounded(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Past so much memory DuckDB spills to a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="tabtrail-profile-") as folder:
        connection.execute(f"SET memory_limit = '{_MEMORY}'")
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(f"SET temp_directory = '{folder.replace(chr(39), chr(39) * 2)}'")
        yield


def _profile(config: Config, connection: duckdb.DuckDBPyConnection) -> Profile:
    table = quoted(config.duckdb.table)
    types = {str(row[0]): str(row[1]) for row in connection.execute(f"DESCRIBE {table}").fetchall()}
    rows = int(connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])
    columns = tuple(_describe(connection, table, name, dtype, rows) for name, dtype in types.items())
    numbers = [each.column for each in columns if each.numbers is not None]
    outliers = config.profile.outliers
    scatter = tuple(pair for pair in _scatters(config) if set(pair) <= set(types))
    boxes = tuple(pair for pair in _boxes(config) if set(pair) <= set(types))
    by = config.profile.group_by or config.model.text_features
    pairs = list(dict.fromkeys([*((config.model.target, name) for name in by if name in types), *boxes]))
    groups = {pair: _groups(connection, table, *pair) for pair in pairs}
    # Constant columns correlate with nothing.
    correlated = tuple(each.column for each in columns if each.numbers is not None and each.distinct > 1)[:_MOST_CORRELATED]
    return Profile(
        rows=rows,
        columns=columns,
        outlier_factor=outliers.factor,
        outlier_action=outliers.action,
        outliers=tuple(_outliers(connection, table, [n for n in config.outlier_columns if n in numbers], outliers.factor)),
        groups=tuple(group for found, _ in groups.values() for group in found),
        groups_left_out={f"{measure} by {name}": left for (measure, name), (_, left) in groups.items() if left},
        correlated=correlated,
        correlations=_correlations(connection, table, correlated),
        scatter=scatter,
        boxes=boxes,
        sample=_sample(connection, table, sorted({name for pair in scatter for name in pair}), config.profile.points),
    )


def _scatters(config: Config) -> tuple[tuple[str, str], ...]:
    first = config.model.numeric_features[:_DEFAULT_SCATTERS]
    return config.profile.scatter or tuple((name, config.model.target) for name in first)


def _boxes(config: Config) -> tuple[tuple[str, str], ...]:
    return config.profile.boxes or tuple((config.model.target, name) for name in config.model.text_features[:1])


def _describe(connection: duckdb.DuckDBPyConnection, table: str, name: str, dtype: str, rows: int) -> ColumnProfile:
    source = f"SELECT {quoted(name)} AS v, count(*) AS n FROM {table} WHERE {quoted(name)} IS NOT NULL GROUP BY 1"
    if dtype in _NUMBERS:
        found = connection.execute(f"SELECT v::DOUBLE AS v, n FROM ({source}) ORDER BY v").fetchnumpy()
        values, counts = np.asarray(found["v"], dtype=np.float64), np.asarray(found["n"], dtype=np.int64)
        known = int(counts.sum())
        if not known:
            return ColumnProfile(name, dtype, rows, rows, 0, None, None)
        numbers, shape = _statistics(values, counts), _histogram(values, counts, whole=dtype != "DOUBLE")
        first, last = f"{values[0]:g}", f"{values[-1]:g}"
        return ColumnProfile(name, dtype, rows, rows - known, len(values), first, last, (), numbers, shape)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE _values AS {source}")
    total = connection.execute("SELECT count(*), coalesce(sum(n), 0), min(v)::VARCHAR, max(v)::VARCHAR FROM _values").fetchall()[
        0
    ]
    top = connection.execute(f"SELECT v::VARCHAR, n FROM _values ORDER BY n DESC, v LIMIT {_TOP}").fetchall()
    return ColumnProfile(name, dtype, rows, rows - int(total[1]), int(total[0]), total[2], total[3], tuple(top))


def _statistics(values: NDArray[np.float64], counts: NDArray[np.int64]) -> Numbers:
    """Describe ascending distinct values and how often each occurs."""
    rows = int(counts.sum())
    unit = max(1.0, float(np.abs(values).max()) / _SQUARABLE)  # squares of what is larger are no numbers
    scaled = values / unit
    mean = float(np.dot(scaled, counts)) / rows
    spread = float(np.dot((scaled - mean) ** 2, counts))
    mean, std = mean * unit, (spread / (rows - 1)) ** 0.5 * unit if rows > 1 else None
    p05, q1, median, q3, p95 = _quantiles(values, counts)
    low, high = float(values[0]), float(values[-1])
    shares = map(_exact, (low, p05, q1, median, q3, p95, high))
    return Numbers(_exact(mean), None if std is None else _exact(std), *shares)


def _quantiles(values: NDArray[np.float64], counts: NDArray[np.int64]) -> list[float]:
    """Return the quantiles, interpolated linearly between order statistics (Hyndman & Fan 1996, type 7)."""
    reached = np.cumsum(counts)
    found = []
    for share in _QUANTILES:
        place = share * (int(reached[-1]) - 1)
        below = values[np.searchsorted(reached, int(place), side="right")]
        above = values[np.searchsorted(reached, min(int(place) + 1, int(reached[-1]) - 1), side="right")]
        found.append(float(below + (place - int(place)) * (above - below)))
    return found


def _histogram(values: NDArray[np.float64], counts: NDArray[np.int64], *, whole: bool) -> Histogram:
    low, high = float(values[0]), float(values[-1])
    if low == high:
        edges = np.array([low - 0.5, low + 0.5])
    elif whole and high - low < _BINS:
        edges = np.arange(low - 0.5, high + 1)
    else:
        edges = np.linspace(low, high, _BINS + 1)
    binned, edges = np.histogram(values, bins=edges, weights=counts)
    return Histogram(tuple(_exact(float(edge)) for edge in edges), tuple(int(each) for each in binned))


def _outliers(connection: duckdb.DuckDBPyConnection, table: str, columns: list[str], factor: float) -> Iterator[OutlierReport]:
    kept = "true"
    for name in columns:
        column = quoted(name)
        own = _fences_of(connection, table, column, "true", factor)
        left = own if kept == "true" else _fences_of(connection, table, column, kept, factor)
        if own is None or left is None:
            continue
        q1, q3, low, high = own
        outside = f"{column} < {left[2]!r}::DOUBLE OR {column} > {left[3]!r}::DOUBLE"
        counted = connection.execute(
            f"SELECT count(*) FILTER ({column} < {low!r}::DOUBLE), count(*) FILTER ({column} > {high!r}::DOUBLE),"
            f" count(*) FILTER (({outside}) AND {kept}) FROM {table}"
        ).fetchall()[0]
        below, above, sequential = map(int, counted)
        yield OutlierReport(name, _exact(q1), _exact(q3), _exact(low), _exact(high), below, above, sequential)
        if sequential:
            kept = f"{kept} AND NOT coalesce({outside}, false)"


def _fences_of(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, kept: str, factor: float
) -> tuple[float, float, float, float] | None:
    sql = f"SELECT quantile_cont({column}::DOUBLE, [0.25, 0.75]) FROM {table} WHERE {kept} AND {column} IS NOT NULL"
    quartiles = connection.execute(sql).fetchall()[0][0]
    if not quartiles:
        return None
    q1, q3 = map(float, quartiles)
    return (q1, q3, *fences(q1, q3, factor))


def _groups(connection: duckdb.DuckDBPyConnection, table: str, measure: str, by: str) -> tuple[list[Group], int]:
    """Return the largest groups and how many are left out."""
    column = f"{quoted(measure)}::DOUBLE"
    shares = ", ".join(map(str, _QUANTILES))
    found = connection.execute(
        f"SELECT coalesce({quoted(by)}::VARCHAR, 'missing'), count({column}), favg({column}), stddev_samp({column}),"
        f" min({column}), quantile_cont({column}, [{shares}]), max({column}), count(*) OVER () FROM {table} GROUP BY {quoted(by)}"
        f" HAVING count({column}) > 0 ORDER BY 2 DESC, 1 LIMIT {_MOST_GROUPS}"
    ).fetchall()
    groups = []
    for value, rows, mean, std, low, quantiles, high, _ in found:
        p05, q1, median, q3, p95 = map(_exact, quantiles)
        numbers = Numbers(_exact(mean), None if std is None else _exact(std), low, p05, q1, median, q3, p95, high)
        groups.append(Group(measure, by, value, rows, numbers))
    return groups, max(0, (found[0][-1] if found else 0) - len(groups))


def _correlations(
    connection: duckdb.DuckDBPyConnection, table: str, columns: tuple[str, ...]
) -> tuple[tuple[float | None, ...], ...]:
    """Return Pearson's correlations [columns, columns] over the rows where both are known, rounded to 9 decimals.

    What is beyond depends on the order in which threads add up, and is worth nothing.
    """
    pairs = list(combinations(columns, 2))
    if not pairs:
        return tuple((1.0,) for _ in columns)
    wanted = ", ".join(f"corr({quoted(x)}::DOUBLE, {quoted(y)}::DOUBLE)" for x, y in pairs)
    row = connection.execute(f"SELECT {wanted} FROM {table}").fetchall()[0]
    found = {
        pair: None if value is None or not np.isfinite(value) else round(value, 9) + 0.0
        for pair, value in zip(pairs, row, strict=True)
    }
    return tuple(tuple(1.0 if x == y else found.get((x, y), found.get((y, x))) for y in columns) for x in columns)


def _sample(connection: duckdb.DuckDBPyConnection, table: str, columns: list[str], rows: int) -> dict[str, tuple[float, ...]]:
    """Return rows without gaps, chosen by a hash of their values: the same ones in whatever order the rows stand."""
    if not columns:
        return {}
    names = ", ".join(map(quoted, columns))
    known = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in columns)
    sql = f"SELECT {names} FROM {table} WHERE {known} ORDER BY hash({names}), {names} LIMIT {rows}"
    found = connection.execute(sql).fetchnumpy()
    return {name: tuple(float(value) for value in found[name]) for name in columns}


def _exact(value: float) -> float:
    """Round to the 12 significant digits that a sum of doubles can promise."""
    return float(f"{value:.12g}")
