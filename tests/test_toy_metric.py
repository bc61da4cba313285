"""A metric is one line of one table: a toy one stands everywhere, and can choose."""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
from mlflow import MlflowClient
from tests.support.projects import ONE_CANDIDATE, Project

from tabtrail import pipeline
from tabtrail.cli.leaderboard import print_leaderboard
from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.modeling.metrics import METRICS, Array, Metric
from tabtrail.project.paths import Artifacts
from tabtrail.system.files import read_json

pytestmark = pytest.mark.usefixtures("one_picture")


def _worst(actual: Array, predicted: Array) -> float:
    """Error of the row that is predicted worst."""
    return float(np.max(np.abs(predicted - actual)))


TOY = Metric("worst", "toy worst", "toy_worst", _worst)


@dataclass
class Trained:
    """A finished run with the toy metric."""

    artifacts: Artifacts
    board: Leaderboard
    client: MlflowClient


@pytest.fixture
def toy(project: Project, monkeypatch: pytest.MonkeyPatch) -> Trained:
    monkeypatch.setitem(METRICS, TOY.name, TOY)
    config = project.config(*ONE_CANDIDATE, "choice.metric=worst", "split.folds=3", "report.learning_curve_folds=0")
    pipeline.run(config)
    stored = read_json(Artifacts.of(config).leaderboard)
    assert stored is not None
    uri = config.mlflow.tracking_uri
    return Trained(Artifacts.of(config), Leaderboard.from_dict(stored), MlflowClient(uri, uri))


def test_a_toy_metric_chooses_and_stands_in_leaderboard_page_terminal_and_mlflow(
    toy: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    board = toy.board
    assert board.champion == "LinearRegression"
    assert board.chosen_by == "smallest mean toy worst over the folds"
    assert board.candidates[0].candidate == board.champion
    table = pl.read_csv(toy.artifacts.leaderboard_csv)
    assert table["cv_worst"].to_list() == [row.cv["worst"] for row in board.candidates]
    assert table["cv_worst"].is_sorted()
    page = toy.artifacts.page.read_text(encoding="utf-8")
    assert '<th scope="col">cv toy worst</th>' in page
    assert "toy worst of every candidate on every fold" in page
    print_leaderboard(board)
    assert "cv toy worst" in capsys.readouterr().out
    for row in board.candidates:
        metrics = toy.client.get_run(row.run_id).data.metrics
        assert (metrics["cv_toy_worst"], metrics["cv_toy_worst_std"]) == (row.cv["worst"], row.cv_std["worst"])
        assert metrics["test_toy_worst"] == row.test["worst"]
        assert metrics["cv_root_mean_squared_error"] == row.cv["rmse"]
