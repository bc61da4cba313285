"""Files of rows in, a file of predictions out."""

import csv
import gzip
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.projects import Project
from tests.support.table_files import write_workbook

from tabtrail.bundle.columnar import CodedTexts, evaluate_columns
from tabtrail.bundle.input_blocks import InputFile
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.outputs import output_at
from tabtrail.bundle.predictor import Predictor
from tabtrail.bundle.score_file import kinds_of_warnings, score_file
from tabtrail.cli.predict import main
from tabtrail.contract.expressions import evaluate, parse_expression
from tabtrail.contract.layout import Layout
from tabtrail.errors import ConfigError, DataError, UsageError


@pytest.fixture(scope="module")
def predictor(small: Project) -> Predictor:
    return Predictor(load_bundle(small.config().paths.models_dir, "sales_regressor"))


@pytest.fixture(scope="module")
def rows(small: Project, predictor: Predictor) -> list[dict[str, Any]]:
    frame = pl.read_parquet(small.root / "data" / "processed" / "sales_parquet" / "**" / "*.parquet")
    return frame.select(predictor.schema.names).head(500).to_dicts()


def write_csv(path: Path, rows: list[dict[str, Any]], change: Callable[[str], str] = lambda text: text) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    return path


def score(
    predictor: Predictor, path: Path, keep: tuple[str, ...] = (), **layout: Any
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    output = path.with_name("out.parquet")
    outcome = score_file(predictor, InputFile(path, Layout(**layout), keep), output_at(output, None), intervals=True)
    return pl.read_parquet(output), None if outcome.rejects is None else pl.read_parquet(outcome.rejects)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_is_scored_row_by_row_as_the_predictor_scores_rows(
    predictor: Predictor, rows: list[dict[str, Any]], tmp_path: Path, kind: str
) -> None:
    changed = [
        {**row, "PRODUCTLINE": 'Space, "ships"\nof two lines'} if index % 7 == 0 else row for index, row in enumerate(rows)
    ]
    path = tmp_path / f"rows.{kind}"
    if kind == "csv":
        write_csv(path, changed)
    else:
        pl.DataFrame(changed).write_parquet(path)
    scored, rejects = score(predictor, path, keep=("PRODUCTLINE",))
    expected = predictor.predict(changed)
    assert rejects is None
    assert scored["row"].to_list() == list(range(1, 501))
    assert scored["PRODUCTLINE"].to_list() == [row["PRODUCTLINE"] for row in changed]
    np.testing.assert_allclose(scored["prediction"], [each.value for each in expected], rtol=1e-12)
    np.testing.assert_allclose(scored["low"], [each.interval.low for each in expected if each.interval], rtol=1e-12)
    np.testing.assert_allclose(scored["high"], [each.interval.high for each in expected if each.interval], rtol=1e-12)
    assert scored["warnings"].to_list() == ["; ".join(each.warnings) or None for each in expected]


def test_refused_rows_stand_beside_with_their_number_and_the_words_of_the_predictor(
    predictor: Predictor, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    bad: dict[int, dict[str, Any]] = {
        2: {"QUANTITYORDERED": -30},
        5: {"MSRP": "ninety"},
        9: {"QTR_ID": 1, "MONTH_ID": 12},
        11: {"COUNTRY": None},
        12: {"DEALSIZE": "Huge"},
        13: {"QUANTITYORDERED": 2.5},
    }
    changed = [{**row, **bad.get(number, {})} for number, row in enumerate(rows, 1)]
    path = write_csv(tmp_path / "rows.csv", changed, lambda text: text.replace("\n", "\nonly,three,fields\n", 1))
    scored, rejects = score(predictor, path)
    assert rejects is not None
    found = dict(rejects.iter_rows())
    expected = {number + 1: "; ".join(map(str, predictor.problems(changed[number - 1]))) for number in bad}
    assert found == {1: "has 3 fields instead of 10", **expected}
    good = [row for number, row in enumerate(changed, 1) if number not in bad]
    np.testing.assert_allclose(scored["prediction"], [each.value for each in predictor.predict(good)], rtol=1e-12)
    assert not set(scored["row"]) & set(found)


def test_text_in_a_later_block_leaves_the_earlier_ones_as_they_were(
    predictor: Predictor, rows: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tabtrail.bundle.input_blocks._BLOCK_BYTES", 4096)
    changed = [*rows[:400], {**rows[400], "PRICEEACH": "n.a."}, *rows[401:]]
    scored, rejects = score(predictor, write_csv(tmp_path / "rows.csv", changed))
    assert rejects is not None
    assert rejects.rows() == [(401, "PRICEEACH: must be a number, not text")]
    assert scored["row"].to_list() == [*range(1, 401), *range(402, 501)]


def test_a_file_that_is_not_utf_8_is_read_in_the_encoding_of_the_config(
    predictor: Predictor, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "rows.csv", [{**row, "COUNTRY": "Österreich"} for row in rows])
    path.write_bytes(path.read_text(encoding="utf-8").encode("cp850"))
    scored, _ = score(predictor, path, encoding="cp850", keep=("COUNTRY",))
    assert set(scored["COUNTRY"]) == {"Österreich"}


def test_the_encoding_of_a_file_is_detected_where_the_config_leaves_it_open(
    predictor: Predictor, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "rows.csv", [{**row, "COUNTRY": "Österreich, Málaga und Köln"} for row in rows])
    path.write_bytes(path.read_text(encoding="utf-8").encode("cp850"))
    output = output_at(tmp_path / "out.parquet", None)
    found = score_file(predictor, InputFile(path, keep=("COUNTRY",)), output, intervals=False)
    assert (found.encoding, found.scored) == ("cp850", 500)
    assert set(pl.read_parquet(tmp_path / "out.parquet")["COUNTRY"]) == {"Österreich, Málaga und Köln"}


def test_a_file_that_is_not_in_the_encoding_of_the_config_is_refused_with_its_line(
    predictor: Predictor, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    changed = [*rows[:300], {**rows[300], "COUNTRY": "Málaga"}, *rows[301:]]
    path = write_csv(tmp_path / "rows.csv", changed)
    path.write_bytes(path.read_text(encoding="utf-8").encode("cp850"))
    with pytest.raises(DataError, match=r"rows\.csv, line 302: these bytes are not utf-8; set source\.encoding: cp850"):
        score(predictor, path, encoding="utf-8")
    path.write_bytes(path.read_text(encoding="cp850").encode("utf-16")[:-1])
    with pytest.raises(DataError, match=r"rows\.csv, line 502: these bytes are not utf-16"):
        score(predictor, path, encoding="utf-16")
    assert not list(tmp_path.glob("out*"))


def test_a_compressed_file_is_read_as_training_reads_one(
    predictor: Predictor, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "rows.csv", rows)
    expected, _ = score(predictor, path)
    path.write_bytes(gzip.compress(path.read_bytes()))
    found, _ = score(predictor, path)
    assert found.equals(expected)


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("rows.csv", "a,b\n1,2\n", r"lacks the columns 'QUANTITYORDERED'"),
        ("rows.csv", "", r"is empty"),
        ("rows.parquet", "nonsense", r"is not a Parquet file"),
        ("rows.xlsx", "a,b\n1,2\n", r"is not an Excel workbook"),
        ("rows.jsonl", '{"a": 1}\n', r"lacks the columns 'QUANTITYORDERED'"),
        ("rows.pdf", "%PDF-1.7", r"is a PDF"),
        ("rows.txt", "a", r"lacks the columns 'QUANTITYORDERED'"),
        ("none.csv", None, r"is not there"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_a_sentence(
    predictor: Predictor, tmp_path: Path, name: str, text: str | None, match: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises((UsageError, DataError), match=match):
        score(predictor, tmp_path / name)
    assert not list(tmp_path.glob("out*"))


def test_a_file_without_one_whole_row_is_refused(predictor: Predictor, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(",".join(rows[0]) + "\n1,2,3\n4,5\n")
    with pytest.raises(DataError, match=r"no row of rows.csv can be scored; row 1: has 3 fields instead of \d+"):
        score(predictor, path)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("MSRP", [b"SECRET"], "the column 'MSRP' is .*binary; it must be numbers"),
        ("MSRP", [True], "the column 'MSRP' is bool; it must be numbers"),
        ("MSRP", [date(2005, 5, 31)], r"the column 'MSRP' is date32\[day\]; it must be numbers"),
        ("COUNTRY", [["USA"]], "the column 'COUNTRY' is .*list<.*; it must be texts"),
    ],
)
def test_parquet_columns_of_another_kind_are_refused_without_a_value(
    predictor: Predictor, rows: list[dict[str, Any]], tmp_path: Path, column: str, values: list[Any], message: str
) -> None:
    path = tmp_path / "rows.parquet"
    pl.DataFrame(rows[:1]).with_columns(pl.Series(column, values)).write_parquet(path)
    with pytest.raises(DataError, match=message) as caught:
        score(predictor, path)
    assert "SECRET" not in str(caught.value)


def test_no_good_row_at_all_is_a_failure_that_leaves_the_file_before(
    predictor: Predictor, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "rows.csv", [{**row, "QUANTITYORDERED": -1} for row in rows])
    (tmp_path / "out.parquet").write_text("as it was")
    with pytest.raises(DataError, match=r"no row of rows\.csv can be scored; row 1: QUANTITYORDERED: must be at least 1"):
        score(predictor, path)
    assert (tmp_path / "out.parquet").read_text() == "as it was"


def test_the_command_line_scores_a_file(
    small: Project, rows: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_csv(tmp_path / "rows.csv", rows)
    words = ["--config", str(small.config_file), "--input", str(path), "--output", str(tmp_path / "out.parquet"), "--intervals"]
    main(words, prog="predict")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "rows.csv (utf-8): 500 rows, 500 scored" in captured.err
    assert pl.read_parquet(tmp_path / "out.parquet").columns == ["row", "prediction", "low", "high", "warnings"]
    assert "written: row, prediction, low, high, warnings\n" in captured.err


def test_the_command_line_tells_missing_values_from_new_ones_and_which_columns_could_be_repeated(
    small: Project, rows: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *others = rows
    made = [{**first, "PRODUCTLINE": "Submarines"}, *others]
    path = write_csv(tmp_path / "rows.csv", [{"ID": f"{place:04}", **each} for place, each in enumerate(made)])
    main(["--config", str(small.config_file), "--input", str(path), "--output", str(tmp_path / "out.csv")], prog="predict")
    said = capsys.readouterr().err
    assert "1 with a warning (1 with a value that the model has not seen)" in said
    assert "written: row, prediction, warnings (',' between fields, '.' in numbers); --id COLUMN repeats one of ID" in said
    texts = (None, "a: missing; the training median is used", "a: missing; b: outside the training range 1 to 2")
    counts = kinds_of_warnings(CodedTexts(texts, np.array([0, 1, 2, 1])))
    assert counts == {"a missing value": 3, "a value that the model has not seen": 1}


EXPRESSIONS = [
    "a >= 100",
    "a < b and not b > 3",
    "a / b > 1 or c == 'x'",
    "log1p(a) <= b",
    "c != 'x'",
    "-a + 2 * b == 0 or month(d) > 6",
    "weekday(d) == 1 and c == 'y'",
]


@pytest.mark.parametrize("text", EXPRESSIONS)
@given(data=st.data())
def test_an_expression_over_columns_is_what_it_is_over_rows(text: str, data: st.DataObject) -> None:
    number = st.sampled_from([None, 0.0, 1.0, -1.0, 2.5, 100.0, 1e308])
    word, day = st.sampled_from([None, "x", "y"]), st.sampled_from([None, "2004-02-29", "2005-12-31", "1969-07-07"])
    rows = data.draw(st.lists(st.fixed_dictionaries({"a": number, "b": number, "c": word, "d": day}), min_size=1, max_size=6))
    tree = parse_expression(text)
    columns: dict[str, Any] = {name: np.array([np.nan if row[name] is None else row[name] for row in rows]) for name in "ab"}
    for name in "cd":
        values = tuple(dict.fromkeys(row[name] for row in rows))
        columns[name] = CodedTexts(values, np.array([values.index(row[name]) for row in rows]))
    found = np.broadcast_to(evaluate_columns(tree, columns), len(rows))
    expected = [evaluate(tree, row) for row in rows]
    assert [None if np.isnan(value) else bool(value) for value in found] == expected


def test_rows_keep_their_order_whatever_the_block(
    predictor: Predictor, rows: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tabtrail.bundle.input_blocks._BLOCK_ROWS", 37)
    shuffled = random.Random(3).sample(rows, len(rows))
    pl.DataFrame(shuffled).write_parquet(tmp_path / "rows.parquet")
    scored, _ = score(predictor, tmp_path / "rows.parquet")
    np.testing.assert_allclose(scored["prediction"], [each.value for each in predictor.predict(shuffled)], rtol=1e-12)


def test_numbers_of_a_parquet_file_that_are_none_or_too_large_are_refused_by_row(
    predictor: Predictor, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    changed = [{**rows[0], "MSRP": 95, "PRICEEACH": price} for price in (95.7, float("nan"), 50.0)]
    changed[2]["MSRP"] = 2**53 + 1
    pl.DataFrame(changed).write_parquet(tmp_path / "rows.parquet")
    scored, rejects = score(predictor, tmp_path / "rows.parquet")
    assert scored["row"].to_list() == [1]
    assert rejects is not None
    assert rejects["reason"].to_list() == ["PRICEEACH: must be a number, not NaN", "MSRP: is too large (beyond 2**53)"]


@pytest.mark.parametrize("word", ["nan", "Infinity", "-inf", "1e999", "9007199254740993"])
def test_a_word_that_arrow_takes_for_a_number_is_refused_as_ingest_refuses_it(
    predictor: Predictor, rows: list[dict[str, Any]], tmp_path: Path, word: str
) -> None:
    path = write_csv(tmp_path / "rows.csv", [rows[0], {**rows[1], "PRICEEACH": word}, rows[2]])
    scored, rejects = score(predictor, path)
    assert scored["row"].to_list() == [1, 3]
    assert rejects is not None
    assert rejects["reason"].to_list() == [str(predictor.problems({**rows[1], "PRICEEACH": word})[0])]


@pytest.mark.parametrize("text", ["7.0", "0x1A", "1e1"])
def test_a_whole_number_is_digits_in_every_file_whatever_its_other_cells_are(
    predictor: Predictor, rows: list[dict[str, Any]], tmp_path: Path, text: str
) -> None:
    path = write_csv(tmp_path / "in.csv", [rows[0], {**rows[1], "QUANTITYORDERED": text}])
    scored, rejects = score(predictor, path)
    assert scored["row"].to_list() == [1]
    assert rejects is not None
    assert rejects["row"].to_list() == [2]


def test_texts_of_a_parquet_file_are_numbers_where_the_model_takes_numbers(
    predictor: Predictor, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    texts = pl.DataFrame(rows[:50]).with_columns(pl.col("MSRP", "PRICEEACH").cast(pl.String))
    texts.write_parquet(tmp_path / "rows.parquet")
    scored, _ = score(predictor, tmp_path / "rows.parquet")
    assert scored["prediction"].to_list() == [each.value for each in predictor.predict(rows[:50])]


@pytest.mark.parametrize("shared", [True, False])
def test_the_sheet_of_a_workbook_is_the_named_one_or_the_only_one(
    predictor: Predictor, rows: list[dict[str, Any]], tmp_path: Path, shared: bool
) -> None:
    expected, _ = score(predictor, write_csv(tmp_path / "rows.csv", rows))
    table = [list(rows[0]), *[list(row.values()) for row in rows]]
    path = write_workbook(tmp_path / "rows.xlsx", {"Notes": [["x"], [1]], "Rows": table}, shared=shared)
    layout = replace(Layout(), sheet="Rows")
    for file in (InputFile(path, sheet="Rows"), InputFile(path, layout)):
        score_file(predictor, file, output_at(tmp_path / "out.parquet", None), intervals=False)
        assert pl.read_parquet(tmp_path / "out.parquet")["prediction"].to_list() == expected["prediction"].to_list()
    with pytest.raises(ConfigError, match=r"has the sheets 'Notes', 'Rows'; set --sheet"):
        score_file(predictor, InputFile(path), output_at(tmp_path / "out.parquet", None), intervals=False)
    only = write_workbook(tmp_path / "only.xlsx", {"January": table})
    score_file(predictor, InputFile(only, layout), output_at(tmp_path / "out.parquet", None), intervals=False)
    with pytest.raises(ConfigError, match=r"--sheet: .* has no sheet 'Rows'.*; it has 'January'"):
        score_file(predictor, InputFile(only, sheet="Rows"), output_at(tmp_path / "out.parquet", None), intervals=False)


def lines_of(path: Path, above: str = "", change: Callable[[str], str] = lambda text: text) -> Path:
    path.write_text(above + change(path.read_text(encoding="utf-8")), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("above", "header", "layout"),
    [
        ("Orders of May\nby region\n\n", {}, {"skip_rows": 2}),
        ("# made by hand\n", {}, {"comment": "#"}),
        ("", {"PRODUCTLINE": " product_line"}, {"fold_header": True}),
        ("", {"PRODUCTLINE": "Line"}, {"rename": {"Line": "PRODUCTLINE"}}),
        ("", {"QUANTITYORDERED": ",QUANTITYORDERED"}, {"unnamed": "drop"}),
    ],
)
def test_a_file_with_another_layout_is_scored_as_the_plain_one(
    predictor: Predictor, rows: list[dict[str, Any]], tmp_path: Path, above: str, header: dict[str, str], layout: dict[str, Any]
) -> None:
    ordered = [{"QUANTITYORDERED": row["QUANTITYORDERED"], **row} for row in rows[:40]]
    plain, _ = score(predictor, write_csv(tmp_path / "plain.csv", ordered))

    def renamed(text: str) -> str:
        first, _, rest = text.partition("\n")
        for old, new in header.items():
            first = first.replace(old, new)
        shift = first.startswith(",")
        return first + "\n" + "".join(f"{n},{line}\n" if shift else f"{line}\n" for n, line in enumerate(rest.splitlines()))

    path = lines_of(write_csv(tmp_path / "rows.csv", ordered), above, renamed)
    with pytest.raises(DataError, match="lacks the column"):
        score(predictor, path, **({"rename": {}} if layout.get("unnamed") is None else {"delimiter": ";"}))
    scored, rejects = score(predictor, path, **layout)
    assert rejects is None
    assert scored.equals(plain)


def test_a_file_without_the_columns_is_refused_with_what_to_set_and_never_read_shifted(
    predictor: Predictor, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    path = lines_of(write_csv(tmp_path / "rows.csv", rows[:9]), "Orders of May\n\n")
    with pytest.raises(DataError, match=r"lacks the columns .*; line 3 has the columns: set source.skip_rows: 2"):
        score(predictor, path)
    with pytest.raises(DataError, match="lacks the columns"):
        score(predictor, path, skip_rows=4)
    named = pl.read_csv(write_csv(tmp_path / "x.csv", rows[:9])).rename(str.lower)
    named.write_parquet(tmp_path / "rows.parquet")
    with pytest.raises(DataError, match="lacks the columns"):
        score(predictor, tmp_path / "rows.parquet")
    assert score(predictor, tmp_path / "rows.parquet", fold_header=True)[0].height == 9


def test_quotes_in_a_file_to_score_are_kept_or_refused_as_in_training(
    predictor: Predictor, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    def with_country(text: str) -> Path:
        path = write_csv(tmp_path / "rows.csv", [{**row, "COUNTRY": "@@"} for row in rows[:3]])
        return lines_of(path, change=lambda found: found.replace("@@", text))

    for written, meant in (('5" pipe', '5" pipe'), ('"5"" pipe"', '5" pipe'), ("'a'", "'a'"), ('a"', 'a"'), ("\\N", "\\N")):
        assert set(score(predictor, with_country(written), ("COUNTRY",))[0]["COUNTRY"]) == {meant}
    for written in ('"a"b', '"say \\"hi\\", now"', '"a" ', '"a'):
        with pytest.raises(DataError, match=r"rows.csv, from line 2: .*a quote is opened and not closed properly"):
            score(predictor, with_country(written))
