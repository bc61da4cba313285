"""Which bundle a command is about, found without validating the rest of the config."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tabtrail.config.file import config_path, read_raw, resolve_path
from tabtrail.errors import ConfigError


class Place(NamedTuple):
    """Folder and name of a bundle, and the key that must have signed it."""

    folder: Path
    name: str
    public_key: Path | None


def locate_bundle(config: Path | None, overrides: Sequence[str] = ()) -> Place:
    """Return the place of the bundle that the config names, reading no more of it. Raises `ConfigError`."""
    raw = read_raw(config_path(config), overrides)
    values = []
    own = "model" if "model" in raw.values or not raw.values.get("demand") else "demand"
    for section, key, default in (("paths", "models_dir", "models"), (own, "name", own), ("bundle", "public_key", "")):
        value = (raw.values.get(section) or {}).get(key, default) if isinstance(raw.values.get(section) or {}, dict) else None
        value = default if value is None and key == "public_key" else value
        if not isinstance(value, str):
            raise ConfigError(f"{raw.places.locate((section, key))}: {section}.{key}: must be text")
        values.append(value)
    return Place(resolve_path(raw.root, values[0]), values[1], resolve_path(raw.root, values[2]) if values[2] else None)
