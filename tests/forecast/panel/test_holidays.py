"""The holidays of a country are days that a model carries with it, beyond its horizon."""

from datetime import date

import numpy as np
import pytest
from tests.support.demand import demand_panel

from tabtrail.bundle.demand.features import FeatureRecipe
from tabtrail.errors import ConfigError, UsageError
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
