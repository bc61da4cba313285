"""What the page Forecast and demand shows: the numbers of the model, of the rows and of the origins, and no others."""

from dataclasses import replace
from datetime import date, timedelta

import polars as pl
import pytest
from tests.support.dashboard_pages import open_page, texts
from tests.support.dashboards import dashboard_project, monthly_result
from tests.support.demand import demand_project, demand_rows
from tests.support.projects import Trained

from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.dashboard import segments, series
from tabtrail.dashboard.figures import alternative
from tabtrail.dashboard.place import Place

HOSTILE = "<script>alert(1)</script> 🚗 " + "x" * 300


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return demand_project(tmp_path_factory)


@pytest.fixture(scope="module")
def predictor(trained: Trained) -> Predictor:
    return Predictor(load_bundle(trained.config.for_demand().paths.models_dir, "shop_demand"))


@pytest.fixture(scope="module")
def keys(predictor: Predictor) -> list[dict[str, str]]:
    return series.known_series(predictor)


# --- what is to come --------------------------------------------------------------------------------------------------


def test_what_is_to_come_is_what_the_model_predicts_by_its_plan(predictor: Predictor, keys: list[dict[str, str]]) -> None:
    for place, key in enumerate(keys):
        ahead = series.look_ahead(predictor, place)
        assert ahead.coming.height == 7
        rows = [{**key, "date": str(day), "price": None, "promotion": None} for day in ahead.coming["day"]]
        right = predictor.predict(rows)
        assert ahead.coming["forecast"].to_list() == [each.value for each in right]
        assert ahead.coming["low_80"].to_list() == [each.intervals[0].low for each in right]
        assert ahead.coming["high_90"].to_list() == [each.intervals[1].high for each in right]


def test_the_past_of_a_series_is_that_of_its_rows(predictor: Predictor, keys: list[dict[str, str]]) -> None:
    rows = demand_rows().drop_nulls("units")
    for place, key in enumerate(keys):
        past = series.look_ahead(predictor, place).past
        own = rows.filter(*(pl.col(name) == value for name, value in key.items())).sort("date")
        assert past["day"][-1] == own["date"][-1]
        assert past.tail(28)["value"].to_list() == own["units"].tail(28).cast(pl.Float64).to_list()


def test_where_the_plan_ends_the_forecasts_end_and_it_is_said_why(trained: Trained) -> None:
    bundle = load_bundle(trained.config.for_demand().paths.models_dir, "shop_demand")
    assert bundle.history is not None
    price = bundle.history.known["price"].copy()
    price[0, -1] = float("nan")  # of the last planned day of one series
    predictor = Predictor(replace(bundle, history=replace(bundle.history, known={**bundle.history.known, "price": price})))
    ahead = series.look_ahead(predictor, 0)
    assert ahead.coming.height == 6
    assert "price is known ahead and has to be sent" in ahead.problem
    assert series.look_ahead(predictor, 1).coming.height == 7
    figure = series.ahead_figure(ahead, HOSTILE, "pieces", "day")
    assert "<script>" not in figure.layout.title.text


def test_one_period_ahead_can_be_seen(predictor: Predictor) -> None:
    ahead = series.look_ahead(predictor, 0)
    single = series.Ahead(ahead.past, ahead.coming.head(1), ahead.levels, ahead.as_of, (), "")
    figure = series.ahead_figure(single, "a", "pieces", "day")
    for trace in figure.data:
        assert len(trace.x) > 1, trace.name
    assert "forecast of 1 day from" in alternative(figure)


# --- the history ------------------------------------------------------------------------------------------------------


def test_the_history_is_the_sum_of_the_rows_by_day(trained: Trained, keys: list[dict[str, str]]) -> None:
    at, rows = Place(trained.config), demand_rows().drop_nulls("units")
    for key in keys:
        own = rows.filter(*(pl.col(name) == value for name, value in key.items())).sort("date")
        history = series.history_frame(at, key)
        assert history["day"].to_list() == own["date"].to_list()
        assert history["value"].to_list() == own["units"].cast(pl.Float64).to_list()


