"""How good the predictions are: measured where there are labels, estimated where there are none yet, and marked as such."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabtrail.monitor.calibration import calibration_error
from tabtrail.monitor.distributions import holm, normal_quantile, normal_tail
from tabtrail.monitor.reference import ErrorSample
from tabtrail.monitor.sketch import Array, Values

Places = NDArray[np.int8]
_DRAWS = 1000
_LEVEL = 0.95
_BINS = 10
_MOST_BEYOND = 0.05  # with more rows of which the reference has nothing alike, its errors say nothing of theirs
_LEAST = 10  # rows below which a mean has no standard deviation worth the name


@dataclass(frozen=True)
class Interval:
    """A value and the interval (95 %) in which it would lie by chance, or in which its truth lies."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class WorseSlice:
    """Rows of one value of a column whose mean absolute error grew, with the p-value adjusted for all slices (Holm)."""

    column: str
    value: str
    rows: int
    before: float
    now: float
    p_value: float


@dataclass(frozen=True)
class Performance:
    """Errors of a window with labels. `mae` and `rmse` carry the interval that windows of this size have at training's errors;
    `worse` says that one of them lies above it. `coverage` is of intervals of nominal `level`, with its own uncertainty.
    `calibration` is the calibration error, `calibration_before` that of the training.
    """

    rows: int
    mae: Interval
    rmse: Interval
    worse: bool
    calibration: float
    calibration_before: float | None = None
    coverage: Interval | None = None
    level: float | None = None
    slices: tuple[WorseSlice, ...] = ()
    kind: str = "measured"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


@dataclass(frozen=True)
class Estimate:
    """The mean absolute error as estimated without labels. It assumes that the target given the inputs has not changed, so it
    never alarms and never gates. `withheld` says why there is none.
    """

    rows: int
    mae: Interval | None
    before: float
    withheld: str | None = None
    kind: str = "estimated"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


def measure(
    sample: ErrorSample,
    actual: Array,
    predicted: Array,
    *,
    inside: NDArray[np.bool_] | None = None,
    slices: Mapping[str, Places] | None = None,
    seed: int = 0,
) -> Performance | None:
    """Compare the errors of labelled rows with those of training; None without rows. Rows without a label are left out.

    `inside` tells which rows lie within their interval. `slices` has the places of the rows' values among those of the sample, as
    `slice_places` gives them.
    """
    known = np.isfinite(actual) & np.isfinite(predicted)
    if not known.any():
        return None
    if not known.all():  # of a million rows no copies are made
        actual, predicted = actual[known], predicted[known]
        inside = None if inside is None else inside[known]
        slices = {name: values[known] for name, values in (slices or {}).items()}
    error = np.abs(actual - predicted)
    mae, rmse = float(error.mean()), float(np.sqrt(np.dot(error, error) / len(error)))
    lows, highs = _by_chance(sample, len(error), seed)
    coverage = None
    if inside is not None and sample.level is not None:
        coverage = wilson(int(inside.sum()), len(error))
    return Performance(
        rows=len(error),
        mae=Interval(mae, lows[0], highs[0]),
        rmse=Interval(rmse, lows[1], highs[1]),
        worse=mae > highs[0] or rmse > highs[1],
        calibration=calibration_error(predicted, actual),
        calibration_before=sample.calibration,
        coverage=coverage,
        level=sample.level,
        slices=worse_slices(sample, error, slices or {}),
    )


def _by_chance(sample: ErrorSample, rows: int, seed: int) -> tuple[list[float], list[float]]:
    """Bounds of MAE and RMSE of `rows` rows drawn from training's errors, whose own sample is drawn anew each time."""
    errors = np.array(sample.errors)
    rng = np.random.default_rng(seed)
    own = min(rows, 5000)  # beyond, the spread only shrinks with the root, as below
    drawn = []
    for _ in range(_DRAWS):
        pool = errors[rng.integers(0, len(errors), len(errors))]
        each = pool[rng.integers(0, len(pool), own)]
        drawn.append((np.abs(each).mean(), np.sqrt((each**2).mean())))
    share = (1 - _LEVEL) / 2
    low, high = np.quantile(np.array(drawn), [share, 1 - share], axis=0)
    return low.tolist(), high.tolist()


