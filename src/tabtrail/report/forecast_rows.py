"""Stored forecasts as the page shows them: the results of its data, a table of all, the largest ones in detail."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from tabtrail.forecast.result import SegmentResult
from tabtrail.report.charts import Picture
from tabtrail.report.segment_pictures import SEGMENT_CHARTS, SegmentEvidence

_DETAILED = 3
_LISTED = 40


def read_results(documents: Iterable[Mapping[str, Any]], data_sha256: str) -> list[SegmentResult]:
    """Return the stored results of these data, the largest forecast first, and leave out what is not a result of this version."""
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


def detailed(results: Sequence[SegmentResult], ewma_decay: float) -> list[tuple[Picture, SegmentResult]]:
    """Return the segments with the largest forecasts, each with its picture, called `forecast_1` and so on."""
    first = SEGMENT_CHARTS[0]
    drawn = ((first(SegmentEvidence(each, ewma_decay)), each) for each in results)
    largest = [(picture, each) for picture, each in drawn if picture is not None][:_DETAILED]
    return [(replace(picture, name=f"forecast_{place}"), each) for place, (picture, each) in enumerate(largest, 1)]


def _total(result: SegmentResult) -> float:
    return sum(result.forecast.mean) if result.forecast else float("-inf")


def _best_baseline(result: SegmentResult) -> float | None:
    if result.outer is None or result.outer.best_baseline is None:
        return None
    return result.outer.baselines[result.outer.best_baseline].mase
