"""A logged model as MLflow opens it, by the name of this module: rows in as everywhere else, predictions out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.sklearn
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from numpy.typing import NDArray

from tabtrail.bundle.rows import PayloadError, Row, RowReader
from tabtrail.contract.expressions import date_text, days_of, moment_text
from tabtrail.contract.schema import Feature, ModelSchema
from tabtrail.tracking.bundle_model import columns_of, records_of

_SHOWN: dict[str, Callable[[Any], Any]] = {"int": int, "date": date_text, "datetime": moment_text}
SCHEMA = "tabtrail_schema.json"
"""The file beside the pickled pipeline that says what the model takes and how it is read."""


class RowModel:
    """A fitted pipeline behind the reading and the contract of its rows, which are those of the bundle."""

    def __init__(self, fitted: Any, schema: ModelSchema) -> None:
        self._fitted, self._reader = fitted, RowReader(schema)

    def predict(self, rows: pd.DataFrame, params: dict[str, Any] | None = None) -> NDArray[np.float64]:  # noqa: ARG002
        """Return the predictions [rows] of raw columns, in units of the target.

        Raises `MlflowException` (400 in its server) with what the service says of the first row that the contract does not allow.
        """
        try:
            read = self._reader.check(records_of(rows))
        except PayloadError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None
        if not read:
            return np.empty(0)
        frame = pd.DataFrame({each.name: _column(each, read) for each in self._reader.schema.features})
        return np.asarray(self._fitted.predict(frame), dtype=np.float64)


def _load_pyfunc(path: str) -> RowModel:
    """Open a model that lies in a folder. MLflow calls this function."""
    schema = ModelSchema.from_dict(json.loads((Path(path) / SCHEMA).read_text(encoding="utf-8")))
    return RowModel(mlflow.sklearn.load_model(path), schema)


def signature_of(schema: ModelSchema) -> ModelSignature:
    """Return the columns without types: what a value may be is for the reader of the rows to say, which takes texts too."""
    return ModelSignature(columns_of(schema), Schema([ColSpec("double", schema.target)]))


def raw_rows(schema: ModelSchema, frame: pd.DataFrame) -> pd.DataFrame:
    """Return rows as the pipeline takes them in the form in which they are given: dates as texts, None for what is missing."""
    return pd.DataFrame({each.name: _given(each, frame[each.name]) for each in schema.features}, dtype=object)


def _column(feature: Feature, rows: list[Row]) -> NDArray[Any]:
    """Return a column as the pipeline takes it: doubles (dates as days since 1970-01-01, NaN for missing), texts ("")."""
    values = [row[feature.name] for row in rows]
    if feature.kind == "categorical":
        return np.array([value or "" for value in values], dtype=object)
    days = [days_of(str(value)) if feature.kind == "date" and value is not None else value for value in values]
    return np.array(days, dtype=np.float64)


def _given(feature: Feature, values: pd.Series) -> list[Any]:
    missing = (None, "", feature.reading.fill)
    shown = _SHOWN.get(feature.rule.dtype, lambda value: value)
    return [None if pd.isna(value) or value in missing else shown(value) for value in values]
