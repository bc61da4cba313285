"""Estimators around a pipeline: a transformed target, a formula as a baseline, a weighted average of models."""

from collections.abc import Callable, Iterator, Mapping, Set
from copy import copy
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.pipeline import Pipeline

from tabtrail.contract.expressions import Node, columns_of
from tabtrail.errors import DataError
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.preprocess import derive

Bounds = tuple[float | None, float | None]
"""The least and the largest prediction, in units of the target; None: unbounded."""
UNBOUNDED: Bounds = (None, None)


class ClippedRegressor(RegressorMixin, BaseEstimator):
    """A model whose predictions never leave [low, high]; NaN stays NaN."""

    def __init__(self, model: Any, low: float | None, high: float | None) -> None:
        self.model = model
        self.low = low
        self.high = high

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def feature_names_in_(self) -> Any:
        """The raw columns [columns] in their order."""
        return self.model.feature_names_in_

    def fit(self, x: pd.DataFrame, y: Array) -> "ClippedRegressor":
        """Fit the model."""
        self.model.fit(x, y)
        return self

    def predict(self, x: pd.DataFrame) -> Array:
        """Return predictions [rows] in units of the target."""
        return clip(np.asarray(self.model.predict(x), dtype=np.float64).ravel(), (self.low, self.high))


def clipped(model: Any, bounds: Bounds) -> Any:
    """Return a model, fitted or not, that predicts inside the bounds: itself where there are none."""
    return model if bounds == UNBOUNDED else ClippedRegressor(model, *bounds)


def unclipped(model: Any) -> Any:
    """Return the model inside of a clipped one or of one with quantiles, or the model itself."""
    if isinstance(model, WithQuantiles):
        return unclipped(model.model)
    return model.model if isinstance(model, ClippedRegressor) else model


def clip(values: Array, bounds: Bounds) -> Array:
    """Return values inside the bounds; NaN stays NaN."""
    low, high = bounds
    return values if bounds == UNBOUNDED else np.asarray(np.clip(values, low, high))