def estimate(sample: ErrorSample, predicted: Array, *, beyond: float) -> Estimate:
    """Estimate the mean absolute error from the predictions alone, in the manner of direct loss estimation.

    Each row is expected to err as training's rows with a like prediction did (tenths of the predictions). `beyond` is the share
    of rows with an input that the reference has nothing like.
    """
    known = predicted[np.isfinite(predicted)]
    before = sample.mae
    if not len(known):
        return Estimate(0, None, before, "there are no predictions")
    if beyond > _MOST_BEYOND:
        return Estimate(len(known), None, before, f"{beyond:.0%} of the rows have an input unlike any of training")
    model, errors = np.array(sample.predicted), np.abs(np.array(sample.errors))
    outside = float(((known < model.min()) | (known > model.max())).mean())
    if outside > _MOST_BEYOND:
        return Estimate(len(known), None, before, f"{outside:.0%} of the predictions lie outside those of training")
    if len(errors) < _BINS * _LEAST:
        return Estimate(len(known), None, before, f"training left only {len(errors)} errors to learn from")
    edges = np.unique(np.quantile(model, np.linspace(0, 1, _BINS + 1)[1:-1]))
    places = np.searchsorted(edges, model)
    count = np.bincount(places, minlength=len(edges) + 1)
    mean = np.bincount(places, weights=errors, minlength=len(count)) / np.maximum(count, 1)
    spread = np.bincount(places, weights=(errors - mean[places]) ** 2, minlength=len(count)) / np.maximum(count - 1, 1)
    shares = np.bincount(np.searchsorted(edges, known), minlength=len(count)) / len(known)
    value = float(shares @ mean) * (before / float(errors.mean()) if errors.mean() > 0 else 1.0)
    error = float(np.sqrt((shares**2 * spread / np.maximum(count, 1)).sum() + (shares * spread).sum() / len(known)))
    reach = normal_quantile(1 - (1 - _LEVEL) / 2) * error
    return Estimate(len(known), Interval(value, max(0.0, value - reach), value + reach), before)


def wilson(hits: int, rows: int) -> Interval:
    """A share with its 95 % score interval (Wilson, J. Am. Stat. Assoc. 22, 1927)."""
    z = normal_quantile(1 - (1 - _LEVEL) / 2)
    share = hits / rows
    middle, reach = share + z**2 / (2 * rows), z * np.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    scale = 1 + z**2 / rows
    return Interval(share, float((middle - reach) / scale), float((middle + reach) / scale))


def slice_places(sample: ErrorSample, column: str, values: Values) -> Places:
    """Return the place of each row's value among those of the sample's column (int8), -1 for any other."""
    found = np.full(len(values), -1, dtype=np.int8)  # the sample has at most 20 values of a column
    for place, value in enumerate(sample.slices.get(column, {})):
        found[values == value] = place
    return found


def worse_slices(sample: ErrorSample, errors: Array, places: Mapping[str, Places]) -> tuple[WorseSlice, ...]:
    """Return the slices whose mean absolute error grew more than chance allows (Welch's test, one-sided, Holm at 5 %)."""
    found: list[WorseSlice] = []
    for column, own_places in places.items():
        for place, (value, (before, spread, rows)) in enumerate(sample.slices.get(column, {}).items()):
            own = errors[own_places == place]
            if len(own) < _LEAST:
                continue
            z = (float(own.mean()) - before) / np.sqrt(max(own.var(ddof=1) / len(own) + spread**2 / rows, 1e-300))
            found.append(WorseSlice(column, value, len(own), before, float(own.mean()), normal_tail(float(z))))
    adjusted = holm([each.p_value for each in found])
    kept = [WorseSlice(**{**vars(each), "p_value": p}) for each, p in zip(found, adjusted, strict=True) if p <= 1 - _LEVEL]
    return tuple(sorted(kept, key=lambda each: each.p_value))
