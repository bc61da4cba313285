"""Numbers of files to score are read in bulk, by Arrow, as the contract reads a cell."""

import csv
import math
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pytest
from tests.support.number_texts import FORMATS, number_texts

from tabtrail.bundle.arrow_columns import ColumnReader
from tabtrail.bundle.input_blocks import Blocks, InputFile, _without_hexadecimals
from tabtrail.contract.cells import CellReading
from tabtrail.contract.numbers import NumberFormat, read_integer, read_number
from tabtrail.contract.schema import ColumnRule, Feature

NULLS = ("-999", "n/a")


def feature(written: NumberFormat, dtype: Literal["int", "float"], nulls: tuple[str, ...] = ()) -> Feature:
    return Feature("t", "numeric", ColumnRule(dtype), reading=CellReading(nulls=nulls, number=written))


def by_cell(text: str, column: Feature) -> float | None:
    """What the contract reads; None where it reads no number, infinity for what no double may hold."""
    if column.reading.is_null(text):
        return math.nan
    try:
        number = (read_integer if column.rule.dtype == "int" else read_number)(text, column.reading.number)
    except ValueError:
        return None
    return float(number) if abs(number) <= 2**53 else math.inf


def require_equal(texts: list[str], column: Feature, found: dict[int, float]) -> None:
    """Hold the numbers by row, without those that were not read, to what the contract reads of each text."""
    read = {row: number for row, text in enumerate(texts) if (number := by_cell(text, column)) is not None}
    wanted, there = _exact(read), _exact(found)
    wrong = [
        (texts[row], wanted.get(row, "not read"), there.get(row, "not read"))
        for row in sorted(wanted.keys() | there.keys())
        if wanted.get(row, "not read") != there.get(row, "not read")
    ]
    assert not wrong, wrong[:5]
    assert len(wanted) > len(texts) / 10


def _exact(numbers: dict[int, float]) -> dict[int, float | None]:
    """Return the numbers with None for a missing one, without those past 2**53: these are refused, read or not."""
    return {row: None if math.isnan(number) else number for row, number in numbers.items() if not abs(number) > 2**53}


def numbers_of(column: Feature, batch: pa.RecordBatch) -> dict[int, float]:
    columns, unread = ColumnReader([column])(batch)
    numbers = columns["t"]
    assert isinstance(numbers, np.ndarray)
    return {row: float(number) for row, number in enumerate(numbers) if row not in unread}


@pytest.mark.parametrize("nulls", [(), NULLS], ids=["", "with null words"])
@pytest.mark.parametrize("dtype", ["int", "float"])
@pytest.mark.parametrize("written", FORMATS, ids=str)
def test_columns_of_texts_hold_what_the_contract_reads_of_each_cell(
    written: NumberFormat, dtype: Literal["int", "float"], nulls: tuple[str, ...]
) -> None:
    if dtype == "int" and written.percent:
        pytest.skip("the config refuses percentages of integers")
    column, texts = feature(written, dtype, nulls), [*number_texts(written, 800), *NULLS, ""]
    require_equal(texts, column, numbers_of(column, pa.record_batch({"t": pa.array(texts, pa.string())})))


@pytest.mark.parametrize("dtype", ["int", "float"])
@pytest.mark.parametrize("only_numbers", [True, False])
def test_a_csv_to_score_holds_what_the_contract_reads_of_each_cell(
    tmp_path: Path, dtype: Literal["int", "float"], only_numbers: bool
) -> None:
    """A file of plain numbers alone is parsed as such; one text among them, and all are read as texts."""
    column = feature(NumberFormat(), dtype)
    texts = [text for text in number_texts(NumberFormat(), 800) if not {"\n", "\ufeff"} & set(text)]
    if only_numbers:
        texts = [text for text in texts if by_cell(text, column) not in (None, math.inf)]
    path = tmp_path / "rows.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("id", "t"), *enumerate(texts)])
    found: dict[int, float] = {}
    for block in Blocks(InputFile(path), [column]):
        found |= {int(block.numbers[row]) - 1: number for row, number in numbers_of(column, block.batch).items()}
    require_equal(texts, column, found)


@pytest.mark.parametrize("dtype", ["int", "float"])
def test_what_arrow_takes_for_a_number_while_it_parses_a_file_is_one(tmp_path: Path, dtype: Literal["int", "float"]) -> None:
    """Each text alone, so that no other one makes the reader go on with texts."""
    column, path = feature(NumberFormat(), dtype), tmp_path / "rows.csv"
    near = ["0x1A", "0X1a", "-0x1", "007", "+7", "-0", "7.0", "1e3", "9223372036854775807", "9223372036854775808", "\u0667"]
    texts = [text for text in [*near, *number_texts(NumberFormat(), 60)] if text and not {",", '"', "\n", "\ufeff"} & set(text)]
    found: dict[int, float] = {}
    for row, text in enumerate(texts):
        path.write_bytes(f"t\n{text}\n".encode())
        for block in Blocks(InputFile(path), [column]):
            found |= dict.fromkeys([row] * len(block.numbers), numbers_of(column, block.batch).get(0, math.inf))
    require_equal(texts, column, found)


def test_a_hexadecimal_number_that_two_blocks_part_is_none() -> None:
    with pytest.raises(pa.ArrowInvalid):
        list(_without_hexadecimals(iter([b"10", b"", b"x1\n"])))
    assert list(_without_hexadecimals(iter([b"10", b"\nx1"]))) == [b"10", b"\nx1"]
