"""From raw columns to the matrix that a regressor fits, the same way for every row, in one pipeline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Self

import numpy as np
import pandas as pd
import polars as pl
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler, TargetEncoder
from sklearn.utils.validation import check_is_fitted

from tabtrail.config.model import Model
from tabtrail.contract.expressions import ColumnRef, Literal, Node, Operation, columns_of, compute, operate
from tabtrail.data.dates import to_doubles
from tabtrail.modeling.families import Layout
from tabtrail.modeling.metrics import Array

# Beyond about so many texts, one of them has too few rows of some thousand for a split of its own to be more than noise.
MANY_TEXTS = 50
# A tree splits a map along its axes alone. With three rotations LightGBM erred 3.9 % less over folds in California, CatBoost 2.5
# to 3.6 %, a blend of both 1.1 % less in Sacramento and 0.6 % in Ames; with one by 45° less of that, with five hardly more.
DIRECTIONS = (22.5, 45.0, 67.5, 112.5, 135.0, 157.5)
COSINES, SINES = np.cos(np.deg2rad(DIRECTIONS)), np.sin(np.deg2rad(DIRECTIONS))
COMPUTED = ("derived", "rotated")
"""Parts of the matrix whose columns are computed from several raw ones."""


@dataclass(frozen=True)
class Recipe:
    """What becomes of the raw columns: `numbers` and `texts` are the inputs; the others say how they enter the matrix.

    Predictions stay inside `clip`, the least and the largest (None: unbounded). `many` are those of `one_hot` with many texts.
    `coordinates` are pairs of numbers that may enter rotated, too.
    """

    numbers: tuple[str, ...]
    texts: tuple[str, ...]
    numeric: tuple[str, ...]
    formulas: Mapping[str, Node]
    one_hot: tuple[str, ...] = ()
    frequency: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    max_categories: int = 255
    seed: int = 42
    clip: tuple[float | None, float | None] = (None, None)
    many: tuple[str, ...] = ()
    coordinates: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(
        cls, model: Model, clip: tuple[float | None, float | None] = (None, None), distinct: Mapping[str, int] | None = None
    ) -> Self:
        """Return the recipe that the config's model section says, for columns with so many `distinct` texts (None: few)."""
        return cls(
            numbers=model.number_inputs,
            texts=model.text_features,
            numeric=model.numeric_features,
            formulas=model.formulas,
            one_hot=model.categorical_features,
            frequency=model.frequency_encoded,
            target=model.target_encoded,
            max_categories=model.max_categories,
            seed=model.random_state,
            clip=clip,
            many=tuple(name for name in model.categorical_features if (distinct or {}).get(name, 0) > MANY_TEXTS),
            coordinates=model.pairs_of_coordinates,
        )

    def entering(self, many_texts: str, *, rotated: bool) -> Self:
        """Return the recipe as a candidate wants it: the columns of many texts like others (`shared`), or as `target` mean or
        `frequency` of them; coordinates rotated, too, or only as they are.
        """
        return self._encoding_many(many_texts) if rotated else replace(self._encoding_many(many_texts), coordinates=())

    def _encoding_many(self, how: str) -> Self:
        if how == "shared":
            return self
        few = tuple(name for name in self.one_hot if name not in self.many)
        if how == "target":
            return replace(self, one_hot=few, target=tuple(dict.fromkeys((*self.target, *self.many))))
        return replace(self, one_hot=few, frequency=tuple(dict.fromkeys((*self.frequency, *self.many))))


def feature_frame(data: pl.DataFrame, numbers: Sequence[str], texts: Sequence[str]) -> pd.DataFrame:
    """Return the model's inputs: numbers as float64 (missing is NaN, dates are days since 1970), texts (missing is "")."""
    columns: dict[str, Any] = {name: to_doubles(data.get_column(name)) for name in numbers}
    columns |= {name: data.get_column(name).cast(pl.String).fill_null("").to_numpy().astype(object) for name in texts}
    return pd.DataFrame(columns)


