"""Why the deployed model of many series forecasts what it does for one series and day."""

import io
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl

from tabtrail.bundle.load import Bundle
from tabtrail.config.operation import Mlflow
from tabtrail.errors import TabtrailError
from tabtrail.explain.demand import explain_forecasts
from tabtrail.explain.groups import group_features, group_text
from tabtrail.explain.shapley import from_shap_table
from tabtrail.export.outputs import open_graph
from tabtrail.project.paths import Artifacts
from tabtrail.system.files import read_json
from tabtrail.tracking.artifacts import list_files, read_artifact
from tabtrail.tracking.refusals import store_errors
from tabtrail.tracking.store import open_store
from tabtrail.workflows.explain import LocalExplanation, as_served, predict_one
from tabtrail.workflows.pipelines import load_pipeline


def explain_forecast(bundle: Bundle, row: Any, artifacts: Artifacts, mlflow: Mlflow, folder: Path) -> LocalExplanation:
    """Explain a forecast (raw column → value) of a model of series that is deployed in a folder, by groups of features, in units
    of demand. Raises as `explain_row` does.
    """
    predictor, served = predict_one(bundle, row)
    demand = predictor.demand
    assert demand is not None  # noqa: S101 - of a model of series
    background = explained_forecasts(artifacts, mlflow, bundle.metadata["run_id"])
    model = load_pipeline(folder, bundle.metadata)
    inputs = predictor.graph_inputs([served.inputs])
    features = pd.DataFrame({name: inputs[name].ravel() for name in background.columns}).astype(background.dtypes.to_dict())
    groups = group_features(demand.panel.recipe, demand.panel.texts)
    found, _ = explain_forecasts(model, background, features, groups, open_graph(bundle.onnx))
    parts = dict(zip(found.columns, map(float, found.values[0]), strict=True))
    values = {name: group_text(name, own, inputs, served, demand) for name, own in groups.items()}
    return as_served(bundle, served, (found.base_value, parts), values)


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
