"""A wide file, with one column an item, gives the rows, rejects and counts of the long file that it stands for."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.support.table_files import FORMATS

from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.data import melt
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.ingest import ingest
from tabtrail.errors import ConfigError, DataError

CONFIG = """
version: 2
paths: {raw_csv: CSV}
cleaning: {date_column: day, date_formats: ["%Y-%m-%d"]}
contract:
  max_reject_share: 0.9
  columns:
    qty: {dtype: float, min: 0}
    promo: {dtype: int, nullable: false, min: 0, max: 1}
demand:
  target: qty
  series: [brand, item]
  known_ahead: [promo]
  melt: {columns: {qty: "Q_{brand}_{item}", promo: "P_{brand}_{item}"}}
"""
NAMES = ["day", "Q_a_1", "Q_b_2", "weather", "P_b_2", "P_a_1"]
ROWS: list[list[Any]] = [
    [f"2024-01-{day:02}", day / 2, None if day < 3 else 10 + day, "rain" if day % 2 else "sun", day % 2, 1] for day in range(1, 9)
]


def long(row: list[Any]) -> list[tuple[Any, ...]]:
    """The long rows (day, weather, brand, item, qty, promo) of a wide one."""
    day, first, second, weather, promo_second, promo_first = row
    return [(day, weather, "a", "1", first, promo_first), (day, weather, "b", "2", second, promo_second)]


EXPECTED = [each for row in ROWS for each in long(row)]


def project(root: Path, name: str, *overrides: str) -> Config:
    (root / "c.yaml").write_text(CONFIG.replace("CSV", name))
    return load_config(root / "c.yaml", overrides)


def rows(config: Config) -> list[tuple[Any, ...]]:
    columns = (pl.col("day").cast(pl.String), "weather", "brand", "item", "qty", "promo")
    return scan_dataset(config.dataset).select(columns).collect().rows()


@pytest.mark.parametrize("ending", FORMATS)
def test_each_format_gives_the_rows_of_the_long_file(tmp_path: Path, ending: str) -> None:
    FORMATS[ending](tmp_path / f"x{ending}", NAMES, ROWS)
    config = project(tmp_path, f"x{ending}")
    manifest = ingest(config)
    assert rows(config) == EXPECTED
    assert (manifest.rows_in, manifest.rows_kept, manifest.sources[0].rows_in) == (16, 16, 16)
    assert manifest.columns == ["day", "weather", "brand", "item", "qty", "promo"]
    assert "its 4 columns of qty and promo make 2 rows a line, by brand and item, which are counted as rows" in manifest.notes[0]
    assert manifest.notes[0].endswith("each has day, weather")


@pytest.mark.parametrize("ending", FORMATS)
def test_columns_of_one_kind_may_be_of_other_types(tmp_path: Path, ending: str) -> None:
    mixed = [[day, first, "n/a" if second is None else str(second), *rest] for day, first, second, *rest in ROWS]
    FORMATS[ending](tmp_path / f"x{ending}", NAMES, mixed)
    config = project(tmp_path, f"x{ending}", "source.null_values={qty: [n/a]}")
    ingest(config)
    assert sorted(rows(config), key=repr) == sorted(EXPECTED, key=repr)


def test_a_typed_number_is_not_read_by_the_marks_of_texts(tmp_path: Path) -> None:
    FORMATS[".xlsx"](tmp_path / "x.xlsx", NAMES, [["2024-01-01", 1.234, "1.234,5", "sun", 0, 1]])
    config = project(tmp_path, "x.xlsx", "source.decimal=','", "source.thousands=.")
    ingest(config)
    assert [row[4] for row in rows(config)] == [1.234, 1234.5]


def test_line_breaks_in_quotes_are_read_record_by_record(tmp_path: Path) -> None:
    broken = [[*row[:3], "rain\nand snow", *row[4:]] if at == 2 else row for at, row in enumerate(ROWS)]
    FORMATS[".csv"](tmp_path / "x.csv", NAMES, broken)
    config = project(tmp_path, "x.csv")
    ingest(config)
    assert rows(config) == [each for row in broken for each in long(row)]


def test_rejects_have_the_line_of_the_wide_row_and_the_item(tmp_path: Path) -> None:
    bad = [[*row[:4], 7, 1] if at == 3 else row for at, row in enumerate(ROWS)]
    FORMATS[".csv"](tmp_path / "x.csv", NAMES, bad)
    config = project(tmp_path, "x.csv")
    manifest = ingest(config)
    rejects = pl.read_parquet(config.dataset.rejects)
    assert rejects.select("_line", "_rules", "brand", "promo").rows() == [(5, "promo: above 1", "b", "7")]
    assert (manifest.rows_in, manifest.rows_rejected, manifest.rejects) == (16, 1, {"promo: above 1": 1})


def test_a_ragged_line_loses_all_its_rows(tmp_path: Path) -> None:
    path = FORMATS[".csv"](tmp_path / "x.csv", NAMES, ROWS)
    path.write_text(path.read_text() + "2024-01-09,1\n")
    config = project(tmp_path, "x.csv")
    manifest = ingest(config)
    rejects = pl.read_parquet(config.dataset.rejects)
    assert rejects["_line"].to_list() == [10, 10]
    assert rejects["_text"].to_list() == ["2024-01-09,1", None]
    assert (manifest.rows_in, manifest.rows_kept, manifest.rows_rejected) == (18, 16, 2)
    assert manifest.rejects == {"ragged: 2 fields, the header has 6": 2}


def test_rows_are_the_same_however_many_are_checked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FORMATS[".csv"](tmp_path / "x.csv", NAMES, ROWS)
    config = project(tmp_path, "x.csv")
    whole = ingest(config).data_sha256
    monkeypatch.setattr(melt, "_ROWS", 3)
    assert ingest(config).data_sha256 == whole


def test_a_column_that_an_item_lacks_is_empty_and_said(tmp_path: Path) -> None:
    FORMATS[".csv"](tmp_path / "x.csv", NAMES[:-1], [row[:-1] for row in ROWS])
    config = project(tmp_path, "x.csv", "contract.columns.promo.nullable=true")
    assert "promo has no column for 1 of them and is empty there" in ingest(config).notes[0]
    assert [row[5] for row in rows(config)] == [each[5] if each[2] == "b" else None for each in EXPECTED]


def test_a_dropped_wide_column_makes_no_rows(tmp_path: Path) -> None:
    FORMATS[".csv"](tmp_path / "x.csv", NAMES, ROWS)
    config = project(tmp_path, "x.csv", "cleaning.drop_columns=[Q_a_1, P_a_1]")
    ingest(config)
    assert rows(config) == EXPECTED[1::2]


def test_contradicting_date_formats_are_proven_by_a_wide_file_too(tmp_path: Path) -> None:
    FORMATS[".csv"](tmp_path / "x.csv", NAMES, [[f"{day + 10:02}/01/2024", *row[1:]] for day, row in enumerate(ROWS, 1)])
    config = project(tmp_path, "x.csv", "cleaning.date_formats=['%m/%d/%Y', '%d/%m/%Y']")
    ingest(config)
    assert [row[0] for row in rows(config)][::2] == [f"2024-01-{day + 10:02}" for day in range(1, 9)]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["day", "x", "y", "w", "P_b_2", "P_a_1"], r"demand.melt.columns.qty: no column fits 'Q_\{brand\}_\{item\}'"),
        (
            ["day", "Q_a_1_2", "Q_b_2", "w", "P_b_2", "P_a_1"],
            r"demand.melt.columns.qty: the column 'Q_a_1_2' can be read as brand 'a', item '1_2' or brand 'a_1', item '2'",
        ),
        (["day", "Q_a_1", "Q_b_2", "brand", "P_b_2", "P_a_1"], r"demand.melt makes a column 'brand', and the file has one"),
        (["date", "Q_a_1", "Q_b_2", "w", "P_b_2", "P_a_1"], r"missing column 'day'"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_the_key(tmp_path: Path, names: list[str], message: str) -> None:
    FORMATS[".csv"](tmp_path / "x.csv", names, ROWS)
    with pytest.raises(DataError, match=message):
        ingest(project(tmp_path, "x.csv"))


def test_patterns_that_overlap_are_refused(tmp_path: Path) -> None:
    FORMATS[".csv"](tmp_path / "x.csv", NAMES, ROWS)
    config = project(tmp_path, "x.csv", "demand.melt.columns={qty: '{brand}_{item}', promo: 'P_{brand}_{item}'}")
    with pytest.raises(DataError, match=r"the column '\w_\w_\w' can be read as|fits this pattern and that of qty"):
        ingest(config)


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        ("{qty: QTY}", r"demand.melt.columns.qty: 'QTY' names no column in braces"),
        ("{qty: 'Q_{item'}", r"'Q_\{item' has a brace that is not one of a pair"),
        ("{qty: 'Q_{brand}{item}'}", r"does not say where one text ends and the next begins"),
        ("{qty: 'Q_{item}_{item}'}", r"names one column twice in braces"),
        ("{qty: 'Q_{brand}_{item}', promo: 'P_{item}'}", r"demand.melt.columns.promo: it names other columns in braces"),
        ("{promo: 'P_{brand}_{item}'}", r"demand.melt.columns: no pattern makes the target; add qty"),
        ("{qty: 'Q_{brand}_{qty}', promo: 'P_{brand}_{qty}'}", r"'qty' is both"),
        ("{qty: 'Q_{brand}_{YEAR}', promo: 'P_{brand}_{YEAR}'}", r"'YEAR' is made by ingest"),
        ("{}", r"demand.melt.columns: is an empty mapping, where at least 1 item belongs"),
    ],
)
def test_a_pattern_that_cannot_be_read_is_refused_with_its_key(tmp_path: Path, patterns: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        project(tmp_path, "x.csv", f"demand.melt.columns={patterns}")


def test_other_patterns_are_another_ingest_and_none_changes_nothing(tmp_path: Path) -> None:
    config = project(tmp_path, "x.csv")
    other = project(tmp_path, "x.csv", "demand.melt.columns={qty: 'QTY_{brand}_{item}', promo: 'P_{brand}_{item}'}")
    assert config.ingest_digest() != other.ingest_digest()


def test_a_long_file_gives_the_data_of_its_wide_form(tmp_path: Path) -> None:
    FORMATS[".csv"](tmp_path / "x.csv", NAMES, ROWS)
    FORMATS[".csv"](tmp_path / "long.csv", ["day", "weather", "brand", "item", "qty", "promo"], EXPECTED)
    wide = ingest(project(tmp_path, "x.csv"))
    (tmp_path / "l").mkdir()
    plain = ingest(project(tmp_path, "long.csv", "demand.melt=null", "paths.processed_dir=l/p"))
    assert wide.data_sha256 == plain.data_sha256
