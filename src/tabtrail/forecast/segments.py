"""One segment from its series to its result."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
from threadpoolctl import threadpool_limits

from tabtrail import __version__
from tabtrail.config.forecast import Risk
from tabtrail.forecast.local.forecast import Condition, Forecast, diagnose, forecast_series
from tabtrail.forecast.local.series import PERIOD_NAMES, PERIODS_A_YEAR, Segment, Series
from tabtrail.forecast.result import FORMAT, RiskPart, SegmentResult, SeriesPart
from tabtrail.forecast.risk.volatility import analyse_risk
from tabtrail.modeling.metrics import rounded

LIBRARIES = ("statsmodels", "arch", "scipy", "numpy")
_VERDICTS = {
    "better": "SARIMA beats the naive baseline",
    "not_better": "SARIMA does not beat the naive baseline",
    "not_told_apart": "SARIMA cannot be told from the naive baseline",
    "not_evaluated": "SARIMA was not compared with the baseline",
}


@dataclass(frozen=True)
class Facts:
    """What a result says of where it comes from."""

    unit: str
    columns: Mapping[str, str]
    synthetic: bool
    data_sha256: str
    config_sha256: str


def analyse(series: Series, risk: Risk, facts: Facts) -> SegmentResult:
    """Return forecast and risk of a series; what cannot be done is a status with its reason."""
    condition = diagnose(series)
    # Models of a few dozen values: threads of the linear algebra cost more than they do.
    with threadpool_limits(1):
        forecast = None if condition.status == "too_short" else forecast_series(series, risk, risk.forecast_steps)
        risked = analyse_risk(series, risk, risk.garch_horizon)
    return _result(series, condition, forecast, risked, facts)


def analyse_safely(series: Series, risk: Risk, facts: Facts) -> SegmentResult:
    """Return the result of `analyse`, or one of status `failed`: one bad series never stops the others."""
    try:
        return analyse(series, risk, facts)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told as the status of this segment
        return failed(series, f"{type(error).__name__}: {str(error)[:300]}", facts)


def failed(series: Series, reason: str, facts: Facts) -> SegmentResult:
    """Return the result of a segment whose analysis broke off."""
    return _result(series, Condition("failed", reason), None, None, facts)


def library_versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    return {"tabtrail": __version__, **{name: version(name) for name in LIBRARIES}}


def _result(
    series: Series, condition: Condition, forecast: Forecast | None, risked: RiskPart | None, facts: Facts
) -> SegmentResult:
    part = _series(series, facts.unit)
    return SegmentResult(
        format=FORMAT,
        segment=dict(series.segment.values),
        label=series.segment.label,
        columns={name: facts.columns[name] for name in series.segment.names},
        status=condition.status,
        reason=condition.reason,
        summary=_summary(series, condition, forecast, risked, facts.unit),
        synthetic=facts.synthetic,
        series=part,
        candidates=forecast.candidates if forecast else [],
        choice=forecast.choice if forecast else None,
        outer=forecast.outer if forecast else None,
        sarima=forecast.sarima if forecast else None,
        forecast=forecast.forecast if forecast else None,
        trend=_trend(series),
        risk=risked,
        plots=[],
        versions=library_versions(),
        data_sha256=facts.data_sha256,
        config_sha256=facts.config_sha256,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        run_id=None,
    )


def _series(series: Series, unit: str) -> SeriesPart | None:
    if not len(series.values):
        return None
    periods = [each.isoformat() for each in series.periods]
    return SeriesPart.model_validate(
        {
            "frequency": series.frequency,
            "unit": unit,
            "start": periods[0],
            "end": periods[-1],
            "length": len(periods),
            "zeros": int(np.sum(series.values == 0)),
            "periods": periods,
            # A sum of cents: 12 significant digits are what doubles can promise.
            "values": [float(f"{value:.12g}") for value in series.values],
            "notes": list(series.notes),
        }
    )


def _trend(series: Series) -> float | None:
    """Return the least-squares slope in percent of the mean, a year; None where that says nothing."""
    y = series.values
    if len(y) < 3 or not y.mean() > 0:
        return None
    slope = float(np.polyfit(np.arange(len(y)), y, 1)[0])
    return rounded(100 * slope * PERIODS_A_YEAR[series.frequency] / float(y.mean()))


def _summary(series: Series, condition: Condition, forecast: Forecast | None, risked: RiskPart | None, unit: str) -> list[str]:
    """Three lines: what was found, how far to trust it, whether SARIMA beat the baseline."""
    period, money = PERIOD_NAMES[series.frequency], f" {unit}" if unit else ""
    label = series.segment.label
    if forecast is None:
        return [f"{label}: {condition.status.replace('_', ' ')}, {condition.reason}"]
    f = forecast.forecast
    interval = f.intervals[0] if f.intervals else None
    held = f" ({interval.level:.0%}: {interval.lower[0]:,.0f} to {interval.upper[0]:,.0f})" if interval else ""
    span = f"{series.periods[0]:%Y-%m} to {series.periods[-1]:%Y-%m}" if series.frequency == "MS" else f"to {series.periods[-1]}"
    found = (
        f"{label}, {len(series.values)} {period}s {span}: next {period} {f.mean[0]:,.0f}{money}{held},"
        f" {f.steps} {period}s {sum(f.mean):,.0f}{money}, by {f.model}; {_risk_words(risked, period)}"
    )
    return [found, _trust(forecast, condition, risked), _sarima_words(forecast)]


def _risk_words(risked: RiskPart | None, period: str) -> str:
    if risked is None or risked.status == "refused":
        return f"no risk figures: {risked.reason if risked else 'failed'}"
    volatility = next(each for each in risked.volatility if each.method == risked.method)
    tail = next(each for each in risked.tails if each.method == risked.method)
    loses = f"loses more than {tail.loss:.0f}%" if tail.loss > 0 else f"gains less than {-tail.loss:.0f}%"
    between = f", of one {period} with sales to another" if risked.returns.undefined else ""
    return (
        f"volatility {volatility.next_period:.0f}% a {period} ({risked.method}{between}), the next {loses}"
        f" in {1 - tail.level:.0%} of cases"
    )


def _trust(forecast: Forecast, condition: Condition, risked: RiskPart | None) -> str:
    outer = forecast.outer
    words = [] if condition.status == "ok" else [f"{condition.status.replace('_', ' ')}: {condition.reason}"]
    if outer.origins and outer.chosen.mase is not None:
        best = outer.baselines.get(outer.best_baseline or "")
        against = (
            f" against {best.mase:.2f} of {outer.best_baseline}, the best baseline" if best and best.mase is not None else ""
        )
        words.append(f"error {outer.chosen.mase:.2f} of a naive change (MASE){against}, over {outer.origins} origins")
    words += [
        f"{each.level:.0%} intervals held {each.coverage:.0%} of {each.coverage_points} outcomes"
        for each in forecast.forecast.intervals
        if each.coverage is not None
    ]
    if risked is not None and risked.status == "ok":
        words.append(f"risk: {risked.grade}, {risked.reason}")
    return "trust: " + "; ".join(words or ["nothing could be measured"])


def _sarima_words(forecast: Forecast) -> str:
    part = forecast.sarima
    words = _VERDICTS[part.verdict]
    if part.improvement is None:
        return f"{words}: {part.reason}"
    spread = f" ± {part.improvement_error:.0%}" if part.improvement_error is not None else ""
    return (
        f"{words}: {part.sarima} against {part.baseline}, mean absolute error {-part.improvement:+.0%}{spread} over"
        f" {part.origins} origins, lower at {part.origins_better or 0:.0%} of them; {part.reason}"
    )


def find(results: list[SegmentResult], segment: Segment) -> SegmentResult | None:
    """Return the result of a segment."""
    return next((each for each in results if each.segment == dict(segment.values)), None)
