"""Intervals of a demand model: calibrated at origins where a model that was fitted before them only predicts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from tabtrail.bundle.demand.features import Array, FeatureRecipe
from tabtrail.bundle.demand.quantiles import probabilities_of
from tabtrail.forecast.panel.calibration import Outcomes, Predicts, Settings, calibration_origins, fit_intervals
from tabtrail.forecast.panel.coverage import measure
from tabtrail.forecast.panel.direct import DirectModel
from tabtrail.forecast.panel.new_series import new_series_factor
from tabtrail.forecast.panel.panel import Panel
from tabtrail.forecast.panel.quantiles import fit_quantiles
from tabtrail.forecast.panel.rows import Points
from tabtrail.forecast.panel.task import Task, Trained
from tabtrail.progress import Progress

Fit = Callable[[Panel, int], Mapping[str, tuple[DirectModel, float]]]
"""The chosen models with their weights, fitted on a panel; the number is that of the origin, for seeds."""
# With fewer origins the quantiles are those of a few weeks: then there are no intervals rather than wrong ones.
_LEAST_ORIGINS = 6


def calibrate(task: Task, trained: Trained, fit: Fit, progress: Progress) -> Trained:
    """Add intervals, calibrated at the latest `demand.calibration_origins` origins, and the coverage of those of the first half
    of the origins on the second; neither where history is too short for them.
    """
    demand, panel, recipe = task.demand, task.panel, task.recipe
    season = recipe.calendar.season
    step = season if demand.frequency == "D" else 1
    places = calibration_origins(panel.periods, recipe.horizon, count=demand.calibration_origins, step=step)
    if len(places) < _LEAST_ORIGINS:
        progress.say(f"demand: no intervals: {len(places)} origins of a calibration fit the history, {_LEAST_ORIGINS} are needed")
        return trained
    models = fit(panel.until(places[0]), len(task.origins.places) + 1)
    served = next(iter(models.values()))[0].recipe

    def predicts(known: Panel) -> Array:
        points = Points.at(known, known.periods - 1, range(1, recipe.horizon + 1))
        parts = [weight * model.predict(known, points) for model, weight in models.values()]
        found: Array = sum(parts[1:], parts[0]).reshape(known.count, recipe.horizon)
        return found

    outcomes = Outcomes.of(panel, places, predicts, level_window=served.level_window, past=served.past)
    quantiles = _quantiles(task, served, places[0]) if demand.interval_method == "quantiles" else None
    if quantiles is not None:
        outcomes = outcomes.with_quantiles(quantiles(panel.until(place)) for place in places)
    half = len(places) // 2
    lead_time, least = demand.lead_time, 0.0 if not (panel.target < 0).any() else None

    def settings(through: int) -> Settings:
        return Settings(demand.interval_levels, demand.service_level, lead_time, step, panel.first + through, least, season)

    first = fit_intervals(outcomes.take(slice(0, half)), settings(places[half - 1]))
    later = outcomes.take(slice(half, None))
    coverage = measure(first, later, places[half - 1])
    if first.offsets:
        coverage |= {"method": demand.interval_method, "by_errors": measure(first.by_errors(), later, places[half - 1])["levels"]}
    say_coverage(coverage, progress)
    found = fit_intervals(outcomes, settings(places[-1]))
    factor = new_series_factor(panel, places, predicts, task.parents, found, served)
    own = () if quantiles is None else _at_origins(task, quantiles, places[0])
    return replace(trained, intervals=found.with_new(factor), coverage=coverage, quantiles=own)


def _at_origins(task: Task, quantiles: Predicts, fitted: int) -> tuple[Array, ...]:
    """Return the quantiles at the origins that are judged; not a number at those before the place at which they were fitted: of
    what came after them they have learned.
    """
    found = {place: quantiles(task.panel.until(place)) for place in task.origins.places if place >= fitted}
    unknown = np.full((task.panel.count, task.recipe.horizon, len(probabilities_of(task.demand.interval_levels))), np.nan)
    return tuple(found.get(place, unknown) for place in task.origins.places)


def _quantiles(task: Task, served: FeatureRecipe, place: int) -> Predicts:
    """Return what forecasts the quantiles at the end of a panel, fitted on what was known at a place."""
    levels, known = task.demand.interval_levels, task.panel.until(place)
    model = fit_quantiles(task, known, levels=levels, recipe=served, at=len(task.origins.places) + 1)
    return partial(model.at_end, task.texts, served)


def say_coverage(coverage: Mapping[str, Any], progress: Progress) -> None:
    """Say what the intervals held at later origins; of quantiles also what they are beside those by errors."""
    levels = [*coverage["levels"], *coverage.get("sums", {}).get("levels", ())]
    shown = ", ".join(f"{each['coverage']:.1%} at {each['level']:.0%}" for each in levels if each["coverage"] is not None)
    progress.say(f"demand: intervals held {shown} at {coverage['origins']} origins after their calibration")
    if "by_errors" in coverage:
        _say_beside(coverage["levels"], coverage["by_errors"], progress)


def _say_beside(quantiles: Sequence[Mapping[str, Any]], errors: Sequence[Mapping[str, Any]], progress: Progress) -> None:
    """Say how wide intervals are by both methods, and where quantiles are no gain."""
    pairs = [pair for pair in zip(quantiles, errors, strict=True) if pair[0]["coverage"] is not None]
    for own, other in pairs:
        alone = f"by errors alone {other['width']:.4g} (held {other['coverage']:.1%})"
        progress.say(f"demand: at {own['level']:.0%} {own['width']:.4g} wide on average, {alone}")
    lost, usual = (sum(pair[place]["pinball"] for pair in pairs) for place in (0, 1))
    if lost > usual:
        progress.say(
            f"demand: warning: intervals by errors alone lose less here (pinball {usual:.4g}, by quantiles {lost:.4g}); set"
            " demand.interval_method: errors"
        )
