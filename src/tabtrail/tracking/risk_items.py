"""What a forecast logs, as plain data."""

from collections.abc import Sequence

from tabtrail.config.forecast import Risk
from tabtrail.forecast.result import SegmentResult
from tabtrail.forecast.sweep import Evaluation
from tabtrail.tracking.tags import TAG, MetricItem, RunItems


def segment_items(result: SegmentResult) -> RunItems:
    """Return what a segment's run logs: choice and settings, errors by candidate, forecast by step, volatility, losses."""
    forecast, choice = result.forecast, result.choice
    params = {f"segment.{name}": value for name, value in result.segment.items()}
    if result.series is not None:
        params |= {"frequency": result.series.frequency, "periods": str(result.series.length), "end": result.series.end}
    if choice is not None and forecast is not None:
        params |= {"model": choice.name, "default": choice.default, "forecast_steps": str(forecast.steps)}
    tags = {TAG + "kind": "segment", TAG + "segment": result.label, TAG + "status": result.status}
    if result.sarima is not None:
        tags[TAG + "sarima"] = result.sarima.verdict
    if result.risk is not None:
        tags[TAG + "risk_grade"] = result.risk.grade
    return RunItems(result.label, params, [*_forecast_metrics(result), *_risk_metrics(result)], tags, _card(result))


def _forecast_metrics(result: SegmentResult) -> list[MetricItem]:
    found: list[MetricItem] = []
    if result.forecast is not None:
        found += [MetricItem("forecast", value, step) for step, value in enumerate(result.forecast.mean, 1)]
        for interval in result.forecast.intervals:
            if interval.coverage is not None:
                found.append(MetricItem(f"coverage_{interval.level:g}", interval.coverage))
    if result.outer is not None:
        parts = {"outer": result.outer.chosen, **{f"outer_{name}": each for name, each in result.outer.baselines.items()}}
        for prefix, part in parts.items():
            figures = {"mean_absolute_error": part.mae, "root_mean_squared_error": part.rmse, "mase": part.mase}
            found += [MetricItem(f"{prefix}_{name}", value) for name, value in figures.items() if value is not None]
    if result.sarima is not None and result.sarima.improvement is not None:
        found.append(MetricItem("sarima_improvement", result.sarima.improvement))
    return found


def _risk_metrics(result: SegmentResult) -> list[MetricItem]:
    if result.risk is None:
        return []
    found = [MetricItem(f"volatility_{each.method}", each.next_period) for each in result.risk.volatility]
    for tail in result.risk.tails:
        found.append(MetricItem(f"loss_{tail.level:g}_{tail.method}", tail.loss))
    for fit in result.risk.garch:
        if fit.persistence is not None:
            found.append(MetricItem(f"persistence_{fit.distribution}", fit.persistence))
    return found


def _card(result: SegmentResult) -> str:
    synthetic = "**The data is synthetic.**\n\n" if result.synthetic else ""
    return f"# {result.label}\n\n{synthetic}" + "\n".join(f"- {line}" for line in result.summary) + "\n"


def sweep_items(risk: Risk, results: Sequence[SegmentResult], outcome: Evaluation) -> RunItems:
    """Return what the parent run logs: the settings, and the evaluation over all segments."""
    params = {f"risk.{name}": str(value) for name, value in risk if name != "segments"}
    params |= {f"risk.segments.{name}": column for name, column in risk.segments.items()}
    metrics = [MetricItem("segments", len(results)), MetricItem("segments_scored", outcome.segments)]
    if outcome.mean_mase is not None:
        metrics.append(MetricItem("outer_mase", outcome.mean_mase))
    metrics += [MetricItem(f"outer_mase_{name}", value) for name, value in outcome.baseline_mean_mase.items()]
    metrics += [MetricItem(f"coverage_{level}", value) for level, value in outcome.coverage.items()]
    return RunItems("forecast", params, metrics, {TAG + "kind": "forecast"})
