"""An MLflow store, opened or found. Only the modules of `tracking` import mlflow.

They import it at the top, which takes a second or two: what must start quickly (`tabtrail status`, a run in which nothing
changed, predictions) imports none of them but `sqlite_file`, `entries`, `moved`, `schema` and `process`.
"""

import errno
import os
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking._tracking_service import utils as tracking_utils
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri
from sqlalchemy import Connection, create_engine, inspect, text

from tabtrail.config.operation import SQLITE, Mlflow
from tabtrail.errors import StoreError
from tabtrail.system.addresses import without_passwords
from tabtrail.system.files import atomic_file, make_folder, rename_command
from tabtrail.tracking import sqlite_file
from tabtrail.tracking.drivers import require_bucket_library, require_driver
from tabtrail.tracking.moved import left_folder, take_over
from tabtrail.tracking.refusals import LOCK_SECONDS, remedy_for, store_errors

_MAKING = 7_403_117  # our own number among PostgreSQL's advisory locks


@dataclass(frozen=True)
class Store:
    """An open MLflow store: its client, the id of the experiment, where its artifacts lie, and what to know before a training."""

    client: MlflowClient
    uri: str
    experiment_id: str
    artifacts: str = ""
    note: str = ""


def open_store(mlflow: Mlflow) -> Store:
    """Open a store for writing; make it, and the experiment, where they are missing.

    A fresh SQLite store takes seconds (its migrations) and is ruined by two processes that make it at once, so that a lock
    file beside it lets one through. Raises `StoreError` for a store that cannot be opened, whose driver is not installed, or
    whose artifacts cannot be written from here.
    """
    _require_means(mlflow)
    with store_errors(mlflow.tracking_uri):
        if (path := mlflow.sqlite_file) is not None:
            return _open_sqlite(mlflow, path)
        return _open_database(mlflow) if mlflow.is_database else _open_server(mlflow)


def find_store(mlflow: Mlflow, *, files: bool = True) -> Store | None:
    """Open a store without making anything; None where there is no store, or no such experiment in it.

    In one that was copied or moved the addresses lead to its own files from then on; who needs none of the `files` leaves them.
    """
    if mlflow.sqlite_file is not None and not sqlite_file.has_experiment(mlflow.sqlite_file, mlflow.experiment):
        return None
    if files and mlflow.sqlite_file is not None and left_folder(mlflow.sqlite_file) is not None:
        return open_store(mlflow)
    _require_means(mlflow)
    with store_errors(mlflow.tracking_uri):
        if mlflow.is_database:
            with _connected(mlflow.tracking_uri) as connection:
                if not inspect(connection).has_table("experiments"):
                    return None
        client = _client(mlflow)
        found = _experiment_of(client, mlflow.experiment)
        return None if found is None else Store(client, mlflow.tracking_uri, found, _location(client, found))


def _require_means(mlflow: Mlflow) -> None:
    """Raise `StoreError` where a driver or library is not installed, or a database does not answer.

    MLflow would try that again for more than a minute.
    """
    require_bucket_library(mlflow.artifact_location or "")
    for uri in (mlflow.tracking_uri, mlflow.registry_uri):
        if uri is not None and require_driver(uri):
            with store_errors(uri), _connected(uri):
                pass


def _client(mlflow: Mlflow) -> MlflowClient:
    # MLflow remembers where the artifacts of a run lie by the run's id alone, which is the same in the copy of a project.
    tracking_utils._artifact_repos_cache.clear()
    return MlflowClient(mlflow.tracking_uri, mlflow.registry_uri or mlflow.tracking_uri)


def _open_sqlite(mlflow: Mlflow, path: Path) -> Store:
    make_folder(path.parent)
    with FileLock(sqlite_file.lock_file(path), timeout=LOCK_SECONDS):
        _make_store(path)
        _require_store(path)
        if not os.access(path, os.W_OK):
            raise StoreError(f"cannot write {path}: {os.strerror(errno.EACCES)}; check its owner and permissions (ls -l)")
        sqlite_file.settle(path)
        take_over(path)
        client, found = _found_or_made(mlflow, mlflow.artifact_location or str(path.parent))
        store = Store(client, mlflow.tracking_uri, found, _location(client, found))
        _require_files(store, path)
        return store


def _open_database(mlflow: Mlflow) -> Store:
    with _made_once(mlflow.tracking_uri):
        client, found = _found_or_made(mlflow, str(mlflow.artifact_location))
    artifacts = _location(client, found)
    note = ""
    if is_local_uri(artifacts):
        note = (
            f"the files of runs and models lie in {local_file_uri_to_path(artifacts)} of this machine, which other machines that"
            f" use {without_passwords(mlflow.tracking_uri)} do not reach; for a new experiment mlflow.artifact_location names a"
            " shared folder or a bucket"
        )
    store = Store(client, mlflow.tracking_uri, found, artifacts, note)
    _require_reachable(store, "set mlflow.experiment to a new one and mlflow.artifact_location to a shared folder or a bucket")
    return store


