"""One reading of data: the rows of a nasty file mean the same in training and by every way in to the model."""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from tests.support.nasty_rows import FAULTS, GOOD, good_rows, typed, write_csv
from tests.support.ways_in import (
    WAYS,
    Nasty,
    Refused,
    arrow_predictions,
    by_file,
    by_mlflow,
    by_python,
    logged_predictions,
    nasty_model,
    posted,
    write_lines,
    write_parquet,
    write_sheet,
)

from tabtrail.cli.predict import main


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[Nasty]:
    with nasty_model(tmp_path_factory, empty_store, "csv") as model:
        yield model


@pytest.fixture(scope="module")
def trained(nasty: Nasty) -> dict[int, float]:
    return nasty.fitted()


def test_every_good_row_is_kept_and_every_bad_one_is_set_aside_with_its_rule(nasty: Nasty, trained: dict[int, float]) -> None:
    rejects = pl.read_parquet(nasty.config.paths.rejects)
    assert sorted(trained) == list(range(150))
    for found, (_, rule, _) in zip(rejects["_rules"], FAULTS.values(), strict=True):
        assert rule in found


@pytest.mark.parametrize("way", WAYS)
def test_a_row_is_predicted_as_in_training(nasty: Nasty, trained: dict[int, float], way: str) -> None:
    rows = good_rows()
    found = WAYS[way](nasty, rows)
    # The graph adds the trees up in single precision; another category, date or number would change whole units.
    fitted = [trained[int(row["id"])] for row in rows]
    np.testing.assert_allclose(found, fitted, rtol=1e-6)
    assert found == (fitted if way == "MLflow's pyfunc" else by_python(nasty, rows))


def test_typed_values_mean_what_their_texts_mean(nasty: Nasty, trained: dict[int, float]) -> None:
    rows = good_rows()
    values = [typed(row) for row in rows]
    expected = by_python(nasty, rows)
    assert [each.value for each in nasty.predictor.predict(values)] == expected
    plain = [{**row, "d": row["d"] and row["d"].isoformat(), "at": row["at"] and row["at"].isoformat()} for row in values]
    assert [each["prediction"] for each in posted(nasty, "/predict/batch", json=plain)["predictions"]] == expected
    texts = [{**row, "code": str(row["code"])} for row in values]
    assert by_file(write_parquet)(nasty, texts) == expected
    assert by_file(write_sheet)(nasty, values) == expected
    assert by_file(write_lines)(nasty, plain) == expected
    assert arrow_predictions(nasty, pa.Table.from_pylist(texts)) == expected
    logged = by_mlflow(nasty, rows)
    assert logged_predictions(nasty, pd.DataFrame(values)) == logged
    days = pd.DataFrame(values).assign(d=lambda frame: pd.to_datetime(frame["d"]), q=lambda frame: frame["q"].astype("Float64"))
    assert logged_predictions(nasty, days) == logged


