"""A training on series as a good citizen: it continues after a kill, registers once, and passes a gate."""

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

import polars as pl
import pytest
from mlflow import MlflowClient
from tests.support.commands import run_in
from tests.support.demand import CONFIG, demand_rows, write_project
from tests.support.projects import Project, close_stores, put_back

from tabtrail import pipeline
from tabtrail.errors import PromotionError, StoreError
from tabtrail.forecast.panel.evaluate import evaluate
from tabtrail.pipeline import STAGES
from tabtrail.progress import Progress
from tabtrail.project.paths import Artifacts
from tabtrail.project.status import status
from tabtrail.system.files import read_json
from tabtrail.workflows import demand
from tabtrail.workflows.promote import history, promote, rollback

# So few rows that a baseline may be ahead: that is not what these tests are about.
BASE = CONFIG.replace("max_rows: 4000", "max_rows: 1500\n  choice: {deploy_unless_beaten: true}")
STUMP = "demand.candidates={LightGBM_stump: {objective: regression_l1, scale: level, n_estimators: 1, num_leaves: 2}}"
LESS = "demand.candidates={LightGBM_less: {objective: tweedie, scale: level, n_estimators: 20, num_leaves: 15}}"
ALLOWED = "demand.choice={deploy_unless_beaten: true, max_bias: null}"


def rows() -> pl.DataFrame:
    return demand_rows(150, stores=1)


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Path]:
    """A trained project, and a copy of all that it left."""
    root = tmp_path_factory.mktemp("citizen")
    project = write_project(root, rows(), BASE)
    pipeline.run(project.config(), report=False)
    copy = tmp_path_factory.mktemp("copy") / "project"
    shutil.copytree(root, copy)
    return project, copy


@pytest.fixture
def project(trained_once: tuple[Project, Path]) -> Project:
    project, copy = trained_once
    put_back(project, copy)
    return project


def client_of(project: Project) -> MlflowClient:
    uri = project.config().mlflow.tracking_uri
    return MlflowClient(uri, uri)


def runs(project: Project) -> list[Any]:
    client = client_of(project)
    experiment = client.get_experiment_by_name(project.config().mlflow.experiment)
    return list(client.search_runs([experiment.experiment_id]))


def parents(project: Project) -> list[Any]:
    return [run for run in runs(project) if run.data.tags.get("tabtrail.kind") == "demand"]


def children(project: Project) -> dict[str, str]:
    return {
        run.data.tags["tabtrail.candidate"]: run.info.run_id for run in runs(project) if "tabtrail.candidate" in run.data.tags
    }


def versions(project: Project) -> list[str]:
    return [str(each.version) for each in client_of(project).search_model_versions("name = 'shop_demand'")]


def train(project: Project, *settings: str, force: bool = False) -> dict[str, Any]:
    """The verdict of a training."""
    config = project.config(*settings)
    pipeline.run_stage("demand", config, force=force)
    return read_json(Artifacts.of(config).verdict) or {}


def test_a_killed_training_continues_and_registers_once(tmp_path: Path) -> None:
    many = BASE.replace("  candidates:\n", "  candidates:\n    LinearRegression: {scale: level}\n").replace("serial", "processes")
    project = write_project(tmp_path, rows(), many)
    command = [sys.executable, "-m", "tabtrail", "run", "--no-report", "--config", str(project.config_file)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        while not (before := finished(project)):
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.02)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    said: list[str] = []
    pipeline.run(project.config(), report=False, progress=Progress(say=said.append))
    assert any("is continued" in line and "models are finished" in line for line in said)
    assert before.items() <= children(project).items(), "what was judged is not judged again"
    assert len(children(project)) == len([run for run in runs(project) if "tabtrail.candidate" in run.data.tags])
    (parent,) = parents(project)
    assert {run.info.status for run in runs(project)} <= {"FINISHED", "KILLED"}
    assert parent.info.status == "FINISHED"
    assert versions(project) == ["1"]
    close_stores()


def finished(project: Project) -> dict[str, str]:
    """The finished candidates, read past MLflow: its client would make the store that is being made."""
    file = project.root / "mlruns" / "mlflow.db"
    if not file.is_file():
        return {}
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        query = (
            "SELECT name.value, done.run_uuid FROM tags done JOIN tags name USING (run_uuid)"
            " WHERE done.key = 'tabtrail.complete' AND name.key = 'tabtrail.candidate'"
        )
        try:
            return dict(connection.execute(query).fetchall())
        except sqlite3.OperationalError:  # its tables are being made
            return {}


