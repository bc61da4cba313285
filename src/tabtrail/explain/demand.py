"""What moves a forecast of a pooled model: Shapley values of groups of features, in units of demand, that add up to it.

Where every member of the model has contributions of its own (trees with absolute or squared errors, linear models), these are
taken, times the level of the series and the weight in a blend, and summed by group. Where one has none (Tweedie errors: its trees
add up to a logarithm; nets), the groups as a whole are the players of a game whose value is the forecast with the other groups
taken from reference rows. With at most six groups all coalitions are computed, so that nothing is sampled but the reference.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from sklearn.pipeline import Pipeline

from tabtrail.explain.coalitions import Game, share_out
from tabtrail.explain.groups import SIZE
from tabtrail.explain.shapley import Explanation, as_columns, require_additive, sample_rows
from tabtrail.modeling.estimators import Blend, TransformedRegressor, unclipped
from tabtrail.modeling.families import family_of
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.preprocess import source_columns

CONTRIBUTIONS = "the model's own contributions (TreeSHAP, or coefficient × distance from the mean)"
COALITIONS = "exact Shapley values of the groups, the other groups taken from reference rows"
_REFERENCE_ROWS = 16

Predict = Callable[[pd.DataFrame], Array]


def explain_forecasts(
    model: Any, background: pd.DataFrame, rows: pd.DataFrame, groups: Mapping[str, Sequence[str]], predict: Predict
) -> tuple[Explanation, str]:
    """Return the contributions of the groups to the forecasts of `rows` [rows, groups], and how they were computed.

    The base value is the mean forecast of `background`. Contributions of a model's own are of forecasts before they are bounded
    below; of `predict`, the forecasts that are served. Raises `TabtrailError` where they do not add up to the forecasts.
    """
    explanation = _by_contributions(model, background, rows, groups)
    method = CONTRIBUTIONS
    if explanation is None or not _is_served(explanation.predictions, predict(rows)):
        reference = sample_rows(background, _REFERENCE_ROWS, seed=0)
        explanation, method = _by_coalitions(predict, reference, rows, groups), COALITIONS
    require_additive(explanation)
    return explanation, method


def _is_served(explained: Array, served: Array) -> bool:
    """Tell whether the contributions' sums are the forecasts but for the bound at zero. Of a blend whose members are bounded one
    by one they need not be.
    """
    same = np.isclose(explained, served, rtol=1e-5, atol=1e-6 * float(np.abs(served).max(initial=1.0)))
    return bool((same | ((explained < 0) & (served == 0))).all())


def _by_contributions(
    model: Any, background: pd.DataFrame, rows: pd.DataFrame, groups: Mapping[str, Sequence[str]]
) -> Explanation | None:
    found = _own_contributions(model, rows)
    usual = found if rows is background else _own_contributions(model, background)
    if found is None or usual is None:
        return None
    return _by_groups(found, float(usual[1].mean()), groups, [str(name) for name in rows.columns])


def _by_groups(
    found: tuple[Array, Array, Array], base: float, groups: Mapping[str, Sequence[str]], names: list[str]
) -> Explanation:
    """`found` are contributions [rows, features], base values and predictions [rows]. A base value that is other than the
    usual one is the size of the series.
    """
    values, bases, predictions = found
    summed = {name: values[:, [names.index(each) for each in own]].sum(axis=1) for name, own in groups.items()}
    home = SIZE if SIZE in summed else next(iter(summed))
    summed[home] = summed[home] + bases - base
    return Explanation(tuple(summed), base, np.stack(list(summed.values()), axis=1), predictions)


def _own_contributions(model: Any, rows: pd.DataFrame) -> tuple[Array, Array, Array] | None:
    """Return contributions [rows, features of `rows`], base values [rows] and predictions [rows], before any bound, in units of
    the target; None where a part of the model has no contributions that add up.
    """
    model = unclipped(model)
    if isinstance(model, Blend):
        parts = [_own_contributions(each, rows) for each in model.models]
        known = [each for each in parts if each is not None]
        if len(known) < len(parts):
            return None
        values, bases, predictions = (
            sum(weight * part[place] for weight, part in zip(model.weights, known, strict=True)) for place in range(3)
        )
        return np.asarray(values), np.asarray(bases), np.asarray(predictions)
    if isinstance(model, TransformedRegressor):
        found = _of_pipeline(model.pipeline, rows) if model.kind in ("level", "ratio") else None
        if found is None:
            return None
        values, base = found
        level = model.restore(rows, np.ones(len(rows)))
        return values * level[:, None], (base + model.center_) * level, model.predict(rows)
    found = _of_pipeline(model, rows) if isinstance(model, Pipeline) else None
    if found is None:
        return None
    return found[0], np.full(len(rows), found[1]), np.asarray(model.predict(rows), dtype=np.float64).ravel()


def _of_pipeline(pipeline: Pipeline, rows: pd.DataFrame) -> tuple[Array, float] | None:
    """Return contributions [rows, features of `rows`] and the base value of a pipeline without derived features."""
    preprocessor, model = pipeline.named_steps["preprocess"], pipeline.named_steps["model"]
    family = family_of(model)
    # A linear model's contributions are relative to the mean of these very rows, and so would be its base value.
    if family is None or family.contributions is None or family.scaled:
        return None
    matrix = preprocessor.transform(rows)
    found = family.contributions(model, matrix, matrix)
    if found is None:
        return None
    sources = np.asarray(source_columns(preprocessor), dtype=object)
    values = np.stack([found[0][:, sources == name].sum(axis=1) for name in rows.columns], axis=1)
    return values, found[1]


def _by_coalitions(
    predict: Predict, reference: pd.DataFrame, rows: pd.DataFrame, groups: Mapping[str, Sequence[str]]
) -> Explanation:
    """Return exact Shapley values of the groups, by all of their coalitions."""
    game = Game(lambda columns: predict(pd.DataFrame(dict(columns))), as_columns(reference), tuple(map(tuple, groups.values())))
    found = share_out(game, as_columns(rows), coalitions=1 << len(groups), seed=0)
    return Explanation(tuple(groups), found.base_value, found.values, found.predictions)


def explained_table(explanation: Explanation, rows: pd.DataFrame) -> pl.DataFrame:
    """Return a row for each explained one: structs `value` (features) and `shap` (groups), prediction, base_value."""
    texts = {str(name): pl.String for name in rows.columns if rows[name].dtype != np.float64}
    values = pl.DataFrame({str(name): rows[name].to_numpy() for name in rows.columns}, schema_overrides=texts)
    shap = pl.DataFrame({name: explanation.values[:, place] for place, name in enumerate(explanation.columns)})
    return pl.DataFrame(
        {
            "value": values.to_struct("value"),
            "shap": shap.to_struct("shap"),
            "prediction": explanation.predictions,
            "base_value": np.full(len(rows), explanation.base_value),
        }
    )
