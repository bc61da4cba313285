"""Sources in other formats than CSV: the same rows give the same dataset, and what is no cell, row or format is named."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.table_files import (
    FORMATS,
    ExcelError,
    Formula,
    write_csv,
    write_excel,
    write_json_lines,
    write_parquet,
    write_workbook,
)

from tabtrail.config.cleaning import Cleaning
from tabtrail.config.columns import Columns
from tabtrail.config.data import Contract, Source
from tabtrail.config.dataset import TableRules
from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.contract.schema import ColumnRule
from tabtrail.contract.typed_cells import cell_text
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.ingest import ingest
from tabtrail.data.manifest import Manifest
from tabtrail.data.typed_cells import as_text, from_values
from tabtrail.errors import ConfigError, DataError

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
    (folder / "config.yaml").write_text(YAML.replace("RAW", f'"{source}"'))
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


def test_rejected_rows_stand_on_the_lines_that_their_format_counts(tmp_path: Path) -> None:
    rows = [*plain_rows(5), ["bad", "x", 1, date(2024, 1, 1), "a", None], *plain_rows(5)]
    write_csv(tmp_path / "rows.csv", NAMES, rows)
    write_workbook(tmp_path / "rows.xlsx", {"S": [["Title"], list(NAMES), *rows[:3], [None], *rows[3:]]})
    write_parquet(tmp_path / "rows.parquet", NAMES, rows)
    write_json_lines(tmp_path / "rows.jsonl", NAMES, rows)
    for name, line, *settings in (
        ("rows.csv", 7),
        ("rows.xlsx", 9, "source.skip_rows=1"),
        ("rows.parquet", 6),
        ("rows.jsonl", 6),
    ):
        manifest, _, rejects = ingested(tmp_path, name, *map(str, settings))
        assert rejects["_line"].to_list() == [line], name
        assert (manifest.rows_in, manifest.rows_kept, manifest.source) == (11, 10, name)


def test_lines_that_are_no_rows_are_rejected_with_their_text_and_counted(tmp_path: Path) -> None:
    write_json_lines(tmp_path / "rows.jsonl", NAMES, plain_rows(8))
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write('{"id": "x", "price": NaN}\n{"id": "y", "price": 1.5, "other": 2}\n')
    (tmp_path / "rows.jsonl").write_bytes((tmp_path / "rows.jsonl").read_bytes() + b'{"id": "z", "id": "z"}\n')
    manifest, rows, rejects = ingested(tmp_path, "rows.jsonl")
    assert rows.height == 9  # a key that one of the first lines has is a column of all
    assert rejects["_line"].to_list() == [9, 11]
    assert rejects["_text"].to_list()[1] == '{"id": "z", "id": "z"}'
    assert sum(manifest.rejects.values()) == 2


def test_formulas_that_were_never_calculated_stop_an_ingest_by_their_name(tmp_path: Path) -> None:
    rows = [[*row[:1], Formula("B2", None), *row[2:]] for row in plain_rows(10)]
    write_excel(tmp_path / "rows.xlsx", NAMES, rows)
    with pytest.raises(DataError, match="price: a formula without a stored result"):
        ingested(tmp_path, "rows.xlsx")


def test_files_of_several_formats_are_one_dataset_and_can_be_appended(tmp_path: Path) -> None:
    rows = plain_rows(40)
    write_csv(tmp_path / "in1.csv", NAMES, rows[:10])
    write_excel(tmp_path / "in2.xlsx", NAMES, rows[10:20])
    (tmp_path / "~$in2.xlsx").write_bytes(b"\x04open elsewhere")
    write_json_lines(tmp_path / "in3.jsonl", [*NAMES[1:], NAMES[0]], [[*row[1:], row[0]] for row in rows[20:30]])
    whole, _, _ = ingested(tmp_path, "*in?.*")
    assert (whole.rows_kept, [each.encoding for each in whole.sources]) == (30, ["utf-8", "xlsx, sheet Sheet1", "utf-8"])
    write_parquet(tmp_path / "in4.parquet", NAMES, rows[30:])
    manifest = ingest(load_config(tmp_path / "config.yaml"), append=True)
    assert (manifest.rows_kept, manifest.sources[-1].encoding) == (40, "parquet")
    appended = scan_dataset(load_config(tmp_path / "config.yaml").dataset).collect()
    write_csv(tmp_path / "all.csv", NAMES, rows)
    _, expected, _ = ingested(tmp_path, "all.csv")
    assert appended.sort("id").to_dicts() == expected.sort("id").to_dicts()


def test_the_same_workbook_twice_is_refused(tmp_path: Path) -> None:
    write_excel(tmp_path / "a.xlsx", NAMES, plain_rows(10))
    (tmp_path / "b.xlsx").write_bytes((tmp_path / "a.xlsx").read_bytes())
    with pytest.raises(DataError, match="hold the same"):
        ingested(tmp_path, "*.xlsx")


def test_a_name_that_says_another_format_and_errors_of_excel_are_noted(tmp_path: Path) -> None:
    rows = [[*row[:5], ExcelError("#N/A")] for row in plain_rows(10)]
    write_excel(tmp_path / "rows.csv", NAMES, rows)
    manifest, data, _ = ingested(tmp_path, "rows.csv")
    assert data["note"].to_list() == ["#N/A"] * 10
    assert "rows.csv is an Excel workbook by its bytes" in manifest.notes[0]
    assert "#N/A 10 times" in manifest.notes[1]


@pytest.mark.parametrize("kind", [pa.list_(pa.int64()), pa.struct([("x", pa.int64())]), pa.binary(), pa.duration("s")])
def test_a_parquet_column_that_is_no_cell_is_refused_by_its_name_unless_it_is_dropped(kind: Any, tmp_path: Path) -> None:
    rows = [[*row, None] for row in plain_rows(10)]
    write_parquet(tmp_path / "rows.parquet", [*NAMES, "extra"], rows, {"extra": kind})
    with pytest.raises(DataError, match=r"the column 'extra' is .*, which is no number, text or date"):
        ingested(tmp_path, "rows.parquet")
    manifest, data, _ = ingested(tmp_path, "rows.parquet", "cleaning.drop_columns=[extra]")
    assert (manifest.rows_kept, "extra" in data.columns) == (10, False)


def test_points_in_time_of_a_zone_need_the_zone_of_their_days(tmp_path: Path) -> None:
    rows = [[*row[:3], datetime(2024, 3, 31, 23, 30, tzinfo=UTC), *row[4:]] for row in plain_rows(10)]
    write_parquet(tmp_path / "rows.parquet", NAMES, rows, {"day": pa.timestamp("ms", "UTC")})
    with pytest.raises(DataError, match=r"'day' holds points in time of a time zone; set cleaning\.time_zone"):
        ingested(tmp_path, "rows.parquet")
    _, data, _ = ingested(tmp_path, "rows.parquet", "cleaning.time_zone=Europe/Berlin")
    assert set(data["day"]) == {date(2024, 4, 1)}


def test_parquet_types_are_the_numbers_and_texts_that_they_hold(tmp_path: Path) -> None:
    names, count = (*NAMES, "code"), 7
    columns = {
        "id": pa.array([2**64 - 1, 0, 1, 2, 3, None, 4], pa.uint64()),
        "price": pa.array(
            [Decimal("1.50"), Decimal("-2.00"), Decimal("0.00"), None, Decimal("12345.67"), Decimal("1.00"), Decimal("2.25")]
        ),
        "count": pa.array([1.0, 2.5, float("nan"), 2.0**53, -3.0, 4.0, None]),
        "day": pa.array([date(2024, 1, 1)] * count, pa.date32()).dictionary_encode(),
        "kind": pa.array(["a", "none", None, "", "b", "a", "a"]).dictionary_encode(),
        "note": pa.array([True, False, None, True, False, True, None]),
        "code": pa.array(
            [Decimal("10.50"), Decimal("7.00"), None, Decimal("0.00"), Decimal("1E+2"), Decimal("-0.10"), Decimal("-0.10")]
        ),
    }
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    manifest, data, rejects = ingested(tmp_path, "rows.parquet")
    assert data.select(names).rows() == [
        ("18446744073709551615", 1.5, 1, date(2024, 1, 1), "a", "true", "10.5"),
        ("3", 12345.67, -3, date(2024, 1, 1), "b", "false", "100"),
        ("4", 2.25, None, date(2024, 1, 1), "a", None, "-0.1"),
    ]
    assert rejects.select("_line", "_rules", "count").rows() == [
        (2, "count: not int", "2.5"),
        (3, "count: not int", "nan"),
        (4, "price: missing; count: not int", "9007199254740992.0"),
        (6, "id: missing", "4"),
    ]
    assert manifest.rows_in == count


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(st.characters(codec="utf-8"), max_size=5),
    st.dates(),
    st.datetimes(),
)


@given(st.lists(CELLS, max_size=8), st.sampled_from(["float", "int", "date", "string"]))
def test_typed_cells_in_bulk_have_the_text_of_the_authority(cells: list[Any], dtype: str) -> None:
    rules = TableRules(Source(), Cleaning(), Contract(), Columns(("x",), (), ("x",), {"x": ColumnRule(dtype)}), "x")
    frame = from_values(["x"], [cells], rules)
    assert as_text(frame["x"]).to_list() == [cell_text(cell) for cell in cells]


@given(st.lists(st.floats() | st.none(), max_size=8))
def test_doubles_in_bulk_have_the_text_of_the_authority(numbers: list[float | None]) -> None:
    assert as_text(pl.Series(numbers, dtype=pl.Float64)).to_list() == [cell_text(number) for number in numbers]


def test_title_rows_of_a_sheet_get_the_advice_that_skips_them(tmp_path: Path) -> None:
    rows = [["Sales of the year"], [None], list(NAMES), ["", "EUR", "pieces"], *plain_rows(10)]
    write_workbook(tmp_path / "rows.xlsx", {"S": rows})
    with pytest.raises(DataError, match=r"line 1: missing column .*line 3 has the columns: set source\.skip_rows: 2"):
        ingested(tmp_path, "rows.xlsx")
    manifest, _, _ = ingested(tmp_path, "rows.xlsx", "source.skip_rows=2", "source.skip_after_header=1")
    assert (manifest.rows_in, manifest.rows_rejected) == (10, 0)


@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
def test_lines_above_and_below_the_header_are_skipped_in_texts_and_workbooks_alike(ending: str, tmp_path: Path) -> None:
    rows = [["Sales of May", *[None] * 5], list(NAMES), ["(no.)", "(EUR)", "(pcs)", "(date)", "-", "-"], *plain_rows(10)]
    FORMATS[ending](tmp_path / f"rows{ending}", ["Report", "", "", "", "", ""], rows)
    manifest, data, _ = ingested(tmp_path, f"rows{ending}", "source.skip_rows=2", "source.skip_after_header=1")
    assert (manifest.rows_in, manifest.rows_rejected) == (10, 0)
    assert data.sort("id")["price"].to_list() == [10.5 + index for index in range(10)]


@pytest.mark.parametrize(
    ("ending", "setting", "words"),
    [
        (".parquet", "skip_rows=1", "source.skip_rows: rows.parquet is Parquet, and this goes for CSV and Excel alone"),
        (".jsonl", "skip_after_header=1", "source.skip_after_header: rows.jsonl is JSON lines, and this goes for CSV and Excel"),
        (".xlsx", "comment='#'", "source.comment: rows.xlsx is Excel, and this goes for CSV alone"),
        (".csv", "sheet=May", "source.sheet: rows.csv is CSV, and this goes for Excel alone"),
    ],
)
def test_a_key_of_the_layout_that_would_do_nothing_is_refused(ending: str, setting: str, words: str, tmp_path: Path) -> None:
    FORMATS[ending](tmp_path / f"rows{ending}", NAMES, plain_rows(10))
    with pytest.raises(ConfigError, match=re.escape(words)):
        ingested(tmp_path, f"rows{ending}", f"source.{setting}")


def test_a_key_of_the_layout_may_go_for_some_of_the_files_alone(tmp_path: Path) -> None:
    write_csv(tmp_path / "rows1.csv", NAMES, plain_rows(10))
    write_parquet(tmp_path / "rows2.parquet", NAMES, plain_rows(5))
    assert ingested(tmp_path, "rows*", "source.comment='#'")[0].rows_kept == 15


@pytest.mark.parametrize("ending", [".csv", ".xlsx", ".parquet", ".jsonl"])
def test_a_column_without_a_name_is_refused_in_every_format_or_dropped(ending: str, tmp_path: Path) -> None:
    rows = [[index, *row] for index, row in enumerate(plain_rows(10))]
    FORMATS[ending](tmp_path / f"rows{ending}", ["", *NAMES], rows)
    with pytest.raises(DataError, match=r"column 1 has no name; name it, or set source\.unnamed: drop"):
        ingested(tmp_path, f"rows{ending}")
    manifest, data, _ = ingested(tmp_path, f"rows{ending}", "source.unnamed=drop")
    assert (manifest.rows_kept, set(data.columns) - {"YEAR", "MONTH"}) == (10, set(NAMES))


def test_an_index_that_pandas_wrote_into_parquet_is_a_column_without_a_name(tmp_path: Path) -> None:
    frame = pd.DataFrame(plain_rows(11), columns=NAMES)
    frame[frame["count"] != 3].to_parquet(tmp_path / "rows.parquet")
    assert "__index_level_0__" in pq.read_schema(tmp_path / "rows.parquet").names
    with pytest.raises(DataError, match=r"column 7 has no name \('__index_level_0__', which is pandas' word for that\)"):
        ingested(tmp_path, "rows.parquet")
    manifest, data, _ = ingested(tmp_path, "rows.parquet", "source.unnamed=drop")
    assert (manifest.rows_kept, set(data.columns) - {"YEAR", "MONTH"}) == (10, set(NAMES))
    named = ingested(tmp_path, "rows.parquet", "source.rename={__index_level_0__: number}")[1]
    declared = ingested(tmp_path, "rows.parquet", "contract.columns.__index_level_0__={dtype: int}")[1]
    assert list(map(int, named["number"])) == declared["__index_level_0__"].to_list()


@pytest.mark.parametrize("ending", [".xlsx", ".parquet", ".jsonl"])
def test_ids_that_doubles_have_rounded_are_pointed_at_where_they_are_texts_and_rejected_where_they_are_numbers(
    ending: str, tmp_path: Path
) -> None:
    rows = plain_rows(9)
    for index, number in enumerate((12345678901234567.0, 12345678901234568.0, 2.0**53, 2.0**53 - 1, None)):
        rows[index][5] = number
    FORMATS[ending](tmp_path / f"rows{ending}", NAMES, rows)
    manifest, data, _ = ingested(tmp_path, f"rows{ending}")
    words = f"rows{ending}: 3 cells of the text column note hold numbers of 16 digits or more as doubles"
    assert [words in each for each in manifest.findings] == [True]
    assert data["note"].drop_nulls().n_unique() == 3
    manifest, _, rejects = ingested(tmp_path, f"rows{ending}", "contract.columns.note={dtype: int}")
    assert (manifest.findings, rejects["note"].n_unique(), manifest.rejects) == ([], 2, {"note: not int": 3})


@pytest.mark.parametrize("ending", [".xlsx", ".parquet", ".jsonl"])
def test_columns_of_every_format_are_renamed_and_folded_alike(ending: str, tmp_path: Path) -> None:
    written = ["Order Id", " PRICE", "Count", "DAY", "kind", "note"]
    FORMATS[ending](tmp_path / f"rows{ending}", written, plain_rows(10))
    manifest, data, _ = ingested(tmp_path, f"rows{ending}", "source.fold_header=true", "source.rename={order_id: id}")
    assert (manifest.rows_kept, set(NAMES) <= set(data.columns)) == (10, True)