def build_preprocessor(recipe: Recipe, *, scaled: bool, native: bool = False, missing_native: bool = False) -> ColumnTransformer:
    """Return the unfitted column transformer, from raw columns to a dense float64 matrix.

    Missing numbers become the training median, or stay missing (`missing_native`); a category is one 0/1 column for each text
    seen in training and all zeros for an unseen one, or, where the model takes categories as they are (`native`), one column
    of codes and NaN for an unseen text.
    Dense on purpose: XGBoost reads the zeros of a sparse matrix as missing, its exported graph does not.
    """
    one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", sparse_output=False, max_categories=recipe.max_categories)
    cross_fitting = KFold(5, shuffle=True, random_state=recipe.seed)
    mean_target = TargetEncoder(target_type="continuous", cv=cross_fitting)
    sources = sorted(frozenset[str]().union(*map(columns_of, recipe.formulas.values())))
    derived = DerivedFeatures(tuple(sources), tuple(recipe.formulas), tuple(recipe.formulas.values()))
    rotated = RotatedCoordinates(recipe.coordinates)
    parts = [
        ("numeric", _numbers(None, scaled=scaled, missing_native=missing_native), list(recipe.numeric)),
        ("derived", _numbers(derived, scaled=scaled, missing_native=missing_native), sources),
        ("rotated", _numbers(rotated, scaled=scaled, missing_native=missing_native), list(chain(*recipe.coordinates))),
        ("native", CategoryCodes(recipe.max_categories), list(recipe.one_hot) if native else []),
        ("categorical", one_hot, [] if native else list(recipe.one_hot)),
        ("frequency", make_pipeline(FrequencyEncoder(), *_scaler(scaled)), list(recipe.frequency)),
        ("target", make_pipeline(mean_target, *_scaler(scaled)), list(recipe.target)),
    ]
    return ColumnTransformer([part for part in parts if part[2]], sparse_threshold=0, verbose_feature_names_out=False)


def native_layout(recipe: Recipe) -> Layout | None:
    """Return which columns of the matrix hold codes where `build_preprocessor` makes them; None where there are no categories."""
    before = len(recipe.numeric) + len(recipe.formulas) + len(DIRECTIONS) * len(recipe.coordinates)
    codes = tuple(range(before, before + len(recipe.one_hot)))
    return Layout(before + len(codes) + len(recipe.frequency) + len(recipe.target), codes) if codes else None


def _numbers(before: Any, *, scaled: bool, missing_native: bool) -> Pipeline:
    steps = [] if before is None else [before]
    filled = FunctionTransformer() if missing_native else SimpleImputer(strategy="median", keep_empty_features=True)
    return make_pipeline(*steps, filled, *_scaler(scaled))


def _scaler(scaled: bool) -> list[StandardScaler]:
    return [StandardScaler()] if scaled else []


def build_pipeline(preprocessor: ColumnTransformer, regressor: Any) -> Pipeline:
    """Return the pipeline of two steps, `preprocess` and `model`."""
    return Pipeline([("preprocess", preprocessor), ("model", regressor)])


def splits_on_categories(preprocessor: ColumnTransformer) -> bool:
    """Return whether the output of a fitted transformer has columns of category codes."""
    return any(isinstance(transformer, CategoryCodes) for _, transformer, _ in preprocessor.transformers_)


def source_columns(preprocessor: ColumnTransformer) -> list[str]:
    """Return for each column of the fitted transformer's output the raw column (or derived feature) that it comes from."""
    names: list[str] = []
    for part, transformer, columns in preprocessor.transformers_:
        if part == "categorical":
            for name, texts, rare in zip(columns, transformer.categories_, transformer.infrequent_categories_, strict=True):
                names += [name] * (len(texts) - (0 if rare is None else len(rare) - 1))
        elif part in COMPUTED:
            names += transformer[0].names
        elif part != "remainder":
            names += list(columns)
    return names


