"""Why a model predicts what it does: Shapley values, by raw column, that add up to the prediction."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from sklearn.pipeline import Pipeline

from tabtrail.errors import TabtrailError
from tabtrail.explain.coalitions import Columns, Game, alone, leading, reference_rows, share_out
from tabtrail.explain.stored import explained_columns
from tabtrail.modeling.estimators import unclipped
from tabtrail.modeling.families import family_of
from tabtrail.modeling.metrics import Array, rounded
from tabtrail.modeling.preprocess import COMPUTED, source_columns

# Base value and contributions may miss a prediction by this share of what is shared out among the columns: far below what a
# picture or a figure of four digits shows.
_ADDITIVITY = 1e-4
# Of the numbers that are added up: XGBoost sums hundreds of leaves in float32, whose rounding is 6e-8 of the sum each time, the
# others in double. An explanation that misses by a hundredth of what it shares out explains nothing, however large the numbers.
_FLOAT32_SUMS, _DOUBLE_SUMS, _MOST = 1e-6, 1e-10, 1e-2
# Numbers that a graph is given for one order of every row, which it takes some ten seconds for. So of 500 rows up to 141 columns
# are explained one by one, and of 1,000 columns 20.
_MOST_CELLS, _LEAST_ALONE = 400_000_000, 8
# Of the columns, for each explained row: one order forth and back of up to 16 columns, all coalitions of up to 5.
COALITIONS = 32


@dataclass(frozen=True)
class Explanation:
    """Shapley values of `rows` rows. `values` is [rows, columns] in units of the target; base value + row sum = prediction.

    Of a wide table so many columns, those that move predictions least, are explained `together`: each has an equal part of what
    they all add.
    """

    columns: tuple[str, ...]
    base_value: float
    values: Array
    predictions: Array
    together: int = 0

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
    """What `shap_global_importance.json` holds. `missing` says why there is no explanation, where there is none.

    What is explained are predictions before `model.clip` bounds them; `clipped_rows` counts the rows where it does. So many
    columns of a wide table are explained `together`, each with an equal part of what they all add.
    """

    model: str
    run_id: str
    rows: int
    unit: str
    base_value: float | None = None
    additivity_error: float | None = None
    mean_absolute_shap: dict[str, float] = field(default_factory=dict)
    clipped_rows: int = 0
    together: int = 0
    missing: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def explain(
    model: Any,
    background: pd.DataFrame,
    rows: pd.DataFrame,
    *,
    seed: int,
    predict: Callable[[Columns], Array] | None = None,
    coalitions: int = COALITIONS,
) -> Explanation:
    """Return Shapley values for `rows` by raw column, in units of the target.

    What is explained of a clipped model is its prediction before it is clipped, which is a sum; `predict` stands in for that
    where it is faster (the proven graph, without its clip). More `coalitions` make the values of what is explained from outside
    steadier, and exact where they suffice for all that there are.

    Trees: path-dependent TreeSHAP (Lundberg et al., Nature Machine Intelligence 2, 2020), relative to the training rows that
    the trees carry. Linear: coefficient × (value - mean over `background`). In both, one-hot columns are summed (signed) into
    their raw column. Whatever derives columns, transforms the target, blends, or has an objective with a link (TreeSHAP would add
    up to the logarithm): from outside, by orders of the raw columns, relative to 20 rows of `background` (`coalitions.py`).
    Raises `TabtrailError` when base value and contributions do not add up to the prediction.
    """
    explanation, model = None, unclipped(model)
    if isinstance(model, Pipeline) and not model.named_steps["preprocess"].named_transformers_.keys() & {*COMPUTED}:
        explanation = _explain_pipeline(model, background, rows)
    if explanation is None:
        explanation = _explain_any(predict or of_frames(model.predict), background, rows, seed, coalitions)
    require_additive(explanation)
    return explanation


def require_additive(explanation: Explanation) -> None:
    """Raise `TabtrailError` where base value and contributions do not add up to the predictions."""
    shared = np.abs(explanation.values).sum(axis=1)
    reach = max(float(np.std(explanation.predictions)), float(np.mean(shared)))
    sizes = abs(explanation.base_value) + shared + np.abs(explanation.predictions)
    allowed = np.maximum(_ADDITIVITY * reach, np.minimum(_FLOAT32_SUMS * sizes, _MOST * reach))
    misses = np.abs(explanation.base_value + explanation.values.sum(axis=1) - explanation.predictions)
    if not (misses <= np.maximum(allowed, _DOUBLE_SUMS * sizes)).all():
        raise TabtrailError(f"the Shapley values miss the predictions by up to {explanation.additivity_error:.3g}")


def shap_table(explanation: Explanation | None, rows: pd.DataFrame) -> pl.DataFrame:
    """Return a row for each explained one: structs `value` (raw columns) and `shap` (contributions), prediction, base_value.

    Without an explanation all but `value` is null: the rows are still those that a single row is explained relative to.
    """
    names = [str(name) for name in rows.columns] if explanation is None else list(explanation.columns)
    texts = {name: pl.String for name in names if rows[name].dtype != np.float64}
    unknown = [None] * len(rows)
    shap = {name: unknown if explanation is None else explanation.values[:, index] for index, name in enumerate(names)}
    return pl.DataFrame(
        {
            "value": pl.DataFrame({name: rows[name].to_numpy() for name in names}, schema_overrides=texts).to_struct("value"),
            "shap": pl.DataFrame(shap, schema=dict.fromkeys(names, pl.Float64)).to_struct("shap"),
            "prediction": unknown if explanation is None else explanation.predictions,
            "base_value": unknown if explanation is None else np.full(len(rows), explanation.base_value),
        },
        schema_overrides={"prediction": pl.Float64, "base_value": pl.Float64},
    )


def from_shap_table(frame: pl.DataFrame) -> tuple[Explanation | None, pd.DataFrame]:
    """Return explanation (None where it is missing) and raw rows of a table. Raises `TabtrailError` where they do not add up."""
    rows, shap = pd.DataFrame(dict(explained_columns(frame))), frame.get_column("shap").struct.unnest()
    base = frame.get_column("base_value")[0]
    if base is None:
        return None, rows
    explanation = Explanation(tuple(shap.columns), float(base), shap.to_numpy(), frame.get_column("prediction").to_numpy())
    require_additive(explanation)
    return explanation, rows


def of_frames(model: Callable[[pd.DataFrame], Array]) -> Callable[[Columns], Array]:
    """Let a model that takes frames take columns. A graph takes them as they are: a frame of a thousand, made for each of
    hundreds of calls, costs more than the predictions.
    """
    return lambda columns: np.asarray(model(pd.DataFrame(dict(columns))), dtype=np.float64).ravel()


def _explain_any(
    predict: Callable[[Columns], Array], background: pd.DataFrame, rows: pd.DataFrame, seed: int, coalitions: int
) -> Explanation:
    names, own = [str(name) for name in rows.columns], as_columns(rows)
    game = Game(predict, reference_rows(predict, as_columns(background[names])), alone(names))
    most = max(_LEAST_ALONE, _MOST_CELLS // (2 * game.references * len(rows) * len(names)))
    single = leading(game, own, most)
    others = tuple(name for name in names if name not in single)
    players = (*alone(single), *([others] if others else []))
    found = share_out(replace(game, players=players), own, coalitions=coalitions, seed=seed)
    shares = {name: found.values[:, place] / len(player) for place, player in enumerate(players) for name in player}
    values = np.stack([shares[name] for name in names], axis=1)
    return Explanation(tuple(names), found.base_value, values, found.predictions, len(others))


def as_columns(rows: pd.DataFrame) -> Columns:
    """Return numbers as doubles and texts as objects, by name."""
    return {
        str(name): column.to_numpy(dtype=np.float64 if column.dtype == np.float64 else object) for name, column in rows.items()
    }


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
