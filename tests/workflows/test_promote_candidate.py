"""Any deployable candidate of a finished benchmark can be promoted, through the gate; a baseline never."""

import json
import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from tests.support.commands import Done, run_in
from tests.support.projects import Project, make_store
from tests.support.small_project import LINEAR, WEAK, small

from tabtrail.bundle.load import load_bundle, read_metadata
from tabtrail.bundle.predictor import Predictor
from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.project.paths import Artifacts
from tabtrail.project.summary import read_leaderboard
from tabtrail.tracking.models import model_of
from tabtrail.tracking.store import open_store
from tabtrail.workflows.promote import history
from tabtrail.workflows.report import note_on_deployed

NEAR, FAR = "RandomForest_near", "RandomForest_far"
CANDIDATES = {LINEAR: {}, WEAK: {"n_estimators": 2, "max_depth": 1}, NEAR: {"n_estimators": 20}, FAR: {"n_estimators": 10}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("candidates")
    make_store(root / "store" / "mlflow.db")
    project = small(root, root / "store" / "mlflow.db", candidates=CANDIDATES, promotion={"max_worse": 2.0})
    assert run_in(project, "run", "--no-report").returncode == 0
    return project


def board(project: Project) -> Leaderboard:
    return read_leaderboard(Artifacts.of(project.config()))


def deployed(project: Project) -> str:
    return str(read_metadata(project.config().paths.models_dir, "m")["model"])


def promote(project: Project, candidate: str, *more: str) -> Done:
    return run_in(project, "promote", board(project).parent_run_id, "--candidate", candidate, *more)


FORCE = ("--force", "--reason", "to see it in use")


def test_a_candidate_is_exported_proven_and_judged_and_stands_in_history_status_and_registry(trained: Project) -> None:
    config, row = trained.config(), board(trained).row(WEAK)
    assert note_on_deployed(config, board(trained)) is None
    refused = promote(trained, WEAK)
    assert (refused.returncode, deployed(trained)) == (4, LINEAR)
    assert f"is not promoted ({WEAK}), the deployed model stays {LINEAR}" in refused.stderr
    assert f"--candidate {WEAK} --force --reason" in refused.stderr
    done = promote(trained, WEAK, *FORCE)
    assert (done.returncode, deployed(trained)) == (0, WEAK), done.stderr

    bundle = load_bundle(config.paths.models_dir, "m")
    assert bundle.metadata["run_id"] == row.run_id
    assert bundle.metadata["parity"]["passed"]
    assert bundle.metadata["metrics"]["cv_rmse"] == row.cv["rmse"]
    assert bundle.metadata["intervals"] is not None
    answer = Predictor(bundle).predict([{"a": 50.0, "b": "p"}])[0]
    assert answer.interval is not None
    assert answer.interval.low < answer.value < answer.interval.high
    entry = history(config)[-1]
    assert (entry.action, entry.after.model, entry.after.run_id, entry.forced) == ("promote", WEAK, row.run_id, True)
    assert f"deployed: {WEAK} (run {row.run_id})" in run_in(trained, "status").stdout
    assert WEAK in run_in(trained, "history").stdout
    said = note_on_deployed(config, board(trained))
    assert said is not None
    assert f"the page explains {LINEAR}, the winner" in said
    assert f"deployed is {WEAK} (run {row.run_id}), whose figures are in its row of the leaderboard" in said
    version = MlflowClient(config.mlflow.tracking_uri, config.mlflow.tracking_uri).get_model_version_by_alias("m", "champion")
    assert (version.run_id, str(version.version)) == (row.run_id, entry.after.version)
    assert run_in(trained, "explain", "--json", '{"a": 50, "b": "p"}').returncode == 0

    assert run_in(trained, "train", "--set", "engine.workers=1").returncode == 0
    assert deployed(trained) == WEAK, "a training that changes nothing does not undo it"
    files = (config.paths.models_dir / "m_metadata.json").read_bytes()
    assert run_in(trained, "rollback").returncode == 0
    assert deployed(trained) == LINEAR
    again = promote(trained, WEAK, *FORCE)
    assert "making the bundle" not in again.stderr
    assert (config.paths.models_dir / "m_metadata.json").read_bytes() == files, "the stored bundle, to the last byte"
    assert run_in(trained, "rollback").returncode == 0


def test_a_candidate_that_the_gate_lets_through_needs_no_force_and_its_run_stands_for_it(trained: Project) -> None:
    done = run_in(trained, "promote", board(trained).row(NEAR).run_id, *FORCE)
    assert (done.returncode, deployed(trained)) == (0, NEAR), done.stderr
    done = promote(trained, LINEAR)
    assert (done.returncode, deployed(trained)) == (0, LINEAR), done.stderr


@pytest.mark.parametrize(
    ("name", "code", "why"),
    [
        ("MeanBaseline", 4, "MeanBaseline is a baseline, and never deployed; name another with --candidate: Lin"),
        ("RandomForest_neer", 2, f"has no candidate 'RandomForest_neer'; did you mean '{NEAR}'?; it has Lin"),
    ],
)
def test_baselines_and_names_that_are_none_are_refused(trained: Project, name: str, code: int, why: str) -> None:
    for more in ((), FORCE):
        done = promote(trained, name, *more)
        assert (done.returncode, why in done.stderr) == (code, True), done.stderr
    assert deployed(trained) == LINEAR


def test_a_model_that_was_not_kept_is_refitted_to_the_same_predictions(trained: Project) -> None:
    config, row = trained.config(), board(trained).row(FAR)
    store = open_store(config.mlflow)
    shutil.rmtree(model_of(store, row.run_id).location.removeprefix("file://"))
    done = promote(trained, FAR, *FORCE)
    assert (done.returncode, deployed(trained)) == (0, FAR), done.stderr
    assert f"the model of {FAR} was not kept, and is refitted" in done.stderr
    assert run_in(trained, "rollback").returncode == 0


def test_other_data_than_the_runs_proves_nothing_and_the_champion_stays(tmp_path: Path, empty_store: Path) -> None:
    project = small(tmp_path, empty_store)
    assert run_in(project, "run", "--no-report").returncode == 0
    with (tmp_path / "rows.csv").open("a") as file:
        file.write("50.0,p,150.0\n")
    assert run_in(project, "ingest").returncode == 0
    done = promote(project, WEAK, *FORCE)
    assert (done.returncode, deployed(project)) == (4, LINEAR)
    assert "the candidate cannot be proven: its data was " in done.stderr


def test_what_does_not_beat_the_baselines_takes_force_also_where_nothing_is_deployed(tmp_path: Path, empty_store: Path) -> None:
    project = small(tmp_path, empty_store, y=lambda a, random: random.normal(0, 1, len(a)))
    assert run_in(project, "run", "--no-report").returncode == 4
    refused = promote(project, LINEAR)
    assert refused.returncode == 4
    assert f"is not promoted ({LINEAR}), no model is deployed" in refused.stderr
    assert "it does not beat MeanBaseline over the folds" in refused.stderr
    assert run_in(project, "promote", board(project).parent_run_id).returncode == 4, "its winner is a baseline"
    assert promote(project, LINEAR, *FORCE).returncode == 0
    assert deployed(project) == LINEAR
    assert json.loads(run_in(project, "status", "--format=json").stdout)["deployed"]["model"] == LINEAR
