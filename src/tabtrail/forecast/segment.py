"""One segment from its series to its result."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from threadpoolctl import threadpool_limits

from tabtrail.config.forecast import Risk
from tabtrail.forecast.local.neighbours import ALONE, Neighbours
from tabtrail.forecast.local.procedure import Condition, Forecast, diagnose, forecast_series
from tabtrail.forecast.result import FORMAT, RiskPart, SegmentResult, SeriesPart
from tabtrail.forecast.risk.assessment import analyse_risk
from tabtrail.forecast.series import PERIODS_A_YEAR, Series
from tabtrail.forecast.summary import summary_lines
from tabtrail.modeling.metrics import rounded
from tabtrail.system.versions import installed_versions
from tabtrail.version import __version__

# What decides about the figures of a result.
LIBRARIES = ("statsmodels", "arch", "scipy", "numpy")


@dataclass(frozen=True)
class Facts:
    """Where a result comes from: the unit of its values, the column of each segment name, the data, the config."""

    unit: str
    columns: Mapping[str, str]
    synthetic: bool
    data_sha256: str
    config_sha256: str


def analyse(series: Series, risk: Risk, facts: Facts, neighbours: Neighbours = ALONE) -> SegmentResult:
    """Return forecast and risk of a series; what cannot be done is a status with its reason."""
    condition = diagnose(series)
    # For models of a few dozen values, starting the threads of the linear algebra costs more than they save.
    with threadpool_limits(1):
        forecast = None if condition.status == "too_short" else forecast_series(series, risk, risk.forecast_steps, neighbours)
        risked = analyse_risk(series, risk, risk.garch_horizon)
    return _result(series, condition, forecast, risked, facts)


def analyse_safely(series: Series, risk: Risk, facts: Facts, neighbours: Neighbours = ALONE) -> SegmentResult:
    """Return the result of `analyse`, or one of status `failed`: one bad series never stops the others."""
    try:
        return analyse(series, risk, facts, neighbours)
    except Exception as error:  # noqa: BLE001 - whatever it is, it becomes the status of this segment
        reason = f"{type(error).__name__}: {str(error)[:300]}"
        return _result(series, Condition("failed", reason), None, None, facts)


def deciding_versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    return {"tabtrail": __version__, **installed_versions(LIBRARIES)}


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
        summary=summary_lines(series, condition, forecast, risked, facts.unit),
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
        versions=deciding_versions(),
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
    # A line through two values fits whatever they are.
    if len(y) < 3 or not y.mean() > 0:
        return None
    slope = float(np.polyfit(np.arange(len(y)), y, 1)[0])
    return rounded(100 * slope * PERIODS_A_YEAR[series.frequency] / float(y.mean()))
