"""A guard that fires never ends in a useless model deployed: where no candidate beats the baselines, nothing is, exit code 4."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient
from tests.support.commands import run_in
from tests.support.projects import Project
from tests.support.small_project import LINEAR, WEAK, small

from tabtrail.bundle.load import read_metadata
from tabtrail.config.model import Model
from tabtrail.errors import NotTrainedError
from tabtrail.export import prove
from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.modeling.proof import Parity
from tabtrail.project.paths import Artifacts
from tabtrail.project.summary import read_leaderboard
from tabtrail.workflows import champion

pytestmark = pytest.mark.usefixtures("one_picture")

NOISE = {"y": lambda a, random: random.normal(0, 1, len(a))}


def leaderboard_of(project: Project) -> Leaderboard:
    return read_leaderboard(Artifacts.of(project.config()))


def test_a_benchmark_that_no_candidate_wins_deploys_nothing_and_ends_with_4(tmp_path: Path, empty_store: Path) -> None:
    useless = small(tmp_path, empty_store, **NOISE)
    done = run_in(useless, "run")
    assert done.returncode == 4
    assert "no candidate is worth deploying; no model is deployed yet" in done.stderr
    assert f"{LINEAR} does not beat MeanBaseline: RMSE " in done.stderr
    assert f"{WEAK} does not beat MeanBaseline: RMSE " in done.stderr
    assert "--candidate NAME --force --reason" in done.stderr
    assert not list((useless.root / "models").glob("*"))

    leaderboard = leaderboard_of(useless)
    assert leaderboard.champion == "MeanBaseline"
    assert "no candidate is worth deploying" in leaderboard.notes[0]
    assert json.loads((tmp_path / "output" / "metrics" / "m_promotion.json").read_text())["promoted"] is False
    uri = useless.config().mlflow.tracking_uri
    run = MlflowClient(uri, uri).get_run(leaderboard.parent_run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["tabtrail.deployed"] == "false"
    assert WEAK in run.data.tags["tabtrail.objections"]

    again = run_in(useless, "train")
    assert again.returncode == 4
    assert "3 candidates are finished" in again.stderr, "what is finished is not fitted again"
    assert run_in(useless, "report").returncode == 0
    page = (useless.root / "output" / "report.html").read_text()
    assert "no candidate is worth deploying" in page


def test_the_previous_champion_stays_where_the_next_training_is_useless(tmp_path: Path, empty_store: Path) -> None:
    project = small(tmp_path, empty_store)
    assert run_in(project, "run").returncode == 0
    before = (tmp_path / "models" / "m_metadata.json").read_bytes()
    header, *rows = (tmp_path / "rows.csv").read_text().splitlines()
    shuffled = [f"{row.rpartition(',')[0]},{other.rpartition(',')[2]}" for row, other in zip(rows, reversed(rows), strict=True)]
    (tmp_path / "rows.csv").write_text("\n".join([header, *shuffled]) + "\n")
    done = run_in(project, "run")
    assert done.returncode == 4
    assert f"the deployed model stays {LINEAR}" in done.stderr
    assert (tmp_path / "models" / "m_metadata.json").read_bytes() == before


def test_a_baseline_never_takes_the_place_of_a_model_that_fails_its_proof(
    tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen with an objective whose graph was not right: the mean was deployed, with exit code 0."""
    proven = prove.prove

    def refuse(model: Model, fitted: Any, x: pd.DataFrame, *, scale: float, tolerance: float) -> tuple[bytes | None, Parity]:
        if "Dummy" in repr(fitted):
            return proven(model, fitted, x, scale=scale, tolerance=tolerance)
        return None, Parity(1e-5, {}, error="TypeError: no converter")

    monkeypatch.setattr(champion, "prove", refuse)
    project = small(tmp_path, empty_store)
    done = run_in(project, "run")
    assert done.returncode == 4
    assert f"{LINEAR} is not deployable: it has no ONNX graph: TypeError: no converter" in done.stderr
    with pytest.raises(NotTrainedError, match="there is no model"):
        read_metadata(project.config().paths.models_dir, "m")


def test_a_search_that_finds_nothing_better_than_the_mean_keeps_nothing_and_ends_with_4(
    tmp_path: Path, empty_store: Path
) -> None:
    useless = small(tmp_path, empty_store, **NOISE, candidates={"HistGradientBoosting": {"max_iter": 20}})
    assert run_in(useless, "ingest").returncode == 0
    done = run_in(useless, "tune", "HistGradientBoosting", "--trials", "1")
    assert done.returncode == 4, done.stderr
    assert "HistGradientBoosting is not kept: always predicting the mean has RMSE" in done.stderr
    assert "nothing was found for HistGradientBoosting that is worth a training" in done.stderr
    assert not Artifacts.of(useless.config()).tuned.exists()
