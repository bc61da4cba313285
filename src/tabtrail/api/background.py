"""Where the rows of a model's explanation lie: in a project, or beside a folder of models as projects are laid out."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabtrail.config.data import Paths
from tabtrail.config.file import resolve_path
from tabtrail.config.load import load_config
from tabtrail.config.operation import Mlflow
from tabtrail.project.copies import copies
from tabtrail.project.lock import project_lock
from tabtrail.project.paths import Artifacts


@dataclass(frozen=True)
class Background:
    """Where the rows lie that an explanation is relative to: the files of a project, and its store (None: not known). `folder`
    holds the files of the model, None where it came out of the registry.
    """

    artifacts: Artifacts
    mlflow: Mlflow | None
    folder: Path | None


@dataclass(frozen=True)
class Opened:
    """What loading a model needs to know of a project. `of_series` are the files of its model of series, where it has one of rows
    too.
    """

    artifacts: Artifacts
    of_series: Artifacts
    mlflow: Mlflow
    public_key: Path | None

    def background(self, metadata: Mapping[str, Any], folder: Path | None) -> Background:
        """Return where the rows of a model's explanation lie. `folder` is that of its files (None: it is not deployed)."""
        own = self.artifacts if metadata.get("panel") is None else self.of_series
        return Background(own, self.mlflow, folder)


def open_project(config: Path, overrides: Iterable[str] = ()) -> Opened:
    """Read the config of a project; what lies in a bucket is fetched first. Raises `ConfigError`, `StorageError`."""
    loaded = load_config(config, overrides)
    if any(copies(loaded.paths)):
        with project_lock(loaded, "fetch"):
            pass
    return Opened(Artifacts.of(loaded), Artifacts.of(loaded.for_demand()), loaded.mlflow, loaded.bundle.public_key)


def of_folder(folder: Path, metadata: Mapping[str, Any]) -> Background:
    """Return those of a folder of models whose config is not known, by the default places beside it."""
    paths = Paths.model_validate({}).resolved(lambda path: resolve_path(folder.parent, path))
    return Background(Artifacts(paths, str(metadata["name"])), None, folder)


def of_store(store: Mlflow, metadata: Mapping[str, Any]) -> Background:
    """Return those of a model that is known by its store alone: no file of this folder is one of them."""
    nowhere = Paths.model_validate({}).resolved(lambda path: Path(os.devnull) / path)
    return Background(Artifacts(nowhere, str(metadata["name"])), store, None)
