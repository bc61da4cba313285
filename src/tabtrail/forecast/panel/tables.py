"""The results of a training on many series as plain data for files and pages."""

from typing import Any

from tabtrail.forecast.panel.task import Task, Trained


def leaderboard(task: Task, trained: Trained, run_id: str, data_sha256: str, *, synthetic: bool) -> dict[str, Any]:
    """Return every model with its scores, over all judged periods and by horizon, best first by the metric of the choice."""
    metric, demand = task.demand.choice.metric, task.demand
    ranked = sorted(trained.evaluated, key=lambda each: (_order(each.scores.get(metric)), each.name))
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
        "blend": trained.weights,
        "origins": [task.panel.calendar.first_day(task.panel.first + place).isoformat() for place in task.origins.places],
        "horizon": task.origins.horizon,
        "gap": task.origins.gap,
        "series": task.panel.count,
        "account": None if task.panel.account is None else vars(task.panel.account),
        "models": [
            {"model": each.name, "baseline": each.baseline, **each.scores, "by_horizon": [dict(step) for step in each.by_horizon]}
            for each in ranked
        ],
    }


def _order(value: float | int | None) -> float:
    return float("inf") if value is None else float(value)
