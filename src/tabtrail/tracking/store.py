"""The only code that talks to MLflow: explicit run ids, one batch a run, no fluent state, no autolog."""

import errno
import hashlib
import json
import logging
import os
import re
import shlex
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
from filelock import FileLock, Timeout

from tabtrail.contract.schema import ModelSchema
from tabtrail.errors import StoreError
from tabtrail.export.pickles import ForeignPickleError, unpickled
from tabtrail.system.files import make_folder, move_aside, sync
from tabtrail.system.hashes import sha256_file
from tabtrail.system.process import is_alive, this_process
from tabtrail.tracking.items import COMPLETE, KEY, PROCESS, TAG, MetricItem, RunItems

_SQLITE = "sqlite:///"
_LOCK_SECONDS = 120.0
_PICKLE = "model.pkl"


@dataclass(frozen=True)
class Store:
    """An open MLflow store: its client and the id of the experiment."""

    client: Any
    uri: str
    experiment_id: str


@dataclass(frozen=True)
class Run:
    """A run in the store: its id, tags and metrics (of a metric with steps the last)."""

    run_id: str
    tags: dict[str, str]
    metrics: dict[str, float]


@dataclass(frozen=True)
class LoggedModel:
    """A model in the store: the run that it belongs to, where its files lie, the sha256 of the pickled one."""

    run_id: str
    location: str
    sha256: str


def open_store(uri: str, experiment: str) -> Store:
    """Open the store, making it and the experiment where they are missing.

    A fresh SQLite store takes seconds (its migrations) and is ruined by two processes that make it at once, so that a lock
    file beside it lets one through. Raises `StoreError` for a store that cannot be opened.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
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

            if path.exists() and path.stat().st_size:
                _require_store(path)
                if not os.access(path, os.W_OK):
                    raise StoreError(f"cannot write {path}: {os.strerror(errno.EACCES)}; check its owner and permissions (ls -l)")
            else:
                # Made beside and moved in: a process killed among its migrations would leave a store that nothing can open.
                unfinished = path.with_name(f".{path.name}.new")
                unfinished.unlink(missing_ok=True)
                SqlAlchemyStore(_SQLITE + str(unfinished), str(path.parent)).engine.dispose()
                sync(unfinished)
                unfinished.replace(path)
                sync(path.parent)
            # Made here with its own artifact root: the client's default is ./mlruns of whatever folder we are in.
            store = SqlAlchemyStore(uri, str(path.parent))
            client = mlflow.MlflowClient(uri, uri)
            return Store(client, uri, _beside(client, path, _experiment_id(client, experiment, store.create_experiment)))


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
        reason = _without_password(str(error)).splitlines()[0][:300]
        raise StoreError(f"the MLflow store {shown} refuses: {reason}; {_remedy(shown, reason)}") from error
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or type(error).__name__)
        raise StoreError(f"the MLflow store {shown} cannot be used ({reason}); {_remedy(shown, reason)}") from error


def _beside(client: Any, path: Path, experiment_id: str) -> str:
    """Return the experiment where its files are. MLflow notes absolute paths, and would go on in the place that was left."""
    location = str(client.get_experiment(experiment_id).artifact_location)
    kept = Path(location.removeprefix("file://"))
    if "://" not in location.removeprefix("file://") and not kept.exists() and not kept.parent.exists():
        raise StoreError(
            f"the files of {_SQLITE}{path} lie in {kept.parent}, which is gone: was the project moved? Move it back, or link it:"
            f" ln -s {shlex.quote(str(path.parent))} {shlex.quote(str(kept.parent))}"
        )
    return experiment_id


def _require_store(path: Path) -> None:
    """MLflow would make its tables in whatever database it is given. Raises `StoreError` for one that is somebody else's."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.OperationalError:
        return  # a journal that a killed process left is played back by who opens it to write
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"the MLflow store {_SQLITE}{path} cannot be read ({error}); {_remedy(_SQLITE + str(path), str(error))}"
        ) from None
    if tables and "experiments" not in tables:
        raise StoreError(
            f"{path} is no MLflow store but another database, and is left alone; set mlflow.tracking_uri, or begin a new store:"
            f" {move_aside(path, '.other')}"
        )


