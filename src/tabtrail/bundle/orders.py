"""What to order: the demand of a lead time summed, with its intervals and the quantity that meets it at the service level."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tabtrail.bundle.demand.inputs import DemandInputs
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Interval, Predictor
from tabtrail.bundle.rows import PayloadError, Problem
from tabtrail.errors import BundleError

PLAN = "plan"


@dataclass(frozen=True)
class Order:
    """What a series will sell in the `periods` after `as_of` up to `until` (days): forecast, intervals, and `quantity`, which
    is enough in a share `service_level` of such times (None, and no intervals, where errors of new series were not measured).
    """

    series: dict[str, Any]
    as_of: str
    until: str
    periods: int
    forecast: float
    intervals: tuple[Interval, ...]
    service_level: float
    quantity: float | None
    warnings: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Return the order as the command line and the service give it in JSON."""
        return {**vars(self), "intervals": [vars(each) for each in self.intervals]}


def load_orders(folder: Path, name: str, public_key: Path | None, asked: Sequence[Mapping[str, Any]] | None) -> list[Order]:
    """Return the orders of the deployed model; of all known series where none is asked for. Raises as `load_bundle`, `orders`."""
    predictor = Predictor(load_bundle(folder, name, public_key))
    return orders(predictor, known_series(predictor) if asked is None else asked)


def known_series(predictor: Predictor) -> list[dict[str, str]]:
    """Return the series that the history knows, each as column → text."""
    demand, _ = _required(predictor)
    return [dict(zip(demand.panel.series, map(str, key), strict=True)) for key in demand.history.keys]


def orders(predictor: Predictor, asked: Sequence[Mapping[str, Any]]) -> list[Order]:
    """Return the orders of series: each given by its columns (of a new one the static ones too), with a `plan` where the stored
    one is not meant: a list of rows with date and columns known ahead.

    Raises `PayloadError` for a series or plan that cannot be forecast, `BundleError` for a model without a lead time.
    """
    demand, periods = _required(predictor)
    days = demand.days_ahead(periods)
    checked = predictor.check([row for each in asked for row in _rows(predictor, demand, each, days)])
    if not asked:
        return []
    sums = np.array(predictor.run(checked)).reshape(len(asked), periods).sum(axis=1)
    firsts = checked[::periods]
    low, high, quantity = (each.tolist() for each in demand.bounds_of_sums(firsts, sums))
    assert demand.bands is not None  # noqa: S101 - a model with a lead time has them
    intervals = demand.bands.intervals
    return [
        Order(
            {name: row[name] for name in demand.panel.series},
            demand.as_of,
            demand.last_day_ahead(periods),
            periods,
            float(total),
            () if np.isnan(quantity[at]) else tuple(map(Interval, intervals.levels, low[at], high[at])),
            intervals.service_level,
            None if np.isnan(quantity[at]) else quantity[at],
            predictor.warnings(row),
        )
        for at, (row, total) in enumerate(zip(firsts, sums, strict=True))
    ]


def _required(predictor: Predictor) -> tuple[DemandInputs, int]:
    demand = predictor.demand
    if demand is None or demand.bands is None or demand.bands.intervals.lead_time is None:
        raise BundleError("the model has no sums over a lead time; set demand.lead_time and run `tabtrail train`")
    return demand, demand.bands.intervals.lead_time


def _rows(predictor: Predictor, demand: DemandInputs, asked: Mapping[str, Any], days: Sequence[str]) -> list[dict[str, Any]]:
    """A row a period: the values of the plan where it has some, else none, which means those of the stored plan."""
    own = {name: value for name, value in asked.items() if name != PLAN}
    if unknown := next((name for name in own if name not in predictor.schema.names or name in demand.known_ahead), None):
        raise PayloadError([Problem(unknown, f"is not a column of a series; give values known ahead in '{PLAN}'")])
    empty = dict.fromkeys(demand.known_ahead)
    rows = {day: {**own, **empty, demand.panel.date: day} for day in days}
    plan = asked.get(PLAN, ())
    if not isinstance(plan, list | tuple) or not all(isinstance(each, Mapping) for each in plan):
        raise PayloadError([Problem(PLAN, f"is not a list of rows with {demand.panel.date} and columns known ahead")])
    for each in plan:
        (read,) = predictor.check([{**own, **empty, **each}])
        if (day := demand.period_day(read)) in rows:
            rows[day] |= {name: read[name] for name in demand.known_ahead}
    return list(rows.values())
