"""DuckDB over the Parquet layer: the rebuildable database file, and SQL straight from Parquet."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from tabtrail.config.dataset import Database, Dataset
from tabtrail.data.result_files import result_tables
from tabtrail.errors import DataError, UsageError
from tabtrail.system.files import atomic_file, make_folder, storage_errors, system_errno
from tabtrail.system.temporary import scratch_beside

_DAMAGED = (duckdb.IOException, duckdb.FatalException, duckdb.InternalException, duckdb.SerializationException)
_QUESTIONS = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN, duckdb.StatementType.MULTI)  # MULTI: a PIVOT
_LOCKED: dict[str, str | bool | int | float | list[str]] = {"enable_external_access": "false", "lock_configuration": "true"}
# The oldest storage that DuckDB 2 writes: people's clients, of DuckDB 1.0 and later, open the file too.
_STORAGE: dict[str, str | bool | int | float | list[str]] = {"storage_compatibility_version": "v1.0.0"}
_HIVE_TYPE = {"int": "BIGINT", "float": "DOUBLE", "string": "VARCHAR", "date": "DATE"}


def quoted(name: str) -> str:
    """Return a column or table name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def parquet_view(database: Database) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield an in-memory connection in which the dataset's table is a view over the Parquet layer (no lock on any file)."""
    with duckdb.connect() as connection:
        connection.execute(f"CREATE VIEW {quoted(database.table)} AS {_select(database.dataset)}")
        yield connection


@contextmanager
def open_rows(database: Database) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection to ask the dataset's table by, which changes nothing and keeps nobody waiting.

    It is of the database file where that holds the present dataset, else (missing, older than the dataset, damaged, locked by
    another client) of a view over the Parquet files. Raises `DataError` where there is no dataset.
    """
    connection = _present_file(database) or _plain_view(database)
    with connection:
        yield connection


def _quiet() -> dict[str, str | bool | int | float | list[str]]:
    """Settings of one who looks on: a run beside it needs memory and cores more. What does not fit goes to the system's temporary
    folder, not beside the user's file.
    """
    scratch = str(Path(tempfile.gettempdir()) / f"tabtrail-look-{os.getpid()}")
    return {"memory_limit": "128MB", "threads": 2, "temp_directory": scratch, "python_enable_replacements": "false"}


def _present_file(database: Database) -> duckdb.DuckDBPyConnection | None:
    try:
        if database.file.stat().st_mtime_ns < database.dataset.manifest.stat().st_mtime_ns:
            return None
        connection = duckdb.connect(str(database.file), read_only=True, config=_LOCKED | _quiet())
    except (OSError, duckdb.Error):
        return None
    try:
        connection.execute(f"SELECT 1 FROM {quoted(database.table)} LIMIT 1").fetchall()
    except duckdb.Error:
        connection.close()
        return None
    return connection


def _plain_view(database: Database) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config=_quiet())
    try:
        connection.execute(f"CREATE VIEW {quoted(database.table)} AS {_select(database.dataset)}")
    except duckdb.Error as error:
        connection.close()
        if next(database.dataset.folder.rglob("*.parquet"), None) is None:
            raise DataError(f"there is no dataset in {database.dataset.folder}; run `tabtrail ingest` first") from None
        raise unreadable(database.dataset, error) from None
    return connection


def build_database(database: Database, announce: Callable[[Path], None] = lambda new: None) -> int:
    """Rebuild the DuckDB file from the Parquet layer beside the old one, swap it in, and return the number of rows.

    `announce` is called with the new file, whole, before it takes its place. The old one is never opened, so it may be locked,
    stale or damaged.
    """
    make_folder(database.file.parent)
    try:
        with scratch_beside(database.file) as scratch:
            built = scratch / "built.duckdb"
            with duckdb.connect(str(built), config=_STORAGE) as connection:
                connection.execute(f"CREATE TABLE {quoted(database.table)} AS {_select(database.dataset)}")
                _load_results(database.output_dir, connection)
                rows = connection.execute(f"SELECT count(*) FROM {quoted(database.table)}").fetchone()
            with atomic_file(database.file) as temporary:
                shutil.copyfile(built, temporary)
                announce(temporary)
    except duckdb.Error as error:
        if system_errno(error) is None:
            raise unreadable(database.dataset, error) from error
        with storage_errors(database.file.parent):
            raise
    return int(rows[0]) if rows else 0


def refresh_result_tables(database: Database, announce: Callable[[Path], None]) -> None:
    """Bring the tables of results into the database: into a copy of the present one, or a new one, swapped in.

    `announce`: see `build_database`.
    """
    make_folder(database.file.parent)
    try:
        with scratch_beside(database.file) as scratch:
            copy = scratch / "copy.duckdb"
            shutil.copyfile(database.file, copy)
            with duckdb.connect(str(copy), config=_STORAGE) as connection:
                _load_results(database.output_dir, connection)
            with atomic_file(database.file) as temporary:
                shutil.copyfile(copy, temporary)
                announce(temporary)
    except (OSError, duckdb.Error):
        build_database(database, announce)


def _load_results(output_dir: Path, connection: duckdb.DuckDBPyConnection) -> None:
    for name, path in result_tables(output_dir).items():
        if path.is_file():
            source = str(path).replace("'", "''")
            try:
                connection.execute(f"CREATE OR REPLACE TABLE {quoted(name)} AS SELECT * FROM read_parquet('{source}')")
            except duckdb.Error:  # damaged: its own stage writes it again, and the data must not wait for that
                connection.execute(f"DROP TABLE IF EXISTS {quoted(name)}")


def check_database(database: Database) -> int:
    """Read every block of the database and return the rows of the dataset's table.

    Raises `DataError` for a file that is damaged, not a database, or without that table.
    """
    path, own = database.file, database.table
    tables = [str(row[0]) for row in query(path, "SELECT table_name FROM information_schema.tables")[1]]
    if own not in tables:
        raise DataError(f"{path} has no table {own}; `tabtrail eda --force` rebuilds it")
    # The hash of every row, so that every block is read: a count comes from the file's metadata.
    sql = "SELECT count(*), bit_xor(hash(each)) FROM {} AS each"
    return {name: int(query(path, sql.format(quoted(name)))[1][0][0]) for name in tables}[own]


def query(database: Path, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run one SQL statement on a database file, which nothing can change, and return column names and rows.

    No file but the database can be read or written. Raises `UsageError` for SQL that fails, that is more than one statement or
    is not a question, `DataError` for a database that is missing or damaged.
    """
    if not database.is_file():
        raise DataError(f"there is no database {database}; run `tabtrail run` (or `tabtrail eda`) first")
    try:
        connection = duckdb.connect(str(database), read_only=True, config=_LOCKED)
    except duckdb.Error as error:
        raise DataError(
            f"{database} cannot be opened ({str(error).splitlines()[0]}); `tabtrail eda --force` rebuilds it"
        ) from None
    with connection:
        try:
            cursor = connection.execute(_question(connection, sql))
            names = [column[0] for column in cursor.description or []]
            return names, cursor.fetchall() if names else []
        except _DAMAGED as error:
            shown = str(error).splitlines()[0][:300]
            raise DataError(f"{database} is damaged ({shown}); `tabtrail eda --force` rebuilds it") from None
        except duckdb.Error as error:
            raise UsageError(f"the SQL cannot be run: {error}") from None


