"""The stored forecasts of segments: which there are, and one of them as figures and tables. Nothing is fitted."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import plotly.graph_objects as go
import polars as pl
from pydantic import ValidationError

from tabtrail.dashboard.fans import Band, add_band
from tabtrail.dashboard.figures import COLOURS, finish
from tabtrail.dashboard.wording import counted, shown
from tabtrail.forecast.result import IntervalPart, SegmentResult
from tabtrail.forecast.series import PERIOD_NAMES, PERIODS_A_YEAR

Document = Mapping[str, Any]
METHODS = {
    "ewma": "EWMA",
    "sample": "sample",
    "historical": "historical",
    "garch_normal": "GARCH, normal errors",
    "garch_t": "GARCH, Student t errors",
}


def index_frame(documents: Mapping[str, Document]) -> pl.DataFrame:
    """Return a row for each stored result by the name of its file, the largest forecast first: label, status, model, next, total
    (in units of the series), mase, volatility (percent a year), grade, unit, periods, of (sha256 of the data), file.
    """
    numbers = ("next", "total", "mase", "volatility")
    texts = ("label", "status", "model", "grade", "unit", "of", "file")
    schema = {**dict.fromkeys(texts, pl.String), **dict.fromkeys(numbers, pl.Float64), "periods": pl.Int64}
    rows = [_index_row(name, each) for name, each in documents.items() if _is_result(each)]
    return pl.DataFrame(rows, schema=schema).sort("total", "label", descending=[True, False], nulls_last=True)


def read_result(document: Document | None) -> SegmentResult | None:
    """Return a stored result; None where it is not one of this version."""
    try:
        return None if document is None else SegmentResult.model_validate(document)
    except ValidationError:
        return None


def fan_figure(result: SegmentResult) -> go.Figure | None:
    """Return history, forecast and both intervals; None where there is no forecast."""
    series, ahead = result.series, result.forecast
    if series is None or ahead is None:
        return None
    past, coming, last = _days(series.periods), _days(ahead.periods), series.values[-1:]
    figure = go.Figure()
    for each in sorted(ahead.intervals, key=lambda each: -each.level):
        low, high = [*last, *each.lower], [*last, *each.upper]
        add_band(figure, [*past[-1:], *coming], Band(f"{100 * each.level:g} % interval", low, high))
    figure.add_scatter(
        x=past, y=series.values, mode="lines", name="history", line={"color": COLOURS[0]}, hovertemplate="%{x}: %{y:,.4~g}"
    )
    figure.add_scatter(
        x=[*past[-1:], *coming],
        y=[*last, *ahead.mean],
        mode="lines+markers",
        name="forecast",
        line={"dash": "dash", "color": COLOURS[5]},
        hovertemplate="%{x}: %{y:,.4~g}",
    )
    period = PERIOD_NAMES[series.frequency]
    title = f"{result.label}: history and forecast of {counted(ahead.steps, period)}"
    return finish(figure, title, ". ".join(result.summary), x=period, y=f"{series.unit or 'value'} per {period}")


def intervals_frame(result: SegmentResult) -> pl.DataFrame:
    """Return the forecast by period with the ends of every interval: period, forecast, low_80, high_80, …"""
    ahead = result.forecast
    if ahead is None:
        return pl.DataFrame()
    ends = {f"{name}_{100 * each.level:g}": getattr(each, part) for each in ahead.intervals for name, part in _ENDS}
    return pl.DataFrame({"period": ahead.periods, "forecast": ahead.mean, **ends})


def coverage_words(interval: IntervalPart) -> str:
    """Say what such intervals held at the origins that they knew nothing after."""
    if interval.coverage is None:
        return f"{100 * interval.level:g} % interval: what it holds could not be measured"
    held = f"{interval.coverage_held:,} of {interval.coverage_points:,} later values"
    return f"{100 * interval.level:g} % interval: held {shown(interval.coverage, 3, percent=True)} ({held})"


def baselines_frame(result: SegmentResult) -> pl.DataFrame:
    """Return the errors of the whole procedure beside the fixed baselines, at origins that it knew nothing after, least MAE
    first: model, mae, rmse (units of the series), mase, origins.
    """
    schema = {"model": pl.String, "mae": pl.Float64, "rmse": pl.Float64, "mase": pl.Float64, "origins": pl.Int64}
    outer = result.outer
    if outer is None:
        return pl.DataFrame(schema=schema)
    parts = {"chosen by the procedure": outer.chosen, **outer.baselines}
    rows = [
        {"model": name.replace("_", " "), "mae": each.mae, "rmse": each.rmse, "mase": each.mase, "origins": outer.origins}
        for name, each in parts.items()
    ]
    return pl.DataFrame(rows, schema=schema).sort("mae", nulls_last=True)


def tails_frame(result: SegmentResult) -> pl.DataFrame:
    """Return what the next period could lose, by method and level: method, chosen, level, value_at_risk, expected_shortfall
    (percent, in returns), loss and shortfall_loss (percent of this period).
    """
    numbers = ("level", "value_at_risk", "expected_shortfall", "loss", "shortfall_loss")
    schema = {"method": pl.String, "chosen": pl.Boolean, **dict.fromkeys(numbers, pl.Float64)}
    risk = result.risk
    rows = [
        {"method": METHODS[each.method], "chosen": each.method == risk.method, **{name: getattr(each, name) for name in numbers}}
        for each in (risk.tails if risk is not None else ())
        if risk is not None
    ]
    return pl.DataFrame(rows, schema=schema)


def volatility_frame(result: SegmentResult) -> pl.DataFrame:
    """Return the volatility of the next period by method: method, chosen, next_period (percent a period), annualised (percent a
    year).
    """
    schema = {"method": pl.String, "chosen": pl.Boolean, "next_period": pl.Float64, "annualised": pl.Float64}
    risk = result.risk
    rows = [
        {
            "method": METHODS[each.method],
            "chosen": each.method == risk.method,
            "next_period": each.next_period,
            "annualised": each.annualised,
        }
        for each in (risk.volatility if risk is not None else ())
        if risk is not None
    ]
    return pl.DataFrame(rows, schema=schema)


def backtest_frame(result: SegmentResult) -> pl.DataFrame:
    """Return how value at risk would have done: method, level, forecasts, violations, expected, and the p-values of the tests for
    their number, their independence and both (null where the backtest was refused), reason.
    """
    figures = {
        "forecasts": pl.Int64,
        "violations": pl.Int64,
        "expected": pl.Float64,
        "unconditional_p": pl.Float64,
        "independence_p": pl.Float64,
        "conditional_p": pl.Float64,
    }
    rows = [
        {
            "method": METHODS[each.method],
            "level": each.level,
            "reason": each.reason or "",
            **{name: getattr(each, name) if each.status == "ok" else None for name in figures},
        }
        for each in (result.risk.backtests if result.risk is not None else ())
    ]
    return pl.DataFrame(rows, schema={"method": pl.String, "level": pl.Float64, **figures, "reason": pl.String})


def returns_figure(result: SegmentResult) -> go.Figure | None:
    """Return the returns with the value at risk of the next period by the chosen method; None where there is no risk."""
    series, risk = result.series, result.risk
    if series is None or risk is None or risk.status != "ok":
        return None
    values = risk.returns.log if risk.returns.kind == "log" else risk.returns.simple
    period = PERIOD_NAMES[series.frequency]
    figure = go.Figure(
        go.Bar(x=_days(risk.returns.periods), y=values, name=f"{risk.returns.kind} return", hovertemplate="%{x}: %{y:.4~g} %")
    )
    own = [each for each in risk.tails if each.method == risk.method]
    for each in own:
        words = f"{100 * each.level:g} % VaR: a fall by {shown(each.loss, 3)} %"
        figure.add_hline(y=-each.value_at_risk, line_dash="dash", line_color=COLOURS[5], annotation_text=words)
    told = "; ".join(
        f"the next {period} loses more than {shown(each.loss, 3)} % in {100 * (1 - each.level):.3g} % of cases" for each in own
    )
    alt = f"{result.label}: {told or 'no value at risk could be given'}. {risk.returns.note}".strip()
    return finish(
        figure,
        f"{risk.returns.kind.capitalize()} returns and value at risk",
        alt,
        x=period,
        y=f"percent from {period} to {period}",
    )


def volatility_figure(result: SegmentResult) -> go.Figure | None:
    """Return the volatility of the coming periods by each GARCH, beside what others say; None where no GARCH was kept."""
    series, risk = result.series, result.risk
    fits = [] if risk is None else [each for each in risk.garch if each.status == "ok" and each.variance_forecast]
    if series is None or risk is None or not fits:
        return None
    period, year = PERIOD_NAMES[series.frequency], PERIODS_A_YEAR[series.frequency]
    figure = go.Figure()
    for fit in fits:
        steps = list(range(1, len(fit.variance_forecast) + 1))
        values = [value**0.5 for value in fit.variance_forecast]
        figure.add_scatter(x=steps, y=values, mode="lines+markers", name=METHODS[f"garch_{fit.distribution}"])
    most = max(len(each.variance_forecast) for each in fits)
    for each in risk.volatility:
        if each.method in ("sample", "ewma"):
            level = [each.next_period] * 2
            figure.add_scatter(x=[1, most], y=level, mode="lines", line={"dash": "dot"}, name=METHODS[each.method])
    figure.update_yaxes(rangemode="tozero").update_xaxes(dtick=1)
    told = "; ".join(f"{METHODS[each.method]} {shown(each.next_period, 3)} % a {period}" for each in risk.volatility)
    alt = f"Volatility of the next {period}: {told}. Times √{year} it is that of a year."
    return finish(figure, "Volatility ahead", alt, x=f"{period}s ahead", y=f"percent a {period}")


_ENDS = (("low", "lower"), ("high", "upper"))


def _index_row(name: str, document: Document) -> dict[str, Any]:
    ahead, outer, risk = document.get("forecast"), document.get("outer"), document.get("risk")
    series: Document = document.get("series") or {}
    volatility: Sequence[Document] = (risk or {}).get("volatility") or ()
    return {
        "label": document["label"],
        "status": document["status"].replace("_", " "),
        "model": ahead["model"] if ahead else None,
        "next": ahead["mean"][0] if ahead else None,
        "total": sum(ahead["mean"]) if ahead else None,
        "mase": outer["chosen"]["mase"] if outer else None,
        "volatility": next((each["annualised"] for each in volatility if each["method"] == (risk or {}).get("method")), None),
        "grade": risk["grade"] if risk else None,
        "unit": series.get("unit", ""),
        "of": document["data_sha256"],
        "file": name,
        "periods": len(ahead["mean"]) if ahead else None,
    }


def _is_result(document: Document) -> bool:
    return {"label", "status", "segment", "forecast", "data_sha256"} <= set(document)


def _days(texts: Sequence[str]) -> list[date]:
    return [date.fromisoformat(each) for each in texts]
