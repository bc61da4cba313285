"""A blend of fitted models: weights that do best by the metric of the choice, within the bias that is allowed."""

from collections.abc import Mapping, Sequence

import numpy as np

from tabtrail.bundle.demand.features import Array
from tabtrail.forecast.panel.evaluate import Evaluated, Origins, choose, observed, scales_at, scored
from tabtrail.forecast.panel.panel import Panel
from tabtrail.forecast.panel.scores import Scales, score

BLEND = "Blend"
_ROUNDS = 20  # weights are multiples of 5 %: finer ones differ by less than the origins can tell


def best_blend(
    members: Sequence[Evaluated],
    reads: Mapping[str, str | None],
    panel: Panel,
    origins: Origins,
    *,
    metric: str,
    max_bias: float | None,
    money: Array | None = None,
) -> tuple[Evaluated, dict[str, float]] | None:
    """Return of the blends of models that read alike (`DirectCandidate.reads` by name) the one that would be chosen; None where
    no two do. So the graph takes each feature once.
    """
    kinds = sorted({kind for kind in reads.values() if kind is not None})
    alike = [[each for each in members if reads[each.name] == kind] for kind in kinds]
    found = [blend(own, panel, origins, metric=metric, max_bias=max_bias, money=money) for own in alike if len(own) > 1]
    found = [each for each in found if each[0].scores.get(metric) is not None]
    if not found:
        return None
    chosen, _ = choose([each for each, _ in found], metric, max_bias)
    return next(each for each in found if each[0] is chosen)


def blend(
    members: Sequence[Evaluated],
    panel: Panel,
    origins: Origins,
    *,
    metric: str,
    max_bias: float | None,
    money: Array | None = None,
) -> tuple[Evaluated, dict[str, float]]:
    """Return the blend as it would have been at each origin, and the weights of all origins together.

    At an origin the weights are those of the periods judged at the origins before it that were known by then (before there are
    any, all members alike), so that what is judged chose nothing.
    """
    actual, scale, width = observed(panel, origins), scales_at(panel, origins), origins.horizon
    judged = np.concatenate([np.arange(panel.periods)[origins.judged(origin)] for origin in origins.places])
    parts = []
    for number, origin in enumerate(origins.places):
        before, own = np.flatnonzero(judged[: number * width] <= origin), slice(number * width, (number + 1) * width)
        chosen = (
            weights({each.name: each.forecast[:, before] for each in members}, actual[:, before], scale, metric, max_bias)
            if len(before)
            else dict.fromkeys([each.name for each in members], 1 / len(members))
        )
        parts.append(sum(chosen.get(each.name, 0.0) * each.forecast[:, own] for each in members))
    final = weights({each.name: each.forecast for each in members}, actual, scale, metric, max_bias)
    return scored(BLEND, np.concatenate(parts, axis=1), panel, origins, money=money), final


def weights(
    forecasts: Mapping[str, Array], actual: Array, scale: Scales, metric: str, max_bias: float | None
) -> dict[str, float]:
    """Return the weights, above zero and adding up to one, of a greedy ensemble (Caruana et al., ICML 2004).

    In each round the model joins that leaves the least metric, where the bias allows it, else the least |bias|.
    """
    names = sorted(forecasts)
    total, counts = np.zeros_like(actual), dict.fromkeys(names, 0)
    best, kept = (True, float("inf")), dict(counts)
    for size in range(1, _ROUNDS + 1):
        ranks = {name: _rank(actual, (total + forecasts[name]) / size, scale, metric, max_bias) for name in names}
        joined = min(names, key=lambda name: (ranks[name], name))
        total, counts[joined] = total + forecasts[joined], counts[joined] + 1
        if ranks[joined] < best:
            best, kept = ranks[joined], dict(counts)
    members = sum(kept.values())
    return {name: count / members for name, count in kept.items() if count}


def _rank(actual: Array, forecast: Array, scale: Scales, metric: str, max_bias: float | None) -> tuple[bool, float]:
    found = score(actual, forecast, scale)
    bias, value = abs(float(found.get("bias") or 0.0)), found.get(metric)
    if max_bias is not None and bias > max_bias:
        return True, bias
    return False, float("inf") if value is None else float(value)
