"""Why the deployed model of many series forecasts what it does for one series and day."""

import io
from typing import Any

import pandas as pd
import polars as pl

from tabtrail.bundle.load import Bundle
from tabtrail.bundle.predictor import Prediction, Predictor
from tabtrail.config.operation import Mlflow
from tabtrail.errors import TabtrailError
from tabtrail.explain.demand import explain_forecasts
from tabtrail.explain.groups import group_features, group_text
from tabtrail.explain.shapley import from_shap_table
from tabtrail.export.parity import open_graph
from tabtrail.project.paths import Artifacts
from tabtrail.system.files import read_json
from tabtrail.tracking.artifacts import list_files, read_artifact
from tabtrail.tracking.refusals import store_errors
from tabtrail.tracking.store import open_store


def explain_forecast(
    predictor: Predictor, bundle: Bundle, model: Any, served: Prediction, background: pd.DataFrame
) -> tuple[float, dict[str, float], dict[str, str]]:
    """Return base value, contributions by group of features, and what the groups hold of a forecast that was served.

    Base value and contributions are in units of demand. Raises `TabtrailError` where they do not add up to the forecast.
    """
    demand = predictor.demand
    assert demand is not None  # noqa: S101 - of a model of series
    inputs = predictor.graph_inputs([served.inputs])
    row = pd.DataFrame({name: inputs[name].ravel() for name in background.columns}).astype(background.dtypes.to_dict())
    groups = group_features(demand.panel.recipe, demand.panel.texts)
    found, _ = explain_forecasts(model, background, row, groups, open_graph(bundle.onnx))
    parts = dict(zip(found.columns, map(float, found.values[0]), strict=True))
    values = {name: group_text(name, features, inputs, served, demand) for name, features in groups.items()}
    return found.base_value, parts, values


def explained_forecasts(artifacts: Artifacts, mlflow: Mlflow, run_id: str) -> pd.DataFrame:
    """Return the forecasts that the deployed model's explanation is relative to: of the last run, or of its own in the store."""
    path, known = artifacts.demand_explained, read_json(artifacts.demand_importance) or {}
    if known.get("run_id") == run_id and path.is_file():
        return from_shap_table(pl.read_parquet(path))[1]
    store = open_store(mlflow)
    with store_errors(store.uri):
        if path.name not in list_files(store, run_id):
            raise TabtrailError("no explained forecasts of the deployed model are stored; run `tabtrail train --force`")
        return from_shap_table(pl.read_parquet(io.BytesIO(read_artifact(store, run_id, path.name))))[1]
