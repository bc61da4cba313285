"""Every segment, over processes; the ranked table, and the sums of the segments against the aggregate."""

from collections.abc import Iterator, Sequence

import polars as pl
from pydantic import BaseModel, ConfigDict

from tabtrail.config.tree import Config
from tabtrail.forecast.local.origins import ENOUGH_SEASONS
from tabtrail.forecast.local.series import SEASONS, Series
from tabtrail.forecast.result import SegmentResult, SeriesPart
from tabtrail.forecast.segments import LIBRARIES, Facts, analyse_safely
from tabtrail.jobs.job import Shared
from tabtrail.jobs.run import run
from tabtrail.modeling.metrics import rounded

RANKED = ("forecast_total", "volatility", "trend", "error_against_naive")
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


class Outcome(BaseModel):
    """The evaluation of the procedure over all segments with one and a half seasons or more."""

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
    outer: Outcome
    reconciliation: list[Reconciliation]
    seconds: float
    run_id: str | None


def analyse_all(config: Config, series: Sequence[Series], facts: Facts) -> Iterator[tuple[Series, SegmentResult]]:
    """Yield each series with its result as it is done, the long ones first."""
    ordered = sorted(series, key=lambda each: -len(each.values))
    batches = [tuple(ordered[start : start + _BATCH]) for start in range(0, len(ordered), _BATCH)]
    shared, known = Shared(config), Shared(facts)
    for done in run(_analyse, [(batch, shared, known) for batch in batches], config.engine, libraries=(*LIBRARIES, "pandas")):
        yield from done


def _analyse(batch: tuple[Series, ...], config: Config, facts: Facts) -> list[tuple[Series, SegmentResult]]:
    return [(each, analyse_safely(each, config.risk, facts)) for each in batch]


def ranking(results: Sequence[SegmentResult], names: Sequence[str]) -> pl.DataFrame:
    """Return one row a segment, the largest forecast first, with its place by each of forecast, volatility, trend and error.

    Columns: a column for each segment name (null: all), label, by, status, reason, length, zeros, model, forecast_next,
    forecast_total (units of the series), lower and upper of the next period at the first level, mase, best_baseline,
    baseline_mase, error_against_naive (mean absolute error over that of the naive forecast), trend (percent of the mean a
    year), volatility (percent a period), annualised_volatility, value_at_risk_loss (percent, first level), grade,
    sarima_verdict, run_id, and `rank_` columns, 1 for the largest (of errors the smallest).
    """
    frame = pl.DataFrame([_row(each, names) for each in results], schema=_schema(names), orient="row")
    ranks = [
        pl.col(name).rank("min", descending=name != "error_against_naive").cast(pl.Int64).alias(f"rank_{name}") for name in RANKED
    ]
    return frame.with_columns(ranks).sort("forecast_total", "label", descending=[True, False], nulls_last=True)


def _schema(names: Sequence[str]) -> dict[str, type[pl.DataType]]:
    texts = [*names, "label", "by", "status", "reason"]
    return (
        dict.fromkeys(texts, pl.String)
        | {"length": pl.Int64, "zeros": pl.Int64, "model": pl.String}
        | dict.fromkeys(("forecast_next", "forecast_total", "lower", "upper", "mase"), pl.Float64)
        | {"best_baseline": pl.String, "baseline_mase": pl.Float64}
        | dict.fromkeys(("error_against_naive", "trend", "volatility", "annualised_volatility"), pl.Float64)
        | {"value_at_risk_loss": pl.Float64, "grade": pl.String, "sarima_verdict": pl.String, "run_id": pl.String}
    )


