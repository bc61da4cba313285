"""Which candidates are worth deploying: those that are proven and beat every baseline over the folds."""

from collections.abc import Iterator, Sequence

import numpy as np

from tabtrail.modeling.metrics import METRICS, Metric
from tabtrail.modeling.results import Benchmark, Result


def worthy(results: Sequence[Result], metric: Metric) -> list[Result]:
    """Return the candidates that are deployable, have the metric on every fold, and beat every baseline; in their order."""
    return [
        each
        for each in results
        if not each.is_baseline
        and each.deployable
        and np.isfinite(each.loss(metric))
        and unbeaten_baseline(each, results, metric) is None
    ]


def unbeaten_baseline(result: Result, results: Sequence[Result], metric: Metric) -> Result | None:
    """Return the best baseline where a candidate is no better than that over the folds, None where it is better than all."""
    measure = yardstick(metric)
    best = min((each for each in results if each.is_baseline), key=lambda each: each.loss(measure), default=None)
    return None if best is None or result.loss(measure) < best.loss(measure) else best


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
    for each in results:
        name, own = each.candidate.name, each.mean(measure.name)
        if each.is_baseline:
            continue
        if not each.deployable:
            yield f"{name} is not deployable: {each.parity and each.parity.complaint}"
        elif not np.isfinite(each.loss(metric)) or own is None:
            yield f"{name}: {metric.label} is not defined for its predictions on every fold"
        elif (best := unbeaten_baseline(each, results, metric)) is not None:
            yield (
                f"{name} does not beat {best.candidate.name}: {measure.label} {measure.text(own)} over the folds against"
                f" {measure.text(best.mean(measure.name) or 0.0)}"
            )
