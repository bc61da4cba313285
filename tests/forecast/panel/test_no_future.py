"""What comes after an origin changes no forecast made at it, of any model; another plan does."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from tests.support.demand import demand_panel

from tabtrail.bundle.demand.features import Array
from tabtrail.forecast.panel.baselines import BASELINES
from tabtrail.forecast.panel.blend import blend
from tabtrail.forecast.panel.candidates import DirectCandidate, parse_candidates
from tabtrail.forecast.panel.direct import fit_direct
from tabtrail.forecast.panel.evaluate import Evaluated, Origins, default_recipe, evaluate
from tabtrail.forecast.panel.panel import Panel
from tabtrail.forecast.panel.rows import Points

RECIPE = default_recipe("D", 7, ("promotion",), ("price",))
# Origins that lie closer together than a horizon is long: some of what is judged at one is not known yet at the next. The plan is
# read up to seven periods beyond what is forecast: nothing at the first two reads what is changed after the third.
ORIGINS = Origins((143, 146, 160), 7)
TREES = {"scale": "level", "n_estimators": 10, "num_leaves": 7}
CANDIDATES = parse_candidates(
    {"LinearRegression": {"scale": "level"}, "LightGBM_absolute": {**TREES, "objective": "regression_l1"}}
)


def of_candidate(candidate: DirectCandidate, known: Panel, at: int) -> Array:
    model = fit_direct(candidate, known, RECIPE, texts=("store_id", "product_id"), most=1500, seed=at)
    points = Points.at(known, known.periods - 1, range(1, 8))
    return model.predict(known, points).reshape(known.count, 7)


def all_models(panel: Panel) -> dict[str, Evaluated]:
    found = [evaluate(n, lambda known, _, own=own: own(known, RECIPE), panel, ORIGINS) for n, own in BASELINES.items()]
    members = [evaluate(each.name, partial(of_candidate, each), panel, ORIGINS) for each in CANDIDATES]
    mixed, _ = blend(members, panel, ORIGINS, metric="mae", max_bias=0.1)
    return {each.name: each for each in (*found, *members, mixed)}


@pytest.fixture(scope="module")
def plain() -> dict[str, Evaluated]:
    return all_models(demand_panel(180))


def test_noise_on_the_demand_after_an_origin_changes_no_forecast_made_by_then(plain: dict[str, Evaluated]) -> None:
    panel = demand_panel(180)
    noisy = panel.target.copy()
    noisy[:, 147:] += np.random.default_rng(1).normal(50, 20, noisy[:, 147:].shape)
    for name, own in all_models(replace(panel, target=noisy)).items():
        np.testing.assert_array_equal(own.forecast[:, :14], plain[name].forecast[:, :14], err_msg=name)


def test_another_plan_changes_the_forecasts_of_what_reads_it(plain: dict[str, Evaluated]) -> None:
    panel = demand_panel(180)
    known = {name: values.copy() for name, values in panel.known.items()}
    known["promotion"][:, 161:] = 1 - known["promotion"][:, 161:]
    changed = all_models(replace(panel, known=known))
    for name in ("SameFlagsMean", "LinearRegression", "LightGBM_absolute", "Blend"):
        assert not np.array_equal(changed[name].forecast[:, 14:], plain[name].forecast[:, 14:]), name
        np.testing.assert_array_equal(changed[name].forecast[:, :14], plain[name].forecast[:, :14], err_msg=name)
