"""A benchmark that is killed continues where it was, and its runs can be fitted again."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
from tabtrail.workflows.report import report_run
from tabtrail.workflows.reproduce import reproduce

FAST = [
    "split.repeats=1",
    "split.folds=3",
    "explain.max_rows=20",
    "candidates={LinearRegression: {}, XGBoost: {n_estimators: 30}, LightGBM: {n_estimators: 30, target_transform: log1p},"
    " CatBoost: {iterations: 30}, RandomForest: {n_estimators: 5}, Blend: {}}",
]
TIMED = ("run_id", "parent_run_id", "fit_seconds", "cv_fit_seconds", "row_us", "batch_row_us")


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


def provenance_of(client: MlflowClient, run_id: str) -> Path:
    return Path(client.get_run(run_id).info.artifact_uri.removeprefix("file://")) / "provenance.json"


@contextmanager
def recorded(client: MlflowClient, run_id: str, **changed: Any) -> Iterator[None]:
    """A run whose provenance says something else."""
    text = provenance_of(client, run_id).read_text()
    client.log_text(run_id, json.dumps(json.loads(text) | changed), "provenance.json")
    try:
        yield
    finally:
        client.log_text(run_id, text, "provenance.json")


@contextmanager
def recorded_as_before(client: MlflowClient, run_id: str, **changed: Any) -> Iterator[None]:
    """A run as they were made before: all of its provenance is in its tags, and no file has it."""
    file = provenance_of(client, run_id)
    text = file.read_text()
    values = json.loads(text) | changed
    tags = {"tabtrail." + name: value for name, value in {**values, **values["made"]}.items() if isinstance(value, str)}
    tags |= {f"tabtrail.lib.{name}": value for name, value in values["libraries"].items()}
    own = client.get_run(run_id).data.tags
    file.unlink()
    for name, value in tags.items():
        client.set_tag(run_id, name, value)
    try:
        yield
    finally:
        client.log_text(run_id, text, "provenance.json")
        for name in tags:
            client.set_tag(run_id, name, own[name]) if name in own else client.delete_tag(run_id, name)


@pytest.fixture
def client(quiet: tuple[Project, Summary]) -> MlflowClient:
    uri = quiet[0].config().mlflow.tracking_uri
    return MlflowClient(uri, uri)


@pytest.mark.parametrize("form", [recorded, recorded_as_before])
@pytest.mark.parametrize(
    ("name", "expected"),
    [("data_sha256", "data: the run had 000000000000"), ("config_sha256", "config: the recorded config")],
)
def test_the_first_thing_that_differs_is_named(
    quiet: tuple[Project, Summary], client: MlflowClient, form: Any, name: str, expected: str
) -> None:
    project, report = quiet
    run_id = report.leaderboard.parent_run_id
    with form(client, run_id, **{name: "0" * 64}):
        result = reproduce(project.config(), run_id)
    assert not result.equal
    assert result.difference is not None
    assert result.difference.startswith(expected)


@pytest.mark.parametrize("form", [recorded, recorded_as_before])
def test_a_difference_names_the_library_that_changed_or_nondeterminism(
    quiet: tuple[Project, Summary], client: MlflowClient, form: Any
) -> None:
    project, report = quiet
    row = next(row for row in report.leaderboard.candidates if row.candidate == "LinearRegression")
    parent = report.leaderboard.parent_run_id
    digest = client.get_run(row.run_id).data.tags["tabtrail.predictions_sha256"]
    libraries = json.loads(provenance_of(client, parent).read_text())["libraries"]
    try:
        client.set_tag(row.run_id, "tabtrail.predictions_sha256", "0")
        with form(client, parent):
            assert reproduce(project.config(), row.run_id).difference == (
                "predictions of LinearRegression (nondeterminism: data, config, code and library versions are the same)"
            )
        with form(client, parent, libraries=libraries | {"numpy": "1.0"}):
            difference = reproduce(project.config(), row.run_id).difference
            assert difference == f"predictions of LinearRegression (library version: numpy was 1.0, is {libraries['numpy']})"
    finally:
        client.set_tag(row.run_id, "tabtrail.predictions_sha256", digest)


def test_a_run_of_before_is_reproduced_and_reported_from_its_tags(quiet: tuple[Project, Summary], client: MlflowClient) -> None:
    project, report = quiet
    run_id = report.leaderboard.parent_run_id
    with recorded_as_before(client, run_id):
        result = reproduce(project.config(), run_id)
        page = report_run(project.config(), run_id).page
    assert result.equal, result.difference
    assert "ONNX file of the champion" in result.compared
    assert report.leaderboard.champion in page.read_text()


@pytest.mark.parametrize(("text", "says"), [(None, "is no longer in"), ("[]", "was altered"), ('{"made": 1}', "was altered")])
def test_a_run_without_its_provenance_is_not_reproduced(
    quiet: tuple[Project, Summary], client: MlflowClient, text: str | None, says: str
) -> None:
    project, report = quiet
    run_id = report.leaderboard.parent_run_id
    file = provenance_of(client, run_id)
    before = file.read_text()
    try:
        file.unlink()
        if text is not None:
            client.log_text(run_id, text, "provenance.json")
        with pytest.raises(StoreError, match=rf"^provenance.json of run {run_id} .*{says}"):
            reproduce(project.config(), run_id)
    finally:
        client.log_text(run_id, before, "provenance.json")


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
