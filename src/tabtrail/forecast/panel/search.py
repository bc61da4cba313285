"""Values of parameters tried at an origin before the ones that are judged."""

from collections.abc import Callable, Mapping
from itertools import product

from tabtrail.config.section import Parameter
from tabtrail.errors import ConfigError
from tabtrail.forecast.panel.candidates import DirectCandidate, parse_candidates
from tabtrail.forecast.panel.evaluate import Forecaster, Origins, evaluate
from tabtrail.forecast.panel.panel import Panel

Configured = dict[str, dict[str, Parameter]]
Grids = Mapping[str, Mapping[str, tuple[Parameter, ...]]]


def default_grids() -> dict[str, dict[str, tuple[Parameter, ...]]]:
    """Return what is tried where the config names no candidates: how far a forest goes into details."""
    return {"RandomForest": {"min_samples_leaf": (5, 10, 30)}}


def search(
    configured: Mapping[str, dict[str, Parameter]],
    grids: Grids,
    panel: Panel,
    origins: Origins,
    *,
    metric: str,
    forecaster: Callable[[DirectCandidate], Forecaster],
) -> Configured:
    """Return the candidates with the values of the grids that do best by a metric at the last origin whose judged periods are
    known at the first of `origins`; with the first of the values where there is none.

    Raises `ConfigError` for a grid of no candidate.
    """
    if unknown := next((name for name in grids if name not in configured), None):
        raise ConfigError(f"demand.search.{unknown}: demand.candidates has no such name (has: {', '.join(configured)})")
    place = origins.places[0] - origins.horizon - origins.gap
    before = Origins((place,), origins.horizon, origins.gap)
    found = dict(configured)
    for name, grid in grids.items():
        tried = [{**configured[name], **dict(zip(grid, values, strict=True))} for values in product(*grid.values())]
        scores = [_score(each, name, panel, before, metric, forecaster) for each in tried] if place >= 1 else []
        best = min(range(len(scores)), key=lambda at: (scores[at], at), default=0)
        found[name] = tried[best]
    return found


def _score(
    params: dict[str, Parameter],
    name: str,
    panel: Panel,
    origins: Origins,
    metric: str,
    forecaster: Callable[[DirectCandidate], Forecaster],
) -> float:
    (candidate,) = parse_candidates({name: params})
    value = evaluate(name, forecaster(candidate), panel, origins).scores.get(metric)
    return float("inf") if value is None else float(value)
