"""The pictures of a segment's forecast and risk, of the ranked segments, and of the model's error over time."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tabtrail.forecast.error_over_time import ErrorOverTime
from tabtrail.forecast.result import IntervalPart, RiskPart, SegmentResult, SeriesPart
from tabtrail.forecast.risk.returns import ewma_variance
from tabtrail.forecast.series import PERIOD_NAMES, PERIODS_A_YEAR, periods
from tabtrail.report.charts import Axis, Band, Bars, Chart, Columns, Layer, Line, Picture, Values, days
from tabtrail.report.figures import shown

Array = NDArray[np.float64]
_TOP = 15
_MOST_LETTERS = 60
_DATES = Axis("date", dates=True)
_METHODS = {
    "ewma": "EWMA",
    "sample": "sample",
    "historical": "historical",
    "garch_normal": "GARCH, normal errors",
    "garch_t": "GARCH, Student t errors",
}


@dataclass(frozen=True)
class SegmentEvidence:
    """A segment's result, and the decay that its EWMA was computed with."""

    result: SegmentResult
    ewma_decay: float


def forecast(evidence: SegmentEvidence) -> Picture | None:
    """History, forecast and intervals, with what such intervals held."""
    result = evidence.result
    series, ahead = result.series, result.forecast
    if series is None or ahead is None:
        return None
    history = _days(series.periods)
    # The lines of the forecast begin where the history ends.
    x, last = (*history[-1:], *_days(ahead.periods)), tuple(series.values[-1:])
    past = Line(history, tuple(series.values), "history", dots=True)
    bands = [Band(x, (*last, *each.lower), (*last, *each.upper), _held(each)) for each in reversed(ahead.intervals)]
    line = Line(x, (*last, *ahead.mean), f"forecast, {ahead.model}", dashed=True, dots=True)
    least = min([*series.values, *(value for each in ahead.intervals for value in each.lower)])
    period = PERIOD_NAMES[series.frequency]
    chart = Chart(
        title=result.label,
        alt=" ".join(result.summary),
        x=_DATES,
        y=Axis(f"{series.unit or 'value'} per {period}", low=0 if least >= 0 else None),
        layers=(past, *bands, line),
    )
    title = f"{_short(result.label)}: history and forecast of {ahead.steps} {period}s"
    note = f"Sums by {period}. Shaded: {'; '.join(map(_held, ahead.intervals)) or 'no interval could be measured'}."
    return Picture("forecast", title, note, (chart,), wide=True)


def volatility(evidence: SegmentEvidence) -> Picture | None:
    """The size of the returns, their volatility by EWMA and sample, and its forecast by GARCH."""
    result = evidence.result
    series, risk = result.series, result.risk
    if series is None or risk is None or risk.status != "ok":
        return None
    period = PERIOD_NAMES[series.frequency]
    values = _returns(risk)
    sizes = _columns(series, risk, np.abs(values), "size of the return", faint=True)
    at = _days(risk.returns.periods)
    ewma = Line(at, tuple(np.sqrt(ewma_variance(values, evidence.ewma_decay)[:-1]).tolist()), "EWMA")
    sample = next(each.next_period for each in risk.volatility if each.method == "sample")
    level = Line((at[0], at[-1]), (sample, sample), f"sample, {shown(sample, 2)} %", dashed=True)
    year = PERIODS_A_YEAR[series.frequency]
    chart = Chart(
        title="Volatility",
        alt=f"Volatility of {result.label}: {shown(sample)} % a {period} over the sample, by {_METHODS[risk.method or 'ewma']}"
        f" {shown(_next_volatility(risk))} % in the next {period}.",
        x=_DATES,
        y=Axis(f"percent a {period}", low=0),
        layers=(sizes, ewma, level, *_garch_lines(series, risk)),
    )
    title = f"{_short(result.label)}: volatility in percent a {period} (× √{year} for a year); {risk.grade}"
    return Picture("volatility", title, risk.reason, (chart,))


def returns(evidence: SegmentEvidence) -> Picture | None:
    """The returns, and the value at risk of the next period by the method that was chosen."""
    result = evidence.result
    series, risk = result.series, result.risk
    if series is None or risk is None or risk.status != "ok":
        return None
    period, kind = PERIOD_NAMES[series.frequency], risk.returns.kind
    values = _columns(series, risk, _returns(risk), f"{kind} return")
    ends = (values.edges[0], values.edges[-1])
    tails = [each for each in risk.tails if each.method == risk.method]
    lines = [
        Line(
            ends,
            (-each.value_at_risk, -each.value_at_risk),
            f"{100 * each.level:g} % VaR, a fall by {shown(each.loss, 2)} %",
            dashed=True,
        )
        for each in tails
    ]
    alt = "; ".join(
        f"the next {period} loses more than {shown(each.loss)} % in {100 * (1 - each.level):.3g} % of cases" for each in tails
    )
    chart = Chart("Returns", f"{result.label}: {alt}.", _DATES, Axis(f"percent from {period} to {period}"), (values, *lines))
    undefined = f"; {risk.returns.undefined} undefined" if risk.returns.undefined else ""
    method = _METHODS[risk.method or "ewma"]
    title = f"{_short(result.label)}: {kind} returns and next {period}'s value at risk ({method}){undefined}"
    return Picture("returns", title, risk.returns.note, (chart,))