class ArrayArithmetic:
    """Expressions over float64 arrays, NaN for null."""

    def literal(self, value: float) -> float:
        return value

    def divide(self, a: Any, b: Any) -> Any:
        with np.errstate(all="ignore"):
            return _finite(np.divide(a, b))

    def floor(self, a: Any) -> Any:
        return np.floor(a)

    def log1p(self, a: Any) -> Any:
        with np.errstate(all="ignore"):
            return _finite(np.log(1 + np.asarray(a)))

    def compare(self, operator: str, a: Any, b: Any) -> Any:
        known = np.isfinite(a) & np.isfinite(b)
        return np.where(known, np.asarray(operate(operator, a, b), dtype=np.float64), np.nan)


def derive(formula: Node, columns: Mapping[str, Array]) -> Array:
    """Return a derived column [rows] from its source columns; NaN where a source is missing or the result is not finite."""
    rows = len(next(iter(columns.values())))
    with np.errstate(all="ignore"):
        value = compute(formula, columns, ArrayArithmetic())
    return np.asarray(_finite(np.broadcast_to(np.asarray(value, dtype=np.float64), (rows,))))


def _finite(value: Any) -> Any:
    return np.where(np.isfinite(value), value, np.nan)


class DerivedFeatures(TransformerMixin, BaseEstimator):
    """Columns computed from others: [rows, sources] in, [rows, names] out."""

    def __init__(self, sources: tuple[str, ...], names: tuple[str, ...], formulas: tuple[Node, ...]) -> None:
        self.sources = sources
        self.names = names
        self.formulas = formulas

    def fit(self, x: Any, y: Any = None) -> "DerivedFeatures":  # noqa: ARG002 - scikit-learn's signature
        """Learn nothing."""
        self.n_features_in_ = len(self.sources)
        return self

    def transform(self, x: Any) -> Array:
        """Return the derived columns."""
        matrix = np.asarray(x, dtype=np.float64)
        columns = {name: matrix[:, index] for index, name in enumerate(self.sources)}
        return np.column_stack([derive(formula, columns) for formula in self.formulas])

    def get_feature_names_out(self, input_features: Any = None) -> Any:  # noqa: ARG002 - scikit-learn's signature
        """Return the names of the derived columns."""
        return np.asarray(self.names, dtype=object)


class RotatedCoordinates(TransformerMixin, BaseEstimator):
    """How far a place lies in each of `DIRECTIONS`: [rows, two for each pair] in, [rows, directions of each pair] out."""

    def __init__(self, pairs: tuple[tuple[str, str], ...]) -> None:
        self.pairs = pairs

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [f"{first} and {second} at {degrees:g}°" for first, second in self.pairs for degrees in DIRECTIONS]

    @property
    def formulas(self) -> list[Node]:
        """Each column as an expression of its two."""
        return [
            Operation("+", (_times(cosine, first), _times(sine, second)))
            for first, second in self.pairs
            for cosine, sine in zip(COSINES, SINES, strict=True)
        ]

    def fit(self, x: Any, y: Any = None) -> "RotatedCoordinates":  # noqa: ARG002 - scikit-learn's signature
        """Learn nothing."""
        self.n_features_in_ = 2 * len(self.pairs)
        return self

    def transform(self, x: Any) -> Array:
        """Return the places along each direction, NaN where one of the two numbers is missing."""
        matrix = np.asarray(x, dtype=np.float64)
        firsts, seconds = matrix[:, 0::2], matrix[:, 1::2]
        return np.asarray((firsts[:, :, None] * COSINES + seconds[:, :, None] * SINES).reshape(len(matrix), -1))

    def get_feature_names_out(self, input_features: Any = None) -> Any:  # noqa: ARG002 - scikit-learn's signature
        """Return the names of the columns."""
        return np.asarray(self.names, dtype=object)