def _row(result: SegmentResult, names: Sequence[str]) -> list[str | float | int | None]:
    forecast, outer, risk = result.forecast, result.outer, result.risk
    interval = forecast.intervals[0] if forecast and forecast.intervals else None
    best = outer.baselines.get(outer.best_baseline or "") if outer else None
    naive = outer.baselines.get("naive") if outer else None
    chosen = outer.chosen.mae if outer else None
    volatility = next((each for each in risk.volatility if each.method == risk.method), None) if risk else None
    tail = next((each for each in risk.tails if each.method == risk.method), None) if risk else None
    return [
        *(result.segment.get(name) for name in names),
        result.label,
        " × ".join(result.segment) or "all",
        result.status,
        result.reason,
        result.series.length if result.series else 0,
        result.series.zeros if result.series else 0,
        forecast.model if forecast else None,
        forecast.mean[0] if forecast else None,
        rounded(sum(forecast.mean)) if forecast else None,
        interval.lower[0] if interval else None,
        interval.upper[0] if interval else None,
        outer.chosen.mase if outer else None,
        outer.best_baseline if outer else None,
        best.mase if best else None,
        rounded(chosen / naive.mae) if chosen is not None and naive and naive.mae else None,
        result.trend,
        volatility.next_period if volatility else None,
        volatility.annualised if volatility else None,
        tail.loss if tail else None,
        risk.grade if risk else None,
        result.sarima.verdict if result.sarima else None,
        result.run_id,
    ]


def reconcile(results: Sequence[SegmentResult]) -> list[Reconciliation]:
    """Return, for each set of segment names, the sum of its segments' forecasts against that of all rows.

    Empty where there is no forecast of all rows. A segment without a forecast adds nothing, and is counted.
    """
    whole = next((each for each in results if not each.segment), None)
    if whole is None or whole.forecast is None:
        return []
    aggregate = whole.forecast
    found = []
    for names in dict.fromkeys(tuple(each.segment) for each in results if each.segment):
        members = [each for each in results if tuple(each.segment) == names]
        forecasts = [each.forecast for each in members if each.forecast and each.forecast.periods == aggregate.periods]
        bottom_up = [sum(each.mean[step] for each in forecasts) for step in range(aggregate.steps)]
        total = sum(aggregate.mean)
        found.append(
            Reconciliation(
                by=list(names),
                segments=len(members),
                without_forecast=len(members) - len(forecasts),
                periods=aggregate.periods,
                bottom_up=[rounded(value) for value in bottom_up],
                aggregate=aggregate.mean,
                difference=[rounded(up - down) for up, down in zip(bottom_up, aggregate.mean, strict=True)],
                difference_share=rounded((sum(bottom_up) - total) / total) if total else None,
            )
        )
    return found


def outer_outcome(results: Sequence[SegmentResult]) -> Outcome:
    """Return mean MASE of the procedure and of each fixed baseline, and the coverage, over segments of 1.5 seasons and more.

    The mean over segments, each by its own scale; a segment counts where the procedure and every baseline have a MASE.
    """
    parts = [each for each in results if each.outer and each.forecast and each.series and is_long(each.series)]
    scored = [each.outer for each in parts if each.outer and each.outer.chosen.mase is not None and each.outer.baselines]
    names = [name for name in scored[0].baselines if all(name in each.baselines for each in scored)] if scored else []
    means = {name: _mean([each.baselines[name].mase for each in scored]) for name in names}
    levels = sorted({interval.level for each in parts if each.forecast for interval in each.forecast.intervals})
    held: dict[str, float] = {}
    points: dict[str, int] = {}
    for level in levels:
        intervals = [x for each in parts if each.forecast for x in each.forecast.intervals if x.level == level]
        points[f"{level:g}"] = sum(each.coverage_points for each in intervals)
        if points[f"{level:g}"]:
            held[f"{level:g}"] = rounded(sum(each.coverage_held for each in intervals) / points[f"{level:g}"])
    return Outcome(
        segments=len(scored),
        mean_mase=_mean([each.chosen.mase for each in scored]) if scored else None,
        baseline_mean_mase=means,
        best_baseline=min(means, key=lambda name: means[name]) if means else None,
        coverage=held,
        coverage_points=points,
    )


def is_long(series: SeriesPart) -> bool:
    """Tell whether a series has one and a half seasons or more."""
    return series.length >= ENOUGH_SEASONS * SEASONS[series.frequency]


def _mean(values: list[float | None]) -> float:
    known = [value for value in values if value is not None]
    return rounded(sum(known) / len(known)) if known else 0.0
