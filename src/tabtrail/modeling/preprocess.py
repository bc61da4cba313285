"""From raw columns to the matrix that a regressor fits, the same way for every row, in one pipeline."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def feature_frame(data: pl.DataFrame, numeric: Sequence[str], categorical: Sequence[str]) -> pd.DataFrame:
    """Return the model's inputs: numeric columns as float64 (missing is NaN), categories as text (missing is "")."""
    columns: dict[str, Any] = {name: data.get_column(name).cast(pl.Float64).to_numpy() for name in numeric}
    columns |= {name: data.get_column(name).cast(pl.String).fill_null("").to_numpy().astype(object) for name in categorical}
    return pd.DataFrame(columns)


def build_preprocessor(numeric: Sequence[str], categorical: Sequence[str], *, scaled: bool) -> ColumnTransformer:
    """Return the unfitted column transformer, from raw columns to a dense float64 matrix.

    Missing numbers become the training median; a category is one 0/1 column for each text seen in training and all zeros for
    an unseen one. Dense on purpose: XGBoost reads the zeros of a sparse matrix as missing, its exported graph does not.
    """
    impute = SimpleImputer(strategy="median", keep_empty_features=True)
    numbers: Any = make_pipeline(impute, StandardScaler()) if scaled else impute
    parts: list[tuple[str, Any, list[str]]] = []
    if numeric:
        parts.append(("numeric", numbers, list(numeric)))
    if categorical:
        parts.append(("categorical", OneHotEncoder(handle_unknown="ignore", sparse_output=False), list(categorical)))
    return ColumnTransformer(parts, sparse_threshold=0, verbose_feature_names_out=False)


def build_pipeline(preprocessor: ColumnTransformer, regressor: Any) -> Pipeline:
    """Return the pipeline of two steps, `preprocess` and `model`."""
    return Pipeline([("preprocess", preprocessor), ("model", regressor)])


def source_columns(preprocessor: ColumnTransformer) -> list[str]:
    """Return for each column of the fitted transformer's output the raw column that it comes from."""
    names: list[str] = []
    for part, transformer, columns in preprocessor.transformers_:
        if part == "categorical":
            names += [name for name, texts in zip(columns, transformer.categories_, strict=True) for _ in texts]
        else:
            names += list(columns)
    return names
