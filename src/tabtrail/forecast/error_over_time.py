"""The model's error by period: does it trend, is it volatile, when would a retrain have been due."""

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy import stats

from tabtrail.config.forecast import Risk
from tabtrail.errors import DataError
from tabtrail.forecast.risk.assessment import analyse_risk
from tabtrail.forecast.series import PERIOD_NAMES, Frequency, Segment, Series, first_day, periods
from tabtrail.modeling.metrics import rounded

Array = NDArray[np.float64]
# The mean of fewer absolute errors says more about its rows than about the period.
_MIN_ROWS = 5
# Half of them is the reference then, and a standard deviation of fewer than four values is next to unknown.
_MIN_PERIODS = 8
# A year of months as the reference: a season belongs to what is normal.
_REFERENCE = 12
# In units of the reference's standard deviation. A one-sided CUSUM with these raises a false alarm once in 335 periods and finds
# a shift of one standard deviation in 8 (average run lengths by the method of Brook and Evans 1972).
_ALLOWANCE, _LIMIT = 0.5, 4.0
# The trend of a steady error is called one in 5 of 100 cases.
_SIGNIFICANCE = 0.05


class ErrorOverTime(BaseModel):
    """The model's mean absolute error by period, in units of the target; periods with fewer than 5 rows are left out.

    `trend` is Kendall's rank correlation of the error with time, `trend_p` its two-sided p value. `volatility` is the sample
    volatility of the changes of the error in percent a period. `retrain_due` is the first period at which the one-sided
    CUSUM of the standardised log error passed its limit, null where none did. `honest` where no fold learned from later rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    status: Literal["ok", "refused"]
    reason: str
    frequency: Frequency
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


@dataclass(frozen=True)
class _Periods:
    """The errors by period, ascending: first days, rows, mean absolute error and mean error."""

    starts: list[str]
    rows: list[int]
    error: Array
    bias: Array


def analyse_errors(errors: pl.DataFrame, risk: Risk, unit: str, *, honest: bool) -> ErrorOverTime:
    """Return what became of a model's error over time, from its `date`, `actual` and `predicted` by row.

    `honest` says that the predictions are those of folds in the order of time. Raises `DataError` for errors without dates.
    CUSUM: Page 1954, with allowance 0.5 and limit 4 standard deviations; mean and deviation are those of the first 12 periods,
    or of the first half where there are fewer than 24.
    """
    dated = errors.drop_nulls("date")
    if not dated.height:
        raise DataError("the champion's errors have no dates; name the column in cleaning.date_column and train again")
    found = _by_period(dated, risk.frequency)
    base = {
        "frequency": risk.frequency,
        "unit": unit,
        "honest": honest,
        "periods": found.starts,
        "rows": found.rows,
        "error": _rounded(found.error),
        "bias": _rounded(found.bias),
    }
    count = len(found.starts)
    if count < _MIN_PERIODS:
        few = f"{count} {PERIOD_NAMES[risk.frequency]}s with {_MIN_ROWS} rows or more are fewer than {_MIN_PERIODS}"
        return _result({**base, **_NOTHING, "status": "refused", "reason": few})
    return _result({**base, "status": "ok", "reason": "", **_trend(found.error), **_alarm(found), **_volatility(found, risk)})


def _by_period(dated: pl.DataFrame, frequency: Frequency) -> _Periods:
    first = [first_day(day, frequency).isoformat() for day in dated.get_column("date")]
    difference = dated.get_column("predicted") - dated.get_column("actual")
    grouped = (
        pl.DataFrame({"period": first, "difference": difference})
        .group_by("period")
        .agg(pl.len().alias("rows"), pl.col("difference").abs().mean().alias("error"), pl.col("difference").mean().alias("bias"))
        .filter(pl.col("rows") >= _MIN_ROWS)
        .sort("period")
    )
    return _Periods(
        grouped.get_column("period").to_list(),
        grouped.get_column("rows").to_list(),
        grouped.get_column("error").to_numpy(),
        grouped.get_column("bias").to_numpy(),
    )


_NOTHING: dict[str, Any] = {
    "trend": None,
    "trend_p": None,
    "volatility": None,
    "volatility_grade": "refused",
    "reference_periods": 0,
    "cusum": [],
    "retrain_due": None,
}


def _trend(error: Array) -> dict[str, float | None]:
    found = stats.kendalltau(np.arange(len(error)), error)
    if not np.isfinite(found.statistic):
        return {"trend": None, "trend_p": None}
    return {"trend": rounded(float(found.statistic)), "trend_p": rounded(float(found.pvalue))}


def _alarm(found: _Periods) -> dict[str, Any]:
    reference = min(_REFERENCE, len(found.error) // 2)
    # Of the logarithm: an error of 20 % more weighs the same in a good period and in a bad one. A period without any error is
    # held at a trillionth of the largest.
    log_error = np.log(np.maximum(found.error, 1e-12 * max(float(found.error.max()), 1e-300)))
    spread = float(np.std(log_error[:reference], ddof=1))
    standardised = (log_error - log_error[:reference].mean()) / spread if spread > 0 else np.zeros(len(log_error))
    cusum = _cusum(standardised)
    due = next((found.starts[at] for at in range(reference, len(cusum)) if cusum[at] > _LIMIT), None)
    return {"reference_periods": reference, "cusum": _rounded(cusum), "retrain_due": due}


def _cusum(standardised: Array) -> Array:
    total, found = 0.0, np.empty(len(standardised))
    for index, value in enumerate(standardised):
        total = max(0.0, total + float(value) - _ALLOWANCE)
        found[index] = total
    return found


def _volatility(found: _Periods, risk: Risk) -> dict[str, Any]:
    part = analyse_risk(_as_series(found, risk.frequency), risk, 1)
    sample = next((each.next_period for each in part.volatility if each.method == "sample"), None)
    return {"volatility": sample, "volatility_grade": part.grade}


def _as_series(found: _Periods, frequency: Frequency) -> Series:
    """The errors as a regular series; a period that was left out is 0, and so has no return on either side."""
    first, last = date.fromisoformat(found.starts[0]), date.fromisoformat(found.starts[-1])
    by_start = dict(zip(found.starts, found.error, strict=True))
    days = [day for day in periods(first, frequency, (last - first).days + 2) if day <= last]
    values = np.array([by_start.get(day.isoformat(), 0.0) for day in days], dtype=np.float64)
    return Series(Segment((("champion", "error"),)), first, frequency, values)


def _result(values: dict[str, Any]) -> ErrorOverTime:
    return ErrorOverTime.model_validate({**values, "summary": _summary(values)})


def _summary(values: dict[str, Any]) -> list[str]:
    period = PERIOD_NAMES[values["frequency"]]
    if values["reason"]:
        return [f"the champion's error over time: {values['reason']}"]
    volatility, due = values["volatility"], values["retrain_due"]
    volatile = "" if volatility is None else f"; it changes by {volatility:.0f}% a {period}"
    lines = [
        f"the champion's error over time: {_direction(values['trend'], values['trend_p'])}{volatile}",
        f"a retrain would have been due by {due}" if due else "a retrain would not have been due in any period",
    ]
    if not values["honest"]:
        lines.append("the folds learned from later rows too, so that a decay shows less than it would: split.kind: time shows it")
    return lines


def _direction(trend: float | None, p: float | None) -> str:
    if trend is None or p is None:
        return "it does not vary"
    if p > _SIGNIFICANCE:
        return f"no trend (Kendall's tau {trend:+.2f}, p {p:.2g})"
    return f"it {'rises' if trend > 0 else 'falls'} (Kendall's tau {trend:+.2f}, p {p:.2g})"


def _rounded(values: Array) -> list[float]:
    return [rounded(float(value)) for value in values]
