"""The champion's error by period: does it trend, is it volatile, when would a retrain have been due."""

from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy import stats

from tabtrail.config.tree import Config
from tabtrail.errors import DataError
from tabtrail.forecast.local.series import PERIOD_NAMES, Segment, Series, first_day, periods
from tabtrail.forecast.risk.volatility import analyse_risk
from tabtrail.modeling.metrics import rounded

Array = NDArray[np.float64]
_REFERENCE = 12
_MIN_PERIODS = 8
_ALLOWANCE, _LIMIT = 0.5, 4.0
_MIN_ROWS = 5


class ChampionErrors(BaseModel):
    """The champion's mean absolute error by period, in units of the target; periods with fewer than 5 rows are left out.

    `trend` is Kendall's rank correlation of the error with time, `trend_p` its two-sided p value. `volatility` is the sample
    volatility of the changes of the error in percent a period. `retrain_due` is the first period at which the one-sided
    CUSUM of the standardised log error passed its limit, null where none did.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    status: Literal["ok", "refused"]
    reason: str
    frequency: str
    unit: str
    honest: bool
    periods: list[str]
    rows: list[int]
    error: list[float]
    bias: list[float]
    trend: float | None
    trend_p: float | None
    volatility: float | None
    volatility_grade: str
    reference_periods: int
    cusum: list[float]
    retrain_due: str | None
    summary: list[str]


def analyse_champion(config: Config, errors: pl.DataFrame) -> ChampionErrors:
    """Return what became of the champion's error over time, from the table `predictions` (date, actual and predicted of it).

    Raises `DataError` for errors without dates. CUSUM: Page 1954, with allowance 0.5 and limit 4 standard deviations (one
    false alarm in about 340 periods, Montgomery, Introduction to Statistical Quality Control, table 9.3); mean and
    deviation are those of the first 12 periods, or of the first half where there are fewer than 24.
    """
    dated = errors.drop_nulls("date")
    if not dated.height:
        raise DataError("the champion's errors have no dates; name the column in cleaning.date_column and train again")
    starts, counts, error, bias = _by_period(dated, config.risk.frequency)
    name, honest = PERIOD_NAMES[config.risk.frequency], config.split.by_time
    if len(starts) < _MIN_PERIODS:
        reason = f"{len(starts)} {name}s with {_MIN_ROWS} rows or more are fewer than {_MIN_PERIODS}"
        return _result(config, starts, counts, error, bias, reason, honest)
    reference = min(_REFERENCE, len(starts) // 2)
    log_error = np.log(np.maximum(error, 1e-12 * max(float(error.max()), 1e-300)))
    spread = float(np.std(log_error[:reference], ddof=1))
    cusum = _cusum((log_error - log_error[:reference].mean()) / spread if spread > 0 else np.zeros(len(error)))
    due = next((index for index in range(reference, len(starts)) if cusum[index] > _LIMIT), None)
    trend = stats.kendalltau(np.arange(len(error)), error)
    risk = analyse_risk(_as_series(config, starts, error), config.risk, 1)
    sample = next((each.next_period for each in risk.volatility if each.method == "sample"), None)
    defined = bool(np.isfinite(trend.statistic))
    return _result(
        config,
        starts,
        counts,
        error,
        bias,
        "",
        honest,
        trend=rounded(float(trend.statistic)) if defined else None,
        trend_p=rounded(float(trend.pvalue)) if defined else None,
        volatility=sample,
        volatility_grade=risk.grade,
        reference_periods=reference,
        cusum=[rounded(float(value)) for value in cusum],
        retrain_due=None if due is None else starts[due],
    )


def _by_period(dated: pl.DataFrame, frequency: str) -> tuple[list[str], list[int], Array, Array]:
    first = [first_day(day, frequency).isoformat() for day in dated.get_column("date")]
    difference = dated.get_column("predicted") - dated.get_column("actual")
    grouped = (
        pl.DataFrame({"period": first, "difference": difference})
        .group_by("period")
        .agg(pl.len().alias("rows"), pl.col("difference").abs().mean().alias("error"), pl.col("difference").mean().alias("bias"))
        .filter(pl.col("rows") >= _MIN_ROWS)
        .sort("period")
    )
    return (
        grouped.get_column("period").to_list(),
        grouped.get_column("rows").to_list(),
        grouped.get_column("error").to_numpy(),
        grouped.get_column("bias").to_numpy(),
    )


def _cusum(standardised: Array) -> Array:
    total, found = 0.0, np.empty(len(standardised))
    for index, value in enumerate(standardised):
        total = max(0.0, total + float(value) - _ALLOWANCE)
        found[index] = total
    return found


def _as_series(config: Config, starts: list[str], error: Array) -> Series:
    """The errors as a series of their own; a period that was left out has no value, and so no return on either side."""
    from datetime import date

    first, last = date.fromisoformat(starts[0]), date.fromisoformat(starts[-1])
    frequency = config.risk.frequency
    by_start = dict(zip(starts, error, strict=True))
    days = [day for day in periods(first, frequency, (last - first).days + 2) if day <= last]
    values = np.array([by_start.get(day.isoformat(), 0.0) for day in days], dtype=np.float64)
    return Series(Segment((("champion", "error"),)), first, frequency, values)


def _result(
    config: Config, starts: list[str], counts: list[int], error: Array, bias: Array, reason: str, honest: bool, **found: object
) -> ChampionErrors:
    values = {
        "trend": None,
        "trend_p": None,
        "volatility": None,
        "volatility_grade": "refused",
        "reference_periods": 0,
        "cusum": [],
        "retrain_due": None,
        **found,
    }
    base = {
        "status": "refused" if reason else "ok",
        "reason": reason,
        "frequency": config.risk.frequency,
        "unit": config.model.currency,
        "honest": honest,
        "periods": starts,
        "rows": counts,
        "error": [rounded(float(value)) for value in error],
        "bias": [rounded(float(value)) for value in bias],
        **values,
    }
    return ChampionErrors.model_validate({**base, "summary": _summary(base)})


def _summary(base: dict[str, object]) -> list[str]:
    period = PERIOD_NAMES[str(base["frequency"])]
    if base["reason"]:
        return [f"the champion's error over time: {base['reason']}"]
    trend, p = base["trend"], base["trend_p"]
    if not isinstance(trend, float) or not isinstance(p, float):
        direction = "it does not vary"
    elif p > 0.05:
        direction = f"no trend (Kendall's tau {trend:+.2f}, p {p:.2g})"
    else:
        direction = f"it {'rises' if trend > 0 else 'falls'} (Kendall's tau {trend:+.2f}, p {p:.2g})"
    volatile = f"; it changes by {base['volatility']:.0f}% a {period}" if isinstance(base["volatility"], float) else ""
    due = base["retrain_due"]
    lines = [
        f"the champion's error over time: {direction}{volatile}",
        f"a retrain would have been due by {due}" if due else "by no period would a retrain have been due",
    ]
    if not base["honest"]:
        lines.append("the folds learned from later rows too, so that a decay shows less than it would: split.kind: time shows it")
    return lines