class TransformedRegressor(RegressorMixin, BaseEstimator):
    """A pipeline that learns a transform of the target and predicts the target.

    `kind` is `log` (learns log(y)), `log1p` (learns log(1 + y)), `ratio` (learns y / r, weighted by r² or the power that makes
    the loss one in units of y), `log_ratio` (learns log(y / r)) or `level` (as `ratio`, but predicts 0 where r is), with the
    reference r computed by `reference` from raw columns. Where r is missing, or not above zero, the median of the training
    rows takes its place, and of a `level` zero. `power` is that of r in the weights of ratios. What is learned has mean zero
    where it is `centred`.

    The exponential of an expected logarithm is below the expected value. With `smearing`, `factor_` raises it, so that the mean
    of the predictions is that of the target (after Duan, Smearing Estimate, JASA 78, 1983, as a ratio of means): on rows held
    out, where `learn_factor` was given some, else on the rows learned from, which leave a model that follows them closely
    little to correct.
    """

    factor_ = 1.0

    def __init__(
        self,
        pipeline: Pipeline,
        kind: str,
        reference: Node | None = None,
        *,
        power: float = 2.0,
        centred: bool = True,
        smearing: bool = False,
    ) -> None:
        self.pipeline = pipeline
        self.kind = kind
        self.reference = reference
        self.power = power
        self.centred = centred
        self.smearing = smearing

    def fit(self, x: pd.DataFrame, y: Array) -> "TransformedRegressor":
        """Fit the pipeline on the transformed target. Raises `DataError` for targets or references without a transform."""
        self.feature_names_in_ = np.asarray(x.columns, dtype=object)
        self.learn_reference(x)
        known = self.usable(x)
        learned = self.transform(x, y)
        weights = self.weights(x)
        rows = x if known.all() else x[known]  # the frame itself, so that its matrix can be shared
        # XGBoost sums in float32: around zero that costs the least, and the logarithm would magnify it.
        self.center_ = float(np.mean(learned[known])) if self.centred else 0.0
        learned = learned - self.center_
        self.pipeline.fit(rows, learned[known], **({} if weights is None else {"model__sample_weight": weights[known]}))
        if self.smearing and "factor_" not in self.__dict__:
            inside = np.asarray(self.pipeline.predict(rows), dtype=np.float64).ravel() + self.center_
            self.learn_factor(rows, y[known], inside)
        return self

    def learn_factor(self, x: pd.DataFrame, y: Array, learned: Array) -> None:
        """Learn by what predictions are multiplied, from targets `y` and what a pipeline says of their transforms."""
        known, shift = self.usable(x), 1.0 if self.kind == "log1p" else 0.0
        expected = float(np.sum(self.restore(x, learned)[known] + shift))
        factor = float(np.sum(y[known] + shift)) / expected if expected else 1.0
        self.factor_ = factor if np.isfinite(factor) and factor > 0 else 1.0

    def learn_reference(self, x: pd.DataFrame) -> None:
        """Learn what takes the place of a missing reference. Raises `DataError` where every one is missing."""
        self.fallback_ = self._typical_reference(x)

    def predict(self, x: pd.DataFrame) -> Array:
        """Return predictions in units of the target."""
        return self.restore(x, np.asarray(self.pipeline.predict(x), dtype=np.float64).ravel() + self.center_)

    def usable(self, x: pd.DataFrame) -> Any:
        """Return for each row [rows] whether its reference is known and above zero."""
        if self.reference is None:
            return np.ones(len(x), dtype=bool)
        return self._raw_reference(x) > 0

    def transform(self, x: pd.DataFrame, y: Array) -> Array:
        """Return what the pipeline learns for targets `y`. Raises `DataError` for a target without a logarithm."""
        if self.kind in ("log", "log1p", "log_ratio"):
            bad = int(np.sum(y < 0 if self.kind == "log1p" else y <= 0))
            if bad:
                least = "below zero" if self.kind == "log1p" else "zero or below"
                raise DataError(f"the target is {least} in {bad:,} rows, so that target_transform {self.kind} has no logarithm")
        if self.kind in ("log", "log1p"):
            return np.asarray(np.log(y) if self.kind == "log" else np.log1p(y))
        with np.errstate(divide="ignore", invalid="ignore"):  # a level of zero: such rows are not learned from
            share = y / self._reference(x)
        return np.asarray(np.log(share)) if self.kind == "log_ratio" else np.asarray(share)

    def weights(self, x: pd.DataFrame, mean: float | None = None) -> Array | None:
        """Return the weight of each row: a power of its reference, of mean 1; None where all weigh the same.

        `mean` is that of the powers where these rows are some of those that are learned from.
        """
        powers = self.powers(x)
        return None if powers is None else np.asarray(powers / (powers.mean() if mean is None else mean))

    def powers(self, x: pd.DataFrame) -> Array | None:
        """Return the power of each row's reference by which it is weighed; None where all weigh the same."""
        return np.asarray(self._reference(x) ** self.power) if self.kind in ("ratio", "level") else None

    def restore(self, x: pd.DataFrame, learned: Array) -> Array:
        """Return predictions in units of the target from those of the pipeline."""
        with np.errstate(over="ignore"):
            grown = learned if self.kind in ("ratio", "level") else np.exp(learned) * self.factor_
            if self.reference is None:
                return np.asarray(grown - 1 if self.kind == "log1p" else grown)
            return np.asarray(grown * self._reference(x))

    def _reference(self, x: pd.DataFrame) -> Array:
        raw = self._raw_reference(x)
        return np.where(raw > 0, raw, self.fallback_)

    def _raw_reference(self, x: pd.DataFrame) -> Array:
        assert self.reference is not None  # noqa: S101 - the kinds without one ask for none
        return derive(self.reference, {name: x[name].to_numpy(dtype=np.float64) for name in columns_of(self.reference)})

    def _typical_reference(self, x: pd.DataFrame) -> float:
        if self.reference is None:
            return 1.0
        known = self._raw_reference(x)
        known = known[known > 0]
        if self.kind == "level" and len(known):
            return 0.0
        if not len(known):
            raise DataError(f"the reference of target_transform {self.kind} is missing or not above zero in every training row")
        return float(np.median(known))


class FormulaRegressor(RegressorMixin, BaseEstimator):
    """The derived feature that predicts best as it stands, nothing fitted but the choice and the mean for rows without it."""

    def __init__(self, formulas: Mapping[str, Node]) -> None:
        self.formulas = formulas

    def fit(self, x: pd.DataFrame, y: Array) -> "FormulaRegressor":
        """Choose the formula with the least squared error on the training rows."""
        self.feature_names_in_ = np.asarray(x.columns, dtype=object)
        self.mean_ = float(np.mean(y))
        errors = {name: float(np.mean((self._values(name, x) - y) ** 2)) for name in self.formulas}
        self.chosen_ = min(errors, key=lambda name: (errors[name], name))
        return self

    def predict(self, x: pd.DataFrame) -> Array:
        """Return the chosen formula's values."""
        return self._values(self.chosen_, x)

    def _values(self, name: str, x: pd.DataFrame) -> Array:
        formula = self.formulas[name]
        value = derive(formula, {column: x[column].to_numpy(dtype=np.float64) for column in columns_of(formula)})
        return np.where(np.isnan(value), self.mean_, value)


