"""Where a model is loaded from: a folder, a bucket, the project of a config, or MLflow's registry."""

import os
from collections.abc import Iterable
from pathlib import Path

from tabtrail.api import later
from tabtrail.api.model import Model
from tabtrail.bundle.load import bundle_names, load_bundle
from tabtrail.config.file import CACHE_FOLDER
from tabtrail.errors import NotTrainedError, UsageError, nearest, require_extra
from tabtrail.storage.address import Address, is_address
from tabtrail.system.temporary import scratch_folder
from tabtrail.tracking.process import mlflow_kept_quiet

_REGISTRY = "models:/"
_STORE = "mlruns/mlflow.db"
_CONFIGS = (".yaml", ".yml")


def load_model(
    place: str | os.PathLike[str] = "models",
    *,
    name: str | None = None,
    config: str | os.PathLike[str] | None = None,
    tracking_uri: str | None = None,
    public_key: str | os.PathLike[str] | None = None,
) -> Model:
    """Load a deployed model; every file of it is verified, and nothing of it is executed.

    `place` is a folder of models (with the `name` of one where it has several), the address of one in a bucket (`s3://…`), the
    YAML file of a project, or a registered model: `models:/NAME@champion`, `models:/NAME/3`. The registry is that of
    `tracking_uri`, of the project that `config` names, of MLFLOW_TRACKING_URI, or mlruns/mlflow.db here. A model that is not
    signed with the private key of `public_key` (or of that in the config) is refused.

    Raises `NotTrainedError` where there is no model, `BundleError` for one that is incomplete or altered, `StoreError` for a
    store that cannot be read, `ConfigError` for a config.
    """
    text = os.fspath(place)
    key = None if public_key is None else Path(public_key)
    if text.startswith(_REGISTRY):
        return _from_registry(text, config, tracking_uri, key)
    if Path(text).suffix.lower() in _CONFIGS:
        return load_deployed(Path(text), name=name, key=key)
    folder = _fetched(text) if is_address(text) else Path(text).expanduser().absolute()
    found = load_bundle(folder, _name_in(folder, name), key or _key_of(config), pickle=not is_address(text))
    if config is None:
        return Model(found, lambda: later.background.of_folder(folder, found.metadata))
    project = later.background.open_project(Path(config))
    return Model(found, lambda: project.background(found.metadata, folder))


def load_deployed(
    config: Path,
    overrides: Iterable[str] = (),
    *,
    name: str | None = None,
    key: Path | None = None,
    demand: bool = False,
) -> Model:
    """Load the model that the project of a config has deployed, with `demand` that of series. Raises as `load_model` does."""
    project = later.background.open_project(config, overrides)
    artifacts = project.of_series if demand else project.artifacts
    folder = artifacts.paths.models_dir
    found = load_bundle(folder, name or artifacts.name, key or project.public_key)
    return Model(found, lambda: project.background(found.metadata, folder))


def _key_of(config: str | os.PathLike[str] | None) -> Path | None:
    return None if config is None else later.background.open_project(Path(config)).public_key


def _from_registry(text: str, config: str | os.PathLike[str] | None, uri: str | None, key: Path | None) -> Model:
    require_extra("train", "mlflow")
    with mlflow_kept_quiet(), scratch_folder() as scratch:
        wanted = later.registered.Registered.parse(text)
        project = None if config is None else later.background.open_project(Path(config))
        here = f"sqlite:///{Path(_STORE).absolute()}"
        given = uri or (None if project else os.environ.get("MLFLOW_TRACKING_URI") or here)
        store = project.mlflow if project and given is None else later.operation.Mlflow(tracking_uri=str(given))
        fetched = later.registered.fetch_registered(store, wanted, Path(scratch))
        found = load_bundle(fetched.folder, fetched.name, key or (project.public_key if project else None), pickle=False)
    if project is not None:
        return Model(found, lambda: project.background(found.metadata, None))
    return Model(found, lambda: later.background.of_store(store.of(fetched.experiment), found.metadata))


def _name_in(folder: Path, name: str | None) -> str:
    """Return the name of the model in a folder. Raises `NotTrainedError` for none, `UsageError` where it must be said which."""
    if not folder.is_dir():
        raise NotTrainedError(f"there is no folder {folder}; name the folder of a deployed model, such as models")
    names = bundle_names(each.name for each in folder.iterdir())
    if not names:
        raise NotTrainedError(f"there is no model in {folder}; run `tabtrail run` first")
    if name is not None and name not in names:
        raise NotTrainedError(f"there is no model '{name}' in {folder}{nearest(name, names)}; it has {', '.join(names)}")
    if name is None and len(names) > 1:
        raise UsageError(f"{folder} has several models, {', '.join(names)}; say which: load_model(…, name='{names[0]}')")
    return name or names[0]


def _fetched(text: str) -> Path:
    try:
        address = Address.parse(text)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return Path(later.copies.fetch_served(address, Path(CACHE_FOLDER).absolute()))
