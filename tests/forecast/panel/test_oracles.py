"""Features, errors and sums against mlforecast, utilsforecast and hierarchicalforecast, by a file that they wrote."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tabtrail.contract.periods import Calendar
from tabtrail.forecast.accuracy import measure
from tabtrail.forecast.panel.details import by_level
from tabtrail.forecast.panel.evaluate import Evaluated, Origins, default_recipe
from tabtrail.forecast.panel.panel import Panel
from tabtrail.forecast.panel.rows import Points, features
from tabtrail.forecast.panel.scores import Scales, pinball, scales, score

# Synthetic; written by tests/golden/make_demand_oracles.py in an environment of its own.
GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[2] / "golden" / "demand_oracles.json").read_text(encoding="utf-8"))
NAMES = tuple(sorted(GOLDEN["demand"]))
DEMAND = np.array([GOLDEN["demand"][name] for name in NAMES])
HORIZON = int(GOLDEN["horizon"])
CALENDAR = Calendar("D")
PANEL = Panel(CALENDAR, CALENDAR.number(date.fromisoformat(GOLDEN["first_day"])), NAMES, DEMAND)
ACTUAL = DEMAND[:, -HORIZON:]
SCALE = scales(PANEL, PANEL.periods - HORIZON - 1)
MODELS = tuple(GOLDEN["forecasts"])


def forecasts(model: str) -> Any:
    return np.array([GOLDEN["forecasts"][model][name] for name in NAMES])


def errors(metric: str, model: str) -> Any:
    return np.array([GOLDEN["errors"][metric][model][name] for name in NAMES])


def test_lags_and_windows_are_those_of_mlforecast_on_a_panel_without_gaps() -> None:
    """Of a day, from the days before it: an origin the day before, and a horizon of one."""
    recipe = replace(default_recipe("D", HORIZON, (), ()), scaled=False)
    for place, name in enumerate(NAMES):
        expected = GOLDEN["features"][name]
        days = len(expected["lag_1"])
        origins = np.arange(PANEL.periods - days, PANEL.periods) - 1
        found = features(PANEL, recipe, Points(np.full(days, place), origins, np.ones(days, dtype=np.int64)))
        assert set(expected) <= set(found)
        for column, values in expected.items():
            np.testing.assert_allclose(found[column], values, rtol=1e-9, atol=1e-9, err_msg=f"{name} {column}")


@pytest.mark.parametrize("model", MODELS)
def test_scaled_errors_of_many_series_are_those_of_utilsforecast(model: str) -> None:
    found = score(ACTUAL, forecasts(model), SCALE)
    assert found["mase"] == pytest.approx(errors("mase", model).mean(), rel=1e-5)
    assert found["rmsse"] == pytest.approx(errors("rmsse", model).mean(), rel=1e-5)
    # Over series of one length, the mean over all cells is the mean over the series.
    assert found["mae"] == pytest.approx(errors("mae", model).mean(), rel=1e-5)
    assert found["rmse"] == pytest.approx(np.sqrt((errors("rmse", model) ** 2).mean()), rel=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_errors_of_each_series_are_those_of_utilsforecast(model: str) -> None:
    for place, forecast in enumerate(forecasts(model)):
        row = [place]
        found = score(ACTUAL[row], forecast[None, :], Scales(SCALE.square[row], SCALE.size[row]))
        assert found["wape"] == pytest.approx(errors("nd", model)[place], rel=1e-5)
        assert pinball(ACTUAL[row], forecast[None, :], 0.9) == pytest.approx(errors("pinball_90", model)[place], rel=1e-5)
        if np.all(ACTUAL[place] != 0):
            assert found["mape"] == pytest.approx(errors("mape", model)[place], rel=1e-5)
        one = measure(ACTUAL[place], forecast, float(SCALE.size[place]))
        assert one.mase == pytest.approx(errors("mase", model)[place], rel=1e-5)
        assert one.rmse == pytest.approx(errors("rmse", model)[place], rel=1e-5)
        if one.smape_points == HORIZON:
            # In percent, and twice theirs, whose denominator is the sum of both sizes.
            assert one.smape == pytest.approx(200 * errors("smape", model)[place], rel=1e-5)


def test_levels_are_judged_by_the_sums_of_hierarchicalforecast() -> None:
    regions = np.array([name.split("/")[0] for name in NAMES], dtype=object)
    panel = replace(PANEL, static={"region": regions})
    own = Evaluated("noisy", forecasts("noisy"), {})
    found = by_level(own, panel, Origins((PANEL.periods - HORIZON - 1,), HORIZON), ("region",))
    sums = {name: np.array(values) for name, values in GOLDEN["bottom_up"].items()}
    actual = {"all": ACTUAL.sum(axis=0)} | {f"all/{each}": ACTUAL[regions == each].sum(axis=0) for each in ("north", "south")}
    assert set(sums) == set(actual)
    errors_of = {name: sums[name] - actual[name] for name in sums}
    below = np.concatenate([errors_of["all/north"], errors_of["all/south"]])
    assert found["total"]["mae"] == pytest.approx(np.abs(errors_of["all"]).mean(), rel=1e-5)
    assert found["total"]["rmse"] == pytest.approx(np.sqrt((errors_of["all"] ** 2).mean()), rel=1e-5)
    assert found["region"]["mae"] == pytest.approx(np.abs(below).mean(), rel=1e-5)