class Blend(RegressorMixin, BaseEstimator):
    """A weighted average of fitted models; the weights are above zero and add up to one."""

    def __init__(self, names: tuple[str, ...], weights: tuple[float, ...], models: tuple[Any, ...]) -> None:
        self.names = names
        self.weights = weights
        self.models = models

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def feature_names_in_(self) -> Any:
        """The raw columns [columns] in their order."""
        return self.models[0].feature_names_in_

    def predict(self, x: pd.DataFrame) -> Array:
        """Return the weighted average of the models' predictions."""
        return average([np.asarray(model.predict(x), dtype=np.float64).ravel() for model in self.models], self.weights)


class Bag(Blend):
    """The average of the models that one candidate's folds left, and the boosting rounds of each (None: as configured)."""

    def __init__(
        self, names: tuple[str, ...], weights: tuple[float, ...], models: tuple[Any, ...], rounds: tuple[int | None, ...]
    ) -> None:
        super().__init__(names, weights, models)
        self.rounds = rounds


class WithQuantiles(RegressorMixin, BaseEstimator):
    """A fitted model with fitted models of quantiles of the target beside it, one for each of the ascending `probabilities`."""

    def __init__(self, model: Any, probabilities: tuple[float, ...], models: tuple[Any, ...]) -> None:
        self.model = model
        self.probabilities = probabilities
        self.models = models

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def feature_names_in_(self) -> Any:
        """The raw columns [columns] in their order."""
        return self.model.feature_names_in_

    def predict(self, x: pd.DataFrame) -> Array:
        """Return the model's own predictions [rows]."""
        return np.asarray(self.model.predict(x), dtype=np.float64).ravel()

    def predict_quantiles(self, x: pd.DataFrame) -> Array:
        """Return the quantiles [rows, probabilities], sorted so that they do not cross (Chernozhukov, Fernández-Val & Galichon,
        Econometrica 78, 2010).
        """
        found = np.stack([np.asarray(each.predict(x), dtype=np.float64).ravel() for each in self.models], axis=1)
        return np.sort(found, axis=1)


def with_regressor(model: Any, regressor: Any) -> Any:
    """Return a fitted model of one pipeline with another fitted regressor in it; the rest of both is the same."""
    return with_pipelines(model, lambda own: Pipeline([*own.steps[:-1], (own.steps[-1][0], regressor)]))


def with_pipelines(model: Any, change: Callable[[Pipeline], Pipeline]) -> Any:
    """Return a model with other pipelines in the places of those that it is made of; the rest of both is the same."""
    if isinstance(model, Pipeline):
        return change(model)
    made = copy(model)
    if isinstance(model, WithQuantiles | ClippedRegressor):
        made.model = with_pipelines(model.model, change)
    if isinstance(model, WithQuantiles | Blend):
        made.models = tuple(with_pipelines(each, change) for each in model.models)
    if isinstance(model, TransformedRegressor):
        made.pipeline = change(model.pipeline)
    return made


def pipelines_of(model: Any) -> Iterator[Pipeline]:
    """Yield the pipelines that a model is made of."""
    if isinstance(model, WithQuantiles):
        for each in (model.model, *model.models):
            yield from pipelines_of(each)
        return
    model = unclipped(model)
    if isinstance(model, Blend):
        for each in model.models:
            yield from pipelines_of(each)
    elif isinstance(model, TransformedRegressor):
        yield model.pipeline
    elif isinstance(model, Pipeline):
        yield model


def average(predictions: list[Array], weights: tuple[float, ...]) -> Array:
    """Return the weighted average [rows] of predictions, summed in their order."""
    total = np.zeros(len(predictions[0]))
    for values, weight in zip(predictions, weights, strict=True):
        total = total + weight * values
    return total


def choose_weights(
    predictions: Mapping[str, Array], y: Array, rounds: int, affordable: Callable[[Set[str]], bool] = lambda names: True
) -> dict[str, float]:
    """Return the weights of a greedy ensemble: in each round the model joins, again too, that lowers the RMSE most.

    Caruana et al., "Ensemble Selection from Libraries of Models" (ICML 2004), with replacement; `predictions` are out of fold.
    The ensemble of the round with the least error is taken; ties go to the first by name. A model joins where all that have
    joined are then `affordable` together; where not even one alone is, that is not looked at.
    """
    names = sorted(predictions)
    total, counts = np.zeros(len(y)), dict.fromkeys(names, 0)
    best_error, best = np.inf, dict(counts)
    for size in range(1, rounds + 1):
        errors = {name: float(np.mean(((total + predictions[name]) / size - y) ** 2)) for name in names}
        used = {name for name in names if counts[name]}
        joined = min([name for name in names if affordable({*used, name})] or names, key=errors.__getitem__)
        total, counts[joined] = total + predictions[joined], counts[joined] + 1
        if errors[joined] < best_error:
            best_error, best = errors[joined], dict(counts)
    members = sum(best.values())
    return {name: count / members for name, count in best.items() if count}
