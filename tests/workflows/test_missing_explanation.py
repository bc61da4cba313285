"""An explanation that fails is missing, and every place that would show it says so: the model is trained, proven and deployed."""

import json
from pathlib import Path
from typing import NoReturn

import pytest
from mlflow import MlflowClient
from tests.support.commands import run_in
from tests.support.small_project import LINEAR, small

from tabtrail.bundle.load import read_metadata
from tabtrail.errors import TabtrailError
from tabtrail.project.paths import Artifacts
from tabtrail.project.summary import read_leaderboard
from tabtrail.workflows import champion, explain

pytestmark = pytest.mark.usefixtures("one_picture")

WHY = "IndexError: index 3 is out of bounds"
MISS = "the Shapley values miss the predictions by up to 37.4"


def test_an_explanation_that_fails_is_reported_as_missing_everywhere(
    tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise IndexError("index 3 is out of bounds")

    def miss(*_: object, **__: object) -> NoReturn:
        raise TabtrailError(MISS)

    monkeypatch.setattr(champion, "explain", fail)
    project = small(tmp_path, empty_store)
    done = run_in(project, "run", "--verbose")
    assert done.returncode == 0, done.stderr
    assert f"there is no explanation of {LINEAR}: {WHY}" in done.stdout
    assert "mean |SHAP|" not in done.stdout

    config = project.config()
    artifacts = Artifacts.of(config)
    board = read_leaderboard(artifacts)
    assert board.notes[0] == f"there is no explanation of {LINEAR}: {WHY}"
    importance = json.loads(artifacts.importance.read_text())
    assert (importance["missing"], importance["mean_absolute_shap"]) == (WHY, {})
    assert read_metadata(config.paths.models_dir, "m")["explanation_missing"] == WHY
    uri = config.mlflow.tracking_uri
    run = MlflowClient(uri, uri).get_run(board.parent_run_id)
    assert run.data.tags["tabtrail.explanation_missing"] == WHY
    assert WHY in run.data.tags["mlflow.note.content"]
    page = artifacts.page.read_text()
    assert f"There are no Shapley values of {LINEAR}: {WHY}." in page
    assert "picture-partial_dependence" in page, "what a column does to a prediction is known without them"
    assert run_in(project, "run").stdout.count("no stage was repeated") == 1

    row = '{"a": 50, "b": "p"}'
    explained = run_in(project, "explain", "--json", row)
    assert (explained.returncode, "base value" in explained.stdout) == (0, True), "the rows to compare with are still there"
    monkeypatch.setattr(explain, "explain_one", miss)
    refused = run_in(project, "explain", "--json", row)
    assert (refused.returncode, MISS in refused.stderr) == (1, True)
    assert run_in(project, "predict", "--json", row).returncode == 0
