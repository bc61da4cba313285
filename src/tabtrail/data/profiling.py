"""The description of the data, computed by DuckDB.

DuckDB reads the Parquet layer a column at a time: each column is grouped by its values once, and all of its statistics come
from that table of distinct values, so that memory follows the distinct values of one column and not the rows.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain, combinations
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from tabtrail.config.dataset import Database
from tabtrail.config.model import Model
from tabtrail.config.summaries import Profile as Wanted
from tabtrail.data.outliers import tukey_bounds
from tabtrail.data.profile import ColumnProfile, Group, Histogram, Numbers, OutlierReport, Profile
from tabtrail.data.warehouse import parquet_view, quoted, unreadable
from tabtrail.system.temporary import scratch_folder

# What a person can still read in a chart or table.
_BINS = 30
_TOP = 10
_MOST_GROUPS = 25
_MOST_CORRELATED = 15
_DEFAULT_SCATTERS = 2
_MEMORY = "1GB"
# A statement about a view of Parquet files costs a look at all of their columns. So those of a wide table are asked of a part of
# it, and many in one statement, as far as the values that its quantiles hold (8 bytes each) take a sixth of the memory.
_AT_ONCE, _VALUES_AT_ONCE = 64, 20_000_000
_SQUARABLE = 1e140  # squares of larger values, added up over many rows, leave the range of doubles (1.8e308)
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_NUMBERS = ("BIGINT", "INTEGER", "DOUBLE")


def profile_data(database: Database, wanted: Wanted, *, model: Model, outlier_columns: tuple[str, ...]) -> Profile:
    """Describe the Parquet layer. Raises `DataError` where it cannot be read."""
    try:
        with parquet_view(database) as connection, _bounded(connection):
            table = _Table(connection, quoted(database.table))
            return Profile.from_dict(_finite(asdict(_profile(table, wanted, model, outlier_columns))))
    except duckdb.Error as error:
        raise unreadable(database.dataset, error) from error


def _finite(value: Any) -> Any:
    """Return a JSON value with null for what is beyond all numbers, as the square of 1e300."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


Fences = tuple[float, float, float, float]  # first and third quartile, low and high fence


@dataclass(frozen=True)
class _Table:
    """The dataset's table, by its quoted name, on a connection."""

    connection: duckdb.DuckDBPyConnection
    name: str

    def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql).fetchall()


