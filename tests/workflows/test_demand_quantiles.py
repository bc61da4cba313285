"""A project whose intervals are quantiles: the same bounds by every way in, kept up to date, reproduced."""

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from tests.support.commands import run_in
from tests.support.demand import CONFIG, demand_rows, write_project
from tests.support.projects import Project, Trained

from tabtrail import pipeline
from tabtrail.bundle.demand.history import read_history
from tabtrail.bundle.demand.history_file import history_name
from tabtrail.bundle.load import Bundle, load_bundle
from tabtrail.bundle.orders import orders
from tabtrail.bundle.predictor import Predictor
from tabtrail.errors import BundleError
from tabtrail.export.outputs import without_quantiles
from tabtrail.progress import Progress
from tabtrail.project.paths import Artifacts
from tabtrail.workflows.demand_intervals import say_coverage
from tabtrail.workflows.demand_update import update_history
from tabtrail.workflows.reproduce import reproduce

pytestmark = pytest.mark.usefixtures("one_picture")

ROW = {"date": "2023-07-22", "store_id": "STORE_001", "product_id": "PROD_C", "price": 12.0, "promotion": 0}
# The first of the three origins that are judged lies before those of the calibration.
SETTINGS = "  interval_method: quantiles\n  step: 50\n  choice: {deploy_unless_beaten: true}\n"
ONE = CONFIG[: CONFIG.index("    LightGBM_absolute")] + CONFIG[CONFIG.index("    LightGBM_tweedie") :]
QUANTILES = ONE.replace("  max_rows: 4000", SETTINGS + "  max_rows: 2500")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    project = write_project(tmp_path_factory.mktemp("quantiles"), demand_rows(), QUANTILES)
    return Trained(project, pipeline.run(project.config()))


def bundle_of(project: Project) -> Bundle:
    return load_bundle(project.config().paths.models_dir, "shop_demand")


def test_answers_files_and_orders_have_the_bounds_of_the_quantiles(trained: Trained, tmp_path: Path) -> None:
    model = Predictor(bundle_of(trained.project))
    changed: list[dict[str, object]] = [{}, {"promotion": 1}, {"date": "2023-07-10"}, {"product_id": "PROD_NEW"}]
    rows = [{**ROW, **each} for each in changed]
    found = model.predict(rows)
    quantiles = model.outputs(model.graph_inputs([found[0].inputs]))[1]
    assert quantiles is not None
    assert quantiles.shape == (1, 4)
    for answer in found:
        narrow, wide = answer.intervals
        assert 0 <= wide.low <= narrow.low <= answer.value <= narrow.high <= wide.high
    pl.DataFrame(rows).write_csv(tmp_path / "plan.csv")
    options = ("--input", str(tmp_path / "plan.csv"), "--output", str(tmp_path / "out.parquet"), "--intervals")
    done = run_in(trained.project, "predict", *options)
    assert done.returncode == 0, done.stderr
    written = pl.read_parquet(tmp_path / "out.parquet")
    assert written["low"].to_list() == [each.interval.low for each in found if each.interval]
    assert written["high"].to_list() == [each.interval.high for each in found if each.interval]
    (order,) = orders(model, [{"store_id": "STORE_001", "product_id": "PROD_C"}])
    assert order.intervals[1].low < order.sum < order.intervals[1].high
    assert order.order_quantity is not None


def test_the_leaderboard_and_the_page_have_what_they_held_beside_the_errors_alone(trained: Trained) -> None:
    found = json.loads(Artifacts.of(trained.config).demand_leaderboard.read_text())["intervals"]
    assert found["method"] == "quantiles"
    for own, other in zip(found["levels"], found["by_errors"], strict=True):
        assert own["level"] == other["level"]
        assert abs(own["coverage"] - own["level"]) < 0.12
        assert {"width", "pinball", "coverage"} <= own.keys() & other.keys()
    page = (trained.project.root / "output" / "report.html").read_text()
    assert "80 % by errors alone" in page
    assert "pinball" in page
    forecasts = pl.read_parquet(trained.project.root / "output" / "metrics" / "demand_forecasts.parquet")
    early = forecasts["origin"] == forecasts["origin"].min()
    for before in ("low_80", "high_90"):
        assert (forecasts[before].is_null() == early).all(), "what was fitted after an origin says nothing of it"
    assert (forecasts["low_90"] <= forecasts["low_80"]).all()
    assert (forecasts["high_80"] <= forecasts["high_90"]).all()


def test_a_training_says_where_quantiles_are_no_gain() -> None:
    levels = [{"level": 0.8, "coverage": 0.79, "width": 5.0, "pinball": 0.5}]
    worse = [{**levels[0], "width": 9.0, "pinball": 0.6}]
    for own, other, warned in ((levels, worse, False), (worse, levels, True)):
        said: list[str] = []
        say_coverage({"origins": 13, "levels": own, "by_errors": other}, Progress(say=said.append))
        assert f"demand: at 80% {own[0]['width']:g} wide on average, by errors alone {other[0]['width']:g} (held 79.0%)" in said
        assert (
            any("warning: intervals by errors alone lose less here (pinball 0.5, by quantiles 0.6)" in one for one in said)
            is warned
        )


def test_an_update_moves_the_offsets_by_the_new_outcomes(trained: Trained, tmp_path: Path) -> None:
    project = trained.copy(tmp_path / "copy")
    config, path = project.config(), project.config().paths.models_dir / history_name("shop_demand")
    far_off = pl.col("date") > pl.date(2023, 7, 20)
    rows = demand_rows(214).with_columns(pl.when(far_off).then(pl.col("units") * 9).otherwise(pl.col("units")))
    rows.write_csv(project.root / "demand.csv")
    pipeline.run_stage("ingest", config)
    update_history(config)
    state = read_history(path.read_bytes(), "shop_demand").state["intervals"]
    assert all(own < most for own, most in zip(state["alphas"]["to_7"], [0.2, 0.1], strict=True))
    bundle = bundle_of(project)
    assert bundle.history is not None
    later = {**ROW, "date": "2023-08-05"}
    before = Predictor(replace(bundle, history=replace(bundle.history, state={}))).predict([later])[0]
    after = Predictor(bundle).predict([later])[0]
    assert after.value == before.value
    assert [now.high > then.high for now, then in zip(after.intervals, before.intervals, strict=True)] == [True, True]


def test_a_training_with_quantiles_is_reproduced_to_the_last_bit(trained: Trained) -> None:
    run_id = json.loads(Artifacts.of(trained.config).demand_leaderboard.read_text())["run_id"]
    result = reproduce(trained.config, run_id)
    assert result.equal, result.difference
    files = {"intervals of the champion", "ONNX file of the champion", "joblib file of the champion", "metrics of the training"}
    assert files <= set(result.compared)


def test_a_graph_without_the_quantiles_that_its_intervals_are_made_of_is_refused(trained: Trained) -> None:
    bundle = bundle_of(trained.project)
    with pytest.raises(BundleError, match="the graph's outputs are not those that the intervals are made of"):
        Predictor(replace(bundle, onnx=without_quantiles(bundle.onnx)))


def test_one_forecast_is_explained_as_it_is_served(trained: Trained) -> None:
    done = run_in(trained.project, "explain", "--json", json.dumps(ROW))
    assert done.returncode == 0, done.stderr
    value = Predictor(bundle_of(trained.project)).predict([ROW])[0].value
    assert f"{value:.2f}" in done.stdout