# The visible list of a segment's charts: another one is a function and a line here. Each is a PNG file beside the segment's
# JSON, called after it and after the picture; the page shows the first.
SEGMENT_CHARTS: tuple[Callable[[SegmentEvidence], Picture | None], ...] = (forecast, volatility, returns)


def segment_pictures(result: SegmentResult, ewma_decay: float) -> list[Picture]:
    """Return the pictures of a segment; a part that is missing has none."""
    evidence = SegmentEvidence(result, ewma_decay)
    return [picture for make in SEGMENT_CHARTS if (picture := make(evidence)) is not None]


def error_picture(errors: ErrorOverTime) -> Picture:
    """Return the model's mean absolute error by period, the reference, and the period by which a retrain was due."""
    at, period = _days(errors.periods), PERIOD_NAMES[errors.frequency]
    reference, top = (at[0], at[errors.reference_periods - 1]), 1.05 * max(errors.error)
    layers: list[Layer] = [
        Band(reference, (0.0, 0.0), (top, top), "reference"),
        Line(at, tuple(errors.error), "mean absolute error", dots=True),
    ]
    if errors.retrain_due is not None:
        due = _days([errors.retrain_due])
        layers.append(Line(due * 2, (0.0, top), f"retrain due, {errors.retrain_due}", dashed=True))
    y = Axis(f"{errors.unit or 'error'} a row", low=0, high=top)
    chart = Chart("Error over time", " ".join(errors.summary), _DATES, y, tuple(layers))
    return Picture("error", f"The champion's error by {period} on rows that it did not learn from", "", (chart,))


def ranking_picture(ranking: pl.DataFrame, unit: str, steps: int) -> Picture:
    """Return the segments with the largest forecast (the table of all rows left out): forecast, volatility, trend and error."""
    rows = ranking.filter(pl.col("forecast_total").is_not_null() & (pl.col("by") != "all")).head(_TOP)
    panels = (
        ("Forecast", "forecast_total", f"{unit or 'value'} in {steps} periods"),
        ("Volatility", "volatility", "percent a period"),
        ("Trend", "trend", "percent of the mean a year"),
        ("Error", "error_against_naive", "error, naive forecast = 1"),
    )
    charts = tuple(_ranked(rows, title, column, label) for title, column, label in panels)
    title = f"The {rows.height} segments with the largest forecast"
    return Picture("ranking", title, "", charts, one_row=True)


def _ranked(rows: pl.DataFrame, title: str, column: str, label: str) -> Chart:
    """A bar for each segment; a word where its figure was refused."""
    values = rows.get_column(column).to_list()
    names = tuple(rows.get_column("label"))
    bars = Bars(tuple(value or 0.0 for value in values), ends=tuple("refused" if value is None else "" for value in values))
    same = Line((1.0, 1.0), (-0.5, len(names) - 0.5), dashed=True) if column == "error_against_naive" else None
    first = "; ".join(f"{name} {shown(value)}" for name, value in zip(names, values, strict=True) if value is not None)
    return Chart(title, f"{title}: {first}.", Axis(label), Axis("", names), (bars,) if same is None else (bars, same))


def _garch_lines(series: SeriesPart, risk: RiskPart) -> list[Line]:
    fits = [each for each in risk.garch if each.status == "ok"]
    steps = max((len(each.variance_forecast) for each in fits), default=0)
    ahead = days(periods(date.fromisoformat(series.start), series.frequency, series.length + steps)[series.length :])
    return [
        Line(
            ahead[: len(each.variance_forecast)],
            tuple(np.sqrt(each.variance_forecast).tolist()),
            f"forecast by {_METHODS['garch_' + each.distribution]}",
            dashed=True,
            dots=True,
        )
        for each in fits
    ]


def _next_volatility(risk: RiskPart) -> float:
    return next(each.next_period for each in risk.volatility if each.method == risk.method)


def _returns(risk: RiskPart) -> Array:
    return np.array(risk.returns.log if risk.returns.kind == "log" else risk.returns.simple)


def _columns(series: SeriesPart, risk: RiskPart, values: Array, label: str, *, faint: bool = False) -> Columns:
    """One column a period, with nothing where there is no return."""
    firsts = [date.fromisoformat(each) for each in series.periods]
    edges = [*firsts[1:], *periods(firsts[-1], series.frequency, 2)[1:]]
    by_period = dict(zip(risk.returns.periods, values.tolist(), strict=True))
    found = [by_period.get(each) for each in series.periods[1:]]
    texts = (
        f"{period}: {'no return' if value is None else f'{shown(value)} %'}"
        for period, value in zip(series.periods[1:], found, strict=True)
    )
    heights = tuple(value or 0.0 for value in found)
    return Columns(days(edges), heights, label, faint, tuple(texts))


def _held(interval: IntervalPart) -> str:
    held = (
        "not measured"
        if interval.coverage is None
        else f"held {shown(interval.coverage, 2, percent=True)} of {interval.coverage_points}"
    )
    return f"{100 * interval.level:g} % interval, {held}"


def _days(texts: Iterable[str]) -> Values:
    return days(map(date.fromisoformat, texts))


def _short(label: str) -> str:
    return label if len(label) <= _MOST_LETTERS else label[: _MOST_LETTERS - 1] + "…"
