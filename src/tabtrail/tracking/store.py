"""An MLflow store, opened or found, and what its errors mean. Only the modules of `tracking` import mlflow.

They import it at the top, which takes a second or two: what must start quickly (`tabtrail status`, a run in which nothing
changed, predictions) imports none of them but `sqlite_file` and `process`.
"""

import errno
import os
import re
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy.exc import SQLAlchemyError

from tabtrail.errors import StoreError
from tabtrail.system.files import atomic_file, growth_problem, make_folder, rename_command
from tabtrail.tracking import sqlite_file

_SQLITE = "sqlite:///"
_LOCK_SECONDS = 120.0


@dataclass(frozen=True)
class Store:
    """An open MLflow store: its client and the id of the experiment."""

    client: MlflowClient
    uri: str
    experiment_id: str


def open_store(uri: str, experiment: str) -> Store:
    """Open a store for writing; make it, and the experiment, where they are missing.

    A fresh SQLite store takes seconds (its migrations) and is ruined by two processes that make it at once, so that a lock
    file beside it lets one through. Raises `StoreError` for a store that cannot be opened.
    """
    with store_errors(uri):
        if not uri.startswith(_SQLITE):
            client = MlflowClient(uri, uri)
            found = _experiment_of(client, experiment)
            return Store(client, uri, found or _begin_experiment(client, client.create_experiment(experiment)))
        path = Path(uri.removeprefix(_SQLITE))
        make_folder(path.parent)
        with FileLock(path.with_name(path.name + ".lock"), timeout=_LOCK_SECONDS):
            _make_store(path)
            _require_store(path)
            if not os.access(path, os.W_OK):
                raise StoreError(f"cannot write {path}: {os.strerror(errno.EACCES)}; check its owner and permissions (ls -l)")
            sqlite_file.settle(path)
            # The backend itself, with its own artifact root: the client's default is ./mlruns of the working folder.
            backend, client = SqlAlchemyStore(uri, str(path.parent)), MlflowClient(uri, uri)
            found = _experiment_of(client, experiment)
            found = found or _begin_experiment(client, backend.create_experiment(experiment))
            _require_files(client, path, found)
            return Store(client, uri, found)


def find_store(uri: str, experiment: str) -> Store | None:
    """Open a store without making anything; None where there is no store, or no such experiment in it."""
    if uri.startswith(_SQLITE) and not sqlite_file.has_experiment(Path(uri.removeprefix(_SQLITE)), experiment):
        return None
    with store_errors(uri):
        client = MlflowClient(uri, uri)
        found = _experiment_of(client, experiment)
        return None if found is None else Store(client, uri, found)


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Turn what MLflow and its database raise into a `StoreError` that names the store, without any password in its address."""
    shown = _without_password(uri)
    try:
        yield
    except Timeout:
        raise StoreError(f"another process has held the lock of {shown} for {_LOCK_SECONDS:.0f} s; is a run stuck?") from None
    except MlflowException as error:
        said = _without_password(str(error)).splitlines()
        reason = next((line for line in said if not line.startswith("(raised as a result")), said[0])[:300]
        raise StoreError(f"the MLflow store {shown} refuses: {reason}; {_remedy(shown, reason)}") from error
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or type(error).__name__)
        raise StoreError(f"the MLflow store {shown} cannot be used ({reason}); {_remedy(shown, reason)}") from error


def _make_store(path: Path) -> None:
    """Make a missing store beside its place and move it in: one whose migrations are cut short is one that nothing can open."""
    if path.exists() and path.stat().st_size:
        return
    with atomic_file(path) as unfinished:
        SqlAlchemyStore(_SQLITE + str(unfinished), str(path.parent)).engine.dispose()


def _require_store(path: Path) -> None:
    """Raise `StoreError` for the database of another program: MLflow would make its tables in whatever it is given."""
    try:
        tables = sqlite_file.tables(path)
    except sqlite3.OperationalError:
        return  # the journal of a killed process, which opening the store to write plays back
    except sqlite3.DatabaseError as error:
        remedy = _remedy(_SQLITE + str(path), str(error))
        raise StoreError(f"the MLflow store {_SQLITE}{path} cannot be read ({error}); {remedy}") from None
    if tables and "experiments" not in tables:
        raise StoreError(
            f"{path} is not an MLflow store but another database, and is left alone; set mlflow.tracking_uri, or begin a new"
            f" store: {rename_command(path, '.other')}"
        )


def _require_files(client: MlflowClient, path: Path, experiment_id: str) -> None:
    """Raise `StoreError` where the store was moved: MLflow notes absolute paths, and would go on in the place that was left."""
    location = str(client.get_experiment(experiment_id).artifact_location)
    kept = Path(location.removeprefix("file://"))
    if "://" not in location.removeprefix("file://") and not kept.exists() and not kept.parent.exists():
        raise StoreError(
            f"the files of {_SQLITE}{path} lie in {kept.parent}, which is gone: was the project moved? Move it back, or link it:"
            f" ln -s {shlex.quote(str(path.parent))} {shlex.quote(str(kept.parent))}"
        )


def _experiment_of(client: MlflowClient, name: str) -> str | None:
    found = client.get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage == "deleted":
        raise StoreError(f"the MLflow experiment '{name}' is deleted; restore it, or set mlflow.experiment to another name")
    return None if found is None else str(found.experiment_id)


def _begin_experiment(client: MlflowClient, experiment_id: str) -> str:
    """Let the UI open on training runs."""
    client.set_experiment_tag(experiment_id, "mlflow.experimentKind", "custom_model_development")
    return str(experiment_id)


def _remedy(uri: str, reason: str) -> str:
    if uri.startswith(_SQLITE) and (problem := growth_problem(Path(uri.removeprefix(_SQLITE)))):
        return f"{problem}, and run the command again"
    if "full" in reason:
        return "make room on its disk, and run the command again"
    if "disk I/O error" in reason:
        return "look whether its disk fails, or a limit of the size of files (ulimit -f) or a quota is reached"
    if not uri.startswith(_SQLITE) or not any(word in reason for word in ("malformed", "not a database", "damaged")):
        return "`tabtrail doctor` says more"
    aside = rename_command(Path(uri.removeprefix(_SQLITE)), ".damaged")
    return f"if `tabtrail doctor` finds it damaged, restore a backup, or begin a new one: {aside}"


def _without_password(text: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//…@", text)
