"""Intervals of demand in every answer, kept up to date with the history."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.support.commands import run_in
from tests.support.demand import demand_project, demand_rows
from tests.support.projects import Trained

from tabtrail import pipeline
from tabtrail.bundle.demand.history import read_history, write_history
from tabtrail.bundle.demand.history_file import history_name
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.orders import known_series, orders
from tabtrail.bundle.predictor import Predictor
from tabtrail.bundle.rows import PayloadError
from tabtrail.errors import BundleError
from tabtrail.workflows.demand_update import update_history

ROW = {"date": "2023-07-22", "store_id": "STORE_001", "product_id": "PROD_C", "price": 12.0, "promotion": 0}
SERIES = {"store_id": "STORE_001", "product_id": "PROD_C"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return demand_project(tmp_path_factory)


def predictor(trained: Trained) -> Predictor:
    return Predictor(load_bundle(trained.config.paths.models_dir, "shop_demand"))


def test_an_answer_has_an_interval_for_each_level_and_the_highest_as_its_own(trained: Trained) -> None:
    model = predictor(trained)
    document = model.document(model.predict([ROW])[0])
    assert [each["level"] for each in document["intervals"]] == [0.8, 0.9]
    narrow, wide = document["intervals"]
    assert document["interval"] == wide
    assert 0 <= wide["low"] <= narrow["low"] <= document["prediction"] < narrow["high"] < wide["high"]


def test_the_interval_of_a_new_product_is_wider_by_what_was_measured(trained: Trained) -> None:
    model = predictor(trained)
    factor = model.metadata["demand_intervals"]["new"]
    assert factor > 1
    (new,) = model.predict([{**ROW, "product_id": "PROD_NEW"}])
    known = model.predict([{**ROW, "product_id": f"PROD_{each}"} for each in "ABC"])
    assert new.interval is not None
    share = (new.interval.high - new.value) / np.sqrt(new.value)
    assert all(each.interval and share > 1.02 * (each.interval.high - each.value) / np.sqrt(each.value) for each in known)


def test_a_file_has_the_bounds_of_single_rows(trained: Trained, tmp_path: Path) -> None:
    changed: list[dict[str, object]] = [{}, {"promotion": 1}, {"date": "2023-07-10"}, {"product_id": "PROD_NEW"}]
    rows = [{**ROW, **each} for each in changed]
    pl.DataFrame(rows).write_csv(tmp_path / "plan.csv")
    options = ("--input", str(tmp_path / "plan.csv"), "--output", str(tmp_path / "out.parquet"), "--intervals")
    done = run_in(trained.project, "predict", *options)
    assert done.returncode == 0, done.stderr
    found = pl.read_parquet(tmp_path / "out.parquet")
    alone = [predictor(trained).predict([row])[0].interval for row in rows]
    assert found["low"].to_list() == [each.low for each in alone if each]
    assert found["high"].to_list() == [each.high for each in alone if each]


def test_coverage_and_totals_stand_in_the_leaderboard(trained: Trained) -> None:
    found = trained.report.demand
    assert found is not None
    for level in found["intervals"]["levels"]:
        assert abs(level["coverage"] - level["level"]) < 0.12
        assert len(level["by_horizon"]) == 7
    total, store = found["hierarchy"]
    assert (total["level"], total["nodes"], store["level"], store["nodes"]) == ("total", 1, "store_id", 2)
    assert total["bottom_up"]["wape"] < store["bottom_up"]["wape"] < trained_wape(found)
    assert store["direct"]["cells"] == store["bottom_up"]["cells"]


def trained_wape(found: dict[str, object]) -> float:
    models = found["models"]
    assert isinstance(models, list)
    return float(next(each["wape"] for each in models if each["model"] == found["champion"]))


def test_an_update_learns_from_the_new_outcomes_and_a_second_one_from_nothing(trained: Trained, tmp_path: Path) -> None:
    project = trained.copy(tmp_path / "copy")
    config = project.config()
    path = config.paths.models_dir / history_name("shop_demand")
    assert read_history(path.read_bytes(), "shop_demand").state == {}
    rows = demand_rows(214)
    far_off = pl.col("date") > pl.date(2023, 7, 20)
    rows.with_columns(pl.when(far_off).then(pl.col("units") * 9).otherwise(pl.col("units"))).write_csv(
        project.root / "demand.csv"
    )
    before = predictor(trained).predict([ROW])[0].interval
    pipeline.run_stage("ingest", config)
    update_history(config)
    state = read_history(path.read_bytes(), "shop_demand").state["intervals"]
    allowed = {"to_7": [0.2, 0.1], "sum": [0.2, 0.1], "order": [0.05]}
    assert state["alphas"].keys() == allowed.keys()
    assert all(own < most for part, values in state["alphas"].items() for own, most in zip(values, allowed[part], strict=True))
    update_history(config)
    assert read_history(path.read_bytes(), "shop_demand").state["intervals"] == state
    later = Predictor(load_bundle(config.paths.models_dir, "shop_demand"))
    after = later.predict([ROW])[0].interval
    assert before is not None
    assert after is not None
    assert later.demand is not None
    assert after.high > before.high


def test_a_malformed_state_is_refused_and_an_update_mends_it(trained: Trained, tmp_path: Path) -> None:
    project = trained.copy(tmp_path / "copy")
    config = project.config()
    path = config.paths.models_dir / history_name("shop_demand")
    run_id = predictor(trained).metadata["run_id"]
    broken = replace(
        read_history(path.read_bytes(), "shop_demand"), state={"intervals": {"run_id": run_id, "alphas": {"to_7": "x"}}}
    )
    path.write_bytes(write_history(broken))
    with pytest.raises(BundleError, match="demand update"):
        Predictor(load_bundle(config.paths.models_dir, "shop_demand"))
    update_history(config)
    assert Predictor(load_bundle(config.paths.models_dir, "shop_demand")).predict([ROW])[0].interval


def test_an_order_is_the_sum_of_the_lead_time_with_its_interval_and_what_meets_it(trained: Trained) -> None:
    model = predictor(trained)
    (found,) = orders(model, [SERIES])
    days = [f"2023-07-{day}" for day in range(21, 26)]
    alone = model.predict([{**SERIES, "date": day, "price": None, "promotion": None} for day in days])
    assert found.sum == pytest.approx(sum(each.value for each in alone))
    assert (found.as_of, found.until, found.lead_time) == ("2023-07-20", "2023-07-25", 5)
    narrow, wide = found.intervals
    assert wide.low < narrow.low < found.sum < narrow.high < wide.high
    assert found.order_quantity is not None
    assert narrow.high < found.order_quantity
    apart = sum(each.interval.high - each.value for each in alone if each.interval)
    assert wide.high - found.sum < 0.8 * apart
    assert len(orders(model, known_series(model))) == 6


def test_an_order_follows_the_plan_that_is_sent(trained: Trained) -> None:
    model = predictor(trained)
    plan = [{"date": f"2023-07-{day}", "price": 10.0, "promotion": 1} for day in range(21, 26)]
    promoted, usual = orders(model, [{**SERIES, "plan": plan}, {**SERIES, "plan": [{**each, "promotion": 0} for each in plan]}])
    assert promoted.sum > 1.3 * usual.sum
    (new,) = orders(model, [{**SERIES, "product_id": "PROD_NEW", "plan": plan}])
    assert any("new" in warning for warning in new.warnings)
    assert new.order_quantity


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"store_id": "STORE_999", "product_id": "PROD_C"}, "not known"),
        ({"store_id": "STORE_001"}, "product_id"),
        ({**SERIES, "promotion": 1}, "plan"),
        ({**SERIES, "plan": {"promotion": 1}}, "list of rows"),
        ({**SERIES, "plan": [{"promotion": 1}]}, "date"),
        ({**SERIES, "product_id": "PROD_NEW"}, "has to be sent"),
    ],
)
def test_what_cannot_be_ordered_is_refused_with_what_to_send(trained: Trained, asked: dict[str, object], told: str) -> None:
    with pytest.raises(PayloadError, match=told):
        orders(predictor(trained), [asked])


def test_the_command_prints_the_orders_of_all_series_or_of_those_in_a_file(trained: Trained, tmp_path: Path) -> None:
    model = predictor(trained)
    done = run_in(trained.project, "demand", "order", "--format=json")
    assert done.returncode == 0, done.stderr
    assert [each["order_quantity"] for each in json.loads(done.stdout)] == [
        each.order_quantity for each in orders(model, known_series(model))
    ]
    (tmp_path / "asked.json").write_text(json.dumps(SERIES))
    done = run_in(trained.project, "demand", "order", "--json-file", str(tmp_path / "asked.json"))
    assert done.stdout.startswith("STORE_001, PROD_C: ")
    (tmp_path / "asked.json").write_text("[]")
    done = run_in(trained.project, "demand", "order", "--json-file", str(tmp_path / "asked.json"))
    assert done.returncode == 2
    assert "not a JSON object of a series" in done.stderr