def _remedy(uri: str, reason: str) -> str:
    if "full" in reason:
        return "make room on its disk, and run the command again"
    if not uri.startswith(_SQLITE) or not any(word in reason for word in ("malformed", "not a database", "damaged")):
        return "`tabtrail doctor` tells more"
    aside = move_aside(Path(uri.removeprefix(_SQLITE)), ".damaged")
    return f"if `tabtrail doctor` finds it damaged, restore a backup, or begin a new one: {aside}"


def _without_password(text: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//…@", text)


def _experiment_id(client: Any, name: str, create: Callable[[str], str]) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        made = str(create(name))
        client.set_experiment_tag(made, "mlflow.experimentKind", "custom_model_development")  # the UI opens on training runs
        return made
    if found.lifecycle_stage == "deleted":
        raise StoreError(f"the MLflow experiment '{name}' is deleted; restore it, or set mlflow.experiment to another name")
    return str(found.experiment_id)


def find_run(store: Store, key: str) -> str | None:
    """Return the newest run with this key that no living process works on: it may be complete, or have been cut short."""
    found = store.client.search_runs([store.experiment_id], f"tags.`{KEY}` = '{key}'", order_by=["attributes.start_time DESC"])
    for run in found:
        at_work = run.info.status == "RUNNING" and is_alive(run.data.tags.get(PROCESS, ""))
        if not at_work:
            return str(run.info.run_id)
    return None


def complete_children(store: Store, parent: str) -> dict[str, Run]:
    """Return the complete runs under a parent by the candidate that they hold."""
    children = store.client.search_runs([store.experiment_id], f"tags.`mlflow.parentRunId` = '{parent}'")
    runs = [_run(each) for each in children]
    return {run.tags[TAG + "candidate"]: run for run in runs if run.tags.get(COMPLETE) == "true"}


def close_dead_runs(store: Store) -> int:
    """End as killed the runs that say they are running while their process is gone; return how many."""
    running_now = store.client.search_runs([store.experiment_id], "attributes.status = 'RUNNING'")
    dead = [each for each in running_now if PROCESS in each.data.tags and not is_alive(each.data.tags[PROCESS])]
    for each in dead:
        store.client.set_terminated(each.info.run_id, "KILLED")
    return len(dead)


def read_run(store: Store, run_id: str) -> Run | None:
    """Return a run's tags, None where there is no such run."""
    from mlflow.exceptions import MlflowException

    try:
        found = store.client.get_run(run_id)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
    return _run(found)


def _run(found: Any) -> Run:
    return Run(str(found.info.run_id), dict(found.data.tags), dict(found.data.metrics))


def read_artifact(store: Store, run_id: str, name: str) -> bytes:
    """Return the bytes of a run's artifact."""
    with tempfile.TemporaryDirectory() as folder:
        return Path(store.client.download_artifacts(run_id, name, folder)).read_bytes()


def list_files(store: Store, run_id: str, folder: str | None = None) -> list[str]:
    """Return the paths of the files at the top of a run's artifacts, or in a folder of them."""
    return [str(each.path) for each in store.client.list_artifacts(run_id, folder) if not each.is_dir]


def download(store: Store, run_id: str, names: Sequence[str], folder: Path) -> None:
    """Copy artifacts of a run into a folder."""
    for name in names:
        store.client.download_artifacts(run_id, name, str(folder))


def log_artifact(store: Store, run_id: str, name: str, data: bytes) -> None:
    """Write an artifact of a run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        store.client.log_artifact(run_id, str(path))


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
    params = [Param(key, value[:6000]) for key, value in items.params.items() if value]
    tags = {**items.tags, **({"mlflow.note.content": items.description} if items.description else {})}
    sent_tags = [RunTag(key, value[:8000]) for key, value in tags.items()]
    store.client.log_batch(run_id, metrics=metrics[:1000], params=params[:100], tags=sent_tags)
    for start in range(1000, len(metrics), 1000):
        store.client.log_batch(run_id, metrics=metrics[start : start + 1000])
    for start in range(100, len(params), 100):
        store.client.log_batch(run_id, params=params[start : start + 100])


def finish_run(store: Store, run_id: str, status: str = "FINISHED") -> None:
    """End a run; a finished one is tagged complete before, the last thing that is said of it."""
    if status == "FINISHED":
        store.client.set_tag(run_id, COMPLETE, "true")
    store.client.set_terminated(run_id, status)


@contextmanager
def running(
    store: Store,
    name: str,
    tags: dict[str, str],
    parent: str | None = None,
    started: float | None = None,
    resumed: str | None = None,
) -> Iterator[str]:
    """Yield the id of a new run (or of the one that is resumed), which ends complete, or failed where an exception passes."""
    with store_errors(store.uri):
        run_id = resumed or start_run(store, name, {**tags, PROCESS: this_process()}, parent, started)
        if resumed:
            store.client.update_run(run_id, status="RUNNING")
            store.client.set_tag(run_id, PROCESS, this_process())
        try:
            yield run_id
        except BaseException as error:
            with suppress(Exception):  # the store itself may be what failed: the first error is the one to tell
                finish_run(store, run_id, "FAILED" if isinstance(error, Exception) else "KILLED")
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
    store: Store, run_id: str, name: str, fitted: Any, schema: ModelSchema, example: pd.DataFrame, requirements: list[str]
) -> LoggedModel:
    """Save a fitted model with signature, input example and pinned requirements (inferring them costs seconds a model)."""
    import mlflow.sklearn
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, Schema

    inputs = [
        ColSpec("string" if f.kind == "categorical" else "double", f.name, required=not f.rule.nullable) for f in schema.features
    ]
    model = store.client.create_logged_model(store.experiment_id, name=name, source_run_id=run_id, tags={TAG + "candidate": name})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        mlflow.sklearn.save_model(
            fitted,
            path,
            mlflow_model=Model(run_id=run_id, model_id=model.model_id),
            # skops refuses all of these models unless their types are trusted first; nothing loads this copy when serving.
            serialization_format="cloudpickle",
            signature=ModelSignature(Schema(inputs), Schema([ColSpec("double", schema.target)])),
            input_example=example,
            pip_requirements=requirements,
        )
        digest = sha256_file(path / _PICKLE)
        store.client.log_model_artifacts(model.model_id, str(path))
    store.client.finalize_logged_model(model.model_id, "READY")
    store.client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    return LoggedModel(run_id, str(model.artifact_location), digest)


def load_model(store: Store, model: LoggedModel) -> Any:
    """Return a fitted model that was logged; one whose file is not the one that was logged is not opened (`StoreError`)."""
    import mlflow

    with tempfile.TemporaryDirectory() as folder:
        source = f"{model.location}/{_PICKLE}"
        path = mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=folder, tracking_uri=store.uri)
        data = Path(path).read_bytes()
    if hashlib.sha256(data).hexdigest() != model.sha256:
        raise StoreError(f"the model of run {model.run_id} in the MLflow store was altered; train anew with --force")
    try:
        return unpickled(data)
    except ForeignPickleError as error:
        raise StoreError(f"the model of run {model.run_id} in the MLflow store cannot be opened: {error}; use --force") from None


def log_files(store: Store, run_id: str, files: Sequence[Path], folder: str | None = None) -> None:
    """Copy files to a run's artifacts."""
    for file in files:
        store.client.log_artifact(run_id, str(file), folder)


def log_folder(store: Store, run_id: str, folder: str, files: Mapping[str, bytes]) -> None:
    """Write files, by name, into a folder of a run's artifacts."""
    with tempfile.TemporaryDirectory() as temporary:
        for name, data in files.items():
            (Path(temporary) / name).write_bytes(data)
        store.client.log_artifacts(run_id, temporary, folder)


def download_folder(store: Store, run_id: str, folder: str, target: Path) -> Path:
    """Copy a folder of a run's artifacts into `target` and return where it lies; an empty folder where there is none."""
    (target / folder).mkdir()
    if store.client.list_artifacts(run_id, folder):
        store.client.download_artifacts(run_id, folder, str(target))
    return target / folder


def log_metrics(store: Store, run_id: str, metrics: Sequence[MetricItem]) -> None:
    """Send metrics in one batch."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    store.client.log_batch(run_id, metrics=[Metric(each.key, each.value, now, each.step) for each in metrics])


def set_tags(store: Store, run_id: str, tags: dict[str, str]) -> None:
    """Set tags of a run in one batch."""
    from mlflow.entities import RunTag

    store.client.log_batch(run_id, tags=[RunTag(key, value[:8000]) for key, value in tags.items()])


def model_location(store: Store, run_id: str) -> str:
    """Return where the files of a run's model lie."""
    outputs = store.client.get_run(run_id).outputs.model_outputs
    return str(store.client.get_logged_model(outputs[0].model_id).artifact_location)


def log_text(store: Store, run_id: str, text: str, name: str) -> None:
    """Write a text artifact of a run."""
    store.client.log_text(run_id, text, name)
