"""Which bundle a command is about, found without validating the rest of the config."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tabtrail.config.file import config_path, demand_folder, read_raw, resolve_path
from tabtrail.errors import ConfigError


class Place(NamedTuple):
    """Folder and name of a bundle, and the key that must have signed it."""

    folder: Path
    name: str
    public_key: Path | None


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
    folder = resolve_path(raw.root, values[0])
    folder = demand_folder(folder) if demand and both else folder
    return Place(folder, values[1], resolve_path(raw.root, values[2]) if values[2] else None)
