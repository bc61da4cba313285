"""Tables and files are named after what the rows come from, where the config gives no names."""

from pathlib import Path

import pytest

from tabtrail.config.default_names import name_of_data
from tabtrail.config.load import load_config

CONFIG = """
version: 2
paths: {raw_csv: data/raw/used cars.csv}
model: {target: price, numeric_features: [age]}
split: {kind: random}
"""


@pytest.mark.parametrize(
    ("raw_csv", "table", "name"),
    [
        ("data/raw/cars.csv", None, "cars"),
        ("used cars.csv.gz", None, "used_cars"),
        ("s3://bucket/prices/2024/houses.parquet", None, "houses"),
        ("orders_*.csv", None, "orders"),
        ("lines/*.csv", None, "lines"),
        (None, "shop.order_lines", "order_lines"),
        (None, None, "data"),
        ("2024.csv", None, "data_2024"),
        ("runs.csv", None, "runs_rows"),
        ("売上.csv", None, "data"),
    ],
)
def test_the_name_is_that_of_the_source_in_letters_that_every_table_can_have(raw_csv: object, table: object, name: str) -> None:
    assert name_of_data(raw_csv, table) == name


def test_a_config_without_names_says_nothing_of_sales_and_one_with_names_keeps_them(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    found = load_config(path)
    assert (found.paths.processed_dir.name, found.paths.duckdb_file.name) == ("used_cars_parquet", "used_cars.duckdb")
    assert found.duckdb.table == "used_cars"
    assert "sales" not in found.model_dump_json()
    path.write_text(CONFIG.replace("csv}", "csv, duckdb_file: own.duckdb}") + "duckdb: {table: mine}\n")
    found = load_config(path)
    assert (found.paths.processed_dir.name, found.paths.duckdb_file.name) == ("used_cars_parquet", "own.duckdb")
    assert found.duckdb.table == "mine"


@pytest.mark.parametrize("written", [r"source.delimiter=\t", "source.delimiter=\t", 'source.delimiter="\\t"'])
def test_a_tab_is_a_delimiter_however_a_command_line_writes_it(tmp_path: Path, written: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    assert load_config(path, [written]).source.delimiter == "\t"


def test_a_tab_is_a_delimiter_where_the_yaml_does_not_quote_it(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG + "source:\n  delimiter: \\t\n")
    assert load_config(path).source.delimiter == "\t"