def _times(factor: float, column: str) -> Node:
    return Operation("*", (Literal(float(factor)), ColumnRef(column)))


class CategoryCodes(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """The code of each text, 0 and up in the order of the one-hot columns it would have: rare texts share the last.

    A text that is not among those of the training rows is rare where there are rare ones, else NaN.
    """

    def __init__(self, max_categories: int) -> None:
        self.max_categories = max_categories

    def fit(self, x: pd.DataFrame, y: Any = None) -> "CategoryCodes":  # noqa: ARG002 - scikit-learn's signature
        """Learn the texts of each column."""
        self.feature_names_in_ = np.asarray(x.columns, dtype=object)
        self.n_features_in_ = x.shape[1]
        encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=self.max_categories).fit(
            _distinct(x, self.max_categories)
        )
        self.categories_ = encoder.categories_
        found = [one_hot_positions(*each) for each in zip(encoder.categories_, encoder.infrequent_categories_, strict=True)]
        self.encodings_ = [np.array(list(positions.values()), dtype=np.float64) for positions, _ in found]
        self.unknown_ = [np.nan if unknown < 0 else float(unknown) for _, unknown in found]
        return self

    def transform(self, x: pd.DataFrame) -> Array:
        """Return the codes [rows, columns]."""
        check_is_fitted(self)
        tables = [dict(zip(texts, codes, strict=True)) for texts, codes in zip(self.categories_, self.encodings_, strict=True)]
        columns = zip(x.columns, tables, self.unknown_, strict=True)
        return np.column_stack([[table.get(text, unknown) for text in x[name].tolist()] for name, table, unknown in columns])


def _distinct(x: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return a table with the same texts in each column, each about once; as it is where one has more than `most`.

    scikit-learn counts texts one by one in Python (0.4 s for 200,000), and counts matter only where some are rare.
    """
    texts = {name: np.asarray(pd.unique(x[name]), dtype=object) for name in x.columns}
    longest = max(map(len, texts.values()), default=0)
    return x if longest > most else pd.DataFrame({name: np.resize(own, longest) for name, own in texts.items()}, dtype=object)


def one_hot_positions(texts: Any, rare: Any) -> tuple[dict[str, int], int]:
    """Return the one-hot column of each text of a category, and that of unknown texts (-1: none).

    `texts` and `rare` (or None) are `categories_` and `infrequent_categories_` of a fitted `OneHotEncoder`.
    """
    apart = set() if rare is None else set(rare)
    columns = {text: index for index, text in enumerate(text for text in texts if text not in apart)}
    last = len(columns) if apart else -1
    return {text: columns.get(text, last) for text in texts}, last


class FrequencyEncoder(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """The share of the training rows with the same text, 0 for a text that is not among them."""

    def fit(self, x: pd.DataFrame, y: Any = None) -> "FrequencyEncoder":  # noqa: ARG002 - scikit-learn's signature
        """Count the texts of each column."""
        self.feature_names_in_ = np.asarray(x.columns, dtype=object)
        self.n_features_in_ = x.shape[1]
        counts = [np.unique(x[name].to_numpy(dtype=object).astype(str), return_counts=True) for name in x.columns]
        self.categories_ = [texts.astype(object) for texts, _ in counts]
        self.encodings_ = [found / len(x) for _, found in counts]
        return self

    def transform(self, x: pd.DataFrame) -> Array:
        """Return the shares [rows, columns]."""
        check_is_fitted(self)
        tables = [dict(zip(texts, shares, strict=True)) for texts, shares in zip(self.categories_, self.encodings_, strict=True)]
        columns = [[table.get(text, 0.0) for text in x[name].tolist()] for name, table in zip(x.columns, tables, strict=True)]
        return np.array(columns, dtype=np.float64).T.reshape(len(x), len(tables))
