import csv
import gzip
import io
import json
import lzma
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.projects import Project
from tests.support.stages import append, run_ingest
from tests.support.tables import swap_day_and_month

from tabtrail import pipeline
from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.data import partitions
from tabtrail.data import rejects as rejects_module
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.ingest import ingest
from tabtrail.data.manifest import read_manifest, verify_dataset
from tabtrail.data.warehouse import parquet_view
from tabtrail.errors import ConfigError, DataError, TabtrailError
from tabtrail.progress import Progress
from tabtrail.reading import compressed
from tabtrail.reading.compressed import SourceFile, readable


def test_the_real_file_is_kept_row_for_row(real_project: Project) -> None:
    manifest = ingest(real_project.config())
    assert (manifest.rows_in, manifest.rows_kept, manifest.rows_rejected) == (2823, 2823, 0)
    assert manifest.partitions == {"YEAR=2003": 1000, "YEAR=2004": 1345, "YEAR=2005": 478}
    assert manifest.warnings == {"unit_price_near_msrp": 303}
    data = scan_dataset(real_project.config().dataset).collect()
    assert round(data["SALES"].sum(), 2) == 10032628.85
    assert data.filter(pl.col("TERRITORY") == "NA").height == 1074
    assert data["TERRITORY"].null_count() == 0
    assert "ADDRESSLINE2" not in data.columns
    assert data.filter(pl.col("STATE") == "Unknown").height == 1486
    assert data.filter(pl.col("POSTALCODE") == "Unknown").height == 76
    before = {name: manifest.nulls[name] for name in ("STATE", "POSTALCODE", "ADDRESSLINE2", "TERRITORY", "SALES")}
    assert before == {"STATE": 1486, "POSTALCODE": 76, "ADDRESSLINE2": 2521, "TERRITORY": 0, "SALES": 0}
    assert set(manifest.nulls_after_filling.values()) == {0}
    assert {"10022", "WX1 6LT", "S-958 22", "530-0003"} <= set(data["POSTALCODE"])
    assert data.schema["PHONE"] == pl.String
    assert data.filter(pl.col("YEAR") != pl.col("YEAR_ID")).is_empty()
    assert data.filter(pl.col("MONTH") != pl.col("MONTH_ID")).is_empty()


def test_the_letters_of_the_real_file_read_right(real_project: Project) -> None:
    for encoding in ("cp850", "auto"):
        manifest = ingest(real_project.config(f"source.encoding={encoding}"))
        assert (manifest.encoding, manifest.replaced_characters) == ("cp850", 0)
        text = " ".join(
            scan_dataset(real_project.config().dataset)
            .collect()
            .select(pl.concat_str(pl.col(pl.String), ignore_nulls=True))
            .to_series()
        )
        assert "Berguvsvägen" in text
        assert "Cataluña" in text
        assert "Martín" in text


def test_a_rerun_gives_the_same_bytes(project: Project) -> None:
    first = ingest(project.config())
    before = project.tree()
    assert ingest(project.config()).data_sha256 == first.data_sha256
    assert project.tree() == before


def test_rejected_rows_stand_aside_with_line_and_rules(project: Project) -> None:
    lines = project.csv.read_bytes().splitlines()
    lines[10] = lines[10].replace(b"/200", b"/201", 1)
    fields = lines[20].split(b",")
    fields[1], fields[4] = b"-5", b""
    lines[20] = b",".join(fields)
    project.csv.write_bytes(b"\n".join(lines) + b"\n")
    manifest = ingest(project.config())
    assert (manifest.rows_in, manifest.rows_kept, manifest.rows_rejected) == (2823, 2821, 2)
    rejects = pl.read_parquet(project.config().paths.rejects)
    assert rejects["_line"].to_list() == [11, 21]
    assert rejects["_rules"][0] == "ORDERDATE: disagrees with YEAR_ID"
    assert rejects["_rules"][1] == "QUANTITYORDERED: below 1; SALES: missing"
    assert rejects["QUANTITYORDERED"][1] == "-5"
    assert manifest.rejects["SALES: missing"] == 1


def test_a_ragged_line_is_set_aside_and_later_lines_keep_their_numbers(project: Project) -> None:
    lines = project.csv.read_bytes().splitlines()
    lines[5] = lines[5].rpartition(b",")[0]
    lines[7] += b",extra"
    lines[9] = lines[9].replace(b"/200", b"/19", 1)
    project.csv.write_bytes(b"\n".join(lines) + b"\n")
    manifest = ingest(project.config())
    assert (manifest.rows_in, manifest.rows_rejected) == (2823, 3)
    rejects = pl.read_parquet(project.config().paths.rejects)
    assert rejects["_line"].to_list() == [6, 8, 10]
    assert rejects["_rules"][0] == "ragged: 24 fields, the header has 25"
    assert rejects["_rules"][1] == "ragged: 26 fields, the header has 25"


