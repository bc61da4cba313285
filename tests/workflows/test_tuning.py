"""`tabtrail tune`: real Optuna studies on the synthetic sample, a few trials each."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import optuna
import pytest
from mlflow import MlflowClient
from tests.support.limits import file_size_limit
from tests.support.projects import Project
from tests.support.stages import run_train

from tabtrail import pipeline
from tabtrail.errors import StoreError, UsageError
from tabtrail.progress import SILENT, Progress
from tabtrail.project.paths import Artifacts
from tabtrail.system.files import read_json
from tabtrail.workflows.tune import Search, trial_errors, tune

FAST = [
    "split.repeats=1",
    "split.folds=3",
    "explain.max_rows=10",
    "candidates={LinearRegression: {}, LightGBM: {n_estimators: 20, target_transform: log_ratio(LINE_TOTAL_APPROX)}}",
]


@pytest.fixture
def ingested(project: Project) -> Project:
    pipeline.run_stage("ingest", project.config(*FAST))
    return project


def search(
    project: Project, *names: str, trials: int, seconds: float | None = None, progress: Progress = SILENT
) -> dict[str, dict[str, object]]:
    config = project.config(*FAST)
    return tune(config, list(names), trials=trials, seconds=seconds, progress=progress)


def study_of(project: Project) -> optuna.Study:
    storage = f"sqlite:///{Artifacts.of(project.config()).tuned.with_name('optuna.db')}"
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage)


def test_the_best_parameters_stand_in_the_next_benchmark(ingested: Project) -> None:
    lines: list[str] = []
    best = search(ingested, trials=3, progress=Progress(say=lines.append))
    assert set(best) == {"LightGBM_tuned"}
    (won,) = [line for line in lines if "than as configured" in line]
    number = r"-?\d[\d.e+-]*"
    assert re.fullmatch(
        rf"tune: LightGBM: RMSE {number} better than as configured \(95 %: {number} to {number}\), over other folds", won
    )
    assert best["LightGBM_tuned"]["target_transform"] == "log_ratio(LINE_TOTAL_APPROX)"
    stored = read_json(Artifacts.of(ingested.config()).tuned)
    assert stored is not None
    assert stored["candidates"] == best
    board, trained = run_train(ingested.config(*FAST))
    assert trained
    assert {"LightGBM", "LightGBM_tuned"} <= {row.candidate for row in board.candidates}


def test_rounds_are_not_searched_where_early_stopping_finds_them(ingested: Project) -> None:
    stopping = "candidates={LightGBM: {n_estimators: 20, early_stopping_rounds: 5}}"
    best = tune(ingested.config(*FAST[:-1], stopping), ["LightGBM"], trials=1)
    assert best["LightGBM_tuned"]["n_estimators"] == 20
    assert "num_leaves" in best["LightGBM_tuned"]


def test_candidates_share_the_time_of_a_search_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tabtrail.workflows.tune.time.monotonic", lambda: 100.0)
    found = Search(*[None] * 6, until=160.0)  # type: ignore[arg-type]
    assert [found.for_one_of(left).until for left in (3, 2, 1)] == [120.0, 130.0, 160.0]


def test_a_search_minimises_what_the_choice_does(ingested: Project) -> None:
    config = ingested.config(*FAST, "choice.metric=r2")
    tune(config, ["LightGBM"], trials=2, seconds=None)
    study = study_of(ingested)
    values = [trial.user_attrs["value"] for trial in study.trials]
    assert study.best_trial.user_attrs["value"] == max(values)
    client = MlflowClient(config.mlflow.tracking_uri, config.mlflow.tracking_uri)
    experiment = client.get_experiment_by_name(config.mlflow.experiment)
    assert experiment is not None
    logged = [run.data.metrics for run in client.search_runs([experiment.experiment_id])]
    assert max(each["cv_r2_score"] for each in logged) == max(values)
    assert not any("cv_root_mean_squared_error" in each for each in logged)


def test_every_trial_is_a_child_run_with_parameters_and_scores(ingested: Project) -> None:
    search(ingested, "LightGBM", trials=3)
    uri = ingested.config().mlflow.tracking_uri
    client = MlflowClient(uri, uri)
    experiment = client.get_experiment_by_name("sales_regression")
    assert experiment is not None
    runs = list(client.search_runs([experiment.experiment_id]))
    parent = next(run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert parent.data.tags["tabtrail.kind"] == "tuning"
    assert len(children) == 3
    assert {run.info.status for run in runs} == {"FINISHED"}
    scores = [run.data.metrics["cv_root_mean_squared_error"] for run in children if run.data.tags["tabtrail.pruned"] == "false"]
    assert parent.data.metrics["cv_root_mean_squared_error"] == min(scores)
    assert all("model.num_leaves" in run.data.params for run in children)


def test_a_search_that_is_killed_goes_on_where_it_was(ingested: Project) -> None:
    words = [word for setting in FAST for word in ("--set", setting)]
    command = [sys.executable, "-m", "tabtrail", "tune", "LightGBM", "--trials", "500"]
    process = subprocess.Popen(
        [*command, "--config", str(ingested.config_file), *words], stderr=subprocess.DEVNULL, start_new_session=True
    )
    storage = Artifacts.of(ingested.config()).tuned.with_name("optuna.db")
    deadline = time.monotonic() + 120
    try:
        while time.monotonic() < deadline and process.poll() is None:
            if storage.is_file() and storage.stat().st_size and _finished(storage) >= 2:
                break
            time.sleep(0.2)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    before = _finished(storage)
    assert before >= 2
    search(ingested, "LightGBM", trials=before + 2)
    states = [trial.state.name for trial in study_of(ingested).trials]
    assert states.count("COMPLETE") + states.count("PRUNED") == before + 2
    assert "RUNNING" not in states


def _finished(storage: Path) -> int:
    import sqlite3

    with sqlite3.connect(f"file:{storage}?mode=ro", uri=True) as connection:
        try:
            row = connection.execute("SELECT count(*) FROM trials WHERE state IN ('COMPLETE', 'PRUNED')").fetchone()
        except sqlite3.OperationalError:
            return 0
    return int(row[0])


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"not a database" * 500, r"cannot be read \(file is not a database\); begin again: mv .*optuna.db"), (None, "ulimit -f")],
)
def test_trials_that_cannot_be_read_or_kept_are_told_apart(tmp_path: Path, data: bytes | None, message: str) -> None:
    file = tmp_path / "optuna.db"
    if data is not None:
        file.write_bytes(data)
    with file_size_limit(8192 if data is None else 1 << 30), pytest.raises(StoreError, match=message), trial_errors(file):
        optuna.create_study(storage=f"sqlite:///{file}")


def test_the_test_part_is_no_part_of_the_search(ingested: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from tabtrail.workflows import tune as tuning

    seen = []
    original = tuning.run_tasks

    def watched(config, table, split, tasks, **options):  # type: ignore[no-untyped-def]
        seen.append((split, [fold for _, fold in tasks]))
        return original(config, table, split, tasks, **options)

    monkeypatch.setattr(tuning, "run_tasks", watched)
    search(ingested, "LightGBM", trials=1)
    assert [folds for _, folds in seen] == [[0, 1, 2], [0, 1, 2, 0, 1, 2]], "a trial, and what was won"
    trial, won = (split for split, _ in seen)
    assert not any((fold.train & trial.test).any() or (fold.valid & trial.test).any() for fold in (*trial.folds, *won.folds))
    assert not any(np.array_equal(one.valid, other.valid) for one in trial.folds for other in won.folds)


@pytest.mark.parametrize(
    ("names", "budget", "message"),
    [
        ([], {"trials": 0}, "the budget is empty: give --trials 1 or more"),
        ([], {"trials": 3, "seconds": 0.0}, "the budget is empty"),
        (["LightGMB"], {"trials": 1}, r"'LightGMB' is not a candidate .* did you mean 'LightGBM'\?"),
        (["LinearRegression"], {"trials": 1}, "LinearRegression has no parameters to search"),
    ],
)
def test_a_search_that_cannot_be_meant_is_a_usage_error(
    ingested: Project, names: list[str], budget: dict[str, float], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        search(ingested, *names, **budget)  # type: ignore[arg-type]