def _open_server(mlflow: Mlflow) -> Store:
    client = _client(mlflow)
    found = _experiment_of(client, mlflow.experiment)
    if found is None:
        own = mlflow.artifact_location
        location = None if own is None else f"{own.rstrip('/')}/{mlflow.experiment}"
        try:
            found = _begin_experiment(client, client.create_experiment(mlflow.experiment, artifact_location=location))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS" or (found := _experiment_of(client, mlflow.experiment)) is None:
                raise  # else another process has just made it
    store = Store(client, mlflow.tracking_uri, found, _location(client, found))
    _require_reachable(store, "let the server serve them (--serve-artifacts), or, if it runs here, make the folder")
    return store


def _location(client: MlflowClient, experiment_id: str) -> str:
    return str(client.get_experiment(experiment_id).artifact_location)


@contextmanager
def _connected(uri: str) -> Iterator[Connection]:
    engine = create_engine(uri)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _made_once(uri: str) -> Iterator[None]:
    """Let one process at a time make the tables of a database, which two would ruin; PostgreSQL has a lock for it."""
    with _connected(uri) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_lock({_MAKING})"))  # which the end of the connection frees
        yield


def _require_reachable(store: Store, remedy: str) -> None:
    """Raise `StoreError` where the artifacts of a store that machines share cannot be written from this one."""
    require_bucket_library(store.artifacts)
    if not is_local_uri(store.artifacts):
        return
    folder, shown = Path(local_file_uri_to_path(store.artifacts)), without_passwords(store.uri)
    if not folder.parent.is_dir():
        raise StoreError(
            f"the MLflow store {shown} keeps artifacts in {folder.parent}, which is not on this machine: mount it here, or"
            f" {remedy}"
        )
    if not os.access(folder if folder.is_dir() else folder.parent, os.W_OK):
        raise StoreError(f"cannot write {folder}, where the artifacts of {shown} lie; check its owner and permissions (ls -ld)")


def _make_store(path: Path) -> None:
    """Make a missing store beside its place and move it in: one whose migrations are cut short is one that nothing can open."""
    if path.exists() and path.stat().st_size:
        return
    with atomic_file(path) as unfinished:
        SqlAlchemyStore(SQLITE + str(unfinished), str(path.parent)).engine.dispose()


def _require_store(path: Path) -> None:
    """Raise `StoreError` for the database of another program: MLflow would make its tables in whatever it is given."""
    try:
        tables = sqlite_file.tables(path)
    except sqlite3.OperationalError:
        return  # the journal of a killed process, which opening the store to write plays back
    except sqlite3.DatabaseError as error:
        remedy = remedy_for(SQLITE + str(path), str(error))
        raise StoreError(f"the MLflow store {SQLITE}{path} cannot be read ({error}); {remedy}") from None
    if tables and "experiments" not in tables:
        raise StoreError(
            f"{path} is not an MLflow store but another database, and is left alone; set mlflow.tracking_uri, or begin a new"
            f" store: {rename_command(path, '.other')}"
        )


def _require_files(store: Store, path: Path) -> None:
    """Raise `StoreError` where the artifacts lie in a folder of their own that is gone: MLflow would begin it again."""
    require_bucket_library(store.artifacts)
    if not is_local_uri(store.artifacts):
        return
    kept = Path(local_file_uri_to_path(store.artifacts))
    if not kept.exists() and not kept.parent.exists():
        raise StoreError(
            f"the files of {SQLITE}{path} lie in {kept.parent}, which is gone: was it moved, or is its disk not there? Put it"
            f" back, or link it: ln -s {shlex.quote(str(path.parent))} {shlex.quote(str(kept.parent))}"
        )


def _experiment_of(client: MlflowClient, name: str) -> str | None:
    found = client.get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage == "deleted":
        raise StoreError(f"the MLflow experiment '{name}' is deleted; restore it, or set mlflow.experiment to another name")
    return None if found is None else str(found.experiment_id)


def _found_or_made(mlflow: Mlflow, artifacts: str) -> tuple[MlflowClient, str]:
    """Return the client of a database and the id of the experiment, made where it is missing, in a folder of its own below
    `artifacts`.

    Both tables and experiment are made by the backend itself: the client would take ./mlruns of the working folder.
    """
    backend, client = SqlAlchemyStore(mlflow.tracking_uri, artifacts), _client(mlflow)
    if (found := _experiment_of(client, mlflow.experiment)) is not None:
        return client, found
    if is_local_uri(artifacts):
        make_folder(Path(local_file_uri_to_path(artifacts)))
    return client, _begin_experiment(client, backend.create_experiment(mlflow.experiment))


def _begin_experiment(client: MlflowClient, experiment_id: str) -> str:
    """Let the UI open on training runs."""
    client.set_experiment_tag(experiment_id, "mlflow.experimentKind", "custom_model_development")
    return str(experiment_id)