def test_a_line_break_in_quotes_belongs_to_its_field_and_line_numbers_stay_true(project: Project) -> None:
    lines = project.csv.read_bytes().splitlines()
    fields = lines[3].split(b",")
    fields[15] = b'"first\nsecond, line"'
    lines[3] = b",".join(fields)
    lines[6] = lines[6].replace(b"/200", b"/19", 1)
    project.csv.write_bytes(b"\n".join(lines) + b"\n")
    ingest(project.config())
    assert pl.read_parquet(project.config().paths.rejects)["_line"].to_list() == [8]
    assert "first\nsecond, line" in scan_dataset(project.config().dataset).collect()["ADDRESSLINE1"].to_list()


def test_windows_line_ends_a_bom_and_no_last_line_end_make_no_difference(project: Project) -> None:
    expected = ingest(project.config())
    text = project.csv.read_bytes().decode("cp850")
    project.csv.write_bytes(text.replace("\n", "\r\n").rstrip("\r\n").encode("utf-8-sig"))
    assert ingest(project.config("source.encoding=auto")).data_sha256 == expected.data_sha256


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "cp850"])
def test_auto_reads_the_same_text_in_every_encoding(project: Project, encoding: str) -> None:
    expected = ingest(project.config())
    text = project.csv.read_bytes().decode("cp850")
    project.csv.write_bytes(text.encode(encoding))
    found = ingest(project.config("source.encoding=auto"))
    assert found.data_sha256 == expected.data_sha256
    assert found.replaced_characters == 0


def test_stray_bytes_in_utf8_are_replaced_and_counted(project: Project) -> None:
    text = project.csv.read_bytes().decode("cp850").encode()
    project.csv.write_bytes(text.replace(b"Synthetic Customer 001", b"Synth\x84tic Customer 001") + b"")
    manifest = ingest(project.config("source.encoding=auto"))
    assert manifest.encoding == "utf-8"
    assert manifest.replaced_characters == text.count(b"Synthetic Customer 001")
    assert manifest.notes == [f"{manifest.replaced_characters:,} characters are not utf-8 and were replaced by U+FFFD"]


def set_field(column: int, value: bytes) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        lines = data.splitlines()
        for index in range(1, len(lines)):
            fields = lines[index].split(b",")
            fields[column] = value
            lines[index] = b",".join(fields)
        return b"\n".join(lines) + b"\n"

    return change


