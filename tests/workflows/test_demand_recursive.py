"""A recursive model is trained, proven, deployed and answers the same by every way in."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.support.commands import run_in
from tests.support.demand import CONFIG, demand_rows, write_project
from tests.support.projects import Project

from tabtrail import pipeline
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.system.files import read_json

CANDIDATE = "LinearRegression_steps: {scale: level, strategy: recursive}"
ROWS = [
    {"date": f"2023-07-{21 + ahead}", "store_id": "STORE_001", "product_id": "PROD_B", "price": 11.0, "promotion": ahead % 2}
    for ahead in range(7)
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    config = (
        f"{CONFIG[: CONFIG.index('  candidates:')]}  candidates:\n    {CANDIDATE}\n  choice: {{deploy_unless_beaten: true}}\n"
    )
    made = write_project(tmp_path_factory.mktemp("recursive"), demand_rows(), config)
    for stage in ("ingest", "demand"):
        pipeline.run_stage(stage, made.config("demand.choice.max_bias=null"))
    return made


def predictor(project: Project, **changed: Any) -> Predictor:
    bundle = load_bundle(project.root / "models", "shop_demand")
    assert bundle.history is not None
    return Predictor(replace(bundle, history=replace(bundle.history, **changed)))


def values(model: Predictor, rows: list[dict[str, Any]]) -> list[float]:
    return [each.value for each in model.predict(rows)]


def test_its_forecasts_period_by_period_are_proven(project: Project) -> None:
    parity = read_json(project.root / "models" / "shop_demand_parity.json")
    assert parity is not None
    assert parity["classes"]["recursive"]["rows"] == 3 * 6 * 7
    assert parity["classes"]["recursive"]["max_difference"] < 1e-5
    assert parity["classes"]["served"]["max_difference"] == 0


def test_a_row_has_one_answer_whatever_is_asked_beside_it_and_by_every_way_in(project: Project, tmp_path: Path) -> None:
    model = predictor(project)
    together = values(model, ROWS)
    assert len(set(together)) == 7
    for row, value in zip(reversed(ROWS), reversed(together), strict=True):
        assert values(predictor(project), [row]) == [value]
    (found,) = model.predict(ROWS[6:])
    assert (found.forecast, found.warnings) == (model.demand and model.demand.forecast(found.inputs), ())
    assert found.forecast is not None
    assert (found.forecast.horizon, found.forecast.as_of) == (7, "2023-07-20")
    assert [each.low <= found.value <= each.high for each in found.intervals] == [True, True]
    pl.DataFrame(ROWS).write_csv(tmp_path / "plan.csv")
    run_in(project, "predict", "--input", str(tmp_path / "plan.csv"), "--output", str(tmp_path / "out.csv")).check_returncode()
    assert pl.read_csv(tmp_path / "out.csv")["prediction"].to_list() == together


def test_a_forecast_that_builds_on_periods_without_a_plan_says_so(project: Project) -> None:
    bundle = load_bundle(project.root / "models", "shop_demand")
    assert bundle.history is not None
    periods = bundle.history.target.shape[1]
    model = predictor(project, known={name: each[:, : periods + 2] for name, each in bundle.history.known.items()})
    told = [bool(each.warnings) for each in model.predict(ROWS)]
    assert told == [False, False, False, True, True, True, True]
    assert "stored plan does not reach every day before" in model.predict(ROWS[5:6])[0].warnings[0]


def test_a_new_product_is_answered_and_an_earlier_origin_is_forecast_again(project: Project) -> None:
    model = predictor(project)
    (new,) = model.predict([{**ROWS[4], "product_id": "PROD_NEW"}])
    assert new.value >= 0
    assert "the series is new" in new.warnings[0]
    demand = model.demand
    assert demand is not None
    place, steps = demand.history.keys.tolist().index(["STORE_001", "PROD_B"]), np.arange(1, 8)
    as_planned = [{**row, "promotion": None, "price": None} for row in ROWS]
    again = model.run_graph(demand.feed_of(np.array([place]), demand.history.as_of, steps))
    assert again.tolist() == values(model, as_planned)
