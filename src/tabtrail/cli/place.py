"""Which bundle a command is about, found without validating the rest of the config."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tabtrail.config.file import CACHE_FOLDER, DEMAND_ENDING, RawConfig, config_path, demand_folder, read_raw, resolve_path
from tabtrail.errors import ConfigError
from tabtrail.storage.address import Address, is_address


class Place(NamedTuple):
    """Folder and name of a bundle, and the key that must have signed it."""

    folder: Path
    name: str
    public_key: Path | None


_MOST_CONFIGS = 50  # of a folder; a folder with more holds other YAML files


def locate_bundle(config: Path | None, overrides: Sequence[str] = (), *, demand: bool = False) -> Place:
    """Return the place of the bundle that the config names, reading no more of it; with `demand` of the one of series.

    Raises `ConfigError`.
    """
    raw = read_raw(config_path(config), overrides)
    values = []
    has_demand, both = bool(raw.values.get("demand")), bool(raw.values.get("demand")) and "model" in raw.values
    if demand and not has_demand:
        raise ConfigError("--demand: the config has no section demand, and so no model of series")
    own = "demand" if demand or (has_demand and not both) else "model"
    for section, key, default in (("paths", "models_dir", "models"), (own, "name", own), ("bundle", "public_key", "")):
        value = (raw.values.get(section) or {}).get(key, default) if isinstance(raw.values.get(section) or {}, dict) else None
        value = default if value is None and key == "public_key" else value
        if not isinstance(value, str):
            raise ConfigError(f"{raw.places.locate((section, key))}: {section}.{key}: must be text")
        values.append(value)
    if is_address(values[0]):
        folder = _fetched(values[0], raw, ending=DEMAND_ENDING if demand and both else "")
    else:
        folder = resolve_path(raw.root, values[0])
        folder = demand_folder(folder) if demand and both else folder
    return Place(folder, values[1], resolve_path(raw.root, values[2]) if values[2] else None)


def bundle_address(config: Path | None, overrides: Sequence[str] = (), *, demand: bool = False) -> str | None:
    """Return the address of the models that the config names, None for a folder of this machine. Raises `ConfigError`."""
    raw = read_raw(config_path(config), overrides)
    named = (raw.values.get("paths") or {}).get("models_dir")
    both = demand and "model" in raw.values
    return f"{str(named).rstrip('/')}{DEMAND_ENDING if both else ''}" if is_address(named) else None


def _fetched(text: str, raw: RawConfig, *, ending: str) -> Path:
    """Return the copy of the models of a bucket, brought up to date. Raises `ConfigError`, `StorageError`."""
    try:
        address = Address.parse(text)
    except ValueError as error:
        raise ConfigError(f"{raw.places.locate(('paths', 'models_dir'))}: paths.models_dir: {error}") from None
    from tabtrail.storage.copies import fetch_served  # a tenth of a prediction's time, which a folder of this machine is spared

    cache_dir = resolve_path(raw.root, raw.values["paths"].get("cache_dir") or CACHE_FOLDER)
    return fetch_served(address.with_name(address.name + ending), cache_dir)


def sharing_a_deployment(config: Path, overrides: Sequence[str] = ()) -> list[str]:
    """Return the names of other configs in the folder of one that deploy their model at its place and under its name."""
    own, others = _deployed_as(config, overrides), list[str]()
    for path in sorted((*config.parent.glob("*.yaml"), *config.parent.glob("*.yml")))[:_MOST_CONFIGS]:
        if own is not None and path.resolve() != config.resolve() and _deployed_as(path) == own:
            others.append(path.name)
    return others


def _deployed_as(config: Path, overrides: Sequence[str] = ()) -> tuple[str, str] | None:
    """Return where a config deploys its model and under which name; None for a file that is no config."""
    try:
        raw = read_raw(config, overrides)
        paths, own = raw.values["paths"], raw.values.get("model") or raw.values["demand"]
        folder, name = paths.get("models_dir", "models"), own["name"]
    except (ConfigError, KeyError, TypeError, AttributeError):
        return None
    if not isinstance(folder, str) or not isinstance(name, str):
        return None
    return folder if is_address(folder) else str(resolve_path(raw.root, folder)), name
