"""What new outcomes teach the intervals of a deployed demand model: its α, kept in the state of the history."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tabtrail.bundle.demand.features import Array
from tabtrail.bundle.demand.history import History
from tabtrail.bundle.demand.intervals import STATE, DemandIntervals
from tabtrail.bundle.load import Bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.forecast.panel.calibration import Adapting, Outcomes
from tabtrail.forecast.panel.panel import Panel

# Series whose outcomes are looked at: a share of misses among these is known to a tenth of a percent.
_MOST_SERIES = 2000


def learned_state(bundle: Bundle, made: History, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state after the outcomes that a new history brings: the deployed model forecasts at the origins since the last
    one that was learned from, each with what was known then. The state of another model is left.
    """
    stated, run_id = bundle.metadata.get("demand_intervals"), bundle.metadata["run_id"]
    if stated is None:
        return dict(state)
    intervals = DemandIntervals.from_dict(stated)
    try:
        alphas, through = intervals.learned(state, run_id)
    except (KeyError, TypeError, ValueError, AttributeError):
        alphas, through = intervals.learned({}, run_id)
    adapting = Adapting(intervals, alphas, through)
    predictor = Predictor(replace(bundle, history=replace(made, state={})))
    assert predictor.demand is not None  # noqa: S101 - a bundle with these intervals is of series
    recipe = predictor.demand.panel.recipe
    first = max(min(through.values()) + 1, made.first + recipe.past - 1)
    due = [origin for origin in range(first, made.as_of) if (origin - intervals.through) % intervals.step == 0]
    if due:
        adapting.learn(_outcomes(predictor, made, due), made.as_of)
    own = {"run_id": run_id, "alphas": adapting.alphas, "through": adapting.through}
    return {**state, STATE: own}


def _outcomes(predictor: Predictor, made: History, due: list[int]) -> Outcomes:
    demand = predictor.demand
    assert demand is not None  # noqa: S101 - the caller made sure
    recipe = demand.panel.recipe
    horizons = np.arange(1, recipe.horizon + 1)
    chosen = np.random.default_rng(0).permutation(made.series)[:_MOST_SERIES]
    panel = Panel(recipe.calendar, made.first, demand.panel.series, made.target[chosen])

    quantiles: list[Array] = []

    def predicts(known: Panel) -> Array:
        forecast, own = predictor.outputs(demand.feed_of(chosen, known.last, horizons))
        quantiles.extend([] if own is None else [own.reshape(len(chosen), recipe.horizon, -1)])
        return forecast.astype(np.float64).reshape(len(chosen), recipe.horizon)

    places = tuple(origin - made.first for origin in due)
    found = Outcomes.of(panel, places, predicts, level_window=recipe.level_window, past=recipe.past)
    found = found.with_quantiles(quantiles) if quantiles else found
    return replace(found, places=found.places + made.first)
