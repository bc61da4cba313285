"""A file of one series has no column that names it, and needs none: neither in the config nor in a question."""

from pathlib import Path

import polars as pl
import pytest
from tests.support.commands import run_in
from tests.support.demand import CONFIG, demand_rows, write_project

from tabtrail import pipeline
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.orders import known_series, orders
from tabtrail.bundle.predictor import Predictor
from tabtrail.errors import ConfigError
from tabtrail.workflows.demand_update import update_history

ROW = {"date": "2023-07-22", "price": 9.0, "promotion": 1}


def test_one_series_goes_from_the_file_to_the_answer_without_a_name(tmp_path: Path) -> None:
    text = CONFIG.replace("  series: [store_id, product_id]\n", "").replace("  hierarchy: [store_id]\n", "")
    head, _ = text.split("  candidates:")
    project = write_project(
        tmp_path,
        demand_rows(stores=1, products=1).drop("store_id", "product_id"),
        head + "  candidates: {LinearRegression: {}}\n",
    )
    project.config_file.write_text(
        "\n".join(line for line in project.config_file.read_text().splitlines() if "_id:" not in line), encoding="utf-8"
    )
    config = project.config("demand.choice.deploy_unless_beaten=true")
    pipeline.run_stage("ingest", config)
    pipeline.run_stage("demand", config)
    model = Predictor(load_bundle(config.paths.models_dir, "shop_demand"))
    unnamed, named = model.predict([ROW, {**ROW, "series": "units"}])
    assert unnamed.value == named.value
    assert not unnamed.warnings
    (problem,) = model.problems({**ROW, "series": "other"})
    assert "not known" in str(problem)
    (far,) = model.problems({**ROW, "date": "2031-01-01"})
    assert "days after the last known one" in str(far)
    pl.DataFrame([ROW]).write_csv(tmp_path / "plan.csv")
    done = run_in(project, "predict", "--input", str(tmp_path / "plan.csv"), "--output", str(tmp_path / "out.parquet"))
    assert done.returncode == 0, done.stderr
    assert pl.read_parquet(tmp_path / "out.parquet")["prediction"].to_list() == [unnamed.value]
    (order,) = orders(model, known_series(model))
    assert order.sum > 0
    assert orders(model, [{}]) == [order], "the only series need not be named"
    assert update_history(config).series == 1


def test_a_column_called_like_the_only_series_is_refused_with_what_to_do(tmp_path: Path) -> None:
    text = CONFIG.replace("  series: [store_id, product_id]\n", "").replace("  hierarchy: [store_id]\n", "")
    project = write_project(tmp_path, demand_rows(20), text.replace("promotion", "series"))
    with pytest.raises(ConfigError, match=r"demand\.series: the only series of the data is called 'series'.*source\.rename"):
        project.config()
