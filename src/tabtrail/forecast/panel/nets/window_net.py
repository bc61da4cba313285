"""A convolution and an LSTM over the latest values of a series, each series in its own standard deviations."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin

from tabtrail.bundle.demand.features import HORIZON, Array
from tabtrail.errors import DataError
from tabtrail.forecast.panel.nets.settings import WindowSettings
from tabtrail.forecast.panel.nets.timeline import cut_of, texts_of, training
from tabtrail.forecast.panel.nets.window_weights import WindowWeights

MOST_DEVIATIONS = 50.0  # values beyond are as if they were there
MOST_NETS = 50  # each is a part of the graph that every forecast runs through
SEPARATOR = "\x1f"  # between the texts that make a series


class WindowNet(RegressorMixin, BaseEstimator):
    """Reads the features `lag_1` to `lag_<window>` as they are, and the columns that make a series.

    A series that training has not seen is read in the mean and standard deviation of all; one of a new value of `per` is forecast
    as that mean. PyTorch is needed to fit it, and for nothing else. `kept_` says of which run the nets are that were not trained.
    """

    kept_: dict[str, Any] | None = None

    def __init__(self, settings: WindowSettings, series: tuple[str, ...], horizon: int, seed: int) -> None:
        self.settings = settings
        self.series = series
        self.horizon = horizon
        self.seed = seed

    def fit(self, x: pd.DataFrame, y: Array, periods: NDArray[np.int64]) -> "WindowNet":
        """Fit on rows whose targets lie in `periods` [rows]. Raises `DataError` where `per` has too many values."""
        self.feature_names_in_ = np.asarray(x.columns, dtype=object)
        self.cut_ = cut_of(periods, self.settings)
        learned = periods <= self.cut_
        keys = self._keys(x)
        self.overall_, self.scales_ = _scales(keys[learned], y[learned])
        values = self._group_of(x)
        groups = sorted(set(values))
        if len(groups) > MOST_NETS:
            raise DataError(
                f"'{self.settings.per}' has {len(groups):,} values, and at most {MOST_NETS} nets are trained; set per: null"
            )
        windows, (mean, spread) = self._windows(x, keys), self._scale(keys)
        weights = spread if self.settings.loss == "absolute" else spread**2
        self.nets_: dict[str, WindowWeights] = {}
        trainer = training()
        for place, group in enumerate(groups):
            own = values == group
            target = ((y - mean) / spread)[own], (weights / weights.mean())[own], ~learned[own]
            chosen = x[HORIZON].to_numpy(dtype=np.int64)[own] - 1
            inputs, seed = (windows[own], chosen), self.seed + place
            self.nets_[group] = trainer.train_window(self.settings, inputs, target, self.horizon, seed)
        return self

    def predict(self, x: pd.DataFrame) -> Array:
        """Return forecasts [rows] in units of the target; the mean of the series for a horizon that is not forecast."""
        keys, values = self._keys(x), self._group_of(x)
        windows, (mean, spread) = self._windows(x, keys), self._scale(keys)
        picked = x[HORIZON].to_numpy(dtype=np.float64)[:, None] == np.arange(1.0, self.horizon + 1.0)
        found = np.zeros(len(x))
        for group, net in self.nets_.items():
            own = np.flatnonzero(values == group)
            found[own] = np.where(picked[own], net.run(windows[own]), 0.0).sum(axis=1)
        return mean + spread * found

    @property
    def lags(self) -> list[str]:
        """The features of the window, oldest value first."""
        return [f"lag_{lag}" for lag in range(self.settings.window, 0, -1)]

    def _windows(self, x: pd.DataFrame, keys: NDArray[np.object_]) -> Array:
        """Values in standard deviations from the mean of their series [rows, window]; 0 for what is missing."""
        mean, spread = self._scale(keys)
        values = (x[self.lags].to_numpy(dtype=np.float64) - mean[:, None]) / spread[:, None]
        return np.where(np.isnan(values), 0.0, np.clip(values, -MOST_DEVIATIONS, MOST_DEVIATIONS))

    def _scale(self, keys: NDArray[np.object_]) -> tuple[Array, Array]:
        found = np.array([self.scales_.get(key, self.overall_) for key in keys]).reshape(-1, 2)
        return found[:, 0], found[:, 1]

    def _keys(self, x: pd.DataFrame) -> NDArray[np.object_]:
        parts = [texts_of(x, name) for name in self.series]
        joined: Any = parts[0]
        for part in parts[1:]:
            joined = joined + SEPARATOR + part
        return np.asarray(joined, dtype=object)

    def _group_of(self, x: pd.DataFrame) -> NDArray[np.object_]:
        name = self.settings.per
        return np.full(len(x), "", dtype=object) if name is None else texts_of(x, name)


def _scales(keys: NDArray[np.object_], y: Array) -> tuple[tuple[float, float], dict[str, tuple[float, float]]]:
    """Mean and standard deviation of all rows and of each series; 1 for the deviation of what does not vary."""
    names, inverse = np.unique(keys.astype(str), return_inverse=True)
    counts = np.bincount(inverse)
    mean = np.bincount(inverse, y) / counts
    spread = np.sqrt(np.bincount(inverse, (y - mean[inverse]) ** 2) / counts)
    overall = float(np.std(y)) or 1.0
    found = {str(name): (float(m), float(s) if s > 0 else 1.0) for name, m, s in zip(names, mean, spread, strict=True)}
    return (float(np.mean(y)), overall), found
