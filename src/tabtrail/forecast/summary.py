"""What a segment's result comes to, in three lines for people."""

from tabtrail.forecast.local.procedure import Condition, Forecast
from tabtrail.forecast.result import RiskPart
from tabtrail.forecast.series import PERIOD_NAMES, Series

_VERDICTS = {
    "better": "SARIMA beats the naive baseline",
    "not_better": "SARIMA does not beat the naive baseline",
    "not_told_apart": "SARIMA cannot be told from the naive baseline",
    "not_evaluated": "SARIMA was not compared with the baseline",
}


def summary_lines(
    series: Series, condition: Condition, forecast: Forecast | None, risked: RiskPart | None, unit: str
) -> list[str]:
    """Return three lines: what was found, how far to trust it, whether SARIMA beat the baseline; or one without a forecast."""
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
