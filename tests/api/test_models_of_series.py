"""A project with a model of rows and one of series, from Python: results and models of both."""

import polars as pl
import pytest
from tests.support.demand import both_project
from tests.support.projects import Project

import tabtrail as tt
from tabtrail.errors import UsageError


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return both_project(tmp_path_factory)


@pytest.fixture(scope="module")
def result(both: Project) -> tt.Result:
    return tt.run(both.config_file, report=False)


def test_each_model_has_its_leaderboard_and_champion(result: tt.Result) -> None:
    series = result.series
    assert series is not None
    assert series.series is None
    assert result.champion.name == "LinearRegression"
    assert result.model.name == "shop_units"
    assert series.model.name == "shop_demand"
    assert series.champion.name in series.leaderboard["candidate"].to_list()
    assert series.leaderboard["error"].null_count() == 0
    assert {"wape", "bias"} <= set(series.errors.columns)
    assert "<table>" in series._repr_html_()


def test_a_forecast_of_a_row_and_of_a_frame_are_one_with_its_horizon_and_intervals(result: tt.Result) -> None:
    assert result.series is not None
    model = result.series.model
    row = model.schema.example
    answer = model.predict(row)
    assert answer.ahead["horizon"] >= 1
    assert answer.ahead["intervals"][-1]["low"] == answer.low
    frame = model.predict(pl.DataFrame([row, row], strict=False))
    assert frame["prediction"].to_list() == [answer.value] * 2
    assert frame["low"].to_list() == [answer.low] * 2


def test_the_model_of_series_is_loaded_by_its_folder_or_from_the_registry(result: tt.Result, both: Project) -> None:
    assert result.series is not None
    model = result.series.model
    row = model.schema.example
    by_folder = tt.load_model(both.root / "models_demand", config=both.config_file)
    registered = tt.load_model("models:/shop_demand@champion", config=both.config_file)
    for each in (by_folder, registered):
        assert each.run_id == model.run_id
        assert each.predict(row) == model.predict(row)
    found = model.explain(row)
    assert by_folder.explain(row) == found
    assert found.base_value + sum(found.contributions.values()) == pytest.approx(found.prediction, rel=1e-4)
    with pytest.raises(UsageError, match="a forecast is explained with the Python model"):
        registered.explain(row)
