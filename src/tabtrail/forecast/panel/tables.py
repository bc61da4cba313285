"""The results of a training on many series as plain data for files and pages."""

from typing import Any

import polars as pl

from tabtrail.forecast.panel.details import details
from tabtrail.forecast.panel.evaluate import best_baseline
from tabtrail.forecast.panel.notes import panel_notes
from tabtrail.forecast.panel.task import Task, Trained
from tabtrail.modeling.metrics import rounded


def leaderboard(task: Task, trained: Trained, run_id: str, data_sha256: str, *, synthetic: bool) -> dict[str, Any]:
    """Return every model with its scores, over all judged periods and by horizon, best first by the metric of the choice.

    Each model has its skill against the seasonal naive forecast, and its errors by class of series and by level of the hierarchy.
    """
    metric, demand = task.demand.choice.metric, task.demand
    ranked = sorted(trained.evaluated, key=lambda each: (_order(each.scores.get(metric)), each.name))
    more = details(
        {each.name: each for each in ranked},
        task.panel,
        task.origins,
        levels=demand.hierarchy,
        seed=demand.random_state,
    )
    baseline = best_baseline(trained.evaluated, metric, demand.choice.max_bias)
    return {
        "run_id": run_id,
        "data_sha256": data_sha256,
        "synthetic": synthetic,
        "name": demand.name,
        "target": demand.target,
        "currency": demand.currency,
        "frequency": demand.frequency,
        "metric": metric,
        "max_bias": demand.choice.max_bias,
        "champion": trained.chosen.name,
        "reason": trained.reason,
        "best_baseline": None if baseline is None else baseline.name,
        "blend": trained.weights,
        "origins": [task.panel.calendar.first_day(task.panel.first + place).isoformat() for place in task.origins.places],
        "horizon": task.origins.horizon,
        "gap": task.origins.gap,
        "series": task.panel.count,
        "intervals": trained.coverage,
        "account": None if task.panel.account is None else vars(task.panel.account),
        "cost_of_max_bias": cost_of_bound(trained, metric),
        "leakage": [each.to_dict() for each in task.findings],
        "lags_only": list(task.recipe.lagged),
        "notes": panel_notes(task.panel, demand),
        "models": [
            {
                "model": each.name,
                "baseline": each.baseline,
                **each.scores,
                "by_horizon": [dict(step) for step in each.by_horizon],
                **more[each.name],
            }
            for each in ranked
        ],
    }


def cost_of_bound(trained: Trained, metric: str) -> dict[str, Any]:
    """Return the model that is best by the metric alone, what it has of it and as bias, and how much worse the chosen one is by
    the metric, as a share; None where that is not defined.
    """
    able = [each for each in trained.evaluated if not each.baseline]
    best = min(able, key=lambda each: (_order(each.scores.get(metric)), each.name))
    value, chosen = best.scores.get(metric), trained.chosen.scores.get(metric)
    share = float(chosen) / float(value) - 1 if value and chosen is not None else None
    return {"best": best.name, metric: value, "bias": best.scores.get("bias"), "share": None if share is None else rounded(share)}


def table(found: dict[str, Any]) -> pl.DataFrame:
    """Return a leaderboard as a table: a row for each model, with its scores and skill."""
    rows = [
        {key: value for key, value in each.items() if not isinstance(value, (dict, list))}
        | {"skill": each["skill"]["value"], "skill_low": each["skill"]["low"], "skill_high": each["skill"]["high"]}
        for each in found["models"]
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def _order(value: float | int | None) -> float:
    return float("inf") if value is None else float(value)
