"""Why the deployed model predicts what it does for one row of the user's own."""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from tabtrail.bundle.load import Bundle, load_bundle
from tabtrail.bundle.predictor import Prediction, Predictor
from tabtrail.config.operation import Mlflow
from tabtrail.config.tree import Config
from tabtrail.contract.expressions import days_of
from tabtrail.contract.schema import Feature
from tabtrail.contract.texts import unit_of
from tabtrail.errors import BundleError, TabtrailError, UsageError
from tabtrail.explain.shapley import explain, from_shap_table
from tabtrail.export.graph import without_clip
from tabtrail.export.parity import open_graph
from tabtrail.export.pickles import ForeignPickleError, unpickled
from tabtrail.modeling.estimators import UNBOUNDED, clip
from tabtrail.project.paths import Artifacts
from tabtrail.report.explanation_pictures import waterfall
from tabtrail.report.png import draw
from tabtrail.system.files import read_json
from tabtrail.tracking.artifacts import list_files, read_artifact
from tabtrail.tracking.benchmarks import find_benchmark
from tabtrail.tracking.refusals import store_errors
from tabtrail.tracking.store import open_store
from tabtrail.workflows.explain_demand import explain_forecast, explained_forecasts

_COALITIONS = 1024
# Of the largest number in the sum: what the served graph and the explained model may differ by, far above what a proof allows.
_TOLERANCE = 1e-5


@dataclass(frozen=True)
class LocalExplanation:
    """Base value + contributions (by raw column, largest first) = `unclipped`, in units of the target; `values` as given.

    The `prediction` that is served is that, inside the bounds of `model.clip`. For a forecast of series, contributions are
    `by_group` of features. `warnings` are those of the prediction.
    """

    model: str
    run_id: str
    unit: str
    base_value: float
    contributions: dict[str, float]
    values: dict[str, Any]
    unclipped: float
    prediction: float
    by_group: bool
    warnings: tuple[str, ...]

    @property
    def is_clipped(self) -> bool:
        return self.unclipped != self.prediction

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def explain_row(config: Config, row: Any) -> LocalExplanation:
    """Explain the prediction of a row (raw column → value) by the deployed model, relative to the rows of its global explanation.

    Raises `PayloadError` for a row that does not keep the contract, `TabtrailError` where the contributions do not add up to the
    prediction that is served, or bundle and explanation are of different runs: there is then no explanation, and the reason why.
    """
    bundle = load_bundle(config.paths.models_dir, config.model.name, config.bundle.public_key)
    predictor = Predictor(bundle)
    if not isinstance(row, dict):
        raise UsageError("--json: one row is explained at a time; give one JSON object")
    served = predictor.predict([row])[0]
    if predictor.demand is not None:
        background = explained_forecasts(Artifacts.of(config), config.mlflow, bundle.metadata["run_id"])
        model = load_pipeline(config.paths.models_dir, bundle.metadata)
        return _checked(bundle, served, *explain_forecast(predictor, bundle, model, served, background))
    _, background = from_shap_table(_explained_rows(Artifacts.of(config), config.mlflow, bundle.metadata["run_id"]))
    one = pd.DataFrame({f.name: [_input(f, served.inputs[f.name])] for f in bundle.schema.features})[list(background.columns)]
    one = one.astype(background.dtypes.to_dict())
    model, graph = load_pipeline(config.paths.models_dir, bundle.metadata), open_graph(without_clip(bundle.onnx))
    found = explain(model, background, one, seed=config.model.random_state, predict=graph, coalitions=_COALITIONS)
    values = {name: served.inputs[name] for name in found.columns}
    parts = dict(zip(found.columns, map(float, found.values[0]), strict=True))
    return _checked(bundle, served, found.base_value, parts, values)


def _checked(
    bundle: Bundle, served: Prediction, base: float, parts: dict[str, float], values: Mapping[str, Any]
) -> LocalExplanation:
    """Return the explanation of a prediction. Raises `TabtrailError` where the contributions do not make what is served."""
    total, size = base + sum(parts.values()), sum(map(abs, parts.values()))
    bounded = float(clip(np.array([total]), tuple(bundle.metadata.get("clip") or UNBOUNDED))[0])
    if not abs(bounded - served.value) <= _TOLERANCE * max(abs(served.value), abs(base), size):
        raise TabtrailError(
            f"base value and contributions make {bounded:.7g}, the served prediction is {served.value:.7g}; nothing is shown"
        )
    return LocalExplanation(
        model=bundle.metadata["model"],
        run_id=bundle.metadata["run_id"],
        unit=unit_of(bundle.metadata["target"], bundle.metadata["currency"]),
        base_value=base,
        contributions=dict(sorted(parts.items(), key=lambda item: (-abs(item[1]), item[0]))),
        values={name: values[name] for name in parts},
        unclipped=served.value if bounded == total else total,
        prediction=served.value,
        by_group=served.forecast is not None,
        warnings=served.warnings,
    )


def _explained_rows(artifacts: Artifacts, mlflow: Mlflow, run_id: str) -> pl.DataFrame:
    """Return the explained rows of the deployed model: of the last run, or of its own in the store."""
    path, known = artifacts.shap, read_json(artifacts.importance) or {}
    if known.get("run_id") == run_id and path.is_file():
        return pl.read_parquet(path)
    store = open_store(mlflow)
    with store_errors(store.uri):
        try:
            parent = find_benchmark(store, run_id).benchmark.run_id
        except UsageError:
            parent = ""
        if not parent or path.name not in list_files(store, parent):
            raise TabtrailError("no explained rows of the deployed model are stored; run `tabtrail train --force`")
        return pl.read_parquet(io.BytesIO(read_artifact(store, parent, path.name)))


def draw_explanation(explanation: LocalExplanation, path: Path) -> None:
    """Write the waterfall of a local explanation as PNG."""
    names = list(explanation.contributions)
    shown = ["missing" if explanation.values[name] is None else str(explanation.values[name]) for name in names]
    parts = list(explanation.contributions.values())
    draw(waterfall(names, shown, parts, explanation.base_value, explanation.unit), path)


def load_pipeline(folder: Path, metadata: dict[str, Any]) -> Any:
    """Return the fitted pipeline of a bundle.

    Raises `BundleError` for a joblib file that is not the one of the metadata, without opening it, and for one that was
    written by code whose classes have moved since.
    """
    entry = metadata["files"]["joblib"]
    data = (folder / entry["name"]).read_bytes()
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise BundleError(f"{folder / entry['name']} was altered; run `tabtrail train --force` to write the bundle again")
    try:
        return unpickled(data)
    except ForeignPickleError as error:
        raise BundleError(f"{folder / entry['name']} cannot be opened: {error}; run `tabtrail train --force`") from None


def _input(feature: Feature, value: Any) -> Any:
    if feature.kind == "categorical":
        return value or ""
    if value is None:
        return float("nan")
    return float(days_of(value)) if feature.kind == "date" else float(value)
