"""Answers of the deployed model for the form: one prediction, and what becomes of it when one column changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from tabtrail.bundle.predictor import Interval, Prediction, Predictor
from tabtrail.bundle.rows import PayloadError
from tabtrail.contract.expressions import date_text, days_of
from tabtrail.contract.schema import Feature
from tabtrail.contract.texts import unit_of
from tabtrail.dashboard.form import known_texts

_POINTS = 41  # of a curve: enough that steps of trees show, and answered within milliseconds
_MOST_TEXTS = 30
_DAYS = 60


@dataclass(frozen=True)
class Answer:
    """What the model says of a row: its prediction, or the problems for which it was refused (in words, each with its column)."""

    prediction: Prediction | None
    problems: tuple[str, ...] = ()


def unit(predictor: Predictor) -> str:
    """Return what a prediction is counted in."""
    return unit_of(predictor.metadata["target"], predictor.metadata["currency"])


def answer(predictor: Predictor, row: Mapping[str, Any]) -> Answer:
    """Predict one row; a row that the contract does not allow is refused with every reason."""
    try:
        return Answer(predictor.predict([row])[0])
    except PayloadError as error:
        return Answer(None, tuple(map(str, error.problems)))


@dataclass(frozen=True)
class Curve:
    """The prediction with one column changed and the others as they are.

    `frame`: value (number, text, or date), predicted, low, high (null without an interval), current (the row's own value).
    `refused` counts the places of the grid that the contract does not allow with the other values; `reason` is that of the first.
    `left_out` counts known texts that are too many for one picture.
    """

    column: str
    kind: str
    frame: pl.DataFrame
    refused: int
    reason: str
    left_out: int = 0


def what_if(predictor: Predictor, row: Mapping[str, Any], column: str) -> Curve:
    """Return the predictions over the range of a column that training has seen (of a model of series: the days ahead)."""
    feature = next(each for each in predictor.schema.features if each.name == column)
    places = _grid(predictor, feature, row.get(column))
    rows = [{**row, column: place} for place in places]
    faults = [next(iter(map(str, predictor.problems(each))), "") for each in rows]
    kept = [(place, each) for place, each, fault in zip(places, rows, faults, strict=True) if not fault]
    answers = predictor.predict([each for _, each in kept]) if kept else []
    kind = {"numeric": "number", "categorical": "text", "date": "date"}[feature.kind]
    frame = _curve([place for place, _ in kept], answers, row.get(column), kind)
    refused = [fault for fault in faults if fault]
    left_out = len({*known_texts(predictor, feature)} - {*places}) if kind == "text" else 0
    return Curve(column, kind, frame, len(refused), refused[0] if refused else "", left_out)


def _curve(places: Sequence[Any], answers: Sequence[Prediction], current: Any, kind: str) -> pl.DataFrame:
    intervals: list[Interval | None] = [each.interval for each in answers]
    values = [date.fromisoformat(str(place)[:10]) for place in places] if kind == "date" else list(places)
    types: dict[str, Any] = {"number": pl.Float64, "text": pl.String, "date": pl.Date}
    return pl.DataFrame(
        {
            "value": pl.Series(values, dtype=types[kind], strict=False),
            "predicted": pl.Series([each.value for each in answers], dtype=pl.Float64),
            "low": pl.Series([None if each is None else each.low for each in intervals], dtype=pl.Float64),
            "high": pl.Series([None if each is None else each.high for each in intervals], dtype=pl.Float64),
            "current": pl.Series([place == current for place in places], dtype=pl.Boolean),
        }
    )


def _grid(predictor: Predictor, feature: Feature, current: Any) -> list[Any]:
    """Return the places of a column's grid, the row's own value among them, in order."""
    if feature.kind == "categorical":
        known = [text for text in known_texts(predictor, feature) if text != current][: _MOST_TEXTS - 1]
        return sorted([*known, *([current] if current else [])])
    if feature.kind == "date":
        return _days(predictor, feature, current)
    low, high = _range(feature, current)
    whole = feature.rule.dtype == "int"
    grid = np.linspace(low, high, _POINTS)
    own = [] if current is None else [float(current)]
    places = sorted({*(np.unique(np.rint(grid)) if whole else grid).tolist(), *own})
    return [int(place) for place in places] if whole and all(place.is_integer() for place in places) else places


def _range(feature: Feature, current: Any) -> tuple[float, float]:
    known = [each for each in (feature.seen_min, feature.seen_max) if each is not None]
    known += [float(current)] if isinstance(current, int | float) else []
    return (min(known), max(known)) if known else (0.0, 1.0)


def _days(predictor: Predictor, feature: Feature, current: Any) -> list[str]:
    demand = predictor.demand
    if demand is not None and feature.name == demand.panel.date:
        first, most = date.fromisoformat(demand.as_of) + timedelta(1), demand.panel.recipe.horizon
        step = {"day": 1, "week": 7}.get(demand.period_name, 30)
        days = [(first + timedelta(step * ahead)).isoformat() for ahead in range(min(most, _DAYS))]
    elif feature.seen_min is not None and feature.seen_max is not None:
        days = [date_text(each) for each in np.unique(np.rint(np.linspace(feature.seen_min, feature.seen_max, _DAYS)))]
    else:
        days = []
    if feature.rule.dtype == "datetime":
        days = [f"{day}T00:00:00" for day in days]
    return sorted({*days, *([str(current)] if current is not None and _is_day(current) else [])})


def _is_day(value: Any) -> bool:
    try:
        days_of(value)
    except (TypeError, ValueError):
        return False
    return True