BAD_FILES: dict[str, tuple[Callable[[bytes], bytes], list[str], str]] = {
    "empty": (lambda data: b"", [], r"is empty \(0 bytes\)"),
    "header only": (lambda data: data.splitlines()[0] + b"\n", [], r"has a header and no rows"),
    "missing column": (
        lambda data: data.replace(b"MSRP", b"MSRPP", 1),
        [],
        r"line 1: missing column 'MSRP'; did you mean 'MSRPP'\?",
    ),
    "duplicated column": (lambda data: data.replace(b"STATUS", b"SALES", 1), [], r"column 'SALES' is there 2 times"),
    "wrong delimiter": (lambda data: data.replace(b",", b";"), [], r"is source.delimiter right"),
    "column of the wrong type": (set_field(1, b"many"), [], r"QUANTITYORDERED: not int \(2,823 rows\)"),
    "unparsable dates": (
        set_field(5, b"yesterday"),
        [],
        r"first on line 2\): ORDERDATE: not a date of the formats \(2,823 rows\)",
    ),
    "dates of the wrong order": (
        swap_day_and_month,
        [],
        r"Do cleaning.date_formats have day, month and year in the file's order",
    ),
    "NUL bytes": (lambda data: data.replace(b"Shipped", b"Ship\0ed", 1), [], r"line \d+: a NUL character"),
    "UTF-8 that is not": (
        lambda data: data,
        ["source.encoding=utf-8"],
        r"line \d+: these bytes are not utf-8; set source.encoding: cp850",
    ),
    "latin-1 that is not": (lambda data: data, ["source.encoding=latin-1"], r"the bytes read as cp850, not iso8859-1"),
    "UTF-8 under a code page": (lambda data: data.decode("cp850").encode(), [], r"the bytes read as utf-8, not cp850"),
    "another code page": (lambda data: data, ["source.encoding=cp1252"], r"the bytes read as cp850, not cp1252"),
    "lines that end in CR": (lambda data: data.replace(b"\n", b"\r"), [], r"its lines end in CR alone"),
    "a single order": (set_field(0, b"10100"), [], r"1 distinct split keys cannot give a test part and 5 folds"),
    "one row": (lambda data: b"\n".join(data.splitlines()[:2]) + b"\n", [], r"1 rows with 1 distinct split keys"),
    "a constant target": (set_field(4, b"5"), [], r"the target SALES has the same value in all 2,823 rows"),
    "UTF-16 without its mark": (lambda data: data, ["source.encoding=utf-16"], r"these bytes are not utf-16"),
    "target missing": (set_field(4, b""), [], r"SALES: missing \(2,823 rows\)"),
    "ragged past the share": (lambda data: data.replace(b"Shipped,", b"Shipped,,"), [], r"ragged: 26 fields"),
    "open quote": (lambda data: data.replace(b",Shipped", b',"Shipped', 1), [], r"from line \d+: .* a quote is opened"),
    "not a number": (set_field(2, b"nan"), [], r"PRICEEACH: not finite"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_refused_and_the_previous_dataset_stays(project: Project, name: str) -> None:
    ingest(project.config())
    before = project.tree()
    change, overrides, message = BAD_FILES[name]
    project.rewrite(change)
    config = project.config(*overrides)
    with pytest.raises(DataError, match=message) as caught:
        ingest(config)
    assert caught.value.exit_code == 3
    config.dataset.refused.unlink(missing_ok=True)  # the rows for which it was refused, beside the dataset
    assert project.tree() == before


def test_errors_hold_no_value_of_the_data_but_those_that_break_a_rule(project: Project) -> None:
    project.rewrite(set_field(2, b"s3cret"))
    with pytest.raises(DataError) as caught:
        ingest(project.config())
    named = str(caught.value)
    assert "PRICEEACH: not float (2,823 rows), 's3cret' on line 2" in named
    assert not any(value in named for value in ("Land of Toys", "897 Long Airport", "Yu", "10107"))


def test_a_missing_csv_and_an_unknown_encoding_are_config_errors(project: Project) -> None:
    with pytest.raises(ConfigError, match=r"unknown encoding 'base64'"):
        ingest(project.config("source.encoding=base64"))
    with pytest.raises(ConfigError, match=r"unknown encoding 'cp85'; did you mean 'cp850'\?"):
        ingest(project.config("source.encoding=cp85"))
    project.csv.unlink()
    with pytest.raises(ConfigError, match=r"paths.raw_csv: there is no file .*sales_data_sample.csv"):
        ingest(project.config())


def test_a_folder_with_other_files_is_never_replaced(project: Project) -> None:
    folder = project.root / "mine"
    folder.mkdir()
    (folder / "notes.txt").write_text("keep me")
    with pytest.raises(ConfigError, match=r"mine holds other files; name a folder that is for the dataset alone"):
        ingest(project.config("paths.processed_dir=mine"))
    assert (folder / "notes.txt").read_text() == "keep me"
    (project.root / "file").touch()
    with pytest.raises(TabtrailError, match=r"file is a file, where a folder is to be written"):
        ingest(project.config("paths.processed_dir=file"))


def test_a_folder_behind_a_link_is_replaced_and_the_link_stays(project: Project) -> None:
    (project.root / "elsewhere").mkdir()
    (project.root / "link").symlink_to(project.root / "elsewhere")
    ingest(project.config("paths.processed_dir=link"))
    ingest(project.config("paths.processed_dir=link"))
    assert (project.root / "link").is_symlink()
    assert any((project.root / "elsewhere").rglob("*.parquet"))
    assert (project.root / "link_manifest.json").is_file()


def test_files_that_ingest_did_not_write_are_not_read_as_data(project: Project) -> None:
    """A stale partition was trained on: here an extra or altered file stops whoever reads the dataset."""
    config = project.config()
    ingest(config)
    part = next(config.paths.processed_dir.rglob("*.parquet"))
    (part.parent / "part-1.parquet").write_bytes(part.read_bytes())
    with pytest.raises(DataError, match=r"are not those of the last ingest; run `tabtrail ingest --force`"):
        verify_dataset(config.dataset, config.ingest_digest())
    (part.parent / "part-1.parquet").unlink()
    with pytest.raises(DataError, match=r"was made with another config; run `tabtrail ingest` first"):
        verify_dataset(
            project.config("contract.columns.SALES.max=3000").dataset,
            project.config("contract.columns.SALES.max=3000").ingest_digest(),
        )
    assert (
        verify_dataset(
            project.config("model.random_state=7").dataset, project.config("model.random_state=7").ingest_digest()
        ).rows_kept
        == 2823
    )
    config.paths.manifest.write_text("{}")
    with pytest.raises(DataError, match=r"is not a manifest of this version"):
        verify_dataset(config.dataset, config.ingest_digest())


def test_an_unwritable_folder_is_a_message(project: Project) -> None:
    (project.root / "data" / "processed").write_text("a file where a folder should be")
    with pytest.raises(TabtrailError, match=r"cannot write in .*processed"):
        ingest(project.config())


def test_the_manifest_accounts_for_every_row_and_names_the_source(project: Project) -> None:
    manifest = ingest(project.config())
    stored = json.loads(project.config().paths.manifest.read_text())
    assert stored["rows_in"] == stored["rows_kept"] + stored["rows_rejected"] == 2823
    assert sum(stored["partitions"].values()) == stored["rows_kept"]
    assert stored["source"] == "sales_data_sample.csv"
    assert stored["nulls"]["SALES"] == 0
    assert read_manifest(project.config().dataset) == manifest


def test_partitions_by_any_text_come_back_as_that_text(project: Project) -> None:
    texts = ["007", "São/Paulo", "a b", "x%20y", "=", ""]
    lines = project.csv.read_bytes().splitlines()
    for index, text in enumerate(texts, 1):
        fields = lines[index].split(b",")
        fields[21] = text.encode("cp850")
        lines[index] = b",".join(fields)
    project.csv.write_bytes(b"\n".join(lines) + b"\n")
    config = project.config("parquet.partition_by=[TERRITORY, YEAR]")
    ingest(config)
    found = scan_dataset(config.dataset).collect()
    assert set(texts[:-1]) <= set(found["TERRITORY"])
    assert found["TERRITORY"].null_count() == 1
    with parquet_view(config.database) as connection:
        assert connection.sql("SELECT count(*), count(TERRITORY), count(DISTINCT TERRITORY) FROM sales").fetchall() == [
            (found.height, found.height - 1, found["TERRITORY"].drop_nulls().n_unique())
        ]


def test_a_column_named_like_one_of_ours_is_refused(project: Project) -> None:
    lines = project.csv.read_bytes().splitlines()
    project.csv.write_bytes(b"\n".join([lines[0] + b",_line", *(line + b",1" for line in lines[1:])]) + b"\n")
    with pytest.raises(DataError, match=r"column '_line' begins like a column of tabtrail's own"):
        ingest(project.config())


def test_a_column_that_no_one_declared_is_kept_as_text(project: Project) -> None:
    lines = project.csv.read_bytes().splitlines()
    project.csv.write_bytes(b"\n".join([lines[0] + b",NOTE", *(line + b",007" for line in lines[1:])]) + b"\n")
    ingest(project.config())
    assert scan_dataset(project.config().dataset).collect()["NOTE"].unique().to_list() == ["007"]


FIELD = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(FIELD, FIELD, FIELD), min_size=1, max_size=12), cut=st.integers(0, 11))
def test_rows_in_are_rows_kept_and_rejected_whatever_stands_in_the_file(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], cut: int
) -> None:
    root = tmp_path_factory.mktemp("fuzz")
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([("a", "b", "y"), *rows])
    text = out.getvalue()
    (root / "x.csv").write_text(text + "1,2\n" * (cut % 3), encoding="utf-8")
    (root / "c.yaml").write_text(
        "version: 2\npaths: {raw_csv: x.csv}\ncontract: {max_reject_share: 1}\n"
        "model: {target: y, numeric_features: [a], categorical_features: [b]}\nsplit: {kind: random}\n"
    )
    try:
        manifest = ingest(load_config(root / "c.yaml"))
    except DataError as error:
        assert re.search("every row was rejected|distinct split keys|is text", str(error))  # a few rows may be good by chance
        return
    assert manifest.rows_in == len(rows) + cut % 3 == manifest.rows_kept + manifest.rows_rejected


