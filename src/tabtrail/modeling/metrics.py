"""The table of metrics: how the errors of a regression are measured, and how each figure is named, compared and shown."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tabtrail.errors import ConfigError, DataError, nearest

Array = NDArray[np.float64]
Unit = Literal["target", "squared", "percent", "none"]
Better = Literal["smaller", "larger", "nearer zero"]


@dataclass(frozen=True)
class Metric:
    """One figure of a model's errors.

    `compute(actual, predicted)`, both [rows], returns it, None where it is not defined for these rows. Where it is a function of
    a mean over rows, `of_mean` has the part of each row [rows] and that function, which makes resampling fast. `name` is its key
    in the config, in JSON and in SQL tables, `label` what people read, `mlflow_name` what MLflow calls it after `cv_` or `test_`.
    Its `unit` is that of the target, the square of that, none, or `percent`: stored as a share (0.1), shown as 10 %. `better`
    says which of two values is better. `digits` are the significant digits that the page shows. `main` metrics stand in the
    first table of the leaderboard, the others in tables of their own.
    """

    name: str
    label: str
    mlflow_name: str
    compute: Callable[[Array, Array], float | None]
    unit: Unit = "target"
    better: Better = "smaller"
    digits: int = 4
    main: bool = False
    of_mean: tuple[Callable[[Array, Array], Array], Callable[[float], float]] | None = None

    @property
    def is_percent(self) -> bool:
        """Whether people read 100 times the stored value, followed by %."""
        return self.unit == "percent"

    def loss(self, value: float | None) -> float:
        """Return what a choice minimises: the value, its negative or its magnitude; infinite where it is not defined."""
        if value is None:
            return float("inf")
        return {"smaller": value, "larger": -value, "nearer zero": abs(value)}[self.better]

    @property
    def best_mean(self) -> str:
        """What the best candidate has, as a phrase: `smallest mean RMSE`."""
        return f"mean {self.label} nearest to zero" if self.better == "nearer zero" else f"{self._superlative} mean {self.label}"

    @property
    def _superlative(self) -> str:
        return "largest" if self.better == "larger" else "smallest"

    def text(self, value: float) -> str:
        """Return a value as messages show it: with all of its digits, percent where it is a share."""
        return f"{100 * value:,.7g} %" if self.is_percent else f"{value:,.7g}"

    def unit_text(self, target_unit: str) -> str:
        """Unit as it stands after a label on an axis, such as `, USD`; "" for none. `target_unit` is "" where unknown."""
        units = {"target": target_unit, "squared": f"{target_unit}²" if target_unit else "", "percent": "%", "none": ""}
        return f", {units[self.unit]}" if units[self.unit] else ""


def _squared_error(actual: Array, predicted: Array) -> Array:
    return np.asarray((predicted - actual) ** 2)


def _absolute_error(actual: Array, predicted: Array) -> Array:
    return np.abs(predicted - actual)


def _rmse(actual: Array, predicted: Array) -> float:
    """Root mean squared error: √(Σ(ŷ - y)² / n)."""
    return float(np.sqrt(np.mean(_squared_error(actual, predicted))))


def _mae(actual: Array, predicted: Array) -> float:
    """Mean absolute error: Σ|ŷ - y| / n."""
    return float(np.mean(_absolute_error(actual, predicted)))


def _r2(actual: Array, predicted: Array) -> float | None:
    """R² = 1 - Σ(y - ŷ)² / Σ(y - ȳ)², ȳ the mean of these rows; None for a constant target.

    Draper & Smith, Applied Regression Analysis, 3rd ed. 1998, section 1.3.
    """
    spread = float(np.sum((actual - actual.mean()) ** 2))
    return 1 - float(np.sum((predicted - actual) ** 2)) / spread if spread > 0 else None


def _mape(actual: Array, predicted: Array) -> float | None:
    """Mean of |ŷ - y| / |y| over the rows whose actual value is not zero; None where all are zero.

    Hyndman & Koehler, Another look at measures of forecast accuracy, Int. J. Forecasting 22 (2006), section 2.2, which also
    says why rows with an actual value of zero cannot take part.
    """
    known = actual != 0
    return float(np.mean(np.abs((predicted[known] - actual[known]) / actual[known]))) if known.any() else None


def _wape(actual: Array, predicted: Array) -> float | None:
    """Σ|ŷ - y| / Σ|y|; None where all actual values are zero. Rows of zero count, and large ones weigh more.

    Kolassa & Schütz, Advantages of the MAD/Mean ratio over the MAPE, Foresight 6 (2007).
    """
    total = float(np.sum(np.abs(actual)))
    return float(np.sum(np.abs(predicted - actual))) / total if total > 0 else None


def _median_absolute_error(actual: Array, predicted: Array) -> float:
    """Median of |ŷ - y|. Hyndman & Koehler (2006), section 2.1."""
    return float(np.median(np.abs(predicted - actual)))


def _rmsle(actual: Array, predicted: Array) -> float | None:
    """√(Σ(ln(1 + ŷ) - ln(1 + y))² / n); None unless all actual and predicted values are above -1.

    As scikit-learn's `root_mean_squared_log_error` defines it.
    """
    if min(actual.min(), predicted.min()) <= -1:
        return None
    return float(np.sqrt(np.mean((np.log1p(predicted) - np.log1p(actual)) ** 2)))


def _bias(actual: Array, predicted: Array) -> float:
    """Mean of ŷ - y; above zero where predictions are too high on average.

    The mean error of Walther & Moore, The concepts of bias, precision and accuracy, Ecography 28 (2005).
    """
    return float(np.mean(predicted - actual))


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("rmse", "RMSE", "root_mean_squared_error", _rmse, main=True, of_mean=(_squared_error, math.sqrt)),
        Metric("mae", "MAE", "mean_absolute_error", _mae, main=True, of_mean=(_absolute_error, float)),
        Metric("r2", "R²", "r2_score", _r2, "none", "larger"),
        Metric("mape", "MAPE", "mean_absolute_percentage_error", _mape, "percent"),
        Metric("wape", "WAPE", "weighted_absolute_percentage_error", _wape, "percent"),
        Metric("medae", "median AE", "median_absolute_error", _median_absolute_error),
        Metric("rmsle", "RMSLE", "root_mean_squared_log_error", _rmsle, "none"),
        Metric("bias", "mean bias", "mean_bias", _bias, better="nearer zero"),
    )
}


def headline(chosen: Metric) -> list[Metric]:
    """Return the metrics of a leaderboard's first table: that of the choice, then the other main ones."""
    return [chosen, *(metric for metric in METRICS.values() if metric.main and metric.name != chosen.name)]


