"""The configured SQL summaries as CSV and Parquet."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl
import polars.selectors as cs

from tabtrail.config.dataset import Database
from tabtrail.config.summaries import Aggregation, parse_measure
from tabtrail.data.result_files import summary_tables
from tabtrail.data.warehouse import parquet_view, quoted
from tabtrail.system.files import atomic_file

# Kahan summation: totals of cents do not depend on the order in which threads add them.
_SQL = {
    "sum": "fsum({})",
    "avg": "favg({})",
    "min": "min({})",
    "max": "max({})",
    "median": "median({})",
    "stddev": "stddev_samp({})",
    "count_distinct": "count(DISTINCT {})",
}


def summary_frames(aggregations: Iterable[Aggregation], database: Database) -> dict[str, pl.DataFrame]:
    """Compute aggregations from the Parquet layer, and return the frames by name."""
    with parquet_view(database) as connection:
        return {each.name: _exact(connection.sql(aggregation_sql(each, database.table)).pl()) for each in aggregations}


def write_summaries(frames: Mapping[str, pl.DataFrame], output_dir: Path) -> None:
    """Write each frame as `summary/<name>.{csv,parquet}`."""
    for name, frame in frames.items():
        table, file = summary_tables(name, output_dir)
        with atomic_file(table) as temporary:
            frame.write_csv(temporary)
        with atomic_file(file) as temporary:
            frame.write_parquet(temporary, compression="zstd")


def read_summary(name: str, output_dir: Path) -> pl.DataFrame:
    """Return a summary as it was written."""
    return pl.read_parquet(summary_tables(name, output_dir)[1])


def aggregation_sql(aggregation: Aggregation, table: str) -> str:
    """Return the SQL of an aggregation. Ties are ordered by the group columns, so that the order is always the same."""
    groups = ", ".join(quoted(name) for name in aggregation.group_by)
    measures = ", ".join(f"{_measure_sql(text)} AS {quoted(name)}" for name, text in aggregation.measures.items())
    order = groups
    if aggregation.order_by is not None:
        name, _, direction = aggregation.order_by.partition(" ")
        order = f"{quoted(name)} {direction or 'asc'}, {groups}"
    limit = f" LIMIT {aggregation.limit}" if aggregation.limit else ""
    return f"SELECT {groups}, {measures} FROM {quoted(table)} GROUP BY {groups} ORDER BY {order}{limit}"


def _exact(frame: pl.DataFrame) -> pl.DataFrame:
    """Round to the 12 significant digits that a sum of doubles can promise: 1903150.84, not 1903150.8399999999."""
    return frame.with_columns(cs.float().round_sig_figs(12))


def _measure_sql(text: str) -> str:
    function, column = parse_measure(text)
    return "count(*)" if column is None else _SQL[function].format(quoted(column))
