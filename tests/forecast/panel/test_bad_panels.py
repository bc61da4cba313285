"""Demand that is short, empty, constant, doubled, undated or odd: a declared outcome each, and no warning of a library."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.support.demand import DEMAND, demand_rows, write_project

from tabtrail.config.tree import Config
from tabtrail.data.ingest import ingest
from tabtrail.errors import ConfigError, DataError
from tabtrail.forecast.panel import build
from tabtrail.forecast.panel.baselines import BASELINES
from tabtrail.forecast.panel.build import build_panel
from tabtrail.forecast.panel.candidates import default_candidates, parse_candidates
from tabtrail.forecast.panel.direct import fit_direct
from tabtrail.forecast.panel.evaluate import default_recipe, evaluate
from tabtrail.forecast.panel.learnable import learnable_defaults, require_learnable
from tabtrail.forecast.panel.notes import account_notes
from tabtrail.forecast.panel.panel import Panel
from tabtrail.forecast.panel.rows import Points
from tabtrail.forecast.panel.task import Task
from tabtrail.workflows.demand import prepare
from tabtrail.workflows.demand_bundle import describe_rows

LINEAR = parse_candidates({"LinearRegression": {"scale": "level"}})[0]


def panel_of(rows: pl.DataFrame, **changed: Any) -> Panel:
    return build_panel(rows.lazy(), DEMAND.model_copy(update=changed), "date")


def ingested(root: Path, rows: pl.DataFrame, *overrides: str) -> Config:
    """A project whose rows are ingested."""
    config = write_project(root, rows).config(*overrides)
    ingest(config)
    return config


def judged(config: Config) -> Task:
    """Whatever `train` does with the panel, with cheap models: baselines and a regression at each origin."""
    task = prepare(config)

    def linear(known: Panel, _at: int) -> Any:
        model = fit_direct(LINEAR, known, task.recipe, texts=task.texts, most=1000, seed=1)
        points = Points.at(known, known.periods - 1, range(1, task.recipe.horizon + 1))
        return model.predict(known, points).reshape(known.count, -1)

    forecasters = {name: lambda known, _at, own=own: own(known, task.recipe) for name, own in BASELINES.items()}
    for name, forecaster in (forecasters | {"linear": linear}).items():
        assert evaluate(name, forecaster, task.panel, task.origins).scores["mae"] is not None
    return task


def test_too_short_a_history_says_how_many_periods_are_needed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"5 periods are too few to judge a forecast of 7: at least 63 are needed"):
        prepare(ingested(tmp_path, demand_rows(5)))


def test_many_series_of_five_rows_are_forecast_where_the_calendar_is_long(tmp_path: Path) -> None:
    starts = {f"P{at:04}": 20 * at % 190 for at in range(300)}
    day = pl.date(2023, 1, 2)
    rows = pl.concat(
        [
            pl.DataFrame({"at": [start, start + 1, start + 3, start + 4, start + 9], "product_id": name})
            for name, start in starts.items()
        ]
    ).with_columns((day + pl.duration(days="at")).alias("date"), store_id=pl.lit("s"), price=1.5, promotion=0)
    rows = rows.with_columns(units=pl.col("at") % 4).drop("at")
    task = judged(ingested(tmp_path, rows))
    assert task.panel.count == 300


def test_one_series_is_forecast_like_many(tmp_path: Path) -> None:
    assert judged(ingested(tmp_path, demand_rows(stores=1, products=1))).panel.count == 1


def test_a_series_that_sold_nothing_is_forecast_beside_others(tmp_path: Path) -> None:
    dead = pl.col("product_id") == "PROD_A"
    judged(ingested(tmp_path, demand_rows().with_columns(units=pl.when(dead).then(0 * pl.col("units")).otherwise("units"))))


@pytest.mark.parametrize("value", [0, 5])
def test_one_value_in_all_periods_is_refused(value: int) -> None:
    constant = demand_rows().with_columns(units=pl.when(pl.col("units").is_not_null()).then(value))
    with pytest.raises(DataError, match=rf"units is {value} in all 1,200 periods of all series; there is nothing to learn"):
        panel_of(constant)


def test_nothing_but_closed_periods_is_refused() -> None:
    with pytest.raises(DataError, match=r"every period of units is closed, sold out or missing"):
        panel_of(demand_rows(), closed="price > 0")


def test_rows_of_one_piece_each_are_demand_by_their_sums(tmp_path: Path) -> None:
    rows = demand_rows(stores=1, products=2).filter(pl.col("units") > 0)
    single = rows.select(pl.exclude("units").repeat_by("units").explode()).with_columns(units=1)
    task = judged(ingested(tmp_path, single, "demand.duplicates=sum"))
    assert task.panel.target.max() == rows["units"].max()


def test_dates_with_a_zone_are_days_of_the_configured_one_or_refused(tmp_path: Path) -> None:
    moments = demand_rows().with_columns(pl.format("{}T23:30:00-05:00", "date").alias("date"))
    zoned = ingested(tmp_path, moments, "cleaning.date_formats=['%Y-%m-%dT%H:%M:%S%z']", "cleaning.time_zone=UTC")
    task = prepare(zoned)
    assert task.panel.calendar.first_day(task.panel.first).isoformat() == "2023-01-03"
    with pytest.raises(DataError, match=r"date"):
        ingested(tmp_path, moments)


def test_mixed_formats_of_dates_are_rows_set_aside_with_their_lines(tmp_path: Path) -> None:
    iso, german = pl.col("date").cast(pl.String), pl.col("date").dt.to_string("%d.%m.%Y")
    mixed = (
        demand_rows().with_row_index().with_columns(pl.when(pl.col("index") % 100 == 7).then(german).otherwise(iso).alias("date"))
    )
    config = ingested(tmp_path, mixed.drop("index"), "contract.max_reject_share=0.1", "contract.columns.date.nullable=false",
                      "contract.columns.date.dtype=date")  # fmt: skip
    assert pl.read_parquet(config.dataset.rejects)["_line"].to_list()[:2] == [9, 109]


def test_a_row_without_a_date_is_counted() -> None:
    rows = demand_rows().with_row_index().with_columns(date=pl.when(pl.col("index") != 3).then("date"))
    found = panel_of(rows).account
    assert found is not None
    assert found.undated == 1
    assert any("1 rows have no date" in note for note in account_notes(found, DEMAND))


@pytest.mark.parametrize("key", [None, ""])
def test_an_empty_series_key_is_refused_with_the_column(key: str | None) -> None:
    rows = (
        demand_rows()
        .with_row_index()
        .with_columns(store_id=pl.when(pl.col("index") != 3).then("store_id").otherwise(pl.lit(key)))
    )
    with pytest.raises(DataError, match=r"demand.series: store_id is empty in 1 rows.*contract.columns.store_id"):
        panel_of(rows)


def test_a_question_has_to_name_its_series_whatever_the_contract_allows(tmp_path: Path) -> None:
    config = ingested(tmp_path, demand_rows(), "contract.columns.store_id={dtype: string}")
    schema = describe_rows(config.table_rules, "date", prepare(config))
    required = {each.name: not each.rule.nullable for each in schema.features}
    assert required == {"date": True, "store_id": True, "product_id": True, "price": False, "promotion": False}


def test_ids_are_texts_as_they_stand(tmp_path: Path) -> None:
    names = {"PROD_A": "007", "PROD_B": "7", "PROD_C": " große 🍝"}
    config = ingested(tmp_path, demand_rows().with_columns(pl.col("product_id").replace(names)))
    assert set(judged(config).panel.static["product_id"]) == set(names.values())


def test_a_promotion_that_never_varied_is_no_harm(tmp_path: Path) -> None:
    for value in (0, 1):
        judged(ingested(tmp_path, demand_rows().with_columns(promotion=value)))


@pytest.mark.parametrize("price", [0.0, -2.0])
def test_a_price_of_nothing_or_below_is_taken_or_rejected_as_the_contract_says(tmp_path: Path, price: float) -> None:
    odd = demand_rows().with_columns(price=pl.when(pl.col("promotion") == 1).then(price).otherwise("price"))
    judged(ingested(tmp_path, odd, "contract.columns.price.min=null"))
    config = ingested(tmp_path, odd, "contract.columns.price.min=0.01", "contract.max_reject_share=0.5")
    assert pl.read_parquet(config.dataset.rejects)["_rules"].unique().to_list() == ["price: below 0.01"]


def test_known_columns_that_end_with_the_history_are_trained_on(tmp_path: Path) -> None:
    task = judged(ingested(tmp_path, demand_rows().filter(pl.col("units").is_not_null())))
    assert task.panel.known["price"].shape == task.panel.target.shape


def test_copies_by_forward_fill_are_counted_and_warned_of() -> None:
    rows = demand_rows().with_row_index().filter(pl.col("index") % 3 != 1)
    demand = DEMAND.model_copy(update={"missing_periods": "forward_fill"})
    found = build_panel(rows.lazy(), demand, "date").account
    assert found is not None
    assert 390 < found.copied < 402
    (warning,) = [note for note in account_notes(found, demand) if note.startswith("warning")]
    assert f"{found.copied:,} of {found.cells:,} values (33%) are copies of the day before" in warning
    zero = panel_of(rows).account
    assert zero is not None
    assert zero.copied == 0


def test_a_date_far_from_all_others_is_refused_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "_MOST_CELLS", 10_000)
    far = (
        demand_rows()
        .with_row_index()
        .with_columns(date=pl.when(pl.col("index") == 3).then(pl.date(2050, 1, 1)).otherwise("date"))
    )
    with pytest.raises(DataError, match=r"6 series over 9,862 days, 2023-01-02 to 2050-01-01, are 59,172 cells.*plausible_years"):
        panel_of(far)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: pl.concat([rows, rows.head(1)]), r"1 times a series has several rows in one day.*demand.duplicates"),
        (lambda rows: rows.rename({"units": "unit"}), r"missing column 'units'; did you mean 'unit'\?"),
        (lambda rows: rows.filter(pl.col("units").is_null()), r"no row has a value of demand.target, units"),
    ],
)
def test_what_makes_no_panel_is_refused(tmp_path: Path, change: Callable[[pl.DataFrame], pl.DataFrame], message: str) -> None:
    with pytest.raises(DataError, match=message):
        prepare(ingested(tmp_path, change(demand_rows())))


@pytest.mark.parametrize(("old", "new", "key"), [("promotion", "day_of_week", "known_ahead"), ("store_id", "level", "series")])
def test_a_column_that_is_called_like_a_feature_is_refused(tmp_path: Path, old: str, new: str, key: str) -> None:
    project = write_project(tmp_path, demand_rows(90).rename({old: new}))
    text = project.config_file.read_text().replace(old, new)
    project.config_file.write_text(text)
    config = project.config()
    ingest(config)
    with pytest.raises(ConfigError, match=rf"demand.{key}: '{new}' is what a feature of the forecast is called; rename it"):
        prepare(config)


RETURNS = {"LightGBM_tweedie": {"objective": "tweedie"}, "CatBoost": {"loss_function": "Poisson"}, "XGBoost": {}}


def with_returns() -> pl.DataFrame:
    """Rows of which every tenth or so is a return."""
    back = pl.when(pl.col("index") % 11 == 4).then(-2).otherwise(pl.col("units")).alias("units")
    return demand_rows().with_row_index().with_columns(back).drop("index")


def test_candidates_that_know_nothing_below_zero_are_refused_with_the_key_where_demand_is() -> None:
    candidates, below = parse_candidates(RETURNS), panel_of(with_returns())
    names = r"demand\.candidates\.LightGBM_tweedie, demand\.candidates\.CatBoost knows"
    with pytest.raises(
        DataError, match=rf"units is below zero in 113 periods, such as -2, and the objective of {names}.*negative"
    ):
        require_learnable(candidates, below, "units")
    require_learnable(candidates, panel_of(with_returns(), negative="zero"), "units")
    require_learnable(candidates[2:], below, "units")


def test_candidates_that_nobody_named_are_left_out_and_said_where_they_cannot_learn() -> None:
    kept, said = learnable_defaults(panel_of(with_returns()), "units")
    assert list(kept) == ["LinearRegression", "RandomForest", "CatBoost_absolute", "LightGBM_absolute", "LightGBM_absolute_level"]
    assert "XGBoost_tweedie, LightGBM_tweedie, LightGBM_tweedie_level cannot learn from that and are left out" in said
    assert learnable_defaults(panel_of(demand_rows()), "units") == (default_candidates(), "")


def test_what_a_library_refuses_to_fit_names_the_candidate() -> None:
    panel = panel_of(demand_rows())
    (gamma,) = parse_candidates({"HistGradientBoosting": {"loss": "gamma"}})
    recipe = default_recipe("D", 7, ("promotion",), ("price",))
    with pytest.raises(ConfigError, match=r"demand\.candidates\.HistGradientBoosting cannot be fitted: .*strictly positive"):
        fit_direct(gamma, panel, recipe, texts=(), most=1000, seed=1)


def test_a_history_without_two_known_periods_is_refused_before_a_library_sees_it() -> None:
    panel = panel_of(demand_rows(), missing_periods="missing").until(0)
    with pytest.raises(DataError, match=r"up to 2023-01-02 no series has a period of known demand after another"):
        fit_direct(LINEAR, panel, default_recipe("D", 7, ("promotion",), ("price",)), texts=(), most=1000, seed=1)
