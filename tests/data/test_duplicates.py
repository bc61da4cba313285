"""Rows with the key of another row, and rows that are copies of an earlier one."""

import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.support.projects import REAL_CSV
from tests.support.table_files import write_excel, write_json_lines

from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.data import copies
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.duplicates import KnownKeys
from tabtrail.data.ingest import ingest
from tabtrail.data.manifest import Manifest
from tabtrail.errors import ConfigError, DataError

KEY = "cleaning: {deduplicate: {key: [k, part], keep: %s}}\n"
RULE = "duplicate of the key k, part (%s)"
# k, part, x, y: the key (2, b) is there three times, (1, a) twice.
ROWS = ["1,a,10,1", "2,b,20,2.50", "1,a,11,3", "3,c,30,4", "2,b,21,5", "2,a,40,6", "2,b,22,7", "4,d,50,8"]
DECLARED = "columns: {k: {dtype: int}, part: {dtype: string}}"
LOOSE = "contract.max_reject_share=0.5"


def source(folder: Path, settings: str, **files: Sequence[str]) -> Config:
    """Return the config of files with the columns k, part, x and y, of which y is predicted."""
    for name, lines in (files or {"input": ROWS}).items():
        (folder / f"{name}.csv").write_text("k,part,x,y\n" + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    (folder / "config.yaml").write_text(
        "version: 2\npaths: {raw_csv: '*.csv'}\ncontract: {max_reject_share: 0, " + DECLARED + "}\n"
        "model: {name: m, target: y, numeric_features: [x]}\n"
        "split: {kind: random, folds: 2, allow_leaky: true}\ncandidates: {LinearRegression: {}}\n" + settings,
        encoding="utf-8",
    )
    return load_config(folder / "config.yaml")


def kept(config: Config) -> list[int]:
    return [int(each) for each in scan_dataset(config.dataset).collect()["x"]]


def rejected(config: Config) -> list[tuple[str, int, str, str]]:
    return pl.read_parquet(config.paths.rejects).select("_file", "_line", "_rules", "y").rows()


@pytest.mark.parametrize(
    ("keep", "stay", "lines", "what"),
    [
        ("first", [10, 20, 30, 40, 50], [4, 6, 8], "the first is kept"),
        ("last", [11, 30, 40, 22, 50], [2, 3, 6], "the last is kept"),
        ("none", [30, 40, 50], [2, 3, 4, 6, 8], "none is kept"),
    ],
)
def test_of_rows_with_one_key_the_wanted_one_stays_and_the_others_are_set_aside_with_line_and_reason(
    tmp_path: Path, keep: str, stay: list[int], lines: list[int], what: str
) -> None:
    config = source(tmp_path, KEY % keep)
    manifest = ingest(config)
    assert kept(config) == stay
    assert (manifest.rows_in, manifest.rows_kept, manifest.rejects) == (8, len(stay), {RULE % what: len(lines)})
    assert [each[:3] for each in rejected(config)] == [("input.csv", line, RULE % what) for line in lines]
    texts = dict(zip(range(2, 10), (row.split(",")[3] for row in ROWS), strict=True))
    assert [each[3] for each in rejected(config)] == [texts[line] for line in lines], "texts as they stand in the file"
    assert ingest(config).data_sha256 == manifest.data_sha256


def test_keys_are_told_apart_across_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    config = source(tmp_path, KEY % "last", b=ROWS[:4], a=ROWS[4:])
    ingest(config)
    assert sorted(kept(config)) == [11, 20, 30, 40, 50]
    assert [each[:2] for each in rejected(config)] == [("a.csv", 2), ("a.csv", 4), ("b.csv", 2)]


def test_a_bad_row_takes_the_place_of_no_good_one(tmp_path: Path) -> None:
    config = source(tmp_path, KEY % "first", input=["1,a,x,1", "1,a,10,2", "1,a,11,3", "2,a,12,4", "3,a,13,5"])
    ingest(load_config(config.root / "config.yaml", [LOOSE]))
    assert kept(config) == [10, 12, 13]
    assert [each[1:3] for each in rejected(config)] == [(2, "x: not float"), (4, RULE % "the first is kept")]


@pytest.mark.parametrize("keep", ["first", "last", "none"])
def test_rows_without_a_value_in_the_key_stay_and_are_counted(tmp_path: Path, keep: str) -> None:
    lines = [",a,1,1", ",a,2,2", "1,,3,3", "1,,4,4", "1,a,5,5"]
    manifest = ingest(source(tmp_path, KEY % keep, input=lines))
    assert manifest.rows_kept == 5
    assert manifest.notes == ["4 rows have no value in one of k, part, the key of cleaning.deduplicate, and stayed"]
    filled = "cleaning: {fill_unknown_columns: [part], deduplicate: {key: [part], keep: KEEP}}\n"
    manifest = ingest(source(tmp_path, filled.replace("KEEP", keep), input=["1,,1,1", "1,,2,2", "1,a,3,3"]))
    assert (manifest.rows_kept, manifest.nulls["part"]) == (3, 2), "a word for a missing value is no key"


@pytest.mark.parametrize("keep", ["first", "last", "none"])
def test_partitions_blocks_and_kinds_of_files_make_no_difference(tmp_path: Path, keep: str) -> None:
    drawn = random.Random(3)
    rows = [(drawn.randrange(300), drawn.choice("ab"), n, n % 13) for n in range(2_000)]
    lines = [",".join(map(str, row)) for row in rows]
    stay = expected(rows, keep)
    config = source(tmp_path, KEY % keep + "parquet: {partition_by: [part]}\n", input=lines)
    manifest = ingest(config)
    assert sorted(kept(config)) == stay
    assert manifest.nulls["k"] == 0
    (tmp_path / "input.csv").unlink()
    pl.DataFrame(rows, schema=["k", "part", "x", "y"], orient="row").write_parquet(tmp_path / "input.parquet")
    (tmp_path / "config.yaml").write_text((tmp_path / "config.yaml").read_text().replace("*.csv", "*.parquet"))
    config = load_config(tmp_path / "config.yaml")
    ingest(config)
    assert sorted(kept(config)) == stay


@pytest.mark.parametrize(("write", "name"), [(write_excel, "input.xlsx"), (write_json_lines, "input.jsonl")])
def test_rows_of_a_sheet_and_of_json_lines_are_set_aside_by_their_key_with_their_place(
    tmp_path: Path, write: Callable[[Path, Sequence[str], Sequence[Sequence[object]]], Path], name: str
) -> None:
    config = source(tmp_path, KEY % "last")
    (tmp_path / "input.csv").unlink()
    cells = [[int(k), part, int(x), float(y)] for k, part, x, y in (row.split(",") for row in ROWS)]
    write(tmp_path / name, ["k", "part", "x", "y"], cells)
    config = load_config(tmp_path / "config.yaml", [f"paths.raw_csv={name}"])
    assert ingest(config).rejects == {RULE % "the last is kept": 3}
    assert kept(config) == [11, 30, 40, 22, 50]
    first = 2 if name.endswith(".xlsx") else 1  # a sheet has a row of names
    assert [each[:2] for each in rejected(config)] == [(name, first + place) for place in (0, 1, 4)]


def expected(rows: Iterable[tuple[int, str, int, int]], keep: str) -> list[int]:
    by_key: dict[tuple[int, str], list[int]] = {}
    for k, part, x, _ in rows:
        by_key.setdefault((k, part), []).append(x)
    chosen = {"first": lambda xs: xs[:1], "last": lambda xs: xs[-1:], "none": lambda xs: xs if len(xs) == 1 else []}
    return sorted(x for xs in by_key.values() for x in chosen[keep](xs))


def test_warnings_and_missing_values_are_those_of_the_rows_that_stay(tmp_path: Path) -> None:
    settings = (
        "contract: {rows: [{name: high, check: x <= 10, action: warn}]}\n"
        "cleaning: {drop_columns: [part], deduplicate: {key: [k], keep: first}}\n"
    )
    lines = ["1,,20,1", "1,,30,2", "2,a,5,3", "2,,5,4", "3,,40,5"]
    text = (source(tmp_path, "", input=lines).root / "config.yaml").read_text()
    config_file = tmp_path / "config.yaml"
    config_file.write_text("\n".join(line for line in text.splitlines() if not line.startswith("contract")) + "\n" + settings)
    manifest = ingest(load_config(config_file, ["contract." + DECLARED.replace(": ", "=", 1)]))
    assert (manifest.rows_kept, manifest.warnings, manifest.nulls["part"]) == (3, {"high": 2}, 2)


def test_an_appended_row_whose_key_is_there_is_set_aside_or_the_append_is_refused(tmp_path: Path) -> None:
    more = ["3,c,99,1", "9,a,60,2", "9,a,61,3"]
    first = source(tmp_path, KEY % "first", a=ROWS)
    ingest(first)
    manifest = ingest(source(tmp_path, KEY % "first", b=more), append=True)
    assert sorted(kept(first)) == [10, 20, 30, 40, 50, 60]
    assert manifest.rejects == {RULE % "the first is kept": 5}
    whole = ingest(first)
    assert (whole.rows_kept, whole.rejects, sorted(kept(first))) == (6, manifest.rejects, [10, 20, 30, 40, 50, 60])


@pytest.mark.parametrize("keep", ["last", "none"])
def test_an_append_never_replaces_a_row_silently(tmp_path: Path, keep: str) -> None:
    config = source(tmp_path, KEY % keep, a=ROWS)
    before = ingest(config)
    with pytest.raises(
        DataError, match=f"1 row has the key of a row that the dataset holds, and with .*keep: {keep} .*keep: first"
    ):
        ingest(source(tmp_path, KEY % keep, b=["3,c,99,1"]), append=True)
    assert len(kept(config)) == before.rows_kept
    added = ingest(source(tmp_path, KEY % keep, b=["8,c,60,1", "9,c,61,2", "9,c,62,3"]), append=True)
    assert added.rows_kept == before.rows_kept + {"last": 2, "none": 1}[keep]


def test_rows_that_are_all_duplicates_replace_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"every row was rejected.*none is kept"):
        ingest(source(tmp_path, KEY % "none", input=["1,a,1,1", "1,a,2,2"]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            "cleaning: {deduplicate: {key: [kk]}}",
            r"cleaning\.deduplicate\.key: 'kk' is not a declared column.*'k'\? Else declare it",
        ),
        ("cleaning: {deduplicate: {key: []}}", r"cleaning\.deduplicate\.key"),
        ("cleaning: {deduplicate: {}}", r"cleaning\.deduplicate\.key: this key is required"),
        ("cleaning: {deduplicate: {key: k, keep: frist}}", r"cleaning\.deduplicate\.keep"),
        ("cleaning: {deduplicate: {key: [k, k]}}", r"cleaning\.deduplicate\.key: 'k' is there twice"),
        ("cleaning: {drop_columns: [part], deduplicate: {key: part}}", r"'part' is in cleaning\.drop_columns; take it out there"),
        (
            "cleaning: {date_column: day, deduplicate: {key: k}}\ndemand: {name: d, target: y, series: [part], horizon: 3}",
            r"cleaning\.deduplicate: rows of a demand are added up by series and period",
        ),
    ],
)
def test_a_key_that_cannot_be_is_refused_when_the_config_is_read(tmp_path: Path, settings: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        source(tmp_path, settings + "\n")


def test_keys_are_remembered_whatever_the_blocks_in_which_they_come() -> None:
    drawn = np.random.default_rng(1)
    keys = drawn.integers(0, 5_000, 20_000).astype(np.uint64)
    seen, known = set[int](), KnownKeys()
    for block in np.array_split(keys, [1, 2, 50, 51, 4_000, 9_000, 9_001]):
        told = known.add_new(np.stack([block * np.uint64(0x9E3779B97F4A7C15), block]))
        for key, is_new in zip(block.tolist(), told.tolist(), strict=True):
            assert is_new == (key not in seen)
            seen.add(key)


def test_copies_of_rows_are_pointed_at_with_their_lines_whatever_the_config_says(tmp_path: Path) -> None:
    config = source(tmp_path, "", a=["1,a,1,1", "2,a,2,2", "1,a,1,1"], b=["2,a,2,2.0", "3,a,2,2"])
    (found,) = ingest(config).findings
    assert found.startswith(
        "2 of 5 rows are copies of earlier rows, equal in every column: a.csv line 4 (as a.csv line 2), b.csv line 2 (as a.csv"
        " line 3); copies on both sides"
    )
    assert kept(config) == [1, 2, 1, 2, 2], "nothing is done about it"
    assert ingest(source(tmp_path, "cleaning: {deduplicate: {key: [k, part, x, y]}}\n")).findings == []


@pytest.mark.parametrize(
    ("formats", "dropped", "told"),
    [
        ("%Y-%m-%d %H:%M", "[]", ", times of day aside"),
        ("%Y-%m-%d %H:%M", "[y]", ", those of cleaning.drop_columns and times of day aside"),
        ("%Y-%m-%d", "[y]", ", those of cleaning.drop_columns aside"),
    ],
)
def test_what_is_not_kept_of_a_row_is_said_where_rows_are_called_copies(
    tmp_path: Path, formats: str, dropped: str, told: str
) -> None:
    hour = " %02d:00" if "%H" in formats else "%.0s"
    lines = [f"2024-01-0{number // 8 + 1}{hour % number},a,1,{number if dropped == '[y]' else 1}" for number in range(16)]
    (tmp_path / "a.csv").write_text("day,part,x,y\n" + "\n".join(lines) + "\n")
    (tmp_path / "c.yaml").write_text(f"""
version: 2
paths: {{raw_csv: a.csv}}
cleaning: {{date_column: day, date_formats: ["{formats}"], drop_columns: {dropped}}}
demand: {{target: x, series: [part], duplicates: sum}}
""")
    (found,) = (each for each in ingest(load_config(tmp_path / "c.yaml")).findings if "copies" in each)
    assert told in found
    (tmp_path / "a.csv").write_text((tmp_path / "a.csv").read_text() + "2024-01-09" + (hour % 1) + ",a,2,1\n")
    (found,) = (each for each in ingest(load_config(tmp_path / "c.yaml")).findings if "copies" in each)
    assert "equal in every column" + told in found


def test_lines_of_copies_are_right_beside_rejected_rows_and_most_hashes_can_be_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f"{n},a,{n},{n % 9}" for n in range(3_000)]
    lines[100] = "x,a,1,1"
    config = source(tmp_path, "", input=[*lines, *lines[1_000:1_500]])
    (found,) = ingest(load_config(config.root / "config.yaml", [LOOSE])).findings
    assert found.startswith("500 of 3,499 rows are copies of earlier rows, equal in every column: input.csv line 3,002 (as")
    assert "input.csv line 3,002 (as input.csv line 1,002)" in found
    monkeypatch.setattr(copies, "_MOST", 400)
    (found,) = ingest(load_config(config.root / "config.yaml", [LOOSE])).findings
    count = int(found.removeprefix("about ").split(" ")[0].replace(",", ""))
    assert found.startswith("about ")
    assert 300 <= count <= 700


