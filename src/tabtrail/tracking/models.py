"""Fitted models in the store: saved as MLflow asks for it, and opened again only as the bytes that were saved."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow.artifacts
import mlflow.pyfunc
import mlflow.sklearn
import pandas as pd
from mlflow.entities import LoggedModelOutput
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri
from sklearn.dummy import DummyRegressor

from tabtrail.bundle.metadata import metadata_name, signature_name
from tabtrail.contract.schema import ModelSchema
from tabtrail.errors import StoreError
from tabtrail.export.pickles import ForeignPickleError, unpickled, write_plain_pickle
from tabtrail.system.files import json_bytes
from tabtrail.system.hashes import sha256_file
from tabtrail.system.temporary import scratch_folder
from tabtrail.tracking import bundle_model, row_model
from tabtrail.tracking.bundle_model import FOLDER
from tabtrail.tracking.store import Store
from tabtrail.tracking.tags import TAG

_PICKLE = "model.pkl"
_EXAMPLE = "input_example.parquet"


class ModelGoneError(StoreError):
    """A model is no longer in the store, or cannot be opened any more."""


@dataclass(frozen=True)
class LoggedModel:
    """A model in the store: the run that it belongs to, where its files lie, the sha256 of the pickled one, MLflow's own id."""

    run_id: str
    location: str
    sha256: str
    model_id: str = ""


@dataclass(frozen=True)
class FittedModel:
    """A model to be saved: what it is called, what it takes, rows that show that, and the libraries that open it, pinned."""

    name: str
    fitted: Any
    schema: ModelSchema
    example: pd.DataFrame
    requirements: list[str]


def log_model(store: Store, run_id: str, model: FittedModel, params: Mapping[str, str] | None = None) -> LoggedModel:
    """Save a fitted model with signature, input example and requirements (inferring those costs seconds a model), and the
    parameters that its page shows."""
    name = model.name
    logged = store.client.create_logged_model(
        store.experiment_id, name=name, source_run_id=run_id, tags={TAG + "candidate": name}, params=dict(params or {})
    )
    with scratch_folder() as folder:
        path = Path(folder) / "model"
        _save(path, model, Model(run_id=run_id, model_id=logged.model_id))
        # MLflow keeps the example as JSON alone, in which a whole number may come back as another type.
        model.example.to_parquet(path / _EXAMPLE)
        digest = sha256_file(path / _PICKLE)
        store.client.log_model_artifacts(logged.model_id, str(path))
    store.client.finalize_logged_model(logged.model_id, "READY")
    store.client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return LoggedModel(run_id, str(logged.artifact_location), digest, str(logged.model_id))


def _save(path: Path, model: FittedModel, head: Model) -> None:
    """Write the pipeline as scikit-learn's, which MLflow opens as such, and as rows read and held to the contract (pyfunc)."""
    schema = model.schema
    mlflow.sklearn.save_model(
        DummyRegressor(),  # the model's own pickle takes its place, and writing one of a bag takes a second
        path,
        mlflow_model=head,
        # skops refuses all of these models unless their types are trusted first; nothing loads this copy when serving.
        serialization_format="cloudpickle",
        signature=row_model.signature_of(schema),
        input_example=row_model.raw_rows(schema, model.example),
        pip_requirements=model.requirements,
        metadata={"columns": {each.name: each.rule.dtype for each in schema.features}},
    )
    # cloudpickle makes unequal bytes of equal models, and a benchmark that goes on after a kill is to leave the same files.
    write_plain_pickle(model.fitted, path / _PICKLE)
    head.model_size_bytes = sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    (path / row_model.SCHEMA).write_bytes(json_bytes(schema.to_dict()))
    environment = head.flavors[mlflow.pyfunc.FLAVOR_NAME][mlflow.pyfunc.ENV]
    mlflow.pyfunc.add_to_model(
        head,
        loader_module=row_model.__name__,
        conda_env=environment[mlflow.pyfunc.EnvType.CONDA],
        python_env=environment[mlflow.pyfunc.EnvType.VIRTUALENV],
    )
    head.save(path / "MLmodel")


@dataclass(frozen=True)
class BundleFiles:
    """A bundle to be registered: its files by name, what it takes, a row that shows that, and the libraries that open it."""

    name: str
    files: Mapping[str, bytes]
    schema: ModelSchema
    requirements: list[str]


