"""In a column of whole numbers between 0 and 1 words such as true and nein mean the same in training and in rows to score."""

from pathlib import Path

import polars as pl
import pytest

from tabtrail.bundle.values import Unread, reader_of
from tabtrail.config.load import load_config
from tabtrail.contract.schema import Feature
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.ingest import ingest
from tabtrail.errors import DataError

CONFIG = """
version: 2
paths: {raw_csv: "x.*"}
source: {null_values: {f: ["", "non"]}}
contract: {max_reject_share: 1, columns: {f: {dtype: int, min: 0, max: 1}, n: {dtype: int, min: 0, max: 2}}}
model: {target: y, numeric_features: [f, n]}
split: {kind: random, folds: 2}
"""
MEANT = {"TRUE": 1, "False": 0, "true ": 1, "1": 1, "0": 0, "": None, "yes": 1, "Nein": 0, "JA": 1, "t": 1, "SÍ": 1, "off": 0}
CELLS = [*MEANT, "2", "maybe", "non"]


def test_the_words_are_read_alike_in_training_and_scoring(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("f,n,y\n" + "".join(f"{cell},1,{row}\n" for row, cell in enumerate(CELLS)))
    (tmp_path / "c.yaml").write_text(CONFIG)
    config = load_config(tmp_path / "c.yaml")
    ingest(config)
    trained = {int(y): f for f, y in scan_dataset(config.dataset).select("f", "y").collect().rows()}
    read = reader_of(Feature("f", "numeric", config.columns.rule("f"), reading=config.table_rules.reading("f")))
    scored = {row: read(cell) for row, cell in enumerate(CELLS)}
    assert trained == {CELLS.index(cell): value for cell, value in (MEANT | {"non": None}).items()}
    assert {row: value for row, value in scored.items() if not isinstance(value, Unread) and value != 2} == trained
    assert isinstance(reader_of(Feature("n", "numeric", config.columns.rule("n")))("true"), Unread), "0 to 2 is no flag"


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_typed_truths_are_flags_too(tmp_path: Path, kind: str) -> None:
    rows = pl.DataFrame({"f": [True, False] * 5, "n": [1, 2] * 5, "y": [1.0, 2.0] * 5})
    (rows.write_parquet if kind == "parquet" else rows.write_ndjson)(tmp_path / f"x.{kind}")
    (tmp_path / "c.yaml").write_text(CONFIG)
    config = load_config(tmp_path / "c.yaml")
    assert ingest(config).rows_kept == 10
    assert scan_dataset(config.dataset).select("f").collect().to_series().to_list() == [1, 0] * 5


def test_truths_in_another_column_of_whole_numbers_are_refused_with_the_bounds_that_read_them(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("f,n,y\n" + "".join(f"1,{('true', 'FALSE')[row % 2]},{row}\n" for row in range(9)))
    (tmp_path / "c.yaml").write_text(CONFIG)
    with pytest.raises(DataError, match=r"n: not int.*set contract.columns.n: \{dtype: int, min: 0, max: 1\}"):
        ingest(load_config(tmp_path / "c.yaml"))
