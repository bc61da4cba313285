"""Totals of the series: forecasts added up from below, with forecasts of the totals themselves beside them."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from tabtrail.bundle.demand.features import Array, FeatureRecipe
from tabtrail.forecast.panel.baselines import BASELINES, Baseline
from tabtrail.forecast.panel.candidates import DirectCandidate
from tabtrail.forecast.panel.direct import fit_direct
from tabtrail.forecast.panel.evaluate import Evaluated, default_recipe, evaluate, observed, scored
from tabtrail.forecast.panel.nets.settings import WindowSettings
from tabtrail.forecast.panel.panel import Panel, Rows
from tabtrail.forecast.panel.rows import Points
from tabtrail.forecast.panel.task import Task, Trained

TOTAL = "total"
_TEXTS = ("total_of", "node")  # not `level`, which is a feature


@dataclass(frozen=True)
class Totals:
    """The totals of a panel as a panel of their own: `level` names that of each node [nodes], `members` lists its series."""

    panel: Panel
    level: tuple[str, ...]
    members: tuple[Rows, ...]

    def rows(self, level: str) -> Rows:
        """Return the places of the nodes of a level."""
        return np.flatnonzero(np.array(self.level) == level)


def totals_of(panel: Panel, columns: tuple[str, ...]) -> Totals:
    """Return the total of all series, and those by the values of each column. Of a column known ahead the mean counts."""
    nodes = [(TOTAL, TOTAL, np.arange(panel.count))]
    for column in columns:
        texts = panel.static[column].astype(str)
        nodes += [(column, str(value), np.flatnonzero(texts == value)) for value in np.unique(texts)]
    members = tuple(rows for _, _, rows in nodes)
    static = {name: np.array([node[place] for node in nodes], dtype=object) for place, name in enumerate(_TEXTS)}
    made = Panel(
        panel.calendar,
        panel.first,
        _TEXTS,
        np.stack([_sum(panel.target[rows]) for rows in members]),
        {name: np.stack([_mean(values[rows]) for rows in members]) for name, values in panel.known.items()},
        static,
    )
    return Totals(made, tuple(str(level) for level, _, _ in nodes), members)


def judge_totals(task: Task, trained: Trained, candidate: DirectCandidate) -> list[dict[str, Any]]:
    """Return by level of the hierarchy the errors of the chosen model's forecasts added up, of a model of the same kind that is
    fitted on the totals, and of the best baseline on them.

    Both count the series whose demand is known in a period. The forecasts that are served are those added up, so that the parts
    always make the whole.
    """
    demand = task.demand
    totals = totals_of(task.panel, demand.hierarchy)
    recipe = default_recipe(demand.frequency, demand.horizon, (), tuple(totals.panel.known))
    known = ~np.isnan(observed(task.panel, task.origins))
    added = np.stack([_sum(np.where(known, trained.chosen.forecast, np.nan)[rows]) for rows in totals.members])
    if isinstance(candidate.net, WindowSettings):  # totals lack the column that has a net for each of its values
        candidate = replace(candidate, net=replace(candidate.net, per=None))
    direct = evaluate("direct", partial(_direct, task, candidate, recipe), totals.panel, task.origins)
    baselines = [
        evaluate(name, partial(_of_baseline, baseline, recipe), totals.panel, task.origins, baseline=True)
        for name, baseline in BASELINES.items()
    ]
    metric = demand.choice.metric
    found = []
    for level in (TOTAL, *demand.hierarchy):
        rows = totals.rows(level)
        part = totals.panel.take(rows)

        def own(name: str, forecast: Array, part: Panel = part) -> Evaluated:
            return scored(name, forecast, part, task.origins)

        best = min(
            (own(each.name, each.forecast[rows]) for each in baselines),
            key=lambda each: float("inf") if each.scores[metric] is None else float(each.scores[metric] or 0.0),
        )
        found.append(
            {
                "level": level,
                "nodes": len(rows),
                "bottom_up": dict(own(trained.chosen.name, added[rows]).scores),
                "direct": {"model": candidate.name, **own("direct", direct.forecast[rows]).scores},
                "best_baseline": {"model": best.name, **best.scores},
            }
        )
    return found


def _direct(task: Task, candidate: DirectCandidate, recipe: FeatureRecipe, known: Panel, at: int) -> Array:
    demand = task.demand
    model = fit_direct(candidate, known, recipe, texts=_TEXTS, most=demand.max_rows, seed=demand.random_state + at)
    points = Points.at(known, known.periods - 1, range(1, recipe.horizon + 1))
    return model.predict(known, points).reshape(known.count, recipe.horizon)


def _of_baseline(baseline: Baseline, recipe: FeatureRecipe, known: Panel, _at: int) -> Array:
    return baseline(known, recipe)


def _sum(values: Array) -> Array:
    known = ~np.isnan(values)
    return np.where(known.any(axis=0), np.where(known, values, 0.0).sum(axis=0), np.nan)


def _mean(values: Array) -> Array:
    known = ~np.isnan(values)
    return np.where(known.any(axis=0), np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1), np.nan)