def split_in_two(project: Project) -> tuple[Path, Path]:
    lines = project.csv.read_bytes().splitlines(keepends=True)
    first, second = project.csv.with_name("a.csv"), project.csv.with_name("b.csv")
    first.write_bytes(b"".join(lines[:1500]))
    second.write_bytes(lines[0] + b"".join(lines[1500:]))
    project.csv.unlink()
    return first, second


def test_a_pattern_reads_several_files_and_tells_them_apart(project: Project) -> None:
    split_in_two(project)
    config = project.config("paths.raw_csv=data/raw/*.csv")
    manifest = ingest(config)
    assert [(each.name, each.rows_in) for each in manifest.sources] == [("a.csv", 1499), ("b.csv", 1324)]
    assert (manifest.rows_in, manifest.source) == (2823, "*.csv")
    with pytest.raises(ConfigError, match=r"paths.raw_csv: no file matches .*none"):
        ingest(project.config("paths.raw_csv=data/raw/none*.csv"))


def test_appending_gives_what_a_whole_ingest_gives_and_leaves_written_files_alone(project: Project) -> None:
    first, second = split_in_two(project)
    both = project.config("paths.raw_csv=data/raw/?.csv")
    aside = second.rename(second.with_suffix(".later"))
    ingest(both)
    before = {path: path.stat().st_ino for path in both.paths.processed_dir.rglob("*.parquet")}
    aside.rename(second)
    appended = ingest(both, append=True)
    after = {path: path.stat().st_ino for path in both.paths.processed_dir.rglob("*.parquet")}
    assert before.items() < after.items()
    whole = ingest(both)
    assert (appended.data_sha256, appended.rows_kept) == (whole.data_sha256, whole.rows_kept)
    assert (appended.nulls, appended.rejects) == (whole.nulls, whole.rejects)
    assert (appended.nulls["STATE"] > 0, appended.nulls_after_filling) == (True, whole.nulls_after_filling)
    assert appended.statistics == whole.statistics
    assert appended.sources == whole.sources
    first.rename(second.with_name("z.csv"))
    assert ingest(both).data_sha256 == whole.data_sha256, "the order of the files is no part of the data"