def test_a_file_given_twice_is_refused_and_one_within_another_is_pointed_at(tmp_path: Path) -> None:
    config = source(tmp_path, "", a=ROWS)
    (tmp_path / "b.csv").write_bytes((tmp_path / "a.csv").read_bytes())
    with pytest.raises(DataError, match=r"b\.csv and a\.csv hold the same"):
        ingest(config)
    (tmp_path / "b.csv").write_bytes((tmp_path / "a.csv").read_bytes().replace(b"\n", b"\r\n") + b"7,z,70,8\r\n")
    (found,) = ingest(config).findings
    assert found.startswith("8 of 17 rows are copies of earlier rows")
    assert "b.csv line 2 (as a.csv line 2)" in found


def test_the_real_file_has_neither_copies_nor_two_lines_of_an_order_with_one_number(tmp_path: Path) -> None:
    manifest = real(tmp_path)
    assert not any("copies" in each for each in manifest.findings)
    assert manifest.rows_kept == 2_823
    assert real(tmp_path, "cleaning.deduplicate={key: [ORDERNUMBER], keep: first}").rows_kept == 307


def real(folder: Path, *overrides: str) -> Manifest:
    if not REAL_CSV.exists():
        pytest.skip("the real file is not here")
    (folder / "sales.csv").write_bytes(REAL_CSV.read_bytes())
    (folder / "config.yaml").write_text(
        "version: 2\npaths: {raw_csv: sales.csv}\n"
        "contract: {columns: {ORDERNUMBER: {dtype: int}, ORDERLINENUMBER: {dtype: int}}}\n"
        "model: {name: m, target: SALES, numeric_features: [QUANTITYORDERED]}\nsplit: {kind: random, allow_leaky: true}\n"
    )
    return ingest(load_config(folder / "config.yaml", ["cleaning.deduplicate={key: [ORDERNUMBER, ORDERLINENUMBER]}", *overrides]))


def test_a_dropped_column_without_gaps_is_accounted_for_beside_a_rejected_row(tmp_path: Path) -> None:
    config = source(tmp_path, "cleaning: {drop_columns: [part]}\n", input=["1,a,x,1", "1,b,2,2", "1,c,3,3", "1,d,4,4"])
    assert ingest(load_config(config.root / "config.yaml", [LOOSE])).nulls["part"] == 0