@pytest.mark.parametrize(
    ("rule", "values"),
    [("zero", [2.0, 0.0, 0.0, 5.0]), ("missing", [2.0, None, None, 5.0]), ("forward_fill", [2.0, 2.0, 2.0, 5.0])],
)
def test_days_without_a_row_are_what_the_config_says(
    rule: str, values: list[float | None], trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = pl.DataFrame({"day": [date(2023, 1, 1), date(2023, 1, 4)], "value": [2.0, 5.0]})
    monkeypatch.setattr(Place, "ask", lambda *_: found)
    demand = trained.config.demand
    assert demand is not None
    config = trained.config.model_copy(update={"demand": demand.model_copy(update={"missing_periods": rule})})
    assert series.history_frame(Place(config), {"store_id": "a"})["value"].to_list() == values


def test_a_rolling_mean_is_over_known_periods_of_which_half_have_to_be_there() -> None:
    days = [date(2023, 1, 1) + timedelta(days=each) for each in range(6)]
    history = pl.DataFrame({"day": days, "value": [1.0, 3.0, None, None, None, 5.0]})
    figure = series.rolling_figure(history, HOSTILE, 4, "pieces", "day")
    assert list(figure.data[1].y) == [None, 2.0, 2.0, 2.0, None, None]
    assert "<script>" not in str(figure.data[0].name)


# --- the record -------------------------------------------------------------------------------------------------------


def test_the_record_of_a_series_is_that_of_its_origins(trained: Trained) -> None:
    folder = trained.project.root / "output" / "metrics"
    table, forecasts = (pl.read_parquet(folder / f"demand_{name}.parquet") for name in ("series", "forecasts"))
    row = table.row(0, named=True)
    own = forecasts.filter(pl.col("series") == pl.lit(row["series"], dtype=forecasts.schema["series"]))
    figure = series.record_figure(row, own, "pieces", "day")
    assert figure is not None
    actual = next(each for each in figure.data if each.name == "actual")
    judged = dict(own.select("day", "actual").iter_rows())
    assert list(actual.y) == [judged[day] for day in actual.x]
    assert len(figure.layout.shapes) == own["origin"].n_unique(), "a line for each origin"
    assert series.record_figure(row, own.clear(), "pieces", "day") is None


def test_models_stand_in_the_order_of_the_training_with_the_chosen_one_marked(trained: Trained) -> None:
    place = Place(trained.config)
    board = place.json(place.demand_artifacts.demand_leaderboard)
    assert board is not None
    frame = series.models_frame(board)
    assert frame["model"].to_list() == [each["model"] for each in board["models"]]
    assert frame.filter(pl.col("what") == "chosen")["model"].to_list() == [board["champion"]]
    coverage = series.coverage_figure(board, "day")
    assert coverage is not None
    assert series.coverage_words(board) in alternative(coverage)
    assert series.coverage_words({"intervals": None}) == ""


# --- searching --------------------------------------------------------------------------------------------------------


def test_ten_thousand_series_are_searched_and_fifty_are_offered() -> None:
    names = [f"STORE_{place:05d} · {'Ünïcode' if place == 77 else 'PROD'}" for place in range(10_000)]
    every = series.search(names, "")
    assert (len(every.names), every.total) == (series.MOST_FOUND, 10_000)
    assert series.search(names, "ÜNÏ").names == ((names[77], 77),)
    assert series.search(names, "store_00012 prod").names == ((names[12], 12),)
    assert series.search(names, "nothing") == series.Found((), 0)
    assert series.search(names, "(.*").total == 0, "a search is of words, not a pattern"


# --- segments ---------------------------------------------------------------------------------------------------------


def test_a_segment_is_shown_as_it_was_forecast() -> None:
    result = monthly_result()
    assert result.forecast is not None
    assert result.risk is not None
    figure = segments.fan_figure(result)
    assert figure is not None
    line = next(each for each in figure.data if each.name == "forecast")
    assert list(line.y)[1:] == result.forecast.mean
    frame = segments.intervals_frame(result)
    level = result.forecast.intervals[0]
    assert frame[f"low_{100 * level.level:g}"].to_list() == level.lower
    tails = segments.tails_frame(result)
    assert tails["value_at_risk"].to_list() == [each.value_at_risk for each in result.risk.tails]
    assert set(tails.filter(pl.col("chosen"))["method"]) == {segments.METHODS[str(result.risk.method)]}
    assert segments.backtest_frame(result).height == len(result.risk.backtests)
    returns = segments.returns_figure(result)
    assert returns is not None
    own = [each for each in result.risk.tails if each.method == result.risk.method]
    assert [each.y0 for each in returns.layout.shapes] == [-each.value_at_risk for each in own]


def test_a_forecast_of_another_version_or_of_something_else_is_left_out_or_said() -> None:
    good = monthly_result().model_dump(mode="json")
    index = segments.index_frame({"a": good, "b": {"segment": {}}, "c": {**good, "label": HOSTILE, "forecast": None}})
    assert index["file"].to_list() == ["a", "c"]
    assert index["total"][0] == pytest.approx(sum(good["forecast"]["mean"]))
    assert segments.read_result({**good, "format": 2}) is None
    assert segments.read_result(None) is None


def test_data_that_changed_since_the_forecast_is_said_with_the_command(tmp_path_factory: pytest.TempPathFactory) -> None:
    project = dashboard_project(tmp_path_factory, "forecasts")
    (file,) = (project.root / "output" / "timeseries").glob("*.json")
    before = file.read_text()
    file.write_text(monthly_result().model_dump_json())
    try:
        app = open_page("forecast", project.config_file)
        app.segmented_control(key="forecast-kind").set_value("Segments").run()
        assert "The data has changed since this was forecast." in texts(app)
        assert f"tabtrail forecast --config {project.config_file}" in texts(app)
    finally:
        file.write_text(before)
