"""What a flag that is known ahead, such as a promotion, does to the forecasts of a model. That is not what it does to demand."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tabtrail.bundle.demand.features import Array
from tabtrail.forecast.panel.panel import Panel, Rows
from tabtrail.forecast.panel.rows import Points
from tabtrail.forecast.panel.uplifted import SeriesUplift, Uplift

Predict = Callable[[Panel, Points], Array]
# Series whose periods are forecast twice: more change no figure that is shown.
_MOST_SERIES = 500
_NAMED = 8


def uplift(predict: Predict, panel: Panel, flag: str, horizon: int, seed: int) -> Uplift:
    """Return what a flag does to the forecasts of the `horizon` periods after the last one, everything else alike."""
    chosen = _sampled(panel, seed)
    some = panel.take(chosen)
    points = Points.at(some, some.periods - 1, range(1, horizon + 1))
    off, on = (predict(_planned(some, flag, value, horizon), points).reshape(some.count, horizon) for value in (0.0, 1.0))
    past = panel.known[flag][:, : panel.periods]
    known = past[~np.isnan(panel.target) & ~np.isnan(past)]
    share = float(known.mean()) if len(known) else 0.0
    means = off.mean(axis=1), on.mean(axis=1)
    order = np.argsort(-means[1], kind="stable")[:_NAMED]
    keys = [tuple(str(some.static[name][place]) for name in some.series) for place in order]
    return Uplift(
        flag=flag,
        series=some.count,
        periods=horizon,
        share=share,
        varied=0.0 < share < 1.0,
        without=float(off.mean()),
        with_flag=float(on.mean()),
        largest=tuple(
            SeriesUplift(key, float(means[0][place]), float(means[1][place])) for key, place in zip(keys, order, strict=True)
        ),
    )


def _sampled(panel: Panel, seed: int) -> Rows:
    if panel.count <= _MOST_SERIES:
        return np.arange(panel.count, dtype=np.int64)
    return np.sort(np.random.default_rng(seed).choice(panel.count, _MOST_SERIES, replace=False))


def _planned(panel: Panel, flag: str, value: float, horizon: int) -> Panel:
    """The panel with a plan of `horizon` periods in which the flag has one value, and every other column its last known one."""
    known = {name: _ahead(values, panel.periods, horizon) for name, values in panel.known.items()}
    known[flag][:, panel.periods :] = value
    return replace(panel, known=known)


def _ahead(values: Array, periods: int, horizon: int) -> Array:
    plan = values[:, periods : periods + horizon]
    last = np.repeat(values[:, periods - 1 : periods], horizon, axis=1)
    last[:, : plan.shape[1]] = np.where(np.isnan(plan), last[:, : plan.shape[1]], plan)
    return np.concatenate([values[:, :periods], last], axis=1)