def _question(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    """Return the one statement of a text. `CALL enable_logging(storage='file')` would end the whole process, settings could undo
    what keeps other files out of reach, and of several statements only the last would be answered.
    """
    statements = connection.extract_statements(sql)
    if not statements:
        raise UsageError("there is no SQL in that; write one statement, as 'SELECT candidate, cv_rmse FROM runs'")
    if len(statements) > 1:
        raise UsageError(f"that is {len(statements)} statements; write one")
    if statements[0].type not in _QUESTIONS:
        name = str(statements[0].type).rpartition(".")[2]
        raise UsageError(f"{name} is not a question; write SELECT, FROM, WITH, VALUES, SHOW, DESCRIBE, SUMMARIZE or EXPLAIN")
    return statements[0]


def unreadable(dataset: Dataset, error: duckdb.Error) -> DataError:
    """Return the error for a dataset that DuckDB cannot read."""
    return DataError(f"DuckDB cannot read {dataset.folder}: {error}; run `tabtrail ingest --force`")


def _select(dataset: Dataset) -> str:
    pattern = str(dataset.folder / "**" / "*.parquet").replace("'", "''")
    if not dataset.keys:
        return f"SELECT * FROM read_parquet('{pattern}', hive_partitioning = false)"
    types = ", ".join(f"{quoted(name)}: {_HIVE_TYPE[kind]}" for name, kind in dataset.keys.items())
    return f"SELECT * FROM read_parquet('{pattern}', hive_partitioning = true, hive_types = {{{types}}})"
