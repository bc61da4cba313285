"""DuckDB over the Parquet layer: the rebuildable database file, and SQL straight from Parquet."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from tabtrail.config import Config
from tabtrail.errors import DataError
from tabtrail.files import atomic_file


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
    scratch = Path(tempfile.mkdtemp(prefix="tabtrail-duckdb-"))
    try:
        built = scratch / "built.duckdb"
        with duckdb.connect(str(built)) as connection:
            connection.execute(f"CREATE TABLE {quoted(config.duckdb.table)} AS {_select(config)}")
            rows = connection.execute(f"SELECT count(*) FROM {quoted(config.duckdb.table)}").fetchone()
        with atomic_file(config.paths.duckdb_file) as temporary:
            shutil.copyfile(built, temporary)
    except duckdb.Error as error:
        raise DataError(f"DuckDB cannot read {config.paths.processed_dir}: {error}; run `tabtrail ingest --force`") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return int(rows[0]) if rows else 0


def _select(config: Config) -> str:
    pattern = str(config.paths.processed_dir / "**" / "*.parquet").replace("'", "''")
    keys = config.parquet.partition_by
    if not keys:
        return f"SELECT * FROM read_parquet('{pattern}', hive_partitioning = false)"
    types = ", ".join(f"{quoted(name)}: {_HIVE_TYPE[config.column_kind(name)]}" for name in keys)
    return f"SELECT * FROM read_parquet('{pattern}', hive_partitioning = true, hive_types = {{{types}}})"


_HIVE_TYPE = {"int": "BIGINT", "float": "DOUBLE", "string": "VARCHAR", "date": "DATE"}
