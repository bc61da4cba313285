"""The names of `risk.models`, checked without what trains."""

from collections.abc import Iterator, Sequence

from tabtrail.config.file import KeyPath, dotted
from tabtrail.config.tree import Config
from tabtrail.errors import ConfigError, nearest
from tabtrail.forecast.local.forecasters import model_names


def check_forecasters(config: Config) -> None:
    """Raise `ConfigError` with one line for each unknown forecaster: file and line, key path, the nearest valid name."""
    problems = [f"{config.locate(key)}: {dotted(key)}: {said}" for key, said in forecaster_problems(config.risk.models)]
    if problems:
        raise ConfigError("\n".join(problems))


def forecaster_problems(models: Sequence[str]) -> Iterator[tuple[KeyPath, str]]:
    """Yield key and words of each unknown forecaster."""
    known = list(model_names())
    for place, name in enumerate(models):
        if name not in known:
            yield ("risk", "models", place), f"unknown forecaster '{name}'{nearest(name, known)} (known: {', '.join(known)})"
