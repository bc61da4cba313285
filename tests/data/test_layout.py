"""Tables that begin below line 1, or whose columns have other names: read as configured, or refused with what to set."""

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.strict_csv import strict_records

from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.ingest import ingest
from tabtrail.data.warehouse import build_database, query
from tabtrail.errors import ConfigError, DataError

CONFIG = """
version: 2
paths: {raw_csv: "x*.csv"}
contract: {max_reject_share: 1}
model: {target: y, numeric_features: [a], categorical_features: [b]}
split: {kind: random, folds: 2}
"""
HEADER = "a,b,y\n"
ROWS = "".join(f"{n},t{n % 3},{n * 2}\n" for n in range(8))


def project(root: Path, text: str | bytes, *overrides: str) -> Config:
    data = text.encode() if isinstance(text, str) else text
    (root / "x.csv").write_bytes(data)
    (root / "c.yaml").write_text(CONFIG)
    return load_config(root / "c.yaml", overrides)


def rows(config: Config, *columns: str) -> list[tuple[Any, ...]]:
    return scan_dataset(config.dataset).select(columns or ("a", "b", "y")).collect().rows()


EXPECTED = [(float(n), f"t{n % 3}", n * 2.0) for n in range(8)]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("Sales report\n\n" + HEADER + ROWS, ["source.skip_rows=1"]),
        ("# made by hand\n#\n" + HEADER + ROWS, ["source.comment='#'"]),
        (HEADER + ROWS[:7] + "# checked,,\n" + ROWS[7:], ["source.comment='#'"]),
        ("sep=;\n" + (HEADER + ROWS).replace(",", ";"), []),
        (HEADER + "(pcs),,(EUR)\n" + ROWS, ["source.skip_after_header=1"]),
        ("a,b,y,\n" + ROWS.replace("\n", ",\n"), ["source.unnamed=drop"]),
        (HEADER + ROWS.replace("\n", ",\n"), ["source.unnamed=drop"]),
        (",a,b,y\n" + "".join(f"{n},{line}\n" for n, line in enumerate(ROWS.split())), ["source.unnamed=drop"]),
        ("A ,B,_Y\n" + ROWS, ["source.fold_header=true"]),
        ("Old name,b,y\n" + ROWS, ["source.rename={Old name: a}"]),
        ("OLD_NAME,B,Y\n" + ROWS, ["source.rename={Old name: a}", "source.fold_header=true"]),
    ],
)
def test_a_layout_that_is_configured_gives_the_rows_of_the_plain_file(tmp_path: Path, text: str, keys: list[str]) -> None:
    config = project(tmp_path, text, *keys)
    manifest = ingest(config)
    assert (manifest.rows_in, manifest.rows_rejected) == (8, 0)
    assert rows(config) == EXPECTED
    assert not [name for name in manifest.schema if name.startswith("unnamed")]


def test_lines_of_rejects_are_those_of_an_editor_below_titles_comments_and_units(tmp_path: Path) -> None:
    text = 'title\n# one\na,b,y\nunits\n1,"x\ny",2\n# two\nbad,x,1\n\n3,z\n4,w,8\n5,v,10\n'
    keys = ["source.skip_rows=1", "source.comment='#'", "source.skip_after_header=1"]
    config = project(tmp_path, text, *keys)
    manifest = ingest(config)
    lines = text.split("\n")
    found = pl.read_parquet(config.paths.rejects)
    assert [lines[line - 1] for line in found["_line"]] == ["bad,x,1", "3,z"]
    assert any("1 lines below the header are comments" in note for note in manifest.notes)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (",a,b,y\n0,1,x,2\n", "line 1: column 1 has no name; name it, or set source.unnamed: drop"),
        ("a,a,b,y\n0,1,x,2\n", "column 'a' is there 2 times"),
        ("Sales\n" + HEADER + ROWS, "set source.skip_rows: 1"),
        ((HEADER + ROWS).replace(",", "\t"), r'set source.delimiter: "\\t"'),
        ("A,B,Y\n" + ROWS, "set source.fold_header: true"),
    ],
)
def test_a_layout_that_is_not_configured_is_refused_with_what_to_set(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        ingest(project(tmp_path, text))


def test_a_name_to_replace_that_is_nowhere_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"source.rename: there is no column 'bb'; did you mean 'b'\?"):
        ingest(project(tmp_path, HEADER + ROWS, "source.rename={bb: c}"))


