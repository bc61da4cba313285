"""The names that a config may use for model families and metrics: checked here, since `config` lies below what defines them."""

from collections.abc import Iterator
from typing import Any

from tabtrail.config.file import KeyPath, dotted
from tabtrail.config.tree import Config
from tabtrail.errors import ConfigError, nearest
from tabtrail.modeling.candidates import BLEND, FAMILIES

METRIC_NAMES = ("rmse",)


def check_names(config: Config) -> None:
    """Raise `ConfigError` with a line for each unknown family or metric: file and line, key path, the nearest known name."""
    problems = [f"{config.locate(key)}: {dotted(key)}: {message}" for key, message in _unknown(config)]
    if problems:
        raise ConfigError("\n".join(problems))


def add_names(schema: dict[str, Any]) -> None:
    """Put the known names into the JSON Schema of the config, so that an editor offers and checks them."""
    schema["properties"]["candidates"]["propertyNames"]["pattern"] = f"^({'|'.join(_families())})(_|$)"
    schema["$defs"]["Choice"]["properties"]["metric"]["enum"] = list(METRIC_NAMES)


def _families() -> list[str]:
    return [*FAMILIES, BLEND]


def _unknown(config: Config) -> Iterator[tuple[KeyPath, str]]:
    families = _families()
    for name in config.candidates:
        if (family := name.partition("_")[0]) not in families:
            yield ("candidates", name), _message("model family", family, families)
    if config.choice.metric not in METRIC_NAMES:
        yield ("choice", "metric"), _message("metric", config.choice.metric, list(METRIC_NAMES))


def _message(kind: str, name: str, known: list[str]) -> str:
    return f"unknown {kind} '{name}'{nearest(name, known)} (known: {', '.join(known)})"
