"""The segments as one table, ranked by their forecast, volatility, trend and error."""

from collections.abc import Sequence

import polars as pl

from tabtrail.forecast.result import SegmentResult
from tabtrail.modeling.metrics import rounded

_RANKED = ("forecast_total", "volatility", "trend", "error_against_naive")


def ranking(results: Sequence[SegmentResult], names: Sequence[str]) -> pl.DataFrame:
    """Return one row a segment, the largest forecast first, with its place by each of forecast, volatility, trend and error.

    Columns: a column for each segment name (null: all), label, by, status, reason, length, zeros, model, forecast_next,
    forecast_total (units of the series), lower and upper of the next period at the first level, mase, best_baseline,
    baseline_mase, error_against_naive (mean absolute error over that of the naive forecast), trend (percent of the mean a
    year), volatility (percent a period), annualised_volatility, value_at_risk_loss (percent, first level), grade,
    sarima_verdict, run_id, and `rank_` columns, 1 for the largest (of errors the smallest).
    """
    frame = pl.DataFrame([_row(each, names) for each in results], schema=_schema(names))
    ranks = [
        pl.col(name).rank("min", descending=name != "error_against_naive").cast(pl.Int64).alias(f"rank_{name}")
        for name in _RANKED
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


def _row(result: SegmentResult, names: Sequence[str]) -> dict[str, str | float | int | None]:
    forecast, outer, risk = result.forecast, result.outer, result.risk
    interval = forecast.intervals[0] if forecast and forecast.intervals else None
    best = outer.baselines.get(outer.best_baseline or "") if outer else None
    naive = outer.baselines.get("naive") if outer else None
    chosen = outer.chosen.mae if outer else None
    volatility = next((each for each in risk.volatility if each.method == risk.method), None) if risk else None
    tail = next((each for each in risk.tails if each.method == risk.method), None) if risk else None
    return {
        **{name: result.segment.get(name) for name in names},
        "label": result.label,
        "by": " × ".join(result.segment) or "all",
        "status": result.status,
        "reason": result.reason,
        "length": result.series.length if result.series else 0,
        "zeros": result.series.zeros if result.series else 0,
        "model": forecast.model if forecast else None,
        "forecast_next": forecast.mean[0] if forecast else None,
        "forecast_total": rounded(sum(forecast.mean)) if forecast else None,
        "lower": interval.lower[0] if interval else None,
        "upper": interval.upper[0] if interval else None,
        "mase": outer.chosen.mase if outer else None,
        "best_baseline": outer.best_baseline if outer else None,
        "baseline_mase": best.mase if best else None,
        "error_against_naive": rounded(chosen / naive.mae) if chosen is not None and naive and naive.mae else None,
        "trend": result.trend,
        "volatility": volatility.next_period if volatility else None,
        "annualised_volatility": volatility.annualised if volatility else None,
        "value_at_risk_loss": tail.loss if tail else None,
        "grade": risk.grade if risk else None,
        "sarima_verdict": result.sarima.verdict if result.sarima else None,
        "run_id": result.run_id,
    }
