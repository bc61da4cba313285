"""Which candidates are worth deploying: those that are proven and beat every baseline over the folds."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tabtrail.config.model import Choice
from tabtrail.modeling.baselines import BASELINES
from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.modeling.metrics import METRICS, Metric
from tabtrail.modeling.proof import Cost
from tabtrail.modeling.results import Benchmark, Result


def worthy(results: Sequence[Result], metric: Metric) -> list[Result]:
    """Return the candidates that are deployable, have the metric on every fold, and beat every baseline; in their order."""
    sound = [each for each in results if each.deployable and np.isfinite(each.loss(metric)) and not each.is_baseline]
    return [each for each in sound if _unbeaten(each, results, metric) is None]


def over_budget(result: Result, choice: Choice) -> str | None:
    """Return why a candidate is too large or too slow to be served, None where it is within the budget or was not measured."""
    return None if result.is_baseline else complaint_of(result.model_bytes, result.cost, choice)


def complaint_of(size: int, cost: Cost | None, choice: Choice) -> str | None:
    """Return what of a graph's size [bytes] and cost is over the budget, None where nothing is or no cost was measured."""
    if cost is None:
        return None
    if size > choice.max_bundle_mb * 1_000_000:
        return f"its graph has {size / 1_000_000:,.1f} MB, more than choice.max_bundle_mb: {choice.max_bundle_mb:g}"
    if cost.row_us > choice.max_row_us:
        return f"a row takes it {cost.row_us:,.1f} µs of CPU, more than choice.max_row_us: {choice.max_row_us:g}"
    return None


def joined_cost(results: Sequence[Result], among: Sequence[Result] = ()) -> Cost | None:
    """Return what the graphs of several candidates cost together, None where one was not measured.

    What a call of one row costs beside the models is counted once: the least that the call of one of them, or of the others
    `among` which they are, takes beyond a row of a batch. A line's is nothing else; trees take longer for a row by itself.
    """
    costs = [each.cost for each in results if each.cost is not None]
    if len(costs) < len(results) or not costs:
        return None
    every = [*costs, *(each.cost for each in among if each.cost is not None)]
    call = min(each.row_us - each.batch_row_us for each in every)
    return Cost(sum(each.row_us for each in costs) - call * (len(costs) - 1), sum(each.batch_row_us for each in costs))


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
    return tuple(_objections(benchmark.results, benchmark.problem.metric, benchmark.problem.choice))


def _objections(results: Sequence[Result], metric: Metric, choice: Choice) -> Iterator[str]:
    measure = yardstick(metric)
    means = {each.candidate.name: each.mean(measure.name) for each in results}
    for each in results:
        name = each.candidate.name
        if each.is_baseline:
            continue
        if not each.deployable:
            yield f"{name} is not deployable: {each.parity and each.parity.complaint}"
        elif (complaint := over_budget(each, choice)) is not None:
            yield f"{name} is over the budget: {complaint}"
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