def test_the_same_file_is_not_appended_twice(project: Project) -> None:
    config = project.config()
    ingest(config)
    before = project.tree()
    with pytest.raises(DataError, match=r"sales_data_sample.csv is in the dataset already .*nothing was appended"):
        ingest(config, append=True)
    (project.csv.parent / "again.csv").write_bytes(project.csv.read_bytes())
    both = project.config("paths.raw_csv=data/raw/*.csv")
    with pytest.raises(DataError, match=r"again.csv is in the dataset already \(as sales_data_sample.csv, the same sha256\)"):
        ingest(both, append=True)
    with pytest.raises(DataError, match=r"hold the same \(the same sha256\); remove one of them"):
        ingest(both)
    with project.csv.open("ab") as file:
        file.write(b"1,2\n")
    with pytest.raises(DataError, match=r"has changed since it was ingested; run `tabtrail ingest` without --append"):
        ingest(config, append=True)
    assert project.tree() == before


def test_files_with_other_columns_are_refused_together(project: Project) -> None:
    _, second = split_in_two(project)
    second.write_bytes(second.read_bytes().replace(b"\n", b",1\n").replace(b"DEALSIZE,1", b"DEALSIZE,MORE", 1))
    with pytest.raises(DataError, match=r"b.csv, line 1: its columns are not those of the other files \(column 'MORE'\)"):
        ingest(project.config("paths.raw_csv=data/raw/?.csv"))


def test_threads_and_chunks_do_not_change_the_data(project: Project) -> None:
    expected = ingest(project.config()).data_sha256
    code = (
        "import sys; from pathlib import Path;"
        "from tabtrail.config.load import load_config; from tabtrail.data.ingest import ingest;"
        "print(ingest(load_config(Path(sys.argv[1]))).data_sha256)"
    )
    for threads in ("1", "5"):
        environment = {**os.environ, "POLARS_MAX_THREADS": threads}
        words = [sys.executable, "-c", code, str(project.config_file)]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected


