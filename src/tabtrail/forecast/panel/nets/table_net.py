"""A perceptron with embeddings over the features of a forecast, the horizon among them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin

from tabtrail.bundle.demand.features import HORIZON, Array
from tabtrail.errors import DataError
from tabtrail.forecast.panel.nets.settings import LOG_LOSSES, TableSettings
from tabtrail.forecast.panel.nets.timeline import held_out, texts_of, training

Codes = NDArray[np.int64]
MOST_DEVIATIONS = 10.0  # inputs beyond are as if they were there: one freak value shall not decide a forecast
MOST_EXPONENT = 20.0  # of e, so that no input makes a forecast infinite
_SIXTEEN = (
    *("day_of_week", "month", "week_of_year", "is_weekend", "is_month_start", "is_month_end"),
    *("lag_1", "lag_7", "lag_14", "mean_7", "std_7", "mean_14"),
)


def chosen_numbers(settings: TableSettings, numbers: Sequence[str], known_ahead: Sequence[str]) -> tuple[str, ...]:
    """Return those of a recipe's numbers that a net takes."""
    wanted = {*_SIXTEEN, *known_ahead, HORIZON}
    return tuple(name for name in numbers if settings.features == "all" or name in wanted)


class TableNet(RegressorMixin, BaseEstimator):
    """Learns y over the column `unit`, weighted so that the loss is one in units of y; where that is not above zero, it predicts
    zero. Without one, y is learned over its mean size. PyTorch is needed to fit it, and for nothing else.
    """

    def __init__(
        self, settings: TableSettings, numbers: tuple[str, ...], texts: tuple[str, ...], *, unit: str | None, seed: int
    ) -> None:
        self.settings = settings
        self.numbers = numbers
        self.texts = texts
        self.unit = unit
        self.seed = seed

    @property
    def exponential(self) -> bool:
        """Whether what the last layer gives is the logarithm of the forecast."""
        return self.settings.loss in LOG_LOSSES

    def fit(self, x: pd.DataFrame, y: Array, periods: Codes) -> "TableNet":
        """Fit on rows whose targets lie in `periods` [rows]. Raises `DataError` for demand below zero under a loss without it."""
        if self.exponential and (y < 0).any():
            below = int((y < 0).sum())
            raise DataError(f"the demand is below zero in {below:,} rows, which the loss {self.settings.loss} excludes")
        self.feature_names_in_ = np.asarray(x.columns, dtype=object)
        self.size_ = float(np.abs(y).mean()) or 1.0
        unit = self._units(x)
        known = unit > 0
        x, y, unit, periods = x[known], y[known] / unit[known], unit[known], periods[known]
        values = x[list(self.numbers)].to_numpy(dtype=np.float64)
        finite = np.isfinite(values)
        counts = np.maximum(finite.sum(axis=0), 1)
        self.center_ = np.where(finite, values, 0.0).sum(axis=0) / counts
        spread = np.sqrt(np.where(finite, (values - self.center_) ** 2, 0.0).sum(axis=0) / counts)
        self.spread_ = np.where(spread > 0, spread, 1.0)
        self.categories_ = {name: tuple(sorted(set(texts_of(x, name)))) for name in self.texts}
        weights = unit ** self._power()
        held = held_out(periods, self.settings)
        self.tables_, self.layers_ = training().train_table(
            self.settings, (self._standard(x), self._codes(x)), (y, weights / weights.mean(), held), self._sizes(), self.seed
        )
        return self

    def predict(self, x: pd.DataFrame) -> Array:
        """Return forecasts [rows] in units of the target."""
        codes = self._codes(x)
        parts = [self._standard(x), *(table[codes[:, place]] for place, table in enumerate(self.tables_))]
        found = np.concatenate(parts, axis=1)
        for place, (weight, bias) in enumerate(self.layers_):
            found = found @ weight + bias
            if place + 1 < len(self.layers_):
                found = np.maximum(found, 0.0)
        if self.exponential:
            found = np.exp(np.clip(found, -MOST_EXPONENT, MOST_EXPONENT))
        return np.asarray(found[:, 0] * self._units(x))

    def _units(self, x: pd.DataFrame) -> Array:
        if self.unit is None:
            return np.full(len(x), self.size_)
        raw = x[self.unit].to_numpy(dtype=np.float64)
        return np.where(raw > 0, raw, 0.0)

    def _power(self) -> float:
        """The p for which weights rᵖ make its loss of y / r that of y."""
        powers = {"absolute": 1.0, "squared": 2.0, "poisson": 1.0, "tweedie": 2.0 - self.settings.tweedie_power}
        return powers[self.settings.loss]

    def _standard(self, x: pd.DataFrame) -> Array:
        """Numbers in standard deviations from the mean of the training rows; 0 for what is missing."""
        with np.errstate(over="ignore"):
            values = (x[list(self.numbers)].to_numpy(dtype=np.float64) - self.center_) / self.spread_
        return np.where(np.isnan(values), 0.0, np.clip(values, -MOST_DEVIATIONS, MOST_DEVIATIONS))

    def _codes(self, x: pd.DataFrame) -> Codes:
        """Place of each text among those of the training, from 1 on [rows, texts]; 0 for one that is new."""
        found: list[Any] = []
        for name in self.texts:
            places = {text: place for place, text in enumerate(self.categories_[name], 1)}
            found.append(np.array([places.get(text, 0) for text in texts_of(x, name)], dtype=np.int64))
        return np.column_stack(found) if found else np.zeros((len(x), 0), dtype=np.int64)

    def _sizes(self) -> list[tuple[int, int]]:
        """Rows and columns of each embedding: one row more than texts, and columns by the rule of thumb √n, at most 16."""
        return [(len(each) + 1, min(16, int(np.ceil(len(each) ** 0.5)) + 1)) for each in self.categories_.values()]
