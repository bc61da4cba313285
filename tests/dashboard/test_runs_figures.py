"""What the page Runs shows of trainings, and what it says of a store that does not answer."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from tests.support.dashboard_pages import open_page, texts
from tests.support.small_project import small

from tabtrail.config.operation import Mlflow
from tabtrail.dashboard.figures import alternative
from tabtrail.dashboard.runs import (
    Trainings,
    ask_trainings,
    candidates_figure,
    metric_label,
    pages_command,
    server_page,
    trainings_frame,
)

HOSTILE = "<script>alert(1)</script> 🚗"


def candidate(name: str, value: float | None, run: str = "c0") -> dict[str, Any]:
    return {"run_id": run, "name": name, "state": "complete", "value": value, "link": None}


def training(*candidates: dict[str, Any], **changed: Any) -> dict[str, Any]:
    own = {
        "run_id": "a",
        "name": "benchmark m",
        "of": "rows",
        "state": "complete",
        "started": "2026-01-02T03:04:05+00:00",
        "seconds": 7.0,
        "who": "ann",
        "commit": "0123456789abcdef",
        "version": "1",
        "champion": HOSTILE,
        "metric": "cv_root_mean_squared_error",
        "value": 2.5,
        "has_bundle": True,
        "candidates": list(candidates),
        "link": None,
    }
    return {**own, **changed}


def test_the_training_of_the_model_in_use_is_marked_whether_it_won_or_a_candidate_of_it_was_promoted() -> None:
    frame = trainings_frame([training(candidate("x", 1.0, "c7")), training(run_id="b")], {"c7", "other"})
    assert frame["deployed"].to_list() == [True, False]
    assert trainings_frame([training(run_id="b")], {"b"})["deployed"].to_list() == [True]
    assert trainings_frame([training()], ())["deployed"].to_list() == [False]
    assert frame.row(0, named=True)["started"] == "2026-01-02 03:04:05"
    assert frame.row(0, named=True)["commit"] == "0123456789"


def test_candidates_are_drawn_as_text_and_those_that_failed_are_left_out() -> None:
    figure = candidates_figure(training(candidate(HOSTILE, 1.0), candidate("b", 2.0), candidate("c", None)))
    assert figure is not None
    assert list(figure.data[0].x) == [1.0, 2.0]
    assert "<script>" not in figure.data[0].y[0]
    assert alternative(figure) == f"RMSE over the folds of 2 candidates: best {HOSTILE} with 1, last b with 2."
    assert candidates_figure(training(candidate("c", None))) is None


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("cv_root_mean_squared_error", "RMSE over the folds"),
        ("test_mean_absolute_error", "MAE on the test part"),
        ("origins_mae", "MAE over the origins"),
        ("origins_rmsse", "RMSSE over the origins"),
        ("own_metric", "own_metric"),
    ],
)
def test_a_metric_is_called_as_people_call_it(name: str, label: str) -> None:
    assert metric_label(name) == label


def test_pages_are_linked_on_a_server_and_opened_by_a_command_elsewhere_without_a_password() -> None:
    assert server_page(Mlflow(tracking_uri="https://ann:s3cret@h:5000")) == "https://h:5000"
    database = Mlflow(tracking_uri="postgresql+psycopg://ann:s3cret@h/db")
    assert server_page(database) is None
    assert "s3cret" not in pages_command(database)
    assert pages_command(Mlflow()) == "mlflow ui --backend-store-uri sqlite:///mlruns/mlflow.db"


def test_a_server_that_is_away_is_said_within_seconds_and_the_page_goes_on(tmp_path: Path, empty_store: Path) -> None:
    project = small(tmp_path, empty_store, mlflow={"tracking_uri": "http://127.0.0.1:9"})
    begun = time.monotonic()
    app = open_page("runs", project.config_file)
    assert time.monotonic() - begun < 30
    assert "The runs cannot be shown. The other pages do without the store." in texts(app)
    assert "cannot be reached (connection refused)" in texts(app)
    assert "Traceback" not in texts(app)


def test_one_that_takes_too_long_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(json.dumps({"version": 2}))
    found = ask_trainings(("--config", str(tmp_path / "config.yaml")), seconds=0.01)
    assert found == Trainings(problem="the MLflow store did not answer within 0.01 s")
