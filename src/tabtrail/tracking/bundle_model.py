"""The deployed bundle as MLflow opens it, by the name of this module: what the service answers, without its pickle.

It is loaded beside `mlflow-skinny` too, and so imports neither scikit-learn nor the rest of `tracking`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from mlflow.types.schema import AnyType, Array, DataType

from tabtrail.bundle.load import bundle_names, load_bundle
from tabtrail.bundle.predictor import Prediction, Predictor
from tabtrail.bundle.rows import PayloadError
from tabtrail.contract.schema import ModelSchema
from tabtrail.errors import BundleError

ANSWER = ("prediction", "low", "high", "warnings")
FOLDER = "bundle"
"""The folder of a model in MLflow that holds the files of the bundle."""


class BundleModel:
    """A bundle behind MLflow's `predict`."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def predict(self, rows: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002
        """Return `prediction`, `low`, `high` (units of the target; None without an interval) and `warnings` of each row.

        MLflow makes a frame of a list of rows by column and of lists of values by column; one of Polars it refuses. Raises
        `MlflowException` (400 in its server) with what the service says of the first row that the contract does not allow.
        """
        try:
            found = self._predictor.predict(records_of(rows))
        except PayloadError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None
        return pd.DataFrame([_answer(each) for each in found], columns=list(ANSWER))


def _load_pyfunc(path: str) -> BundleModel:
    """Verify and open the bundle in a folder. MLflow calls this function."""
    folder = Path(path)
    names = bundle_names(each.name for each in folder.iterdir())
    if len(names) != 1:
        raise BundleError(f"{folder} holds {len(names)} bundles instead of one")
    return BundleModel(Predictor(load_bundle(folder, names[0], pickle=False)))


def signature_of(schema: ModelSchema) -> ModelSignature:
    """Return the columns without types: what a value may be is for the contract to say, which takes texts too. Optional ones may
    be left out here as well.
    """
    answer = [ColSpec("double", name, required=name == "prediction") for name in ANSWER[:3]]
    warnings = ColSpec(Array(DataType.string), ANSWER[3])
    return ModelSignature(columns_of(schema), Schema([*answer, warnings]))


def columns_of(schema: ModelSchema) -> Schema:
    """Return the columns that a model takes, as `signature_of` has them."""
    return Schema([ColSpec(AnyType(), each.name, required=not each.optional) for each in schema.features])


def records_of(rows: pd.DataFrame) -> list[Any]:
    """Return the rows of a frame by column, None for what is missing, which is NaN, NaT or NA in a frame."""
    return rows.astype(object).where(rows.notna(), None).to_dict("records")


def _answer(found: Prediction) -> dict[str, Any]:
    low, high = (None, None) if found.interval is None else (found.interval.low, found.interval.high)
    return {"prediction": found.value, "low": low, "high": high, "warnings": list(found.warnings)}
