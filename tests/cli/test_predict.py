"""The prediction CLI and the predictor behind it."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.projects import REPO, Project, Trained

from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.bundle.rows import PayloadError
from tabtrail.cli.predict import main


@pytest.fixture(scope="module")
def predictor(trained: Trained) -> Predictor:
    return Predictor(load_bundle(trained.config.paths.models_dir, "sales_regressor"))


@pytest.fixture
def example(predictor: Predictor) -> dict[str, Any]:
    return dict(predictor.schema.example)


def call(project: Project, *words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    try:
        main(["--config", str(project.config_file), *words], prog="predict")
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_shown_example_works_when_pasted_back(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown, _ = call(trained.project, "--show-schema", capsys=capsys)
    assert code == 0
    for column in trained.config.model.inputs:
        assert column in shown
    payload = shown.strip().splitlines()[-1]
    code, out, err = call(trained.project, "--json", payload, capsys=capsys)
    assert code == 0
    assert re.fullmatch(r"[\d,.]+ USD  \(90% interval [\d,.]+ to [\d,.]+\)", out.strip())
    assert trained.report.leaderboard.champion in err
    assert trained.report.leaderboard.champion_row.run_id in err


def test_json_output_holds_all_that_traces_a_prediction(
    trained: Trained, example: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(trained.project, "--json", json.dumps(example), "--format", "json", capsys=capsys)
    answer = json.loads(out)
    assert code == 0
    assert answer["inputs"] == example
    assert answer["currency"] == "USD"
    assert answer["mlflow_run_id"] == trained.report.leaderboard.champion_row.run_id
    assert answer["warnings"] == []


def test_two_identical_rows_get_two_answers(
    trained: Trained, example: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.json").write_text(json.dumps([example, example]))
    code, out, _ = call(trained.project, "--json-file", str(tmp_path / "rows.json"), "--format", "json", capsys=capsys)
    answers = json.loads(out)
    assert code == 0
    assert len(answers) == 2
    assert answers[0] == answers[1]
    (tmp_path / "rows.json").write_text(json.dumps([example]))
    _, out, _ = call(trained.project, "--json-file", str(tmp_path / "rows.json"), "--format", "json", capsys=capsys)
    assert json.loads(out) == answers[:1]


BAD_ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "a missing column": ({"MSRP": ...}, r"MSRP: missing column"),
    "an extra column": ({"QUANTITYORDRED": 3}, r"QUANTITYORDRED: unknown column; did you mean 'QUANTITYORDERED'\?"),
    "a column of the file alone": ({"zz": 3}, r"zz: unknown column; the model does not take it: leave it out"),
    "text for a number": ({"MSRP": "ninety"}, r"MSRP: must be a number, not text"),
    "a list for text": ({"COUNTRY": ["USA"]}, r"COUNTRY: must be text"),
    "true for a number": ({"MSRP": True}, r"MSRP: must be a number"),
    "a list": ({"MSRP": [95]}, r"MSRP: must be a number"),
    "null": ({"MSRP": None}, r"MSRP: must not be null"),
    "NaN": ({"PRICEEACH": float("nan")}, r"PRICEEACH: must be a number, not NaN"),
    "infinity": ({"PRICEEACH": float("inf")}, r"PRICEEACH: is too large"),
    "a huge number": ({"MSRP": 10**400}, r"MSRP: is too large"),
    "half a piece": ({"QUANTITYORDERED": 2.5}, r"QUANTITYORDERED: must be a whole number"),
    "quantity -30": ({"QUANTITYORDERED": -30}, r"QUANTITYORDERED: must be at least 1"),
    "month 99": ({"MONTH_ID": 99}, r"MONTH_ID: must be at most 12"),
    "quarter 1 with month 12": ({"QTR_ID": 1, "MONTH_ID": 12}, r"breaks the rule quarter_matches_month"),
    "a deal size that is none": ({"DEALSIZE": "Huge"}, r"DEALSIZE: must be one of Small, Medium, Large"),
    "half a character": ({"COUNTRY": "\ud800"}, r"COUNTRY: must be text that can be encoded"),
    "NUL in text": ({"COUNTRY": "U\0SA"}, r"COUNTRY: must have at most 10,000 characters and no NUL"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_row_that_breaks_the_contract_is_refused_without_its_values(
    trained: Trained, example: dict[str, Any], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change, message = BAD_ROWS[name]
    row = {key: value for key, value in {**example, **change}.items() if value is not ...}
    code, out, err = call(trained.project, "--json", json.dumps(row), capsys=capsys)
    assert (code, out) == (2, "")

    assert re.search(message, err), err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ("{", r"--json is not JSON"),
        ("[]", r"the list is empty"),
        ("3", r"a row is a JSON object of columns and values"),
        ('{"MSRP": 1, "MSRP": 2}', r"a column is there twice"),
        ("[" * 100_000, r"is not JSON that can be read|is not JSON"),
    ],
)
def test_text_that_is_no_row_is_refused(trained: Trained, payload: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:

    code, _, err = call(trained.project, "--json", payload, capsys=capsys)
    assert code == 2
    assert re.search(message, err), err


def test_a_missing_payload_file_and_a_missing_bundle_are_messages(
    trained: Trained, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(trained.project, "--json-file", "none.json", capsys=capsys)
    assert (code, "cannot read none.json" in err) == (2, True)
    code, _, err = call(project, "--json", "{}", capsys=capsys)
    assert (code, "run `tabtrail run` first" in err) == (1, True)


def test_what_the_model_has_not_seen_is_answered_with_a_warning(predictor: Predictor, example: dict[str, Any]) -> None:
    known = predictor.predict([example])[0]
    assert known.warnings == ()
    odd = predictor.predict([{**example, "PRODUCTLINE": "Spaceships", "QUANTITYORDERED": 5000}])[0]
    quantity = predictor.schema.features[0]
    assert odd.warnings == (
        f"QUANTITYORDERED: outside the training range {quantity.seen_min:g} to {quantity.seen_max:g}",
        "PRODUCTLINE: the model has not seen this category in training",
    )


def test_every_problem_of_a_row_is_told_at_once(predictor: Predictor, example: dict[str, Any]) -> None:
    with pytest.raises(PayloadError) as caught:
        predictor.predict([{**example, "MSRP": -1, "MONTH_ID": 13, "x": 1}])
    assert [problem.column for problem in caught.value.problems] == ["x", "MSRP", "MONTH_ID"]


def test_serving_imports_nothing_of_training() -> None:
    code = (
        "import sys, tabtrail.cli.predict, tabtrail.bundle.predictor, tabtrail.serving.app;"
        "print(sorted({'mlflow','shap','duckdb','matplotlib','sklearn','pandas','polars','scipy','joblib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_the_cli_predicts_without_pydantic_typer_or_rich(trained: Trained, example: dict[str, Any]) -> None:
    """What keeps a single prediction at the cost of starting onnxruntime."""
    code = (
        "import sys; from tabtrail.cli.predict import main; main(sys.argv[1:]);"
        "print(sorted({'pydantic','typer','rich','fastapi'} & set(sys.modules)))"
    )
    words = ["--config", str(trained.project.config_file), "--json", json.dumps(example)]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True, cwd=REPO)
    assert done.stdout.splitlines()[-1] == "[]"


def test_quiet_prints_the_prediction_and_on_stderr_warnings_alone(
    trained: Trained, example: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    row = json.dumps(example)
    code, out, err = call(trained.project, "--json", row, "-q", capsys=capsys)
    assert (code, err) == (0, "")
    assert out.count("\n") == 1


def test_the_old_spelling_of_the_format_is_kept_with_a_note(
    trained: Trained, example: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    row = json.dumps(example)
    _, old, noted = call(trained.project, "--json", row, "-q", "--output", "json", capsys=capsys)
    _, new, _ = call(trained.project, "--json", row, "-q", "--format", "json", capsys=capsys)
    assert json.loads(old) == json.loads(new)
    assert noted == "note: --output json is written --format json now\n"


def test_output_without_rows_of_a_file_and_rows_of_a_file_without_output_are_usage_errors(
    trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(trained.project, "--json", "{}", "--output", "out.csv", capsys=capsys)
    assert code == 2
    assert "--output and --by say where the predictions of --input go" in err
    code, _, err = call(trained.project, "--input", "rows.csv", capsys=capsys)
    assert code == 2
    assert "--input needs --output FILE" in err
