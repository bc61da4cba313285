"""The only code that talks to MLflow: explicit run ids, one batch a run, no fluent state, no autolog."""

import json
import logging
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
from filelock import FileLock, Timeout
from sklearn.pipeline import Pipeline

from tabtrail.errors import StoreError
from tabtrail.files import make_folder
from tabtrail.schema import ModelSchema
from tabtrail.tracking.items import COMPLETE, TAG, RunItems

_SQLITE = "sqlite:///"
_LOCK_SECONDS = 120.0


@dataclass(frozen=True)
class Store:
    """An open MLflow store: its client and the id of the experiment."""

    client: Any
    uri: str
    experiment_id: str


@dataclass(frozen=True)
class LoggedModel:
    """A model in the store: the run that it belongs to, its id, where its files lie."""

    run_id: str
    model_id: str
    location: str


def open_store(uri: str, experiment: str) -> Store:
    """Open the store, making it and the experiment where they are missing.

    A fresh SQLite store takes seconds (its migrations) and is ruined by two processes that make it at once, so that a lock
    file beside it lets one through. Raises `StoreError` for a store that cannot be opened.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # a server that is down is told in seconds, not minutes
    import mlflow

    for name in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with store_errors(uri):
        if not uri.startswith(_SQLITE):
            client = mlflow.MlflowClient(uri, uri)
            return Store(client, uri, _experiment_id(client, experiment, client.create_experiment))
        path = Path(uri.removeprefix(_SQLITE))
        make_folder(path.parent)
        with FileLock(path.with_name(path.name + ".lock"), timeout=_LOCK_SECONDS):
            from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

            # Made here with its own artifact root: the client's default is ./mlruns of whatever folder we are in.
            store = SqlAlchemyStore(uri, str(path.parent))
            client = mlflow.MlflowClient(uri, uri)
            return Store(client, uri, _experiment_id(client, experiment, store.create_experiment))


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Turn what MLflow and its database raise into a `StoreError` that names the store, without any password in its address."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    shown = _without_password(uri)
    try:
        yield
    except Timeout:
        raise StoreError(f"another process has held the lock of {shown} for {_LOCK_SECONDS:.0f} s; is a run stuck?") from None
    except MlflowException as error:
        raise StoreError(f"the MLflow store {shown} refuses: {_without_password(str(error)).splitlines()[0][:300]}") from error
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or type(error).__name__)
        raise StoreError(f"the MLflow store {shown} cannot be used ({reason}); if it is damaged, move it away") from error


def _without_password(text: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//…@", text)


def _experiment_id(client: Any, name: str, create: Callable[[str], str]) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        return str(create(name))
    if found.lifecycle_stage == "deleted":
        raise StoreError(f"the MLflow experiment '{name}' is deleted; restore it, or set mlflow.experiment to another name")
    return str(found.experiment_id)


def start_run(store: Store, name: str, tags: dict[str, str], parent: str | None = None, started: float | None = None) -> str:
    """Create a run, started now or at a Unix time in seconds, and return its id."""
    own = {"mlflow.runName": name, **({"mlflow.parentRunId": parent} if parent else {}), **tags}
    start_time = int((started or time.time()) * 1000)
    return str(store.client.create_run(store.experiment_id, start_time=start_time, tags=own, run_name=name).info.run_id)


def log_items(store: Store, run_id: str, items: RunItems) -> None:
    """Send params, metrics and tags in one batch (more where they pass MLflow's limits of a batch)."""
    from mlflow.entities import Metric, Param, RunTag

    now = int(time.time() * 1000)
    metrics = [Metric(each.key, each.value, now, each.step) for each in items.metrics]
    params = [Param(key, value[:6000]) for key, value in items.params.items()]
    tags = {**items.tags, **({"mlflow.note.content": items.description} if items.description else {})}
    sent_tags = [RunTag(key, value[:8000]) for key, value in tags.items()]
    store.client.log_batch(run_id, metrics=metrics[:1000], params=params[:100], tags=sent_tags)
    for start in range(1000, len(metrics), 1000):
        store.client.log_batch(run_id, metrics=metrics[start : start + 1000])
    for start in range(100, len(params), 100):
        store.client.log_batch(run_id, params=params[start : start + 100])


def finish_run(store: Store, run_id: str, *, failed: bool = False) -> None:
    """Tag a run complete, the last thing that is said of it, and end it; or end it as failed."""
    if not failed:
        store.client.set_tag(run_id, COMPLETE, "true")
    store.client.set_terminated(run_id, "FAILED" if failed else "FINISHED")


@contextmanager
def running(
    store: Store, name: str, tags: dict[str, str], parent: str | None = None, started: float | None = None
) -> Iterator[str]:
    """Yield the id of a new run, which ends complete, or failed where an exception passes."""
    with store_errors(store.uri):
        run_id = start_run(store, name, tags, parent, started)
        try:
            yield run_id
        except BaseException:
            with suppress(Exception):  # the store itself may be what failed: the first error is the one to tell
                finish_run(store, run_id, failed=True)
            raise
        finish_run(store, run_id)


def log_dataset(store: Store, run_ids: Sequence[str], data: pl.DataFrame, target: str, source: str, sha256: str) -> None:
    """Note the dataset that runs used. Its digest is the start of our own fingerprint: MLflow's covers 10,000 rows only."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    columns = [{"type": _mlflow_type(dtype), "name": name, "required": True} for name, dtype in data.schema.items()]
    dataset = Dataset(
        name=Path(source).name,
        digest=sha256[:36],
        source_type="local",
        source=json.dumps({"uri": source}),
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps({"num_rows": data.height, "num_elements": data.height * data.width, "target": target}),
    )
    entity = DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])
    for run_id in run_ids:
        store.client.log_inputs(run_id, [entity])


def _mlflow_type(dtype: pl.DataType) -> str:
    return "long" if dtype.is_integer() else "double" if dtype.is_float() else "datetime" if dtype.is_temporal() else "string"


def log_model(
    store: Store, run_id: str, name: str, pipeline: Pipeline, schema: ModelSchema, example: pd.DataFrame, requirements: list[str]
) -> LoggedModel:
    """Save a fitted pipeline with signature, input example and pinned requirements (inferring them costs seconds a model)."""
    import mlflow.sklearn
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, Schema

    inputs = [
        ColSpec("double" if f.kind == "numeric" else "string", f.name, required=not f.rule.nullable) for f in schema.features
    ]
    model = store.client.create_logged_model(store.experiment_id, name=name, source_run_id=run_id, tags={TAG + "candidate": name})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        mlflow.sklearn.save_model(
            pipeline,
            path,
            mlflow_model=Model(run_id=run_id, model_id=model.model_id),
            # skops refuses all of these models unless their types are trusted first; nothing loads this copy when serving.
            serialization_format="cloudpickle",
            signature=ModelSignature(Schema(inputs), Schema([ColSpec("double", schema.target)])),
            input_example=example,
            pip_requirements=requirements,
        )
        store.client.log_model_artifacts(model.model_id, str(path))
    store.client.finalize_logged_model(model.model_id, "READY")
    store.client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    return LoggedModel(run_id, model.model_id, model.artifact_location)


def log_files(store: Store, run_id: str, files: Sequence[Path], folder: str | None = None) -> None:
    """Copy files to a run's artifacts."""
    for file in files:
        store.client.log_artifact(run_id, str(file), folder)


def log_text(store: Store, run_id: str, text: str, name: str) -> None:
    """Write a text artifact of a run."""
    store.client.log_text(run_id, text, name)
