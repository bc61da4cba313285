"""A model of rows and one of series of one target: each learns from its own rows, and both have their history in one table."""

from pathlib import Path

import polars as pl
import pytest
from tests.support.demand import CONFIG, MODEL, both_project, demand_rows, write_project
from tests.support.projects import Project

from tabtrail import pipeline
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.data.manifest import read_manifest
from tabtrail.data.result_files import promotions_file
from tabtrail.data.warehouse import parquet_view, query
from tabtrail.errors import DataError
from tabtrail.forecast.dataset import SeriesSource, read_series, view_without_plan
from tabtrail.forecast.series import Segment
from tabtrail.project.paths import Artifacts
from tabtrail.system.files import read_json

PLANNED = 7 * 6


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return both_project(tmp_path_factory)


def test_the_plan_is_kept_and_the_series_are_forecast_by_it(both: Project) -> None:
    config = both.config()
    manifest = read_manifest(config.dataset)
    assert (manifest.rows_kept, manifest.statistics["units"].nulls) == (207 * 6, PLANNED)
    of_series = config.for_demand()
    model = Predictor(load_bundle(of_series.paths.models_dir, "shop_demand"))
    row = {"date": "2023-07-24", "store_id": "STORE_001", "product_id": "PROD_B", "price": None, "promotion": None}
    planned = demand_rows().filter(date=pl.lit("2023-07-24").str.to_date(), store_id="STORE_001", product_id="PROD_B")
    sent = {**row, **planned.select("price", "promotion").row(0, named=True)}
    assert [each.value for each in model.predict([row])] == [each.value for each in model.predict([sent])]


def test_the_model_of_rows_learns_from_those_with_a_target_alone(both: Project) -> None:
    board = read_json(Artifacts.of(both.config()).leaderboard)
    assert board is not None
    assert board["train_rows"] + board["test_rows"] == 200 * 6


def test_the_table_of_promotions_has_both_models(both: Project) -> None:
    config = both.config()
    table = pl.read_parquet(promotions_file(config.paths.output_dir))
    assert sorted(table["name"].to_list()) == ["shop_demand", "shop_units"]
    assert table.filter(name="shop_demand").select("action", "reason").rows() == [("first", "it is the first model")]
    _, rows = query(config.paths.duckdb_file, "SELECT name FROM promotions ORDER BY name")
    assert [name for (name,) in rows] == ["shop_demand", "shop_units"]


def test_a_planned_day_is_no_day_without_sales_of_a_segment(both: Project) -> None:
    config = both.config()
    with parquet_view(config.database) as connection:
        table = view_without_plan(connection, config.duckdb.table, "units")
        source = SeriesSource(connection, table, "date", "units", {}, "D", drop_incomplete=False)
        (series,) = read_series(source, [Segment()])
    assert series.periods[-1].isoformat() == "2023-07-20"
    assert series.values.sum() == demand_rows()["units"].sum()


def test_rows_without_one_target_train_nothing(tmp_path: Path) -> None:
    rows = demand_rows(40).with_columns(units=pl.lit(None, pl.Int64))
    config = write_project(tmp_path, rows, CONFIG + MODEL).config()
    pipeline.run_stage("ingest", config)
    with pytest.raises(DataError, match="no row has a value of the target, units"):
        pipeline.run_stage("train", config)