def test_chunks_end_where_the_rows_say_so(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the blocks of the source were: many chunks of the same rows are the same files."""
    monkeypatch.setattr(partitions, "_CHUNK_ROWS", 700)
    found = []
    for size in (8 << 20, 30_000, 3_000):
        monkeypatch.setattr(compressed, "_READ", size)
        found.append(ingest(project.config()))
        assert len(list(project.config().paths.processed_dir.rglob("*.parquet"))) > 12
    assert len({manifest.data_sha256 for manifest in found}) == 1
    assert all(manifest.rows_kept == 2823 for manifest in found)


def test_wide_text_ends_a_chunk_early(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "_CHUNK_TEXT", 100_000)
    monkeypatch.setattr(partitions, "_STEP", 64)
    digests = set()
    for size in (8 << 20, 30_000):
        monkeypatch.setattr(compressed, "_READ", size)
        manifest = ingest(project.config())
        assert manifest.rows_kept == scan_dataset(project.config().dataset).collect().height == 2823
        digests.add(manifest.data_sha256)
    assert len(digests) == 1
    assert len(list(project.config().paths.processed_dir.rglob("*.parquet"))) > 6


def test_statistics_are_those_of_the_kept_rows(project: Project) -> None:
    manifest = ingest(project.config())
    data = scan_dataset(project.config().dataset).collect()
    sales = manifest.statistics["SALES"]
    assert (sales.min, sales.max) == (data["SALES"].min(), data["SALES"].max())
    assert sales.mean == pytest.approx(data["SALES"].mean())
    assert manifest.statistics["ORDERDATE"].max == str(data["ORDERDATE"].max())
    assert manifest.statistics["CITY"].longest == data["CITY"].str.len_bytes().max()
    assert {name: each.nulls for name, each in manifest.statistics.items()} == manifest.nulls_after_filling


def test_many_rejects_go_to_disk_and_come_back_in_order(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejects_module, "_SPILL_ROWS", 50)
    monkeypatch.setattr(compressed, "_READ", 30_000)
    lines = project.csv.read_bytes().splitlines(keepends=True)
    bad = list(range(5, 2800, 7))
    for index in bad:
        lines[index] = lines[index].replace(b"/200", b"/19", 1)
    project.csv.write_bytes(b"".join(lines))
    manifest = ingest(project.config("contract.max_reject_share=1"))
    rejects = pl.read_parquet(project.config().paths.rejects)
    assert rejects["_line"].to_list() == [index + 1 for index in bad]
    assert set(rejects["_file"]) == {"sales_data_sample.csv"}
    assert manifest.rows_rejected == len(bad)


def test_progress_tells_rows_a_second_and_bytes(project: Project) -> None:
    project.csv.write_bytes(project.csv.read_bytes() + 50 * project.csv.read_bytes().partition(b"\n")[2])
    told: list[tuple[int, int, str]] = []
    ingest(project.config(), progress=Progress(advance=lambda done, of, what="fits": told.append((done, of, what))))
    done, of, what = told[-1]
    assert done == of == project.csv.stat().st_size // 10**6
    assert re.fullmatch(r"MB: 143,973 rows, [\d,]+ rows/s", what)


def test_a_million_rows_take_no_more_memory_than_they_may(project: Project) -> None:
    head, _, body = project.csv.read_bytes().partition(b"\n")
    times = 1_000_000 // body.count(b"\n") + 1
    with project.csv.open("wb") as file:
        file.write(head + b"\n")
        for _ in range(times):
            file.write(body)
    # Linux lets a process inherit the peak of the one that forked it, and that of the tests is larger than the limit: a small
    # process in between measures its child alone.
    measure = (
        "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, check=True);"
        "sys.stdout.buffer.write(done.stdout); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)"
    )
    words = [sys.executable, "-m", "tabtrail", "ingest", "--quiet", "--format=json", "--config", str(project.config_file)]
    done = subprocess.run([sys.executable, "-c", measure, *words], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["rows_in"] > 1_000_000
    # 0.51 GiB when it was measured.
    assert 0.1 < int(done.stderr.splitlines()[-1]) / 2**20 < 1.2, "GiB"


def tiny(tmp_path: Path, files: dict[str, str], pattern: str = "*.csv", **sections: str) -> Config:
    """Return the config of a project with these CSVs, read by a pattern, of columns a (whole), b (text) and y."""
    for name, text in files.items():
        path = tmp_path / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    contract = sections.pop("contract", "{max_reject_share: 0.9, columns: {a: {dtype: int}, b: {dtype: string}}}")
    lines = [
        "version: 2",
        f"paths: {{raw_csv: 'raw/{pattern}', processed_dir: data/m, duckdb_file: m.duckdb}}",
        f"contract: {contract}",
        "model: {target: y, name: m, numeric_features: [a]}",
        "candidates: {LinearRegression: {}}",
        "split: {kind: random, folds: 2, allow_leaky: true}",
        *(f"{name}: {value}" for name, value in sections.items()),
    ]
    (tmp_path / "config_v2.yaml").write_text("\n".join(lines))
    return load_config(tmp_path / "config_v2.yaml")


ROWS = "a,b,y\n" + "".join(f"{index},x{index},{index * 7 % 11}\n" for index in range(20))


def test_files_of_one_name_in_several_folders_are_told_apart(tmp_path: Path) -> None:
    config = tiny(tmp_path, {"m1/s.csv": ROWS, "m2/s.csv": ROWS.replace("x", "z")}, "*/s.csv")
    pipeline.run_stage("ingest", config)
    assert [each.name for each in read_manifest(config.dataset).sources] == ["m1/s.csv", "m2/s.csv"]
    (tmp_path / "raw" / "m3").mkdir()
    (tmp_path / "raw" / "m3" / "s.csv").write_text(ROWS.replace("x", "w"))
    manifest = append(config)
    assert manifest.rows_kept == 60
    assert not run_ingest(config)[1], "what was appended is what the pattern names"
    (tmp_path / "raw" / "m1" / "s.csv").write_text(ROWS.replace("x", "v"))
    assert run_ingest(config)[1], "one of them changed"


def test_an_interrupted_append_leaves_rejects_and_dataset_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny(tmp_path, {"1.csv": ROWS + "no,x,1\n"})
    pipeline.run_stage("ingest", config)
    before = config.paths.rejects.read_bytes()
    (tmp_path / "raw" / "2.csv").write_text(ROWS.replace("x", "z") + "no,z,2\n")
    with monkeypatch.context() as patch:
        patch.setattr("tabtrail.system.files._exchange", lambda new, old: (_ for _ in ()).throw(SystemExit(130)))
        with pytest.raises(SystemExit):
            append(config)
    assert config.paths.rejects.read_bytes() == before
    manifest = append(config)
    assert manifest.rejects == {"a: not int": 2}
    assert pl.read_parquet(config.paths.rejects).height == 2
    config.paths.rejects.unlink()
    with pytest.raises(DataError, match=r"rejects.parquet is not that of the last ingest; run `tabtrail ingest --force`"):
        verify_dataset(config.dataset, config.ingest_digest())


def test_files_in_another_order_of_columns_give_one_dataset(tmp_path: Path) -> None:
    turned = "y,b,a\n" + "".join(",".join(reversed(line.split(","))) + "\n" for line in ROWS.replace("x", "t").splitlines()[1:])
    config = tiny(tmp_path, {"1.csv": "a,b,y\nno,x,1\n", "2.csv": turned, "3.csv": ROWS, "4.csv": turned.replace("t", "u")})
    pipeline.run_stage("ingest", config)
    whole = read_manifest(config.dataset)
    assert (whole.rows_in, whole.rows_kept, [*whole.schema]) == (61, 60, ["a", "b", "y"])
    (tmp_path / "raw" / "4.csv").rename(tmp_path / "4.csv")
    pipeline.run_stage("ingest", config)
    (tmp_path / "4.csv").rename(tmp_path / "raw" / "4.csv")
    assert append(config).data_sha256 == whole.data_sha256


def test_a_long_line_and_lines_that_look_like_compressed_data_are_read(tmp_path: Path) -> None:
    long = "1," + '"' + "t" * 300_000 + '\nmore",3\n' + "2," + ",".join("x" * 50 for _ in range(9_000)) + ",4\n"
    config = tiny(tmp_path, {"1.csv": ROWS + long + "x^2,1,bad\n\ufeffx,1,2\n" + "7,q,1\n"})
    manifest, _ = run_ingest(config)
    assert (manifest.rows_in, manifest.rows_kept) == (25, 22)
    rejects = pl.read_parquet(config.paths.rejects)
    assert rejects.get_column("_line").to_list() == [24, 25, 26]
    assert rejects.get_column("a").to_list()[1:] == ["x^2", "\ufeffx"]


def test_appended_rows_that_are_all_rejected_change_no_statistics(tmp_path: Path) -> None:
    config = tiny(tmp_path, {"1.csv": ROWS + "5,,3\n"})
    before, _ = run_ingest(config)
    (tmp_path / "raw" / "2.csv").write_text("a,b,y\nno,q,1\n")
    after = append(config)
    assert (after.rows_in, after.rows_kept) == (before.rows_in + 1, before.rows_kept)
    assert after.statistics == before.statistics
    assert after.nulls["b"] == 1


def test_the_target_of_appended_rows_is_looked_at_too(tmp_path: Path) -> None:
    config = tiny(tmp_path, {"1.csv": ROWS})
    pipeline.run_stage("ingest", config)
    (tmp_path / "raw" / "2.csv").write_text("a,b,y\n1,q,1e200\n")
    with pytest.raises(DataError, match="beyond 1e\\+100"):
        append(config)


@pytest.mark.parametrize(
    ("files", "sections", "message"),
    [
        ({"1.csv": "a,b,y,^c$\n1,x,1,1\n"}, {}, "column '\\^c\\$' reads like a pattern"),
        ({"1.csv": ROWS}, {"contract": "{}", "cleaning": "{date_column: b, date_formats: ['%H']}"}, "'%H' gives no date"),
        ({"1.csv": ROWS}, {"source": "{encoding: undefined}"}, "unknown encoding 'undefined'"),
        ({"1.csv": ROWS}, {"parquet": "{partition_by: [b, b]}"}, "cannot name folders"),
        ({"1.csv": ROWS.replace("x3", "ы" * 60)}, {"parquet": "{partition_by: [b]}"}, "too long for the name of a folder"),
        (
            {"1.csv": ROWS},
            {"contract": "{rows: [{name: r, check: a > 1}, {name: r, check: a > 2}]}"},
            "another rule is called 'r' too",
        ),
    ],
)
def test_what_cannot_be_is_one_message(tmp_path: Path, files: dict[str, str], sections: dict[str, str], message: str) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        pipeline.run_stage("ingest", tiny(tmp_path, files, **sections))


def test_whole_numbers_may_be_listed_and_means_beyond_doubles_are_none(tmp_path: Path) -> None:
    contract = "{max_reject_share: 0.9, columns: {a: {dtype: int, allowed: [0, 1, 2, 3, 4, 5]}, c: {dtype: float}}}"
    text = "a,b,y,c\n" + "".join(f"{index},x{index},{index * 7 % 11},1e308\n" for index in range(20))
    manifest, _ = run_ingest(tiny(tmp_path, {"1.csv": text}, contract=contract))
    assert (manifest.rows_kept, manifest.rejects) == (6, {"a: not an allowed value": 14})
    assert manifest.statistics["c"].mean is None


def test_a_file_that_cannot_be_read_is_told_as_what_it_is(tmp_path: Path) -> None:
    config = tiny(tmp_path, {"1.csv": ROWS})
    file = SourceFile(tmp_path / "raw" / "1.csv", "1.csv")
    with pytest.raises(ConfigError, match=r"paths.raw_csv: 1.csv cannot be read: Permission denied"), readable(file):
        raise PermissionError(13, "Permission denied")
    pipeline.run_stage("ingest", config)
    (config.paths.processed_dir / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds other files"):
        pipeline.run_stage("ingest", config, force=True)
    assert (config.paths.processed_dir / "mine.txt").read_text() == "mine"


def test_a_file_and_itself_compressed_are_one_and_a_vanished_one_is_missed(tmp_path: Path) -> None:
    config = tiny(tmp_path, {"1.csv": ROWS, "2.csv": ROWS.replace("x", "z")}, "*.csv*")
    pipeline.run_stage("ingest", config)
    packed = tmp_path / "raw" / "3.csv.gz"
    packed.write_bytes(gzip.compress(ROWS.encode()))
    for read in (append, run_ingest):
        with pytest.raises(DataError, match=r"3.csv.gz and 1.csv hold the same"):
            read(config)
    packed.write_bytes(gzip.compress(ROWS.replace("x", "w").encode()))
    (tmp_path / "raw" / "2.csv").unlink()
    with pytest.raises(DataError, match=r"2.csv is in the dataset and gone; put it back, or run `tabtrail ingest` without"):
        append(config)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("1.csv.xz", lzma.compress(ROWS.encode()), "1.csv.xz is xz, which is not read"),
        ("1.csv", ROWS.encode("utf-16-be"), "set source.encoding: utf-16-be"),
        ("1.csv", ROWS.encode("utf-16-le"), "set source.encoding: utf-16-le"),
        ("1.csv", ROWS.replace("x", "Málaga São Köln ").encode(), "the bytes read as utf-8, not iso8859-1"),
    ],
)
def test_what_a_file_is_in_truth_is_named(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    config = tiny(tmp_path, {name: ""}, "*", source="{encoding: latin-1}" if "8859" in message else "{encoding: auto}")
    (tmp_path / "raw" / name).write_bytes(data)
    with pytest.raises(DataError, match=message):
        pipeline.run_stage("ingest", config)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"raw is a folder; name its files by a pattern, as raw/\*.csv"):
        pipeline.run_stage("ingest", tiny(tmp_path, {"1.csv": ROWS}, "../raw"))
