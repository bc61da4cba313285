"""Sources in other formats than CSV: the same rows give the same dataset, and what is no cell, row or format is named."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.support.table_files import (
    FORMATS,
    write_csv,
)

from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.ingest import ingest
from tabtrail.data.manifest import Manifest

NAMES = ("id", "price", "count", "day", "kind", "note")
YAML = """
version: 2
paths: {raw_csv: RAW, processed_dir: data/rows_parquet, duckdb_file: rows.duckdb}
source: {null_values: {count: ["-999"], kind: [none]}}
cleaning: {date_column: day, date_formats: ["%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%d/%m/%Y"]}
contract:
  max_reject_share: 0.9
  columns:
    id: {dtype: string, nullable: false}
    price: {dtype: float, min: -1000}
    count: {dtype: int}
    day: {dtype: date}
    note: {dtype: string}
model: {target: price, numeric_features: [count], categorical_features: [kind]}
split: {kind: random, folds: 2}
"""


def config_of(folder: Path, source: str, *settings: str) -> Config:
    (folder / "config.yaml").write_text(YAML.replace("RAW", source))
    return load_config(folder / "config.yaml", list(settings))


def ingested(folder: Path, source: str, *settings: str) -> tuple[Manifest, pl.DataFrame, pl.DataFrame]:
    config = config_of(folder, source, *settings)
    manifest = ingest(config)
    return manifest, scan_dataset(config.dataset).collect(), pl.read_parquet(config.paths.rejects)


def plain_rows(count: int) -> list[list[Any]]:
    return [
        [f"A{index:03d}", 10.5 + index, index, date(2024, 1, 1 + index % 28), "xy"[index % 2], None] for index in range(count)
    ]


NASTY: list[list[Any]] = [
    [10022.0, 0.1 + 0.2, 3, date(2003, 2, 24), True, 'tränen, "quoted"\nand broken'],
    [10023, 1e-7, 2**53 - 1, datetime(2003, 2, 24, 13, 30), False, " blanks around "],
    ["00042", 0.0, -999, "24/02/2003", "none", "NA"],
    [2.5, 1e15, None, date(1999, 12, 31), 7, "true"],
    [1e16, 12345678.9, 5.0, date(2024, 2, 29), 0.1, "😀"],
    ["x", 3, "4", "2024-03-01", "none", datetime(2024, 1, 2, 3, 4, 5)],
    ["too small", -1001, 1, date(2024, 1, 1), "a", "rejected"],
    ["no number", "2,871.00", 1, date(2024, 1, 1), "a", "rejected"],
    ["half", 1.0, 1.5, date(2024, 1, 1), "a", "rejected"],
    ["a truth", True, 1, date(2024, 1, 1), "a", "rejected"],
    ["no day", 1.0, 1, 45000, "a", "rejected"],
    [None, 1.0, 1, date(2024, 1, 1), "a", "rejected"],
    ["last year", 1.0, 1, date(2150, 1, 1), "a", "rejected"],
]


def nasty_rows() -> list[list[Any]]:
    return [*NASTY, *plain_rows(20)]


@pytest.mark.parametrize("ending", [".xlsx", ".parquet", ".jsonl"])
def test_the_same_rows_give_the_same_dataset_in_every_format(ending: str, tmp_path: Path) -> None:
    write_csv(tmp_path / "rows.csv", NAMES, nasty_rows())
    FORMATS[ending](tmp_path / f"rows{ending}", NAMES, nasty_rows())
    expected, wanted_rows, wanted_rejects = ingested(tmp_path, "rows.csv")
    manifest, rows, rejects = ingested(tmp_path, f"rows{ending}")
    assert rows.to_dicts() == wanted_rows.to_dicts()
    assert manifest.data_sha256 == expected.data_sha256
    assert manifest.rejects == expected.rejects
    columns = ["_rules", *NAMES]
    assert rejects.select(columns).to_dicts() == wanted_rejects.select(columns).to_dicts()
