"""A registered model by its address in MLflow, `models:/name@alias` or `models:/name/version`: the bundle that it holds."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import mlflow.artifacts
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tabtrail.bundle.load import bundle_names
from tabtrail.config.operation import Mlflow
from tabtrail.errors import NotTrainedError, StoreError, UsageError, nearest
from tabtrail.tracking.bundle_model import FOLDER
from tabtrail.tracking.moved import left_folder, take_over
from tabtrail.tracking.refusals import LOCK_SECONDS, store_errors
from tabtrail.tracking.sqlite_file import lock_file

_ADDRESS = re.compile(r"models:/(?P<name>[^@/]+)(@(?P<alias>[^@/]+)|/(?P<version>[0-9]+))")
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


@dataclass(frozen=True)
class Registered:
    """The address of a registered model: its name, and an alias or a version."""

    name: str
    alias: str | None
    version: str | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `UsageError` for what is not such an address."""
        found = _ADDRESS.fullmatch(text)
        if found is None:
            raise UsageError(f"{text} names no registered model; write models:/NAME@champion, or models:/NAME/3 for a version")
        return cls(**found.groupdict())

    def __str__(self) -> str:
        return f"models:/{self.name}" + (f"@{self.alias}" if self.version is None else f"/{self.version}")


@dataclass(frozen=True)
class Fetched:
    """A bundle that was copied out of a store: its folder, its name, and the experiment of the run that trained it."""

    folder: Path
    name: str
    experiment: str


def fetch_registered(store: Mlflow, wanted: Registered, target: Path) -> Fetched:
    """Copy the bundle of a registered model into `target`.

    Raises `NotTrainedError` where the store has no such model, `StoreError` for a store that cannot be read or a version that
    holds no bundle.
    """
    uri = store.tracking_uri
    if (file := store.sqlite_file) is not None:
        _require_file(file)
    with store_errors(uri):
        client = MlflowClient(uri, store.registry_uri or uri)
        version = _version(client, wanted, uri)
        source = f"{version.source}/data/{FOLDER}"
        try:
            folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=str(target), tracking_uri=uri))
        except (MlflowException, OSError):
            raise StoreError(f"{wanted} holds no bundle of tabtrail, or its files are gone from the store {uri}") from None
        names = bundle_names(each.name for each in folder.iterdir())
        experiment = client.get_experiment(client.get_run(str(version.run_id)).info.experiment_id).name
    if len(names) != 1:
        raise StoreError(f"{wanted} holds {len(names)} bundles instead of one")
    return Fetched(folder, names[0], str(experiment))


def _require_file(file: Path) -> None:
    """MLflow would make a store that is not there. One that was copied leads to its own files from now on."""
    if not file.is_file():
        raise NotTrainedError(f"there is no MLflow store {file}; name the project's config, or tracking_uri")
    if left_folder(file) is not None:
        with FileLock(lock_file(file), timeout=LOCK_SECONDS):
            take_over(file)


def _version(client: MlflowClient, wanted: Registered, uri: str) -> Any:
    try:
        if wanted.version is not None:
            return client.get_model_version(wanted.name, wanted.version)
        return client.get_model_version_by_alias(wanted.name, str(wanted.alias))
    except MlflowException as error:
        if error.error_code not in _ABSENT:
            raise
        raise NotTrainedError(f"{wanted} is not in the MLflow store {uri}{_instead(client, wanted)}") from None


def _instead(client: MlflowClient, wanted: Registered) -> str:
    names = sorted(str(each.name) for each in client.search_registered_models(max_results=100))
    if wanted.name not in names:
        return nearest(wanted.name, names) or f"; it has {', '.join(names) or 'no registered model'}"
    aliases = sorted(client.get_registered_model(wanted.name).aliases)
    return f"; {wanted.name} has the aliases {', '.join(aliases) or '(none)'}"
