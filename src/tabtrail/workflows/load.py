"""The warehouse: tables of PostgreSQL that have the rows of the dataset, its summaries, or what a Parquet file holds."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from tabtrail.config.tree import Config
from tabtrail.config.warehouse import Warehouse
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.manifest import read_manifest
from tabtrail.data.result_files import summary_tables
from tabtrail.data.table_export import file_rows, rows_for
from tabtrail.errors import DataError
from tabtrail.progress import SILENT, Progress
from tabtrail.project.paths import Artifacts
from tabtrail.storage.postgres import Server
from tabtrail.storage.tables import NewRows, replace_tables
from tabtrail.system.files import require_writable, write_json


def work(config: Config, progress: Progress, _force: bool) -> None:
    """Replace the rows of the warehouse's tables by those of the dataset and its summaries, and note what was loaded."""
    warehouse, note = config.warehouse, Artifacts.of(config).loaded
    require_writable(note.parent)
    tables = []
    if warehouse.table:
        frame = scan_dataset(config.dataset)
        tables.append(rows_for(warehouse.table, frame, required=config.table_rules.never_missing, key=warehouse.key))
    if warehouse.summaries:
        names = [each.name for each in config.aggregations]
        tables += _summary_rows(warehouse.summaries, names, config.paths.output_dir)
    replace_tables(_server(warehouse), tables)
    loaded = {"data_sha256": read_manifest(config.dataset).data_sha256, "rows": {each.table: each.count for each in tables}}
    write_json(note, loaded)
    for each in tables:
        progress.say(f"load: {each.count:,} rows in {each.table}")


def load_file(path: Path, table: str, warehouse: Warehouse, progress: Progress = SILENT) -> int:
    """Replace the rows of a table by those of a Parquet file, predictions say, and return how many they are.

    Raises `DataError` for a file that is not Parquet, and what `storage.tables.replace_tables` does.
    """
    rows = file_rows(table, path)
    replace_tables(_server(warehouse), [rows])
    progress.say(f"load: {rows.count:,} rows in {table}")
    return rows.count


def _summary_rows(schema: str, names: list[str], output_dir: Path) -> Iterator[NewRows]:
    for name in names:
        path = summary_tables(name, output_dir)[1]
        if not path.is_file():
            raise DataError(f"there is no summary {path}; run `tabtrail eda` first")
        yield rows_for(f"{schema}.{name}", pl.scan_parquet(path))


def _server(warehouse: Warehouse) -> Server:
    return Server(warehouse.address_variable, "warehouse.address_variable")
