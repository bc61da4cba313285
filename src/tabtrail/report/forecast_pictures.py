"""Forecasts and their risk as the page shows them: a table of the segments, the largest ones as a picture with its reasons."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from tabtrail.forecast.result import IntervalPart, SegmentResult
from tabtrail.report.charts import Axis, Chart, Line, Picture

_SHOWN = 3
_LISTED = 40


def read_results(documents: Iterable[Mapping[str, Any]], data_sha256: str) -> list[SegmentResult]:
    """Return the stored results of these data, the largest forecast first; what is no result of this version is left out."""
    results = []
    for document in documents:
        try:
            result = SegmentResult.model_validate(document)
        except ValidationError:
            continue
        if result.data_sha256 == data_sha256:
            results.append(result)
    return sorted(results, key=lambda each: (-_total(each), each.label))


def listed(results: Sequence[SegmentResult]) -> list[dict[str, Any]]:
    """Return a row for each of the first 40 segments: label, status, model, total, mase, baseline, sarima, grade, volatility."""
    return [
        {
            "label": each.label,
            "status": each.status.replace("_", " "),
            "model": each.forecast.model if each.forecast else None,
            "total": _total(each) if each.forecast else None,
            "steps": each.forecast.steps if each.forecast else None,
            "mase": each.outer.chosen.mase if each.outer else None,
            "baseline": _best_baseline(each),
            "sarima": each.sarima.verdict.replace("_", " ") if each.sarima else None,
            "volatility": each.risk.volatility[0].annualised if each.risk and each.risk.volatility else None,
            "grade": each.risk.grade if each.risk else None,
        }
        for each in results[:_LISTED]
    ]


def detailed(results: Sequence[SegmentResult]) -> list[tuple[str, SegmentResult]]:
    """Return the segments that have a picture, each with the picture's name."""
    return [(f"forecast_{place}", each) for place, each in enumerate(drawn(results), 1)]


def drawn(results: Sequence[SegmentResult]) -> list[SegmentResult]:
    """Return the segments with the largest forecasts."""
    return [each for each in results if each.forecast is not None and each.series is not None][:_SHOWN]


def forecast_pictures(results: Sequence[SegmentResult]) -> list[Picture]:
    """Return history, forecast and intervals of the segments with the largest forecasts."""
    return [_picture(name, each) for name, each in detailed(results)]


def _picture(name: str, result: SegmentResult) -> Picture:
    series, forecast = result.series, result.forecast
    assert series is not None  # noqa: S101 - `drawn` takes no other
    assert forecast is not None  # noqa: S101
    history = tuple(map(_year, series.periods))
    ahead = tuple(map(_year, forecast.periods))
    # The lines of the forecast begin where the history ends; an interval is one line, there and back.
    x, last = (*history[-1:], *ahead), tuple(series.values[-1:])
    fans = [
        Line((*x, *reversed(x)), (*last, *each.upper, *reversed(each.lower), *last), _level(each), dashed=True, faint=index > 0)
        for index, each in enumerate(forecast.intervals)
    ]
    layers = (Line(history, tuple(series.values), "history"), *reversed(fans), Line(x, (*last, *forecast.mean), forecast.model))
    return Picture(
        name=name,
        title=f"{result.label}: history and forecast",
        note=f"Sums by {_PERIODS[series.frequency]}. {_said(forecast.intervals)}.",
        charts=(
            Chart(
                title=result.label,
                alt=" ".join(result.summary),
                x=Axis("year", whole=True),
                y=Axis(f"total, {series.unit}"),
                layers=layers,
            ),
        ),
    )


_PERIODS = {"MS": "month", "W": "week", "D": "day"}


def _said(intervals: Sequence[IntervalPart]) -> str:
    return "; ".join(f"{'dashed' if index == 0 else 'faint'}: the {_level(each)}" for index, each in enumerate(intervals))


def _level(interval: IntervalPart) -> str:
    held = "not measured" if interval.coverage is None else f"held {interval.coverage:.0%} of {interval.coverage_points}"
    return f"{interval.level:.0%} interval, {held}"


def _year(period: str) -> float:
    """Return a date as a fraction of years, for an axis."""
    year, month, day = (int(part) for part in period.split("-"))
    return year + (month - 1) / 12 + (day - 1) / 366


def _total(result: SegmentResult) -> float:
    return sum(result.forecast.mean) if result.forecast else float("-inf")


def _best_baseline(result: SegmentResult) -> float | None:
    if result.outer is None or result.outer.best_baseline is None:
        return None
    return result.outer.baselines[result.outer.best_baseline].mase
