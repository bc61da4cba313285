"""The config's model families, metrics and forecasters: checked here, since `config` lies below what defines them."""

from collections.abc import Iterator
from typing import Any

from tabtrail.config.demand import Demand
from tabtrail.config.file import KeyPath, dotted
from tabtrail.config.tree import Config
from tabtrail.errors import ConfigError, nearest
from tabtrail.forecast.local.forecasters import model_names
from tabtrail.forecast.panel import candidates as of_series
from tabtrail.modeling.candidates import candidate_problems, family_names, final_problems
from tabtrail.modeling.metrics import METRICS
from tabtrail.project.forecaster_names import forecaster_problems


def check_names(config: Config) -> None:
    """Raise `ConfigError` with one line for each problem: file and line, key path, what is wrong, the nearest valid name.

    Problems are an unknown family, parameter, metric or forecaster, a candidate of rows or of series that could not be exported,
    early stopping that a family does not have, values of a search that no candidate takes.
    """
    problems = [f"{config.locate(key)}: {dotted(key)}: {message}" for key, message in _problems(config)]
    if problems:
        raise ConfigError("\n".join(problems))


def add_names(schema: dict[str, Any]) -> None:
    """Put the known names into the JSON Schema of the config, so that an editor offers and checks them."""
    schema["properties"]["candidates"]["propertyNames"]["pattern"] = f"^({'|'.join(family_names())})(_|$)"
    names = of_series.family_names()
    schema["$defs"]["Demand"]["properties"]["candidates"]["propertyNames"]["pattern"] = f"^({'|'.join(names)})(_|$)"
    schema["$defs"]["Choice"]["properties"]["metric"]["enum"] = list(METRICS)
    schema["$defs"]["Risk"]["properties"]["models"]["items"] = {"enum": list(model_names())}


def _problems(config: Config) -> Iterator[tuple[KeyPath, str]]:
    for name, params in config.candidates.items():
        for key, message in candidate_problems(name, params):
            yield ("candidates", name, *key), message
    if config.engine.final is not None and not config.is_demand_only:
        for key, message in final_problems(config.candidates):
            yield ("candidates", *key), message
    if config.demand is not None:
        yield from _demand_problems(config.demand)
    if (metric := config.choice.metric) not in METRICS:
        known = list(METRICS)
        yield ("choice", "metric"), f"unknown metric '{metric}'{nearest(metric, known)} (known: {', '.join(known)})"
    yield from forecaster_problems(config.risk.models)


def _demand_problems(demand: Demand) -> Iterator[tuple[KeyPath, str]]:
    for name, params in demand.candidates.items():
        for key, message in of_series.demand_problems(name, params):
            yield ("demand", "candidates", name, *key), message
    known = {name: grid for name, grid in demand.search.items() if name in demand.candidates}
    for key, message in of_series.search_problems(demand.candidates, known):
        yield ("demand", "search", *key), message
