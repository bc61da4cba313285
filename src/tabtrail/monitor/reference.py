"""What the model was trained on, as sketches: no rows, and no text that occurs fewer than a set number of times."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabtrail.monitor.calendar import made_of_date, month_name, month_of
from tabtrail.monitor.calibration import calibration_error
from tabtrail.monitor.dependence import Moments, moments_of
from tabtrail.monitor.serial import Ladder, ladder_of
from tabtrail.monitor.sketch import ERROR, PREDICTION, Array, Codes, Column, Detail, Sketch, Values, sketch_of
from tabtrail.monitor.statistics import grouped, groups_of
from tabtrail.system.hashes import sha256_json

FORMAT = 1
MOST_BYTES = 200_000
_DETAILS = (Detail(100, 100), Detail(50, 50), Detail(25, 25), Detail(12, 12))
_MONTHS = 36
_MOST_ERRORS = 500


@dataclass(frozen=True)
class ErrorSample:
    """Out-of-fold errors: up to 500 pairs of a prediction and its error (actual − predicted), evenly over the predictions.

    `rows` is how many there were; `mae`, `rmse` and `calibration` (the calibration error) are of all of them. `inside` is the
    share within the interval of nominal `level`. `slices` are the mean absolute error, its standard deviation and the rows of
    each value of a column.
    """

    rows: int
    mae: float
    rmse: float
    predicted: tuple[float, ...]
    errors: tuple[float, ...]
    calibration: float | None = None
    inside: float | None = None
    level: float | None = None
    slices: Mapping[str, Mapping[str, tuple[float, float, int]]] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "ErrorSample":
        """Rebuild the sample from the JSON form."""
        slices = {name: {text: tuple(each) for text, each in of.items()} for name, of in value["slices"].items()}
        own = {**value, "slices": slices, "predicted": tuple(value["predicted"]), "errors": tuple(value["errors"])}
        return cls(**own)


@dataclass(frozen=True)
class Reference:
    """The sketches of what a model has learned from.

    `sketches` has the inputs by name, and under `PREDICTION` and `ERROR` the out-of-fold predictions and errors. `apart` names
    the columns that follow from the date, with the part of it that decides them. `months` has, by column, the counts of its
    groups (`statistics.groups_of`) in each of `month_names`, with the newest 36. `ladder` is None without dates.
    """

    rows: int
    sketches: Mapping[str, Sketch]
    apart: Mapping[str, str] = field(default_factory=dict)
    moments: Moments | None = None
    ladder: Ladder | None = None
    errors: ErrorSample | None = None
    month_names: tuple[str, ...] = ()
    months: Mapping[str, tuple[tuple[int, ...], ...]] = field(default_factory=dict)

    @property
    def inputs(self) -> list[str]:
        return [name for name, each in self.sketches.items() if each.role == "input"]

    @cached_property
    def groups(self) -> Mapping[str, NDArray[np.int64]]:
        """The group of each cell, by column."""
        return {name: groups_of(each) for name, each in self.sketches.items()}

    @cached_property
    def sha256(self) -> str:
        return sha256_json(self.to_dict())

    def encode(self, block: Mapping[str, Values]) -> dict[str, Codes]:
        """Return the cells of the columns of a block that the reference knows."""
        return {name: each.encode(block[name]) for name, each in self.sketches.items() if name in block}

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        errors = self.errors and {**vars(self.errors), "slices": {name: dict(of) for name, of in self.errors.slices.items()}}
        return {
            "format": FORMAT,
            "rows": self.rows,
            "columns": [each.to_dict() for each in self.sketches.values()],
            "apart": dict(self.apart),
            "moments": self.moments and self.moments.to_dict(),
            "ladder": self.ladder and self.ladder.to_dict(),
            "errors": errors,
            "month_names": list(self.month_names),
            "months": {name: [list(each) for each in of] for name, of in self.months.items()},
        }

    def to_bytes(self) -> bytes:
        """Return the one text of the reference: JSON without blanks, at most 200 kB."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Reference":
        """Rebuild a reference from its JSON form. Raises `ValueError`, `KeyError` or `TypeError` for another form."""
        if value["format"] != FORMAT:
            raise ValueError(f"a reference of format {value['format']}; this version reads {FORMAT}")
        sketches = [Sketch.from_dict(each) for each in value["columns"]]
        return cls(
            rows=value["rows"],
            sketches={each.name: each for each in sketches},
            apart=dict(value["apart"]),
            moments=value["moments"] and Moments.from_dict(value["moments"]),
            ladder=value["ladder"] and Ladder.from_dict(value["ladder"]),
            errors=value["errors"] and ErrorSample.from_dict(value["errors"]),
            month_names=tuple(value["month_names"]),
            months={name: tuple(tuple(each) for each in of) for name, of in value["months"].items()},
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "Reference":
        """Rebuild a reference from its text; errors as `from_dict`."""
        return cls.from_dict(json.loads(data))


def make_reference(
    columns: Sequence[Column],
    values: Mapping[str, Values],
    *,
    days: Array | None = None,
    errors: ErrorSample | None = None,
    apart: Mapping[str, str] | None = None,
    least: int = 10,
) -> Reference:
    """Sketch the rows that a model learned from, with as much detail as 200 kB hold.

    `values` [rows] are by the name of the column; those of `PREDICTION` and `ERROR` are out of fold. `days` since 1970-01-01
    (NaN where unknown) bring the rows into time order; without them rows are taken as independent. `apart` names columns that
    are known to follow from the date, with the part of it, beside those that are found. A text is kept if it occurs `least`
    times.
    """
    known = {**(apart or {}), **_found_apart(columns, values, days)}
    for detail in _DETAILS:
        found = replace(_made(columns, values, days, replace(detail, least=least), known), errors=errors)
        if len(found.to_bytes()) <= MOST_BYTES:
            return found
    return _within(found)


def _within(reference: Reference) -> Reference:
    """Leave out, of a table too wide for the least detail, the months, the error sample's slices, then the ladder's scores."""
    lean = replace(reference, month_names=(), months={}, errors=reference.errors and replace(reference.errors, slices={}))
    if len(lean.to_bytes()) > MOST_BYTES:
        lean = replace(lean, moments=None)
    if len(lean.to_bytes()) > MOST_BYTES:
        raise ValueError(f"{len(lean.sketches)} columns are too many for a reference of {MOST_BYTES:,} bytes")
    return lean


def _found_apart(columns: Sequence[Column], values: Mapping[str, Values], days: Array | None) -> dict[str, str]:
    inputs = [each for each in columns if each.role == "input"]
    apart = {each.name: "a date" for each in inputs if each.kind == "date"}
    if days is not None:
        apart |= made_of_date(days, {each.name: values[each.name] for each in inputs if each.name not in apart})
    return apart


def _made(
    columns: Sequence[Column],
    values: Mapping[str, Values],
    days: Array | None,
    detail: Detail,
    apart: Mapping[str, str],
) -> Reference:
    sketches = {each.name: sketch_of(each, values[each.name], detail) for each in columns}
    apart = {name: part for name, part in apart.items() if name in sketches}
    reference = Reference(len(next(iter(values.values()))), sketches, apart)
    order = slice(None) if days is None else np.argsort(days, kind="stable")
    codes = {name: each[order] for name, each in reference.encode(values).items()}
    watched = [each for name, each in sketches.items() if name not in apart and each.role != "error"]
    moments = moments_of([each for each in watched if each.role == "input"], codes)
    if days is None:
        return replace(reference, moments=moments)
    ladder = ladder_of([*watched, *(each for each in sketches.values() if each.role == "error")], codes, moments)
    names, months = _by_month(reference, codes, days[order])
    return replace(reference, moments=moments, ladder=ladder, month_names=names, months=months)


def _by_month(
    reference: Reference, codes: Mapping[str, Codes], days: Array
) -> tuple[tuple[str, ...], dict[str, tuple[tuple[int, ...], ...]]]:
    known = ~np.isnan(days)
    months = month_of(days[known])
    newest = np.unique(months)[-_MONTHS:]
    found = {
        name: tuple(
            tuple(
                grouped(np.bincount(own[known][months == month], minlength=len(sketch.counts)), reference.groups[name]).tolist()
            )
            for month in newest
        )
        for name, sketch, own in ((name, each, codes[name]) for name, each in reference.sketches.items())
    }
    return tuple(month_name(int(month)) for month in newest), found


def sample_errors(
    actual: Array,
    predicted: Array,
    *,
    interval: tuple[Array, Array, float] | None = None,
    slices: Mapping[str, Values] | None = None,
    least: int = 10,
) -> ErrorSample:
    """Sketch out-of-fold errors. `interval` has the lower and upper bounds [rows] and their nominal level (0 to 1)."""
    error = actual - predicted
    order = np.argsort(predicted, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, min(_MOST_ERRORS, len(order))).astype(np.int64)]
    inside = None if interval is None else float(np.mean((actual >= interval[0]) & (actual <= interval[1])))
    return ErrorSample(
        rows=len(error),
        mae=float(np.abs(error).mean()),
        rmse=float(np.sqrt((error**2).mean())),
        predicted=tuple(float(f"{each:.6g}") for each in predicted[chosen]),
        errors=tuple(float(f"{each:.6g}") for each in error[chosen]),
        calibration=calibration_error(predicted, actual),
        inside=inside,
        level=None if interval is None else interval[2],
        slices={name: _slices(np.abs(error), of, least) for name, of in (slices or {}).items()},
    )


def _slices(errors: Array, labels: Values, least: int) -> dict[str, tuple[float, float, int]]:
    """The mean absolute error, its standard deviation and the rows of each of the 20 most frequent values."""
    values, place, counts = np.unique(labels.astype(str), return_inverse=True, return_counts=True)
    kept = [each for each in np.argsort(-counts, kind="stable")[:20] if counts[each] >= least]
    return {
        str(values[each]): (float(errors[place == each].mean()), float(errors[place == each].std()), int(counts[each]))
        for each in kept
    }


__all__ = ["ERROR", "PREDICTION", "Column", "ErrorSample", "Reference", "make_reference", "sample_errors"]
