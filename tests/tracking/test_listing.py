"""The list of trainings: what is of one, in which order, and what is said of those that did not end well."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from tabtrail.config.operation import Mlflow
from tabtrail.tracking.listing import list_trainings, page_of
from tabtrail.tracking.runs import log_metrics, running, set_primary_metric, start_run
from tabtrail.tracking.store import Store, open_store
from tabtrail.tracking.tags import MetricItem

KIND, NAME = "tabtrail.kind", "tabtrail.candidate"


@pytest.fixture
def mlflow(tmp_path: Path, empty_store: Path) -> Mlflow:
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return Mlflow(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")


@pytest.fixture
def store(mlflow: Mlflow) -> Store:
    return open_store(mlflow)


def training(store: Store, *values: float, metric: str = "cv_root_mean_squared_error", at: float = 1e9) -> str:
    tags = {KIND: "benchmark", "tabtrail.champion": "C0"}
    with running(store, "benchmark m", tags, started=at) as run:
        log_metrics(store, run, [MetricItem(metric, max(values))])
        for place, value in enumerate(values):
            own = {KIND: "candidate", NAME: f"C{place}"}
            with running(store, f"C{place}", own, parent=run, started=at + place) as child:
                log_metrics(store, child, [MetricItem(metric, value)])
    return run


def test_there_are_none_without_a_store(tmp_path: Path) -> None:
    assert list_trainings(Mlflow(tracking_uri=f"sqlite:///{tmp_path}/none.db")) == []
    assert not (tmp_path / "none.db").exists(), "nothing is made"


def test_runs_of_other_kinds_are_not_trainings(mlflow: Mlflow, store: Store) -> None:
    start_run(store, "USA", {KIND: "segment"})
    start_run(store, "promotions of m", {KIND: "promotions"})
    wanted = training(store, 2, 1)
    assert [each.run_id for each in list_trainings(mlflow)] == [wanted]


def test_the_newest_are_listed_and_no_more_than_are_asked_for(mlflow: Mlflow, store: Store) -> None:
    runs = [training(store, 1, at=1e9 + 100 * place) for place in range(3)]
    found = list_trainings(mlflow, 2)
    assert [each.run_id for each in found] == [runs[2], runs[1]]
    assert [len(each.candidates) for each in found] == [1, 1]


@pytest.mark.parametrize(("greater", "order"), [(False, ["C1", "C2", "C0"]), (True, ["C0", "C2", "C1"])])
def test_candidates_are_best_first_whichever_way_is_better(mlflow: Mlflow, store: Store, greater: bool, order: list[str]) -> None:
    set_primary_metric(store, "cv_r2_score", greater=greater)
    training(store, 0.9, 0.1, 0.5, metric="cv_r2_score")
    (found,) = list_trainings(mlflow)
    assert [each.name for each in found.candidates] == order
    assert found.metric == "cv_r2_score"


def test_a_training_that_was_chosen_by_another_metric_is_shown_by_a_metric_that_it_has(mlflow: Mlflow, store: Store) -> None:
    set_primary_metric(store, "cv_r2_score", greater=True)
    training(store, 3)
    (found,) = list_trainings(mlflow)
    assert (found.metric, found.value) == ("cv_root_mean_squared_error", 3)


def test_a_candidate_that_was_killed_and_finished_later_is_one(mlflow: Mlflow, store: Store) -> None:
    run = training(store, 1, 2)
    for name in ("C1", "C9"):
        with pytest.raises(RuntimeError), running(store, name, {}, parent=run, started=1e9):
            raise RuntimeError
    (found,) = list_trainings(mlflow)
    assert [(each.name, each.state) for each in found.candidates] == [("C0", "complete"), ("C1", "complete"), ("C9", "failed")]


def test_one_that_runs_or_failed_is_listed_as_such(mlflow: Mlflow, store: Store) -> None:
    start_run(store, "benchmark m", {}, started=1e9)  # its kind is tagged at its end
    with pytest.raises(RuntimeError), running(store, "demand m", {}, started=1e9 + 100):
        raise RuntimeError
    failed, at_work = list_trainings(mlflow)
    assert (failed.state, failed.of, failed.champion) == ("failed", "series", "")
    assert (at_work.state, at_work.of, at_work.seconds) == ("running", "rows", None)


def test_a_copy_of_a_store_is_looked_at_and_left_as_it_is(tmp_path: Path, mlflow: Mlflow, store: Store) -> None:
    wanted = training(store, 1)
    copy = tmp_path / "copy"
    copy.mkdir()
    with sqlite3.connect(tmp_path / "mlflow.db") as own, sqlite3.connect(copy / "mlflow.db") as other:
        own.backup(other)
    own.close()
    other.close()
    before = (copy / "mlflow.db").read_bytes()
    (found,) = list_trainings(Mlflow(tracking_uri=f"sqlite:///{copy}/mlflow.db"))
    assert found.run_id == wanted
    assert (copy / "mlflow.db").read_bytes() == before


def test_a_link_leads_to_the_server_and_holds_no_password() -> None:
    assert page_of("https://ann:s3cret@mlflow.example:5000/base/", "7", "ab") == (
        "https://mlflow.example:5000/base/#/experiments/7/runs/ab"
    )
    assert page_of("http://h:5000", "7") == "http://h:5000/#/experiments/7/runs"
    assert page_of("sqlite:///mlruns/mlflow.db", "7", "ab") is None
    assert page_of("postgresql+psycopg://ann:s3cret@h/db", "7", "ab") is None
