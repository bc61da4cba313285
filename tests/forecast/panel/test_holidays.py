"""The holidays of a country are days that a model carries with it, beyond its horizon."""

from datetime import date

import numpy as np
import pytest
from tests.support.demand import demand_panel

from tabtrail.bundle.demand.features import FeatureRecipe, Targets, of_day
from tabtrail.contract.periods import Frequency
from tabtrail.errors import ConfigError, UsageError
from tabtrail.explain.groups import CALENDAR, group_features
from tabtrail.forecast.panel import holidays
from tabtrail.forecast.panel.evaluate import default_recipe
from tabtrail.forecast.panel.holidays import holiday_days
from tabtrail.forecast.panel.rows import Points, features

FIRST, LAST = date(2023, 1, 2), date(2023, 7, 20)


def number(day: str) -> int:
    return int(np.datetime64(day, "D").astype(int))


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holidays, "holidays", None)
    with pytest.raises(UsageError, match=r"install tabtrail\[holidays\]"):
        holiday_days("IT", FIRST, LAST)


def test_holidays_reach_years_beyond_the_last_known_day() -> None:
    pytest.importorskip("holidays")
    found = holiday_days("IT", FIRST, LAST)
    assert {number("2023-08-15"), number("2027-12-25")} <= set(found)
    assert number("2023-11-01") in holiday_days("DE-BY", FIRST, LAST)
    assert number("2023-11-01") not in holiday_days("DE-BE", FIRST, LAST)


@pytest.mark.parametrize(("country", "told"), [("XX", "'XX' is not a country"), ("DE-XX", "'XX' is not a part of DE")])
def test_an_unknown_country_is_refused(country: str, told: str) -> None:
    pytest.importorskip("holidays")
    with pytest.raises(ConfigError, match=rf"demand\.holidays: {told}"):
        holiday_days(country, FIRST, LAST)


def test_a_forecast_knows_the_holiday_it_is_for_and_the_day_before_one() -> None:
    panel = demand_panel(120)
    recipe = default_recipe("D", 7, (), ())
    day = panel.first + 122
    found = features(
        panel, FeatureRecipe.from_dict({**recipe.to_dict(), "holidays": [day]}), Points.at(panel.take([0]), 119, range(1, 8))
    )
    assert found["is_holiday"].tolist() == [0, 0, 1, 0, 0, 0, 0]
    assert found["is_holiday_eve"].tolist() == [0, 1, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("frequency", "day", "count"),
    [("W", "2024-12-23", 3), ("W", "2024-12-16", 0), ("W", "2024-12-30", 1), ("MS", "2024-12-01", 3), ("MS", "2025-01-01", 1)],
)
def test_weeks_and_months_have_the_number_of_their_holidays(frequency: Frequency, day: str, count: int) -> None:
    # Monday and Sunday are days of their week, the first and the last are days of their month.
    days = sorted(number(each) for each in ("2024-12-23", "2024-12-25", "2024-12-29", "2025-01-01", "2025-02-01"))
    recipe = FeatureRecipe.from_dict({**default_recipe(frequency, 3, (), ()).to_dict(), "holidays": days})
    period = recipe.calendar.numbers(np.array([day], dtype="datetime64[D]"))
    found = of_day(recipe, Targets(period - 2, np.array([2]), {}))
    assert found["holidays"].tolist() == [count]
    assert not {"is_holiday", "is_holiday_eve"} & found.keys()
    assert "holidays" in group_features(recipe, ())[CALENDAR]


def test_every_feature_of_the_day_is_explained_as_the_calendar() -> None:
    recipe = FeatureRecipe.from_dict({**default_recipe("D", 7, (), ()).to_dict(), "holidays": [number("2024-12-25")]})
    day = of_day(recipe, Targets(np.array([1]), np.array([1]), {}))
    assert set(day) == set(group_features(recipe, ())[CALENDAR])
