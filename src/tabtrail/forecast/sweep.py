"""Every segment, over processes, and what they come to: the evaluation of the procedure, sums against the whole."""

from collections import Counter
from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict
from threadpoolctl import threadpool_limits

from tabtrail.config.forecast import Risk
from tabtrail.config.operation import Engine
from tabtrail.forecast.local.neighbours import Neighbours, learn
from tabtrail.forecast.local.origins import ENOUGH_SEASONS, run_trials
from tabtrail.forecast.local.procedure import diagnose
from tabtrail.forecast.result import ForecastPart, SegmentResult, SeriesPart
from tabtrail.forecast.segment import LIBRARIES, Facts, analyse_safely
from tabtrail.forecast.series import SEASONS, Series
from tabtrail.jobs.job import Shared
from tabtrail.jobs.run import run
from tabtrail.modeling.metrics import rounded

# A segment takes some tenths of a second: four of them are worth handing to a process, and leave none idle for long.
_BATCH = 4


class Reconciliation(BaseModel):
    """The sum of the forecasts of the segments against the forecast of all rows, by period, in units of the series."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    by: list[str]
    segments: int
    without_forecast: int
    periods: list[str]
    bottom_up: list[float]
    aggregate: list[float]
    difference: list[float]
    difference_share: float | None


class Evaluation(BaseModel):
    """The procedure at its outer origins, over all segments with one and a half seasons or more."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    segments: int
    mean_mase: float | None
    baseline_mean_mase: dict[str, float]
    best_baseline: str | None
    coverage: dict[str, float]
    coverage_points: dict[str, int]


class Sweep(BaseModel):
    """What a sweep found, apart from the segments' own files."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    statuses: dict[str, int]
    outer: Evaluation
    reconciliation: list[Reconciliation]
    seconds: float
    run_id: str | None


def learn_from(series: Sequence[Series], risk: Risk) -> Neighbours:
    """Return what forecasters that take no time come to over all these series, by class of series."""
    cheap = risk.model_copy(update={"models": (), "sarima": ()})
    with threadpool_limits(1):
        trials = [
            run_trials(each.values, cheap, risk.forecast_steps, SEASONS[each.frequency])
            for each in series
            if diagnose(each).status != "too_short"
        ]
    return learn(trials, risk.intermittent_share)


def analyse_all(
    series: Sequence[Series], risk: Risk, facts: Facts, engine: Engine, *, neighbours: Neighbours
) -> Iterator[tuple[Series, SegmentResult]]:
    """Yield each series with its result as it is done, the long ones first."""
    ordered = sorted(series, key=lambda each: -len(each.values))
    batches = [tuple(ordered[start : start + _BATCH]) for start in range(0, len(ordered), _BATCH)]
    shared, known, others = Shared(risk), Shared(facts), Shared(neighbours)
    jobs = [(batch, shared, known, others) for batch in batches]
    for done in run(_analyse, jobs, engine, libraries=(*LIBRARIES, "pandas")):
        yield from done


def _analyse(batch: tuple[Series, ...], risk: Risk, facts: Facts, neighbours: Neighbours) -> list[tuple[Series, SegmentResult]]:
    return [(each, analyse_safely(each, risk, facts, neighbours)) for each in batch]


def reconcile(results: Sequence[SegmentResult]) -> list[Reconciliation]:
    """Return, for each set of segment names, the sum of its segments' forecasts against that of all rows.

    Empty where there is no forecast of all rows. A segment without a forecast adds nothing, and is counted.
    """
    whole = next((each for each in results if not each.segment), None)
    if whole is None or whole.forecast is None:
        return []
    sets = dict.fromkeys(tuple(each.segment) for each in results if each.segment)
    return [_reconciled([each for each in results if tuple(each.segment) == names], whole.forecast) for names in sets]


def _reconciled(members: Sequence[SegmentResult], aggregate: ForecastPart) -> Reconciliation:
    forecasts = [each.forecast for each in members if each.forecast and each.forecast.periods == aggregate.periods]
    bottom_up = [sum(each.mean[step] for each in forecasts) for step in range(aggregate.steps)]
    total = sum(aggregate.mean)
    return Reconciliation(
        by=list(members[0].segment),
        segments=len(members),
        without_forecast=len(members) - len(forecasts),
        periods=aggregate.periods,
        bottom_up=[rounded(value) for value in bottom_up],
        aggregate=aggregate.mean,
        difference=[rounded(up - down) for up, down in zip(bottom_up, aggregate.mean, strict=True)],
        difference_share=rounded((sum(bottom_up) - total) / total) if total else None,
    )


def evaluate(results: Sequence[SegmentResult]) -> Evaluation:
    """Return mean MASE of the procedure and of each fixed baseline, and the coverage, over segments of 1.5 seasons and more.

    The mean over segments, each by its own scale; a segment counts where the procedure and every baseline have a MASE.
    """
    parts = [each for each in results if each.outer and each.forecast and each.series and _is_long(each.series)]
    scored = [each.outer for each in parts if each.outer and each.outer.chosen.mase is not None and each.outer.baselines]
    names = [name for name in scored[0].baselines if all(name in each.baselines for each in scored)] if scored else []
    means = {name: _mean([each.baselines[name].mase for each in scored]) for name in names}
    intervals = sorted((x for each in parts if each.forecast for x in each.forecast.intervals), key=lambda each: each.level)
    points, held = Counter[str](), Counter[str]()
    for each in intervals:
        points[f"{each.level:g}"] += each.coverage_points
        held[f"{each.level:g}"] += each.coverage_held
    return Evaluation(
        segments=len(scored),
        mean_mase=_mean([each.chosen.mase for each in scored]) if scored else None,
        baseline_mean_mase=means,
        best_baseline=min(means, key=lambda name: means[name]) if means else None,
        coverage={level: rounded(held[level] / count) for level, count in points.items() if count},
        coverage_points=dict(points),
    )


def _is_long(series: SeriesPart) -> bool:
    """Shorter ones have no outer origins that every baseline has a forecast for."""
    return series.length >= ENOUGH_SEASONS * SEASONS[series.frequency]


def _mean(values: list[float | None]) -> float:
    known = [value for value in values if value is not None]
    return rounded(sum(known) / len(known)) if known else 0.0