def test_an_answer_shows_the_inputs_as_the_model_takes_them_and_warns_of_those_alone(nasty: Nasty) -> None:
    row = {**GOOD, "a": " 7 ", "q": "NA", "city": "", "seg": "N/A", "code": 10022, "d": "1/2/2024", "land": "frankreich"}
    answer = posted(nasty, "/predict", json=row)
    expected = {"a": 7, "q": None, "seg": None, "city": "Unknown", "code": "10022", "d": "2024-02-01", "land": "FRANCE"} | {
        "at": "2022-01-04T09:00:00"
    }
    assert answer["inputs"] == expected
    assert answer["warnings"] == ["q: missing; the training median is used"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_refused_in_the_same_words(nasty: Nasty, fault: str, way: str) -> None:
    change, _, words = FAULTS[fault]
    with pytest.raises(Refused) as caught:
        WAYS[way](nasty, [{"id": "1", **GOOD, **change}])
    assert words in str(caught.value)
    assert "Traceback" not in str(caught.value)


def command(nasty: Nasty, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Score the good rows by the command line; return what it says."""
    path = write_csv(nasty.folder / "good.csv", good_rows())
    main(["--config", str(nasty.config.root / "config_v2.yaml"), "--input", str(path), "--id", "id", *words], prog="predict")
    return capsys.readouterr().err


def test_predictions_are_written_as_csv_and_json_lines_with_the_bits_of_the_parquet_file(
    nasty: Nasty, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for ending in ("parquet", "csv", "jsonl"):
        command(nasty, capsys, "--intervals", "--output", str(tmp_path / f"out.{ending}"))
    expected = pl.read_parquet(tmp_path / "out.parquet").to_dicts()
    with (tmp_path / "out.csv").open(newline="") as file:
        found = [{name: text or None for name, text in row.items()} for row in csv.DictReader(file)]
    assert [{**row, **{name: float(row[name] or "") for name in ("prediction", "low", "high")}} for row in found] == [
        {**row, "row": str(row["row"])} for row in expected
    ]
    assert [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()] == expected


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("year", ["2022", "2023", "2024", "without_date"]),
        ("quarter", ["2022-Q2", "2022-Q3", "2023-Q4", "2024-Q1", "without_date"]),
        ("month", ["2022-04", "2022-08", "2023-10", "2024-02", "without_date"]),
        ("day", ["2022-04-03", "2022-08-17", "2023-10-29", "2024-02-01", "without_date"]),
    ],
)
def test_predictions_by_period_are_all_rows_each_in_the_file_of_its_date(
    nasty: Nasty, capsys: pytest.CaptureFixture[str], tmp_path: Path, by: str, names: list[str]
) -> None:
    command(nasty, capsys, "--output", str(tmp_path / "whole.jsonl"))
    command(nasty, capsys, "--output", str(tmp_path / "parts.jsonl"), "--by", by)
    files = sorted((tmp_path / "parts").iterdir())
    assert [file.stem for file in files] == names
    parts = [line for file in files for line in file.read_text().splitlines()]
    assert sorted(parts) == sorted((tmp_path / "whole.jsonl").read_text().splitlines())
    day = {row["id"]: row["d"] for row in good_rows()}
    assert {day[json.loads(line)["id"]] for line in files[-1].read_text().splitlines()} == {"never", ""}


def test_a_date_that_only_parts_the_output_is_read_by_the_config_too(
    nasty: Nasty, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert nasty.predictor.metadata["date_column"]["name"] == "d"
    rows = [{"id": "1", **GOOD}, {"id": "2", **GOOD, "d": "30/02/2023"}]
    path = write_csv(tmp_path / "rows.csv", rows)
    words = ["--config", str(nasty.config.root / "config_v2.yaml"), "--input", str(path), "--by", "month"]
    main([*words, "--output", str(tmp_path / "months")], prog="predict")
    assert [file.name for file in (tmp_path / "months").iterdir()] == ["2023-10.parquet"]
    rejects = pl.read_parquet(tmp_path / "months_rejects.parquet")
    assert rejects["row"].to_list() == [2]
    assert "d: must be a date" in rejects["reason"][0]


@pytest.mark.parametrize(
    ("key", "other", "own"),
    [
        ("source.decimal", ",", "."),
        ("source.thousands", "'", "null"),
        ("source.null_values", "{seg: [none]}", '{seg: ["N/A", "?"], land: [" n/A"], id: [x]}'),
        ("cleaning.aliases", "{land: {Spanien: España}}", "{seg: {n/a: Other, A.: A}}"),
        ("cleaning.fill_value", "Nowhere", "Unknown"),
        ("cleaning.fill_unknown_columns", "[city, seg]", "[city]"),
        ("cleaning.trim", "true", "[land]"),
        ("cleaning.fold_case", "[]", "[land]"),
        ("cleaning.date_formats", '["%m/%d/%Y"]', '["%d/%m/%Y", "%d.%m.%Y"]'),
        ("cleaning.dates", '{at: ["%Y"]}', "{at: ['%d.%m.%y %H:%M', '%Y-%m-%dT%H:%M:%S%z']}"),
        ("cleaning.time_zone", "UTC", "Europe/Berlin"),
        ("cleaning.plausible_years", "[1, 2100]", "[1900, 2100]"),
    ],
)
def test_a_value_rule_that_is_not_the_models_is_refused_for_a_file_and_its_own_is_taken(
    nasty: Nasty, capsys: pytest.CaptureFixture[str], tmp_path: Path, key: str, other: str, own: str
) -> None:
    output = str(tmp_path / "out.parquet")
    assert "150 scored" in command(nasty, capsys, "--output", output, "--set", f"{key}={own}")
    with pytest.raises(SystemExit) as stop:
        command(nasty, capsys, "--output", output, "--set", f"{key}={other}")
    assert stop.value.code == 2
    told = rf"{key}: .* is not how the model reads '\w+', which is .*: leave {key} out"
    assert re.search(told, capsys.readouterr().err)
    words = ["--config", str(nasty.config.root / "config_v2.yaml"), "--json", json.dumps(GOOD), "--set", f"{key}={other}"]
    with pytest.raises(SystemExit):
        main(words, prog="predict")
    assert re.search(told, capsys.readouterr().err)
    with pytest.raises(SystemExit):
        command(nasty, capsys, "--output", output, "--set", "contract.columns.a.max=5000")
    assert "contract.columns: the model has its own contract" in capsys.readouterr().err


def test_what_was_seen_of_a_file_to_score_is_printed_as_ingest_prints_it(
    nasty: Nasty, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "rows.csv", good_rows())
    path.write_bytes(path.read_bytes().decode().encode("cp850", "ignore"))
    words = ["--config", str(nasty.config.root / "config_v2.yaml"), "--input", str(path), "--output", str(tmp_path / "out.csv")]
    main(words, prog="predict")
    assert "note: encoding detected: cp850\n" in capsys.readouterr().err


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_texts_in_another_spelling_are_counted_where_a_file_is_scored(
    nasty: Nasty, capsys: pytest.CaptureFixture[str], tmp_path: Path, ending: str
) -> None:
    rows = good_rows()
    own, path = [{name: row[name] for name in GOOD} for row in rows], tmp_path / f"rows.{ending}"
    if ending == "csv":
        write_csv(path, own)
    else:
        pl.DataFrame(own).write_ndjson(path)
    words = ["--config", str(nasty.config.root / "config_v2.yaml"), "--input", str(path), "--output", str(tmp_path / "out.csv")]
    main(words, prog="predict")
    told, lands = capsys.readouterr().err, sum(row["land"] == "frankreich" for row in rows)
    assert f"note: land: {lands} texts are another spelling, read by the model's aliases\n" in told
    assert "note: city: 4 texts are another spelling, read by the model's aliases\n" in told


def test_a_table_of_spellings_that_is_not_the_models_is_refused_also_from_a_file(
    nasty: Nasty, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = "España,,Roma,Rome\nFrance,A,Roma,Rome\n"
    own, other = tmp_path / "own.csv", tmp_path / "other.csv"
    own.write_text("land,seg,city,means\n" + rows)
    other.write_text("land,seg,city,means\n" + rows.replace(",A,", ",B,"))
    words = ["--config", str(nasty.config.root / "config_v2.yaml"), "--json", json.dumps(GOOD), "--set"]
    main([*words, f"cleaning.aliases={{city: {own}}}"], prog="predict")
    assert "EUR" in capsys.readouterr().out
    for table in (other, "{Roma: Rome}"):
        with pytest.raises(SystemExit):
            main([*words, f"cleaning.aliases={{city: {table}}}"], prog="predict")
        assert re.search(r"cleaning\.aliases: .* comes from the training alone", capsys.readouterr().err)


def test_a_spelling_means_its_text_beside_its_context_alone_in_a_request_of_one_row(nasty: Nasty) -> None:
    for land, seg, city in (("España", "?", "Rome"), ("Frankreich", "A.", "Rome"), ("France", "B", "Roma"), ("", "A", "Roma")):
        assert posted(nasty, "/predict", json={**GOOD, "land": land, "seg": seg, "city": "Roma"})["inputs"]["city"] == city