def log_bundle(store: Store, run_id: str, bundle: BundleFiles, tags: Mapping[str, str]) -> LoggedModel:
    """Save a bundle as MLflow's models are: ONNX, contract, intervals, warnings; not the pickle that lies beside them."""
    logged = store.client.create_logged_model(
        store.experiment_id, name=bundle.name, source_run_id=run_id, tags={TAG + "kind": FOLDER, **tags}
    )
    with scratch_folder() as folder:
        path, data = Path(folder) / "model", Path(folder) / FOLDER
        data.mkdir()
        for name, content in bundle.files.items():
            if not name.endswith(".joblib"):
                (data / name).write_bytes(content)
        mlflow.pyfunc.save_model(
            path,
            loader_module=bundle_model.__name__,
            data_path=str(data),
            mlflow_model=Model(run_id=run_id, model_id=logged.model_id),
            signature=bundle_model.signature_of(bundle.schema),
            input_example=pd.DataFrame([bundle.schema.example], dtype=object),
            pip_requirements=bundle.requirements,
            metadata={"columns": {each.name: each.rule.dtype for each in bundle.schema.features}},
        )
        store.client.log_model_artifacts(logged.model_id, str(path))
    store.client.finalize_logged_model(logged.model_id, "READY")
    return LoggedModel(run_id, str(logged.artifact_location), "", str(logged.model_id))


def attach_signature(store: Store, run_id: str, location: str, bundle: BundleFiles) -> bool:
    """Put the signature of a bundle beside its files in the logged model of a run at a location, if it is not there.

    Returns whether the model holds the signed bundle: not where it is gone or holds another.
    """
    logged = store.client.search_logged_models([store.experiment_id], filter_string=f"source_run_id = '{run_id}'")
    model_id = next((str(each.model_id) for each in logged if str(each.artifact_location) == location), None)
    if model_id is None:
        return False
    folder, signature, metadata = f"data/{FOLDER}", signature_name(bundle.name), metadata_name(bundle.name)
    with scratch_folder() as scratch:
        held, new = Path(scratch) / "held", Path(scratch) / "new" / folder
        held.mkdir()
        new.mkdir(parents=True)
        try:
            source = f"{location}/{folder}"
            found = Path(mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=str(held), tracking_uri=store.uri))
            same = (found / metadata).read_bytes() == bundle.files[metadata]
        except (MlflowException, OSError):
            return False
        if same and not (found / signature).is_file():
            (new / signature).write_bytes(bundle.files[signature])
            store.client.log_model_artifacts(model_id, str(Path(scratch) / "new"))
        return same


def load_model(store: Store, model: LoggedModel) -> Any:
    """Return a fitted model that was logged; one whose file is not the one that was logged is not opened (`StoreError`).

    Raises `ModelGoneError` where it is no longer there, or was written by classes that have moved since.
    """
    with scratch_folder() as folder:
        source = f"{model.location}/{_PICKLE}"
        try:
            path = mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=folder, tracking_uri=store.uri)
        except (MlflowException, OSError):
            raise ModelGoneError(
                f"the model of run {model.run_id} is no longer in the MLflow store; train with --force"
            ) from None
        data = Path(path).read_bytes()
    if hashlib.sha256(data).hexdigest() != model.sha256:
        raise StoreError(f"the model of run {model.run_id} in the MLflow store was altered; train again with --force")
    try:
        return unpickled(data)
    except ForeignPickleError as error:
        raise ModelGoneError(
            f"the model of run {model.run_id} in the MLflow store cannot be opened: {error}; use --force"
        ) from None


@dataclass(frozen=True)
class LocalFiles:
    """The files of a model in a store on this disk: the pickled pipeline, which joblib opens, and the input example."""

    pipeline: Path
    example: Path


def local_files(model: LoggedModel) -> LocalFiles | None:
    """Return the files of a model, None where the store is not on this disk."""
    if not is_local_uri(model.location):
        return None
    folder = Path(local_file_uri_to_path(model.location))
    return LocalFiles(folder / _PICKLE, folder / _EXAMPLE)


def model_of(store: Store, run_id: str, sha256: str = "") -> LoggedModel:
    """Return a run's model, whose pickled file is known by its sha256. Raises `ModelGoneError` where the store has none."""
    outputs = store.client.get_run(run_id).outputs.model_outputs
    try:
        found = store.client.get_logged_model(outputs[0].model_id)
        return LoggedModel(run_id, str(found.artifact_location), sha256, str(found.model_id))
    except (MlflowException, IndexError):
        raise ModelGoneError(f"the model of run {run_id} is no longer in the MLflow store; train with --force") from None
