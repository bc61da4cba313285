"""A benchmark that is killed continues where it was, and its runs can be fitted again."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from tests.support.commands import overrides
from tests.support.projects import Project, make_project, put_back

from tabtrail import pipeline
from tabtrail.errors import StoreError, UsageError
from tabtrail.progress import Progress
from tabtrail.project.summary import Summary
from tabtrail.system.process import is_alive, this_process
from tabtrail.workflows.reproduce import reproduce

FAST = [
    "split.repeats=1",
    "split.folds=3",
    "explain.max_rows=20",
    "candidates={LinearRegression: {}, XGBoost: {n_estimators: 30}, LightGBM: {n_estimators: 30, target_transform: log1p},"
    " CatBoost: {iterations: 30}, RandomForest: {n_estimators: 5}, Blend: {}}",
]
TIMED = ("run_id", "parent_run_id", "fit_seconds", "cv_fit_seconds")


def timeless(report: Summary) -> dict[str, Any]:
    board = report.leaderboard.to_dict()
    rows = [{key: value for key, value in row.items() if key not in TIMED} for row in board["candidates"]]
    metadata = json.loads(report.artifacts["bundle"].read_text())
    files = {kind: each["sha256"] for kind, each in metadata["files"].items()}
    return {**{key: value for key, value in board.items() if key not in TIMED}, "candidates": rows, "files": files}


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory, sample_csv: Path) -> tuple[Project, Summary]:
    project = make_project(tmp_path_factory.mktemp("quiet"), sample_csv)
    return project, pipeline.run(project.config(*FAST), report=False)


def runs(project: Project) -> list[Any]:
    uri = project.config().mlflow.tracking_uri
    client = MlflowClient(uri, uri)
    experiment = client.get_experiment_by_name("sales_regression")
    return list(client.search_runs([experiment.experiment_id])) if experiment else []


def complete(project: Project) -> dict[str, str]:
    """The finished candidates, read past MLflow: its client would make the store that is being made."""
    with sqlite3.connect(f"file:{project.root / 'mlruns' / 'mlflow.db'}?mode=ro", uri=True) as connection:
        rows = connection.execute(
            "SELECT name.value, done.run_uuid FROM tags done JOIN tags name USING (run_uuid)"
            " WHERE done.key = 'tabtrail.complete' AND name.key = 'tabtrail.candidate'"
        )
        return dict(rows.fetchall())


def kill_when_some_are_finished(project: Project) -> dict[str, str]:
    command = [sys.executable, "-m", "tabtrail", "run", "--config", str(project.config_file), *overrides(*FAST)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        while process.poll() is None:
            if (project.root / "mlruns" / "mlflow.db").is_file() and len(found := complete(project)) >= 2:
                return found
            time.sleep(0.05)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    raise AssertionError("the run ended before it could be killed")


@pytest.fixture(scope="module")
def killed_once(tmp_path_factory: pytest.TempPathFactory, sample_csv: Path) -> tuple[Project, Path, dict[str, str]]:
    """A project whose run was killed, a copy of all that it left, and the candidates that were finished."""
    project = make_project(tmp_path_factory.mktemp("killed"), sample_csv, repeats=1)
    finished = kill_when_some_are_finished(project)
    copy = tmp_path_factory.mktemp("copy") / "project"
    shutil.copytree(project.root, copy)
    return project, copy, finished


@pytest.fixture
def killed(killed_once: tuple[Project, Path, dict[str, str]]) -> tuple[Project, dict[str, str]]:
    project, copy, finished = killed_once
    put_back(project, copy)
    return project, finished


def test_a_killed_benchmark_continues_and_ends_as_an_undisturbed_one(
    killed: tuple[Project, dict[str, str]], quiet: tuple[Project, Summary]
) -> None:
    project, before = killed
    said: list[str] = []
    report = pipeline.run(project.config(*FAST), report=False, progress=Progress(say=said.append))
    assert any("continuing benchmark" in line for line in said)
    assert timeless(report) == timeless(quiet[1])
    after = {row.candidate: row.run_id for row in report.leaderboard.candidates}
    assert before.items() <= after.items(), "what was finished is not fitted again"
    states = {run.info.status for run in runs(project)}
    assert states <= {"FINISHED", "KILLED"}, "nothing is left that says it is running"
    parents = [run for run in runs(project) if "mlflow.parentRunId" not in run.data.tags]
    assert [run.info.run_id for run in parents] == [report.leaderboard.parent_run_id]


def test_forced_training_refits_everything(killed: tuple[Project, dict[str, str]]) -> None:
    project, before = killed
    report = pipeline.run(project.config(*FAST), report=False, force=True)
    assert len(before) >= 2
    assert not set(before.values()) & {row.run_id for row in report.leaderboard.candidates}


def test_a_finished_model_that_was_altered_is_not_loaded(killed: tuple[Project, dict[str, str]]) -> None:
    project, _ = killed
    for path in (project.root / "mlruns").rglob("model.pkl"):
        path.write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    with pytest.raises(StoreError, match="was altered; train again with --force"):
        pipeline.run(project.config(*FAST), report=False)
    assert not Path("pwned").exists()


def test_a_living_process_is_told_from_a_dead_one() -> None:
    assert is_alive(this_process())
    host, pid, start = this_process().rsplit(":", 2)
    assert not is_alive(f"{host}:{pid}:{start}1"), "the id was given to another process"
    done = subprocess.Popen([sys.executable, "-c", "pass"])
    done.wait()
    assert not is_alive(f"{host}:{done.pid}:5")
    assert is_alive("another-host:1:5"), "nothing here can tell, so its runs are left alone"


def test_a_benchmark_is_reproduced_to_the_last_bit(quiet: tuple[Project, Summary]) -> None:
    project, report = quiet
    before = project.tree()
    result = reproduce(project.config(), report.leaderboard.parent_run_id)
    assert result.equal, result.difference
    assert {"data", "config", "metrics of Blend", "predictions of Blend", "ONNX file of the champion"} <= set(result.compared)
    assert "joblib file of the champion" in result.compared
    assert project.tree() == before


def test_one_candidate_is_reproduced_alone(quiet: tuple[Project, Summary]) -> None:
    project, report = quiet
    row = next(row for row in report.leaderboard.candidates if row.candidate == "XGBoost")
    result = reproduce(project.config(), row.run_id)
    assert result.equal
    assert result.candidates == ("XGBoost",)


@pytest.mark.parametrize(
    ("tag", "value", "expected"),
    [
        ("tabtrail.data_sha256", "0" * 64, "data: the run had 000000000000"),
        ("tabtrail.config_sha256", "0" * 64, "config: the recorded config"),
    ],
)
def test_the_first_thing_that_differs_is_named(
    quiet: tuple[Project, Summary], tmp_path: Path, tag: str, value: str, expected: str
) -> None:
    project, report = quiet
    uri, run_id = project.config().mlflow.tracking_uri, report.leaderboard.parent_run_id
    client = MlflowClient(uri, uri)
    before = client.get_run(run_id).data.tags[tag]
    client.set_tag(run_id, tag, value)
    try:
        result = reproduce(project.config(), run_id)
    finally:
        client.set_tag(run_id, tag, before)
    assert not result.equal
    assert result.difference is not None
    assert result.difference.startswith(expected)


def test_a_difference_names_the_library_that_changed_or_nondeterminism(quiet: tuple[Project, Summary]) -> None:
    project, report = quiet
    uri = project.config().mlflow.tracking_uri
    client = MlflowClient(uri, uri)
    row = next(row for row in report.leaderboard.candidates if row.candidate == "LinearRegression")
    parent = report.leaderboard.parent_run_id
    version = client.get_run(parent).data.tags["tabtrail.lib.numpy"]
    digest = client.get_run(row.run_id).data.tags["tabtrail.predictions_sha256"]
    try:
        client.set_tag(row.run_id, "tabtrail.predictions_sha256", "0")
        assert reproduce(project.config(), row.run_id).difference == (
            "predictions of LinearRegression (nondeterminism: data, config, code and library versions are the same)"
        )
        client.set_tag(parent, "tabtrail.lib.numpy", "1.0")
        difference = reproduce(project.config(), row.run_id).difference
        assert difference == f"predictions of LinearRegression (library version: numpy was 1.0, is {version})"
    finally:
        client.set_tag(row.run_id, "tabtrail.predictions_sha256", digest)
        client.set_tag(parent, "tabtrail.lib.numpy", version)


def test_an_unknown_run_and_one_of_another_kind_are_usage_errors(quiet: tuple[Project, Summary]) -> None:
    project, _ = quiet
    uri = project.config().mlflow.tracking_uri
    with pytest.raises(UsageError, match="there is no run 0123 in the MLflow store"):
        reproduce(project.config(), "0123")
    client = MlflowClient(uri, uri)
    experiment = client.get_experiment_by_name("sales_regression")
    assert experiment is not None
    foreign = client.create_run(experiment.experiment_id)
    with pytest.raises(UsageError, match="is not one of a benchmark of tabtrail"):
        reproduce(project.config(), foreign.info.run_id)
    client.delete_run(foreign.info.run_id)
    assert mlflow.active_run() is None
