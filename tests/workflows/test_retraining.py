"""An alarm of the log asks for a training: it waits for labels of later rows and newer data, comes once, and the gate decides."""

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.support.commands import Done, run_in
from tests.support.logged import write_log
from tests.support.projects import Project, make_store
from tests.support.small_project import LINEAR, small

from tabtrail.bundle.load import read_metadata
from tabtrail.bundle.logged import RETRAINING_STATE
from tabtrail.workflows.promote import history

WATCH = {
    "serve": {"prediction_log_dir": "log"},
    "drift": {"on_alarm": "retrain", "min_labels": 50},
    "candidates": {LINEAR: {}},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("retraining")
    make_store(root / "store" / "mlflow.db")
    made = small(root, root / "store" / "mlflow.db", **WATCH)
    assert run_in(made, "run", "--no-report").returncode == 0
    return made


def rows(count: int, seed: int, low: float = 60) -> list[dict[str, Any]]:
    """Rows whose `a` is higher than it was: the training had 0 to 100."""
    random = np.random.default_rng(seed)
    return [
        {"a": round(a, 2), "b": str(b)}
        for a, b in zip(random.uniform(low, 100, count), random.choice(list("pqr"), count), strict=True)
    ]


def drift(project: Project) -> Done:
    return run_in(project, "drift")


def log(project: Project, found: list[dict[str, Any]], request: str) -> None:
    write_log(project.config(), project.root / "log", found, request=request)


def label(project: Project, found: list[dict[str, Any]], request: str) -> None:
    actual = pl.DataFrame(
        {"request_id": [request] * len(found), "row": range(1, len(found) + 1), "y": [500 - each["a"] for each in found]}
    )
    actual.write_parquet(project.root / "actual.parquet")
    done = run_in(project, "labels", "--input", str(project.root / "actual.parquet"), "--key", "request_id", "--key", "row")
    assert done.returncode == 0, done.stderr


def state(project: Project) -> list[dict[str, Any]]:
    return list(json.loads((project.root / "log" / RETRAINING_STATE).read_text())["retrainings"])


def test_an_alarm_is_followed_by_one_training_once_its_labels_and_newer_rows_are_there(project: Project) -> None:
    first, second = rows(300, 1), rows(60, 2)
    log(project, first, "first")
    alarmed = drift(project)
    assert alarmed.returncode == 5
    assert "drift: retraining waits: 0 of the 50 labels of later rows are there (drift.min_labels)" in alarmed.stderr

    label(project, first, "first")
    assert "retraining waits: 0 of the 50" in drift(project).stderr, "the labels of rows before the alarm do not count"

    log(project, second, "second")
    label(project, second, "second")
    due = drift(project)
    assert due.returncode == 5
    assert "retraining is due, but the dataset is the one that the deployed model learned from; add newer rows" in due.stderr
    assert state(project)[0]["trained"] is None

    before = read_metadata(project.config().paths.models_dir, "m")["run_id"]
    with (project.root / "rows.csv").open("a") as source:
        source.writelines(f"{each['a']},{each['b']},{500 - each['a']:.4f}\n" for each in (*first, *second))
    failed = run_in(project, "drift", "--set", "engine={kind: dask, address: 'tcp://127.0.0.1:9'}")
    assert "no Dask scheduler answers" in failed.stderr, failed.stderr
    assert state(project)[0]["trained"] is None, "a training that failed is tried again"
    trained = drift(project)
    assert trained.returncode == 5, trained.stderr
    (told,) = state(project)
    assert told["run_id"] == before
    assert told["action"] == "automatic"
    assert told["challenger"] == read_metadata(project.config().paths.models_dir, "m")["run_id"] != before
    assert [each.action for each in history(project.config())] == ["first", "automatic"]
    told = json.loads(run_in(project, "drift", "--history", "--format=json").stdout)
    (retraining,) = [each for each in told if each["kind"] == "retraining"]
    assert (retraining["about"], retraining["measured"]) == ("automatic", "60 labels")
    unasked = drift(project)
    assert unasked.returncode == 0, unasked.stderr
    assert "has no row yet; there is nothing to check" in unasked.stderr
    log(project, rows(300, 8, low=0), "by the new model")
    assert run_in(project, "drift", "--set", "drift.on_alarm=report").returncode in (0, 5)
    checks = [
        each for each in json.loads(run_in(project, "drift", "--history", "--format=json").stdout) if each["kind"] == "check"
    ]
    assert len(checks) == 2, "what the new model is asked on the same day has a window of its own"
    assert checks[0]["alarm"] is True


def test_an_alarm_only_reports_by_default(project: Project) -> None:
    log(project, rows(300, 5, low=97), "third")
    done = run_in(project, "drift", "--set", "drift.on_alarm=report")
    assert done.returncode == 5
    assert "retraining" not in done.stderr
    assert len(state(project)) == 1