def others(chosen: Metric) -> list[Metric]:
    """Return the metrics that are not in a leaderboard's first table."""
    shown = [metric.name for metric in headline(chosen)]
    return [metric for metric in METRICS.values() if metric.name not in shown]


@dataclass(frozen=True)
class Scores:
    """The value of every metric over `rows` rows, by name; None where one is not defined for them."""

    rows: int
    values: Mapping[str, float | None]

    def __getitem__(self, metric: str) -> float | None:
        return self.values.get(metric)

    def to_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, **self.values}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Scores":
        """Rebuild scores from their JSON form."""
        return cls(value["rows"], {name: each for name, each in value.items() if name != "rows"})


def metric_of(name: str) -> Metric:
    """Return a metric of the table. Raises `ConfigError` for a name that is not there, with the nearest one."""
    if name not in METRICS:
        raise ConfigError(f"choice.metric: unknown metric '{name}'{nearest(name, list(METRICS))} (known: {', '.join(METRICS)})")
    return METRICS[name]


def score(actual: Array, predicted: Array) -> Scores:
    """Return every metric of predictions [rows], each rounded to seven significant digits; None for one that is not finite.

    Raises `DataError` for predictions that are not finite or no rows.
    """
    if not len(actual):
        raise DataError("there are no rows to score")
    if not np.isfinite(predicted).all():
        raise DataError("the model predicts values that are not finite")
    return Scores(len(actual), {name: evaluate(metric, actual, predicted) for name, metric in METRICS.items()})


def evaluate(metric: Metric, actual: Array, predicted: Array) -> float | None:
    """Return one metric of predictions [rows], rounded to seven significant digits; None where it is not defined or infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        value = metric.compute(actual, predicted)
    return None if value is None or not np.isfinite(value) else rounded(value)


def score_strata(actual: Array, predicted: Array, strata: Mapping[str, NDArray[np.bool_]]) -> dict[str, Scores]:
    """Return the scores within each stratum that has rows."""
    return {name: score(actual[rows], predicted[rows]) for name, rows in strata.items() if rows.any()}


def mean_of(values: Sequence[float | None]) -> float | None:
    """Return the rounded mean of a metric over folds; None where one of them does not have it."""
    known = [value for value in values if value is not None]
    return rounded(float(np.mean(known))) if known and len(known) == len(values) else None


def rounded(value: float) -> float:
    """Round to seven significant digits: what is shown, stored and logged is one and the same number."""
    return float(f"{value:.7g}")
