"""Demand from the file to the answer by the commands that rows have."""

import time
from pathlib import Path

import polars as pl
import pytest
from tests.support.commands import run_in
from tests.support.demand import demand_project, demand_rows
from tests.support.projects import Trained, serving

from tabtrail import pipeline
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.workflows.demand_update import update_history

ROW = {"date": "2023-07-22", "store_id": "STORE_001", "product_id": "PROD_C", "price": 12.0, "promotion": 1}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return demand_project(tmp_path_factory)


def predictor(trained: Trained) -> Predictor:
    return Predictor(load_bundle(trained.config.paths.models_dir, "shop_demand"))


def test_the_chosen_model_beats_every_baseline_within_the_bias(trained: Trained) -> None:
    found = trained.report.demand
    assert found is not None
    models = {each["model"]: each for each in found["models"]}
    champion = models[found["champion"]]
    assert abs(champion["bias"]) <= 0.1
    assert champion["mae"] < min(each["mae"] for each in models.values() if each["baseline"])


def test_an_answer_says_how_far_ahead_it_is_and_a_promotion_sells_more(trained: Trained) -> None:
    model = predictor(trained)
    with_promotion, without = model.predict([ROW, {**ROW, "promotion": 0}])
    document = model.document(with_promotion)
    assert (document["horizon"], document["as_of"]) == (2, "2023-07-20")
    assert with_promotion.value > 1.3 * without.value


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"date": "2023-08-30"}, "41 days after the last known one"),
        ({"store_id": "STORE_999"}, "the series is not known"),
        ({"date": None}, "date"),
    ],
)
def test_what_cannot_be_forecast_is_refused_with_what_to_send(trained: Trained, changed: dict[str, object], told: str) -> None:
    (problem,) = predictor(trained).problems({**ROW, **changed})
    assert told in str(problem)


def test_a_planned_value_that_is_not_sent_is_taken_from_the_stored_plan(trained: Trained) -> None:
    own = pl.col("date").eq(pl.date(2023, 7, 22)) & pl.col("product_id").eq("PROD_C") & pl.col("store_id").eq("STORE_001")
    plan = demand_rows().filter(own).row(0, named=True)
    stated = {name: plan[name] for name in ("price", "promotion")}
    sent, stored = predictor(trained).predict([{**ROW, **stated}, {**ROW, "price": None, "promotion": None}])
    assert sent.value == stored.value


def test_a_new_product_is_answered_like_its_store_with_a_warning(trained: Trained) -> None:
    (found,) = predictor(trained).predict([{**ROW, "product_id": "PROD_NEW"}])
    assert any("new" in warning for warning in found.warnings)


def test_a_file_has_the_answers_of_single_rows(trained: Trained, tmp_path: Path) -> None:
    changed: list[dict[str, object]] = [
        {},
        {"promotion": 0},
        {"date": "2023-07-10"},
        {"product_id": "PROD_NEW"},
        {"date": "2024-01-01"},
    ]
    rows = [{**ROW, **each} for each in changed]
    pl.DataFrame(rows).write_csv(tmp_path / "plan.csv")
    done = run_in(trained.project, "predict", "--input", str(tmp_path / "plan.csv"), "--output", str(tmp_path / "out.csv"))
    assert done.returncode == 0, done.stderr
    found = pl.read_csv(tmp_path / "out.csv")
    assert found["row"].to_list() == [1, 2, 3, 4]
    assert found["prediction"].to_list() == [each.value for each in predictor(trained).predict(rows[:4])]


def test_the_service_answers_as_the_command_line_and_takes_up_new_history(trained: Trained, tmp_path: Path) -> None:
    project = trained.copy(tmp_path / "copy")
    with serving(project, door=False, TABTRAIL__SERVE__RELOAD_SECONDS="0.2") as client:
        first = client.post("/predict", json=ROW).json()
        assert first["prediction"] == predictor(trained).predict([ROW])[0].value
        demand_rows(204).write_csv(project.root / "demand.csv")
        pipeline.run_stage("ingest", project.config())
        assert update_history(project.config()).after == "2023-07-24"
        later = client.post("/predict", json={**ROW, "date": "2023-07-31"})
        for _ in range(50):
            if later.status_code == 200:
                break
            time.sleep(0.2)
            later = client.post("/predict", json={**ROW, "date": "2023-07-31"})
        assert later.json()["as_of"] == "2023-07-24"
