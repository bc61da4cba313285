"""Two models on the same rows, and how sure their difference is: paired bootstrap samples of whole groups, or of rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tabtrail.errors import DataError
from tabtrail.modeling.metrics import METRICS, Array, Metric, evaluate, rounded

# At a level of 95 % fifty draws lie beyond each bound, so that the bounds hardly depend on the seed.
_DRAWS = 2000
_FALLBACK = "rmse"


@dataclass(frozen=True)
class Resampling:
    """How bootstrap samples are drawn: whole `groups` [rows] of the column `by`, or single rows where it is None.

    `level` (0 to 1) is that of the percentile intervals.
    """

    groups: NDArray[np.object_] | None
    by: str | None
    level: float
    seed: int


@dataclass(frozen=True)
class Comparison:
    """Champion and challenger on the same `rows` test rows, by a metric.

    `champion_value` and `challenger_value` are what it gives. `difference` says by how much the challenger is worse (above zero
    is worse), `low` and `high` are its interval at `level`, from a paired bootstrap of `units` whole groups (of `by`) or, where
    `by` is None, of single rows. `instead_of` is the metric of the choice where the comparison cannot be made by it. Both RMSE
    are stated whatever the metric is, in units of the target.
    """

    rows: int
    units: int
    by: str | None
    metric: str
    champion_value: float
    challenger_value: float
    difference: float
    low: float
    high: float
    level: float
    champion_rmse: float
    challenger_rmse: float
    instead_of: str | None = None

    def __str__(self) -> str:
        metric = METRICS[self.metric]
        by = f"{self.units:,} whole {self.by}" if self.by else f"{self.units:,} rows"
        worse = "difference" if metric.better == "smaller" else "worse by"
        return (
            f"{metric.label} {metric.text(self.challenger_value)} against {metric.text(self.champion_value)} on the same"
            f" {self.rows:,} test rows, {worse} {self.difference:+.4g} ({self.level:.0%} interval {self.low:+.4g} to"
            f" {self.high:+.4g}, paired bootstrap of {by})"
        )


@dataclass(frozen=True)
class CoverageCheck:
    """The share of the test rows inside the challenger's intervals of nominal `level`, with its bootstrap interval."""

    level: float
    coverage: float
    low: float
    high: float


def compare(actual: Array, champion: Array, challenger: Array, metric: Metric, how: Resampling) -> Comparison:
    """Return by how much a challenger is worse than the champion on the same rows, with its percentile interval.

    The bootstrap is paired and draws whole groups where there are any, as rows of one group err alike (Efron & Tibshirani, An
    Introduction to the Bootstrap, 1993, sections 8.3 and 13.3; Field & Welsh, Bootstrapping clustered data, J. R. Stat. Soc. B
    69, 2007). A metric whose best value is zero from either side, or that is not defined on the rows or on one of the samples,
    gives way to RMSE. Raises `DataError` for no rows.
    """
    if not len(actual):
        raise DataError("there are no test rows to compare the models on")
    units = _units(how.groups, len(actual))
    rmse = METRICS[_FALLBACK]
    used, draws = metric, _draws(metric, actual, champion, challenger, units, how.seed)
    if draws is None:
        used, draws = rmse, _draws(rmse, actual, champion, challenger, units, how.seed)
    if draws is None:
        raise DataError("the models cannot be compared: the squares of their errors are not finite")
    low, high = _percentiles(draws, how.level)
    (first, second), (first_rmse, second_rmse) = (
        [_value(each, actual, model) for model in (champion, challenger)] for each in (used, rmse)
    )
    return Comparison(
        rows=len(actual),
        units=int(units.max()) + 1,
        by=None if how.groups is None else how.by,
        metric=used.name,
        champion_value=rounded(first),
        challenger_value=rounded(second),
        difference=rounded(used.loss(second) - used.loss(first)),
        low=low,
        high=high,
        level=how.level,
        champion_rmse=rounded(first_rmse),
        challenger_rmse=rounded(second_rmse),
        instead_of=None if used is metric else metric.name,
    )


def interval_of(metric: Metric, actual: Array, predicted: Array, how: Resampling) -> tuple[float, float] | None:
    """Return the percentile interval of a metric, from the same bootstrap as `compare`; None where it is not defined."""
    units = _units(how.groups, len(actual))
    value = _resampled(metric, actual, predicted, units)
    drawn = [value(weights) for weights in _resamples(int(units.max()) + 1, how.seed)]
    known = [each for each in drawn if each is not None and np.isfinite(each)]
    return _percentiles(known, how.level) if len(known) == len(drawn) else None


def check_coverage(inside: NDArray[np.bool_], nominal: float, how: Resampling) -> CoverageCheck:
    """Return the share of rows inside their interval with its percentile interval, from the same bootstrap as `compare`."""
    units = _units(how.groups, len(inside))
    count, held = np.bincount(units).astype(np.float64), np.bincount(units, weights=inside.astype(np.float64))
    shares = [float(held @ weights / (count @ weights)) for weights in _resamples(len(count), how.seed)]
    low, high = _percentiles(shares, how.level)
    return CoverageCheck(nominal, rounded(float(inside.mean())), low, high)


def _draws(
    metric: Metric, actual: Array, champion: Array, challenger: Array, units: NDArray[np.int64], seed: int
) -> list[float] | None:
    """Return by how much the challenger is worse in every bootstrap sample; None where the metric cannot tell."""
    defined = all(evaluate(metric, actual, model) is not None for model in (champion, challenger))
    if metric.better == "nearer zero" or not defined:
        return None
    first, second = (_resampled(metric, actual, model, units) for model in (champion, challenger))
    draws = [metric.loss(second(weights)) - metric.loss(first(weights)) for weights in _resamples(int(units.max()) + 1, seed)]
    return draws if np.isfinite(draws).all() else None


def _resampled(metric: Metric, actual: Array, predicted: Array, units: NDArray[np.int64]) -> Callable[[Array], float | None]:
    """Return the metric of a model as a function of how often each unit is drawn [units].

    A metric that is a function of a mean over rows needs the sums of each unit alone; any other is computed on the drawn rows.
    """
    if metric.of_mean is not None:
        row_part, of_mean = metric.of_mean
        sums, count = np.bincount(units, weights=row_part(actual, predicted)), np.bincount(units).astype(np.float64)
        return lambda weights: of_mean(float(sums @ weights / (count @ weights)))

    def on_drawn_rows(weights: Array) -> float | None:
        rows = np.repeat(np.arange(len(actual)), weights[units].astype(np.int64))
        return metric.compute(actual[rows], predicted[rows])

    return on_drawn_rows


def _value(metric: Metric, actual: Array, predicted: Array) -> float:
    value = metric.compute(actual, predicted)
    return float("nan") if value is None else value


def _units(groups: NDArray[np.object_] | None, rows: int) -> NDArray[np.int64]:
    """Return for each row the number of its group, or of itself."""
    if groups is None:
        return np.arange(rows)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(groups.tolist()))}
    return np.array([numbers[name] for name in groups.tolist()])


def _resamples(units: int, seed: int) -> Iterator[Array]:
    """Yield how often each unit is drawn, for every bootstrap sample."""
    rng = np.random.default_rng(seed)
    for _ in range(_DRAWS):
        yield np.bincount(rng.integers(0, units, units), minlength=units).astype(np.float64)


def _percentiles(draws: list[float], level: float) -> tuple[float, float]:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return rounded(float(low)), rounded(float(high))
