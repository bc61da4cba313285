"""Weeks and months go from rows of days to an answer, as days do."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.support.demand import CONFIG, demand_rows, write_project

from tabtrail import pipeline
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.project.paths import Artifacts

ROW: dict[str, Any] = {"store_id": "STORE_001", "product_id": "PROD_B", "price": 11.0, "promotion": 0}


@pytest.mark.parametrize(
    ("frequency", "days", "asked", "horizon", "as_of"),
    [("W", 420, "2024-03-13", 3, "2024-02-25"), ("MS", 1461, "2027-03-20", 3, "2026-12-31")],
)
def test_weeks_and_months_are_forecast_from_rows_of_days(
    tmp_path: Path, frequency: str, days: int, asked: str, horizon: int, as_of: str
) -> None:
    # What is known ahead of a period is the mean over its days, so the plan after the last whole one is left out.
    own = f"frequency: {frequency}\n  duplicates: sum\n  origins: 2\n  horizon: 3"
    config = CONFIG.replace("lead_time: 5", "lead_time: 3").replace("horizon: 7", own).replace("min: 0, max: 1", "min: 0, max: 1")
    rows = demand_rows(days).filter(pl.col("units").is_not_null(), pl.col("date") <= pl.lit(as_of).str.to_date())
    project = write_project(tmp_path, rows, config)
    loaded = project.config("demand.choice.deploy_unless_beaten=true")
    pipeline.run_stage("ingest", loaded)
    pipeline.run_stage("demand", loaded)
    model = Predictor(load_bundle(loaded.paths.models_dir, "shop_demand"))
    (found,) = model.predict([{**ROW, "date": asked}])
    document = model.document(found)
    assert (document["horizon"], document["as_of"]) == (horizon, as_of)
    mean = float(rows.filter(product_id="PROD_B", store_id="STORE_001")["units"].mean() or 0)  # type: ignore[arg-type]
    assert found.value == pytest.approx(mean * (7 if frequency == "W" else 31), rel=0.35)
    (far,) = model.problems({**ROW, "date": "2031-01-01"})
    assert f"{'week' if frequency == 'W' else 'month'}s after the last known one" in str(far)
    table = pl.read_csv(Artifacts.of(loaded).demand_leaderboard_csv)
    assert table.filter(model="SeasonalNaive")["skill"].to_list() == [0.0]
