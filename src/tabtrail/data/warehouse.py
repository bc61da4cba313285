"""DuckDB over the Parquet layer: the rebuildable database file, and SQL straight from Parquet."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from tabtrail.config.summaries import BENCHMARK_TABLES, PROMOTIONS_TABLE, RISK_TABLE
from tabtrail.config.tree import Config
from tabtrail.errors import DataError, TabtrailError, UsageError
from tabtrail.system.files import TEMPORARY, atomic_file, make_folder

_DAMAGED = (duckdb.IOException, duckdb.FatalException, duckdb.InternalException, duckdb.SerializationException)


def quoted(name: str) -> str:
    """Return a column or table name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def parquet_view(config: Config) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield an in-memory connection in which the configured table is a view over the Parquet layer (no lock on any file)."""
    with duckdb.connect() as connection:
        connection.execute(f"CREATE VIEW {quoted(config.duckdb.table)} AS {_select(config)}")
        yield connection


def build_database(config: Config) -> int:
    """Rebuild the DuckDB file from the Parquet layer beside the old one, swap it in, and return the number of rows.

    The old file is never opened, so a locked, stale or damaged one is no obstacle.
    """
    scratch = _scratch(config)
    try:
        built = scratch / "built.duckdb"
        with duckdb.connect(str(built)) as connection:
            connection.execute(f"CREATE TABLE {quoted(config.duckdb.table)} AS {_select(config)}")
            _load_results(config, connection)
            rows = connection.execute(f"SELECT count(*) FROM {quoted(config.duckdb.table)}").fetchone()
        with atomic_file(config.paths.duckdb_file) as temporary:
            shutil.copyfile(built, temporary)
    except duckdb.Error as error:
        if "No space left" in str(error) or "File too large" in str(error):
            raise TabtrailError(
                f"cannot write in {config.paths.duckdb_file.parent}: the disk is full; make room there"
            ) from error
        raise DataError(f"DuckDB cannot read {config.paths.processed_dir}: {error}; run `tabtrail ingest --force`") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return int(rows[0]) if rows else 0


def benchmark_table_files(config: Config) -> dict[str, Path]:
    """Return the Parquet file of each table of the benchmark."""
    return {name: config.paths.output_dir / "metrics" / f"{name}.parquet" for name in BENCHMARK_TABLES}


def promotions_file(config: Config) -> Path:
    """Return the Parquet file of the table `promotions`."""
    return config.paths.output_dir / "metrics" / f"{PROMOTIONS_TABLE}.parquet"


def risk_table_files(config: Config) -> dict[str, Path]:
    """Return the Parquet file of the ranked table of the last sweep, where there was one, as a table."""
    found = sorted((config.paths.output_dir / "timeseries").glob("*_ts_risk_ranking.parquet"))
    return {RISK_TABLE: found[0]} if found else {}


def refresh_result_tables(config: Config) -> None:
    """Bring the tables of results into the database: into a copy of the one that is there, or a new one, swapped in."""
    scratch = _scratch(config)
    try:
        copy = scratch / "copy.duckdb"
        shutil.copyfile(config.paths.duckdb_file, copy)
        with duckdb.connect(str(copy)) as connection:
            _load_results(config, connection)
        with atomic_file(config.paths.duckdb_file) as temporary:
            shutil.copyfile(copy, temporary)
    except (OSError, duckdb.Error):
        build_database(config)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _load_results(config: Config, connection: duckdb.DuckDBPyConnection) -> None:
    tables = {**benchmark_table_files(config), PROMOTIONS_TABLE: promotions_file(config), **risk_table_files(config)}
    for name, path in tables.items():
        if path.is_file():
            source = str(path).replace("'", "''")
            try:
                connection.execute(f"CREATE OR REPLACE TABLE {quoted(name)} AS SELECT * FROM read_parquet('{source}')")
            except duckdb.Error:  # damaged: what writes it writes it anew, and the data must not wait for that
                connection.execute(f"DROP TABLE IF EXISTS {quoted(name)}")


def check_database(config: Config) -> int:
    """Read every block of the database and return the rows of the dataset's table.

    Raises `DataError` for a file that is damaged, no database, or without that table.
    """
    path, own = config.paths.duckdb_file, config.duckdb.table
    tables = [str(row[0]) for row in query(config, "SELECT table_name FROM information_schema.tables")[1]]
    if own not in tables:
        raise DataError(f"{path} has no table {own}; `tabtrail eda --force` makes it anew")
    # The hash of every row, so that every block is read: a count comes from the file's metadata.
    sql = "SELECT count(*), bit_xor(hash(each)) FROM {} AS each"
    return {name: int(query(config, sql.format(quoted(name)))[1][0][0]) for name in tables}[own]


def _scratch(config: Config) -> Path:
    """Make a folder beside the database, where the lock's next holder finds what a killed process left."""
    folder = config.paths.duckdb_file.parent
    make_folder(folder)
    return Path(tempfile.mkdtemp(dir=folder, prefix=f".{config.paths.duckdb_file.name}{TEMPORARY}"))


def query(config: Config, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run one SQL statement on the database, which nothing can change, and return column names and rows.

    No file but the database can be read or written. Raises `UsageError` for SQL that fails, `DataError` for a database that
    is missing or damaged.
    """
    path = config.paths.duckdb_file
    if not sql.strip(" \t\n;"):
        raise UsageError("there is no SQL in that; write one statement, as 'SELECT candidate, cv_rmse FROM runs'")
    if not path.is_file():
        raise DataError(f"there is no database {path}; run `tabtrail run` (or `tabtrail eda`) first")
    try:
        connection = duckdb.connect(str(path), read_only=True, config={"enable_external_access": "false"})
    except duckdb.Error as error:
        raise DataError(f"{path} cannot be opened ({str(error).splitlines()[0]}); `tabtrail eda --force` makes it anew") from None
    with connection:
        try:
            cursor = connection.execute(sql)
            names = [column[0] for column in cursor.description or []]
            return names, cursor.fetchall() if names else []
        except _DAMAGED as error:
            shown = str(error).splitlines()[0][:300]
            raise DataError(f"{path} is damaged ({shown}); `tabtrail eda --force` makes it anew") from None
        except duckdb.Error as error:
            raise UsageError(f"the SQL cannot be run: {error}") from None


def _select(config: Config) -> str:
    pattern = str(config.paths.processed_dir / "**" / "*.parquet").replace("'", "''")
    keys = config.parquet.partition_by
    if not keys:
        return f"SELECT * FROM read_parquet('{pattern}', hive_partitioning = false)"
    types = ", ".join(f"{quoted(name)}: {_HIVE_TYPE[config.column_kind(name)]}" for name in keys)
    return f"SELECT * FROM read_parquet('{pattern}', hive_partitioning = true, hive_types = {{{types}}})"


_HIVE_TYPE = {"int": "BIGINT", "float": "DOUBLE", "string": "VARCHAR", "date": "DATE"}
