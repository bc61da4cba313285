"""Why a model predicts what it does: Shapley values, by raw column, that add up to the prediction."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from sklearn.pipeline import Pipeline

from tabtrail.errors import TabtrailError
from tabtrail.modeling.families import family_of
from tabtrail.modeling.metrics import Array, rounded
from tabtrail.modeling.preprocess import source_columns

# In units of the spread of the predictions. XGBoost sums in float32: 1e-6 of the prediction is its own rounding.
_ADDITIVITY = 1e-4
_REFERENCE_ROWS = 20


@dataclass(frozen=True)
class Explanation:
    """Shapley values of `rows` rows. `values` is [rows, columns] in units of the target; base value + row sum = prediction."""

    columns: tuple[str, ...]
    base_value: float
    values: Array
    predictions: Array

    @property
    def importance(self) -> dict[str, float]:
        """Mean absolute Shapley value by raw column (units of the target), largest first."""
        means = {name: rounded(float(mean)) for name, mean in zip(self.columns, np.abs(self.values).mean(axis=0), strict=True)}
        return dict(sorted(means.items(), key=lambda item: (-item[1], item[0])))

    @property
    def additivity_error(self) -> float:
        """Largest |base value + row sum - prediction|, in units of the target."""
        return float(np.max(np.abs(self.base_value + self.values.sum(axis=1) - self.predictions)))


@dataclass(frozen=True)
class Importance:
    """What `shap_global_importance.json` holds."""

    model: str
    run_id: str
    rows: int
    unit: str
    base_value: float
    additivity_error: float
    mean_absolute_shap: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def explain(
    model: Any,
    background: pd.DataFrame,
    rows: pd.DataFrame,
    *,
    seed: int,
    predict: Callable[[pd.DataFrame], Array] | None = None,
    permutations: int = 1,
) -> Explanation:
    """Return Shapley values for `rows` by raw column, in units of the target.

    `predict` stands in for the model's own where it is the faster one (the proven graph). More `permutations` make the values
    of what is explained by them steadier.

    Trees: path-dependent TreeSHAP (Lundberg et al., Nature Machine Intelligence 2, 2020), relative to the training rows that
    the trees carry. Linear: coefficient × (value - mean over `background`). In both, one-hot columns are summed (signed) into
    their raw column. Whatever derives columns, transforms the target, blends, or has an objective with a link (TreeSHAP would add
    up to the logarithm): permutations of the raw columns, forth and back (Štrumbelj & Kononenko, Knowledge and Information
    Systems 41, 2014), relative to rows drawn from `background`. Raises `TabtrailError` when base value and contributions do not
    add up to the prediction.
    """
    explanation = None
    if isinstance(model, Pipeline) and "derived" not in model.named_steps["preprocess"].named_transformers_:
        explanation = _explain_pipeline(model, background, rows)
    if explanation is None:
        explanation = _explain_any(predict or model.predict, background, rows, seed, permutations)
    _require_additive(explanation)
    return explanation


def _require_additive(explanation: Explanation) -> None:
    # Rounding is relative to the predictions themselves, which may all be nearly the same.
    level = 1e-6 * float(np.abs(explanation.predictions).max(initial=0.0))
    reach = max(float(np.std(explanation.predictions)), float(np.mean(np.abs(explanation.values).sum(axis=1))), level)
    if not explanation.additivity_error <= _ADDITIVITY * reach:
        raise TabtrailError(
            f"the Shapley values miss the predictions by up to {explanation.additivity_error:.3g}; the explanation is not written"
        )


def shap_table(explanation: Explanation, rows: pd.DataFrame) -> pl.DataFrame:
    """Return a row for each explained one: structs `value` (raw columns) and `shap` (contributions), prediction, base_value."""
    values = {name: rows[name].to_numpy() for name in explanation.columns}
    shap = {name: explanation.values[:, index] for index, name in enumerate(explanation.columns)}
    texts = {name: pl.String for name in values if rows[name].dtype != np.float64}
    return pl.DataFrame(
        {
            "value": pl.DataFrame(values, schema_overrides=texts).to_struct("value"),
            "shap": pl.DataFrame(shap).to_struct("shap"),
            "prediction": explanation.predictions,
            "base_value": np.full(len(rows), explanation.base_value),
        }
    )


def from_shap_table(frame: pl.DataFrame) -> tuple[Explanation, pd.DataFrame]:
    """Return explanation and raw rows of a table. Raises `TabtrailError` where they do not add up."""
    rows, shap = frame.get_column("value").struct.unnest(), frame.get_column("shap").struct.unnest()
    columns = {
        name: each.to_numpy() if each.dtype == pl.Float64 else each.fill_null("").to_numpy().astype(object)
        for name, each in zip(rows.columns, rows.get_columns(), strict=True)
    }
    base = float(frame.get_column("base_value")[0])
    explanation = Explanation(tuple(shap.columns), base, shap.to_numpy(), frame.get_column("prediction").to_numpy())
    _require_additive(explanation)
    return explanation, pd.DataFrame(columns)


def _explain_any(
    model: Callable[[pd.DataFrame], Array], background: pd.DataFrame, rows: pd.DataFrame, seed: int, permutations: int
) -> Explanation:
    import shap  # takes seconds, and only models without contributions of their own need it

    reference = sample_rows(background, _REFERENCE_ROWS, seed)
    texts = [name for name in rows.columns if rows[name].dtype != np.float64]
    known = {name: np.unique(np.concatenate([reference[name], rows[name]]).astype(str)) for name in texts}

    def encoded(frame: pd.DataFrame) -> Array:
        codes = {name: np.searchsorted(known[name], frame[name].to_numpy(dtype=str)) for name in texts}
        return frame.assign(**codes).to_numpy(dtype=np.float64)

    def predict(matrix: Array) -> Array:
        columns = {name: matrix[:, index] for index, name in enumerate(rows.columns)}
        columns |= {name: known[name][columns[name].astype(int)].astype(object) for name in texts}
        return np.asarray(model(pd.DataFrame(columns)), dtype=np.float64).ravel()

    masker = shap.maskers.Independent(encoded(reference), max_samples=_REFERENCE_ROWS)
    explainer = shap.PermutationExplainer(predict, masker, seed=seed)
    found = explainer(encoded(rows), max_evals=permutations * 2 * len(rows.columns) + 1, silent=True)
    base = float(np.ravel(found.base_values)[0])
    return Explanation(tuple(rows.columns), base, np.asarray(found.values, dtype=np.float64), predict(encoded(rows)))


def _explain_pipeline(pipeline: Pipeline, background: pd.DataFrame, rows: pd.DataFrame) -> Explanation | None:
    """Explain by what the family knows of its models; None where it knows nothing."""
    preprocessor, model = pipeline.named_steps["preprocess"], pipeline.named_steps["model"]
    family = family_of(model)
    if family is None or family.contributions is None:
        return None
    matrix = preprocessor.transform(rows)
    found = family.contributions(model, matrix, preprocessor.transform(background))
    if found is None:
        return None
    values, base = found
    predictions = np.asarray(model.predict(matrix), dtype=np.float64).ravel()
    return _by_source_column(values, base, source_columns(preprocessor), predictions)


def sample_rows(x: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """Return up to `most` rows, drawn without replacement, in their order."""
    if len(x) <= most:
        return x
    return x.iloc[np.sort(np.random.default_rng(seed).choice(len(x), most, replace=False))]


def _by_source_column(values: Array, base: float, sources: list[str], predictions: Array) -> Explanation:
    columns = tuple(dict.fromkeys(sources))
    summed = np.stack([values[:, [source == column for source in sources]].sum(axis=1) for column in columns], axis=1)
    return Explanation(columns, base, summed, predictions)