def test_files_with_old_and_new_names_make_one_dataset(tmp_path: Path) -> None:
    config = project(tmp_path, HEADER + ROWS[:35], "source.rename={Old: a}")
    (tmp_path / "x2.csv").write_text("b,Old,y\nt,40,80\n")
    assert ingest(config).rows_kept == ROWS[:35].count("\n") + 1
    assert (40.0, "t", 80.0) in rows(config)


@pytest.mark.parametrize(
    "names",
    ["Price,price", "Price,price ", "Price,PRICE\u200b", "é,e\u0301", "\u00a0Price,Price", "A,z"],
)
def test_two_names_that_sql_or_a_person_takes_for_one_are_refused(tmp_path: Path, names: str) -> None:
    text = f"a,b,y,{names}\n" + "".join(f"{line},1,2\n" for line in ROWS.split())
    with pytest.raises(DataError, match=r"differ by case, blanks or invisible signs alone.*source.rename"):
        ingest(project(tmp_path, text))


def test_names_that_are_told_apart_by_source_rename_have_both_sums_right(tmp_path: Path) -> None:
    text = "a,b,y,Price,price\n" + "".join(f"{line},{n},{n * 10}\n" for n, line in enumerate(ROWS.split()))
    contract = "contract.columns={HIGH: {dtype: float}, price: {dtype: float}}"
    config = project(tmp_path, text, "source.rename={Price: HIGH}", contract)
    ingest(config)
    build_database(config.database)
    assert query(config.database.file, f"SELECT sum(high), sum(price) FROM {config.database.table}")[1] == [(28.0, 280.0)]


def test_a_dropped_column_may_be_called_like_a_kept_one(tmp_path: Path) -> None:
    text = "a,b,y,A\n" + "".join(f"{line},1\n" for line in ROWS.split())
    config = project(tmp_path, text, "cleaning.drop_columns=[A]")
    assert ingest(config).rows_kept == 8


def test_a_column_called_like_one_that_ingest_adds_is_refused(tmp_path: Path) -> None:
    text = "a,b,y,d,Year\n" + "".join(f"{line},2024-01-0{n + 1},7\n" for n, line in enumerate(ROWS.split()))
    with pytest.raises(
        DataError, match=r"ingest adds 'YEAR' and 'MONTH' from the date, but the file has 'Year'; .*source.rename"
    ):
        ingest(project(tmp_path, text, "cleaning.date_column=d"))


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("source.delimiter='\"'", "source.delimiter: fields cannot be parted by a quote"),
        ("source.comment=','", "source.comment: comments cannot begin with"),
        ("source.skip_row=1", "source.skip_row: unknown key; did you mean 'skip_rows'"),
        ("source.unnamed=keep", "source.unnamed: is the text 'keep', where one of refuse, drop belongs"),
    ],
)
def test_a_layout_that_no_file_can_have_is_refused_at_load(tmp_path: Path, key: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        project(tmp_path, "", key)


CELL = st.lists(st.sampled_from(['"', '"', '""', "x", "\\", "'", " ", "\n", ","]), max_size=5).map("".join)
TABLE = st.lists(st.tuples(CELL, st.booleans()), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(cells=TABLE)
@example(cells=[('say \\"hi\\", now', True)])
@example(cells=[('5" pipe', False), ('3" nail', False)])
@example(cells=[('a"', False), ("'a, b'", False)])
@example(cells=[("\n,", False)])
def test_texts_are_those_of_the_strict_reader_or_refused(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, bool]]
) -> None:
    lines = (f'{n},"{cell}",1\n' if quoted else f"{n},{cell},1\n" for n, (cell, quoted) in enumerate(cells))
    text = "a,b,y\n" + "".join(lines) + "".join(f"{n},end,{n}\n" for n in range(50, 56))
    expected = strict_records(text)
    config = project(tmp_path_factory.mktemp("quotes"), text)
    try:
        ingest(config)
    except DataError as error:
        assert expected is None, error
        return
    assert expected is not None
    whole = [record for record in expected[1:] if len(record) == 3 and re.fullmatch(r"\s*\d*\s*", record[0])]
    kept = {(a, b or "", y) for a, b, y in rows(config)}
    wanted = {(float(a) if a.strip() else None, b, float(y)) for a, b, y in whole if re.fullmatch(r"\s*\d+\s*", y)}
    assert kept == wanted