def test_a_complete_training_is_written_out_again_and_judges_nothing_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = Artifacts.of(project.config()).demand_leaderboard
    before, known = json.loads(board.read_text()), children(project)
    board.unlink()

    def judge_again(name: str, *words: Any, **named: Any) -> Any:
        assert named.get("baseline"), "it judges again"
        return evaluate(name, *words, **named)

    monkeypatch.setattr(demand, "evaluate", judge_again)
    assert train(project)["action"] == "unchanged"
    assert json.loads(board.read_text()) == before
    assert children(project) == known
    assert versions(project) == ["1"]
    with pytest.raises(AssertionError, match="it judges again"):
        train(project, force=True)


def test_forecasts_that_were_altered_are_not_taken_up(project: Project) -> None:
    for path in (project.root / "mlruns").rglob("forecasts.npz"):
        shutil.copy(next((project.root / "mlruns").rglob("evaluation.npz")), path)
    Artifacts.of(project.config()).demand_leaderboard.unlink()
    with pytest.raises(StoreError, match=r"were altered; run `tabtrail train --force`"):
        train(project)


def test_a_run_names_its_data_and_its_config(project: Project) -> None:
    (parent,) = parents(project)
    client = client_of(project)
    assert (
        json.loads(Path(client.download_artifacts(parent.info.run_id, "config.json")).read_text())["demand"]["target"] == "units"
    )
    for run_id in (parent.info.run_id, *children(project).values()):
        (used,) = client.get_run(run_id).inputs.dataset_inputs
        assert parent.data.tags["tabtrail.data_sha256"].startswith(used.dataset.digest)
        assert json.loads(used.dataset.profile)["num_rows"] == rows().height


def test_a_worse_model_is_refused_at_the_same_origins_and_the_champion_stays(project: Project) -> None:
    champion = read_json(Artifacts.of(project.config()).verdict) or {}
    verdict = train(project, STUMP, ALLOWED)
    assert verdict["action"] == "refused"
    assert "worse than the champion" in verdict["reasons"][0]
    assert "series at an origin" in verdict["reasons"][0]
    assert verdict["champion"]["run_id"] == champion["challenger"]["run_id"]
    stump = verdict["challenger"]["run_id"]
    with pytest.raises(PromotionError, match="worse than the champion"):
        promote(project.config(), stump)
    assert promote(project.config(), stump, force=True, reason="to see it").promoted
    assert rollback(project.config()).challenger.run_id == champion["challenger"]["run_id"]
    assert [each.action for each in history(project.config())] == ["first", "promote", "rollback"]


def test_a_model_that_is_as_good_is_deployed_by_what_both_forecast(project: Project) -> None:
    verdict = train(project, "demand.random_state=43")
    assert verdict["promoted"], verdict
    compared = verdict["verdict"]["comparison"]
    assert compared["metric"] == "mae"
    assert compared["rows"] == 3 * 3 * 7
    assert compared["low"] <= compared["difference"] <= compared["high"]


def test_models_that_share_no_origin_are_not_compared_and_that_is_said(project: Project) -> None:
    demand_rows(152, stores=1, seed=8).write_csv(project.root / "demand.csv")
    pipeline.run_stage("ingest", project.config())
    verdict = train(project, ALLOWED)
    assert verdict["promoted"], verdict
    assert "not comparable with the champion" in verdict["verdict"]["notes"][0]


def test_another_candidate_of_a_training_on_series_is_refused_with_what_to_do(project: Project) -> None:
    (parent,) = parents(project)
    other = next(name for name in children(project) if name != parent.data.tags["tabtrail.champion"])
    done = run_in(project, "promote", parent.info.run_id, "--candidate", other)
    assert done.returncode == 2
    assert "the bundle of its chosen model alone" in done.stderr


def test_status_and_doctor_know_a_project_of_series(project: Project) -> None:
    stages = [each for each in STAGES if not each.for_people]
    stale = status(project.config("demand.origins=2"), stages)
    assert stale.next_command == "tabtrail train"
    assert "demand.origins" in str(stale.stages[-1].reasons[0])
    done = run_in(project, "doctor")
    assert done.returncode == 0, done.stdout
    assert "first" in run_in(project, "history").stdout