@contextmanager
def _bounded(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Past so much memory DuckDB spills to a folder that is removed afterwards."""
    with scratch_folder() as folder:
        connection.execute(f"SET memory_limit = '{_MEMORY}'")
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(f"SET temp_directory = '{folder.replace(chr(39), chr(39) * 2)}'")
        yield


def _profile(table: _Table, wanted: Wanted, model: Model, outlier_columns: tuple[str, ...]) -> Profile:
    types = {str(row[0]): str(row[1]) for row in table.fetch(f"DESCRIBE {table.name}")}
    rows = int(table.fetch(f"SELECT count(*) FROM {table.name}")[0][0])
    columns = tuple(_described(table, types, rows))
    numbers = [each.column for each in columns if each.numbers is not None]
    outliers = wanted.outliers
    scatter = tuple(pair for pair in _scatters(wanted, model) if set(pair) <= set(types))
    boxes = tuple(pair for pair in _boxes(wanted, model) if set(pair) <= set(types))
    by = wanted.group_by or model.text_features
    pairs = list(dict.fromkeys([*((model.target, name) for name in by if name in types), *boxes]))
    groups = {pair: _groups(table, *pair) for pair in pairs}
    # Constant columns correlate with nothing.
    correlated = tuple(each.column for each in columns if each.numbers is not None and each.distinct > 1)[:_MOST_CORRELATED]
    return Profile(
        rows=rows,
        columns=columns,
        outlier_factor=outliers.factor,
        outlier_action=outliers.action,
        outliers=tuple(_outliers(table, [name for name in outlier_columns if name in numbers], outliers.factor, rows)),
        groups=tuple(group for found, _ in groups.values() for group in found),
        groups_left_out={f"{measure} by {name}": left for (measure, name), (_, left) in groups.items() if left},
        correlated=correlated,
        correlations=_correlations(table, correlated),
        scatter=scatter,
        boxes=boxes,
        sample=_sample(table, sorted({name for pair in scatter for name in pair}), wanted.points),
    )


def _scatters(wanted: Wanted, model: Model) -> tuple[tuple[str, str], ...]:
    return wanted.scatter or tuple((name, model.target) for name in model.numeric_features[:_DEFAULT_SCATTERS])


def _boxes(wanted: Wanted, model: Model) -> tuple[tuple[str, str], ...]:
    return wanted.boxes or tuple((model.target, name) for name in model.text_features[:1])


def _described(table: _Table, types: dict[str, str], rows: int) -> Iterator[ColumnProfile]:
    names = list(types)
    for own in _parts(names, _AT_ONCE):
        part = table
        if len(names) > _AT_ONCE:
            part = _Table(table.connection, "_part")
            chosen = ", ".join(map(quoted, own))
            table.connection.execute(f"CREATE OR REPLACE TEMP TABLE _part AS SELECT {chosen} FROM {table.name}")
        yield from (_describe(part, name, types[name], rows) for name in own)


def _parts(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (names[at : at + size] for at in range(0, len(names), size))


def _describe(table: _Table, name: str, dtype: str, rows: int) -> ColumnProfile:
    source = f"SELECT {quoted(name)} AS v, count(*) AS n FROM {table.name} WHERE {quoted(name)} IS NOT NULL GROUP BY 1"
    if dtype in _NUMBERS:
        found = table.connection.execute(f"SELECT v::DOUBLE AS v, n FROM ({source}) ORDER BY v").fetchnumpy()
        values, counts = np.asarray(found["v"], dtype=np.float64), np.asarray(found["n"], dtype=np.int64)
        known = int(counts.sum())
        if not known:
            return ColumnProfile(name, dtype, rows, rows, 0, None, None)
        numbers, shape = _statistics(values, counts), _histogram(values, counts, whole=dtype != "DOUBLE")
        first, last = f"{values[0]:g}", f"{values[-1]:g}"
        return ColumnProfile(name, dtype, rows, rows - known, len(values), first, last, (), numbers, shape)
    table.connection.execute(f"CREATE OR REPLACE TEMP TABLE _values AS {source}")
    totals = table.fetch("SELECT count(*), coalesce(sum(n), 0), min(v)::VARCHAR, max(v)::VARCHAR FROM _values")
    distinct, known_rows, least, greatest = totals[0]
    top = table.fetch(f"SELECT v::VARCHAR, n FROM _values ORDER BY n DESC, v LIMIT {_TOP}")
    return ColumnProfile(name, dtype, rows, rows - int(known_rows), int(distinct), least, greatest, tuple(top))


def _statistics(values: NDArray[np.float64], counts: NDArray[np.int64]) -> Numbers:
    """Describe ascending distinct values and how often each occurs."""
    rows = int(counts.sum())
    unit = max(1.0, float(np.abs(values).max()) / _SQUARABLE)
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


def _outliers(table: _Table, columns: list[str], factor: float, rows: int) -> Iterator[OutlierReport]:
    """Yield what lies outside of each column's fences: by those of all rows, and by those of the rows that are left.

    The rows that are left are a table from which those outside are deleted, so that a column costs the same wherever it stands.
    """
    chosen = ", ".join(f"{quoted(name)}::DOUBLE AS {quoted(name)}" for name in columns)
    if columns:
        table.connection.execute(f"CREATE OR REPLACE TEMP TABLE _left AS SELECT {chosen} FROM {table.name}")
    left, removed = _Table(table.connection, "_left"), 0
    size = max(1, min(_AT_ONCE, _VALUES_AT_ONCE // max(rows, 1)))
    for name, own, below, above in chain.from_iterable(_outside(table, part, factor) for part in _parts(columns, size)):
        column = quoted(name)
        (among,) = [own] if not removed else _fences_of(left, [name], factor)
        if among is None:
            continue
        q1, q3, low, high = own
        gone = left.fetch(f"DELETE FROM _left WHERE {column} < {among[2]!r}::DOUBLE OR {column} > {among[3]!r}::DOUBLE")
        removed += (sequential := int(gone[0][0]))
        yield OutlierReport(name, _exact(q1), _exact(q3), _exact(low), _exact(high), below, above, sequential)


def _outside(table: _Table, columns: Sequence[str], factor: float) -> Iterator[tuple[str, Fences, int, int]]:
    """Yield each column that has values with its fences, and how many rows are below and above them."""
    fences = dict(zip(columns, _fences_of(table, columns, factor), strict=True))
    known = {name: each for name, each in fences.items() if each is not None}
    beyond = [
        f"count(*) FILTER ({quoted(name)} {side}::DOUBLE)"
        for name, (_, _, low, high) in known.items()
        for side in (f"< {low!r}", f"> {high!r}")
    ]
    counts = table.fetch(f"SELECT {', '.join(beyond)} FROM {table.name}")[0] if beyond else ()
    for at, (name, each) in enumerate(known.items()):
        yield name, each, int(counts[2 * at]), int(counts[2 * at + 1])


def _fences_of(table: _Table, columns: Sequence[str], factor: float) -> list[Fences | None]:
    """Return quartiles and fences of each column, None for one without values."""
    wanted = ", ".join(f"quantile_cont({quoted(name)}::DOUBLE, [0.25, 0.75])" for name in columns)
    found = table.fetch(f"SELECT {wanted} FROM {table.name}")[0]
    return [None if not each else _beyond(float(each[0]), float(each[1]), factor) for each in found]


def _beyond(q1: float, q3: float, factor: float) -> Fences:
    return (q1, q3, *tukey_bounds(q1, q3, factor))


def _groups(table: _Table, measure: str, by: str) -> tuple[list[Group], int]:
    """Return the largest groups and how many are left out."""
    column = f"{quoted(measure)}::DOUBLE"
    shares = ", ".join(map(str, _QUANTILES))
    found = table.fetch(
        f"SELECT coalesce({quoted(by)}::VARCHAR, 'missing'), count({column}), favg({column}), stddev_samp({column}),"
        f" min({column}), quantile_cont({column}, [{shares}]), max({column}), count(*) OVER () FROM {table.name}"
        f" GROUP BY {quoted(by)} HAVING count({column}) > 0 ORDER BY 2 DESC, 1 LIMIT {_MOST_GROUPS}"
    )
    groups = []
    for value, rows, mean, std, low, quantiles, high, _ in found:
        p05, q1, median, q3, p95 = map(_exact, quantiles)
        numbers = Numbers(_exact(mean), None if std is None else _exact(std), low, p05, q1, median, q3, p95, high)
        groups.append(Group(measure, by, value, rows, numbers))
    return groups, max(0, (found[0][-1] if found else 0) - len(groups))


def _correlations(table: _Table, columns: tuple[str, ...]) -> tuple[tuple[float | None, ...], ...]:
    """Return Pearson's correlations [columns, columns] over the rows where both are known, rounded to 9 decimals.

    Further decimals depend on the order in which threads add up.
    """
    pairs = list(combinations(columns, 2))
    if not pairs:
        return tuple((1.0,) for _ in columns)
    wanted = ", ".join(f"corr({quoted(x)}::DOUBLE, {quoted(y)}::DOUBLE)" for x, y in pairs)
    row = table.fetch(f"SELECT {wanted} FROM {table.name}")[0]
    found = {
        pair: None if value is None or not np.isfinite(value) else round(value, 9) + 0.0
        for pair, value in zip(pairs, row, strict=True)
    }
    return tuple(tuple(1.0 if x == y else found.get((x, y), found.get((y, x))) for y in columns) for x in columns)


def _sample(table: _Table, columns: list[str], rows: int) -> dict[str, tuple[float, ...]]:
    """Return rows without nulls, chosen by a hash of their values, so that their order in the dataset does not matter."""
    if not columns:
        return {}
    names = ", ".join(map(quoted, columns))
    known = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in columns)
    sql = f"SELECT {names} FROM {table.name} WHERE {known} ORDER BY hash({names}), {names} LIMIT {rows}"
    found = table.connection.execute(sql).fetchnumpy()
    return {name: tuple(float(value) for value in found[name]) for name in columns}


def _exact(value: float) -> float:
    """Round to the 12 significant digits that a sum of doubles can promise."""
    return float(f"{value:.12g}")
