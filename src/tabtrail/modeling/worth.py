"""Which candidates are worth deploying: those that are proven and beat every baseline over the folds."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tabtrail.modeling.candidates import BASELINES
from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.modeling.metrics import METRICS, Metric
from tabtrail.modeling.results import Benchmark, Result


def worthy(results: Sequence[Result], metric: Metric) -> list[Result]:
    """Return the candidates that are deployable, have the metric on every fold, and beat every baseline; in their order."""
    sound = [each for each in results if each.deployable and np.isfinite(each.loss(metric)) and not each.is_baseline]
    return [each for each in sound if _unbeaten(each, results, metric) is None]


def weaker_than(board: Leaderboard, candidate: str) -> str | None:
    """Return the best baseline of a leaderboard where a candidate is no better than that, None where it is better than all."""
    measure = yardstick(board.chosen_metric)
    values = {row.candidate: row.cv[measure.name] for row in board.candidates}
    baselines = {row.candidate: values[row.candidate] for row in board.candidates if row.family in BASELINES}
    return _best_unbeaten(values[candidate], baselines, measure)


def yardstick(metric: Metric) -> Metric:
    """Return what candidates are held against baselines by: the metric of the choice; RMSE for one that is best at zero, as a
    bias is, which the mean has by construction.
    """
    return METRICS["rmse"] if metric.better == "nearer zero" else metric


def objections(benchmark: Benchmark) -> tuple[str, ...]:
    """Return for each candidate, baselines aside, what speaks against deploying it; those without an objection are left out."""
    return tuple(_objections(benchmark.results, benchmark.problem.metric))


def _objections(results: Sequence[Result], metric: Metric) -> Iterator[str]:
    measure = yardstick(metric)
    means = {each.candidate.name: each.mean(measure.name) for each in results}
    for each in results:
        name = each.candidate.name
        if each.is_baseline:
            continue
        if not each.deployable:
            yield f"{name} is not deployable: {each.parity and each.parity.complaint}"
        elif not np.isfinite(each.loss(metric)):
            yield f"{name}: {metric.label} is not defined for its predictions on every fold"
        elif (best := _unbeaten(each, results, metric)) is not None:
            own, other = (measure.text(value) if (value := means[one]) is not None else "undefined" for one in (name, best))
            yield f"{name} does not beat {best}: {measure.label} {own} over the folds against {other}"


def _unbeaten(result: Result, results: Sequence[Result], metric: Metric) -> str | None:
    measure = yardstick(metric)
    baselines = {each.candidate.name: each.mean(measure.name) for each in results if each.is_baseline}
    return _best_unbeaten(result.mean(measure.name), baselines, measure)


def _best_unbeaten(own: float | None, baselines: Mapping[str, float | None], measure: Metric) -> str | None:
    best = min(baselines, key=lambda name: measure.loss(baselines[name]), default=None)
    return None if best is None or measure.loss(own) < measure.loss(baselines[best]) else best
