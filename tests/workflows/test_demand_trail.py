"""The trail of trainings on many series: each is fitted again from its run, and has its page again."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.support.demand import both_project, demand_project
from tests.support.projects import Project, Trained

from tabtrail import pipeline
from tabtrail.config.tree import Config
from tabtrail.errors import UsageError
from tabtrail.forecast.panel.task import Task
from tabtrail.project.paths import Artifacts
from tabtrail.system.files import read_json
from tabtrail.tracking.benchmarks import find_benchmark
from tabtrail.tracking.runs import complete_children
from tabtrail.tracking.store import open_store
from tabtrail.workflows import reproduce as reproducing
from tabtrail.workflows import reproduce_demand
from tabtrail.workflows.report import report_run
from tabtrail.workflows.reproduce import reproduce


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return demand_project(tmp_path_factory)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return both_project(tmp_path_factory)


def last_run(config: Config) -> str:
    board = read_json(Artifacts.of(config.for_demand()).demand_leaderboard)
    assert board is not None
    return str(board["run_id"])


def children(config: Config) -> dict[str, str]:
    store = open_store(config.mlflow)
    return {name: run.run_id for name, run in complete_children(store, last_run(config)).items()}


def test_a_training_on_series_is_reproduced_to_the_last_bit(trained: Trained) -> None:
    result = reproduce(trained.config, last_run(trained.config))
    assert result.equal, result.difference
    assert set(result.candidates) == set(children(trained.config))
    assert result.compared[:2] == ("data", "config")
    files = {"intervals of the champion", "ONNX file of the champion", "joblib file of the champion", "metrics of the training"}
    assert files <= set(result.compared)
    assert {f"forecasts of {name}" for name in result.candidates} <= set(result.compared)


def test_one_model_of_series_is_reproduced_alone_beside_a_model_of_rows(both: Project) -> None:
    config = both.config()
    name, run_id = sorted(children(config).items())[-1]
    result = reproduce(config, run_id)
    assert result.equal, result.difference
    assert result.candidates == (name,)
    assert result.compared == ("data", "config", f"metrics of {name}", f"forecasts of {name}")


def test_a_training_on_series_that_comes_out_differently_is_said_with_what_differs(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, run_id = min(children(trained.config).items())

    def other_seed(config: Config) -> Task:
        task = prepare(config)
        return replace(task, demand=task.demand.model_copy(update={"random_state": 43, "max_rows": 1000}))

    prepare = reproducing.prepare_series
    monkeypatch.setattr(reproducing, "prepare_series", other_seed)
    result = reproduce(trained.config, run_id)
    assert not result.equal
    assert result.difference is not None
    assert result.difference.startswith(f"metrics of {name}: ")
    assert "nondeterminism: data, config, code and library versions are the same" in result.difference


def test_other_data_is_said_before_anything_is_fitted(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = trained.copy(tmp_path)
    manifest = project.config().paths.manifest
    monkeypatch.setattr(reproducing, "prepare_series", lambda _: pytest.fail("it is fitted"))
    run_id = last_run(project.config())
    rows = pl.read_csv(project.root / "demand.csv")
    rows.head(rows.height - 1).write_csv(project.root / "demand.csv")
    pipeline.run_stage("ingest", project.config())
    assert json.loads(manifest.read_text())["rows_kept"] == rows.height - 1
    found = reproduce(project.config(), run_id)
    assert found.difference is not None
    assert found.difference.startswith("data: the run had ")


def test_nets_are_compared_within_a_tolerance_and_other_models_to_the_bit() -> None:
    assert [reproduce_demand.is_net(each) for each in ("MLP", "CNNLSTM_brands", "LightGBM", "MLPs")] == [True, True, False, False]
    demand = np.array([[0.0, 2.0]])
    assert reproduce_demand.near(demand, np.array([1.0]), np.array([1.0 + 0.9e-3]))
    assert not reproduce_demand.near(demand, np.array([1.0]), np.array([1.0 + 1.1e-3]))
    assert not reproduce_demand.near(demand, np.array([1.0]), np.array([1.0, 1.0]))
    assert not reproduce_demand.near(demand, np.array([1.0]), np.array([np.nan]))


def test_the_page_of_a_training_on_series_by_its_run_or_a_models_is_the_same_page(trained: Trained, tmp_path: Path) -> None:
    before = Artifacts.of(trained.config).page.read_text(encoding="utf-8")
    for number, run_id in enumerate((last_run(trained.config), *children(trained.config).values())):
        elsewhere = trained.project.config(f"paths.output_dir={tmp_path / str(number)}")
        written = report_run(elsewhere, run_id)
        assert written.page.read_text(encoding="utf-8") == before
        assert {each.parent.name for each in written.pictures} == {last_run(trained.config)}


def test_the_page_of_a_run_says_whether_its_model_is_deployed_now(trained: Trained, tmp_path: Path) -> None:
    elsewhere = trained.project.config(f"paths.output_dir={tmp_path / 'output'}", f"paths.models_dir={tmp_path / 'models'}")
    page = report_run(elsewhere, last_run(trained.config)).page.read_text(encoding="utf-8")
    assert "It is NOT deployed" in page
    assert "It is deployed:" not in page


def test_a_run_of_something_else_has_no_page(trained: Trained) -> None:
    store = open_store(trained.config.mlflow)
    assert find_benchmark(store, last_run(trained.config)).candidate is None
    with pytest.raises(UsageError, match="there is no run 0000 in the MLflow store"):
        report_run(trained.config, "0000")
