"""What to order: the demand of a lead time summed, with its intervals and the quantity that meets it at the service level."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabtrail.bundle.demand.inputs import SHUT, DemandInputs
from tabtrail.bundle.demand.intervals import SERVED
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Interval, Predictor
from tabtrail.bundle.rows import PayloadError, Problem, Row
from tabtrail.errors import BundleError

PLAN, LEVEL, PERIODS = "plan", "service_level", "lead_time"
_UNMEASURED = "errors of new series could not be measured, so that there is no interval and no order quantity"


@dataclass(frozen=True)
class Order:
    """What a series will sell in the `lead_time` periods after `as_of` up to `until` (days): `sum`, its interval (`interval` is
    that of the highest level) and `order_quantity`, which is enough in a share `service_level` of such times.

    None, and no intervals, where errors of new series were not measured.
    """

    series: dict[str, str | None]
    as_of: str
    until: str
    lead_time: int
    sum: float
    interval: Interval | None
    intervals: tuple[Interval, ...]
    service_level: float
    order_quantity: float | None
    currency: str
    model_version: str
    warnings: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Return the order as the command line and the service give it in JSON."""
        interval = None if self.interval is None else vars(self.interval)
        return {**vars(self), "interval": interval, "intervals": [vars(each) for each in self.intervals]}


@dataclass(frozen=True)
class _Asked:
    """One series that is asked for: its rows of the lead time, good and read, the service level, and what is said of its plan."""

    rows: list[Row]
    level: float
    warnings: tuple[str, ...]


def load_orders(
    place: tuple[Path, str, Path | None], asked: Sequence[Mapping[str, Any]] | None, service_level: float | None = None
) -> list[Order]:
    """Return the orders of the model deployed at a place (folder, name, public key); of all known series where none is asked for.

    Raises as `load_bundle` and `orders`.
    """
    predictor = Predictor(load_bundle(*place))
    found = known_series(predictor) if asked is None else asked
    of_all = {} if service_level is None else {LEVEL: service_level}
    return orders(predictor, [{**of_all, **each} for each in found])


def known_series(predictor: Predictor) -> list[dict[str, str]]:
    """Return the series that the history knows, each as column → text."""
    demand, _ = _required(predictor)
    return [dict(zip(demand.panel.series, map(str, key), strict=True)) for key in demand.history.keys]


def lead_time_of(predictor: Predictor) -> int | None:
    """Return the periods whose sums the model was calibrated for; None where there are none."""
    demand = predictor.demand
    return None if demand is None or demand.bands is None else demand.bands.intervals.lead_time


def orders(predictor: Predictor, asked: Sequence[Mapping[str, Any]]) -> list[Order]:
    """Return the orders of series: each given by its columns (of a new one the static ones too), with a `plan` where the stored
    one is not meant: a list of rows with date and columns known ahead. `service_level` is that of the config where none is given.

    Raises `PayloadError` for a series or plan that cannot be forecast, `BundleError` for a model without a lead time.
    """
    demand, periods = _required(predictor)
    days = demand.days_ahead(periods)
    found = []
    for index, each in enumerate(asked, 1):
        try:
            found.append(_read(predictor, demand, each, days))
        except PayloadError as error:
            where = f"series {index:,} of {len(asked):,}: " if len(asked) > 1 else ""
            raise PayloadError([Problem(each.column, where + each.message) for each in error.problems]) from None
    return _ordered(predictor, demand, found, periods) if found else []


def _ordered(predictor: Predictor, demand: DemandInputs, asked: Sequence[_Asked], periods: int) -> list[Order]:
    rows = [row for each in asked for row in each.rows]
    shape = len(asked), periods
    opened = demand.open_in(rows).reshape(shape)  # nothing is sold in a period that the plan has as closed
    sums = np.where(opened, np.array(predictor.run(rows)).reshape(shape), 0.0).sum(axis=1)
    firsts, served = [each.rows[0] for each in asked], np.array([each.level for each in asked])
    low, high, quantity = (each.tolist() for each in demand.bounds_of_sums(firsts, sums, opened.sum(axis=1), served))
    assert demand.bands is not None  # noqa: S101 - a model with a lead time has them
    levels, until = demand.bands.intervals.levels, demand.last_day_ahead(periods)
    made = []
    for at, (one, row) in enumerate(zip(asked, firsts, strict=True)):
        known = not np.isnan(quantity[at])
        intervals = tuple(map(Interval, levels, low[at], high[at])) if known else ()
        said = (*_said_of(predictor, one.rows), *_closed(demand, opened[at]), *one.warnings)
        made.append(
            Order(
                demand.named(row),
                demand.as_of,
                until,
                periods,
                float(sums[at]),
                intervals[-1] if intervals else None,
                intervals,
                one.level,
                quantity[at] if known else None,
                predictor.metadata["currency"],
                predictor.metadata["run_id"],
                (*said, *(() if known else (_UNMEASURED,))),
            )
        )
    return made


def _said_of(predictor: Predictor, rows: Sequence[Row]) -> Iterable[str]:
    """What is to know of a series, and of the values of its plan, each once."""
    return dict.fromkeys(words for row in rows for words in predictor.warnings(row) if words != SHUT)


def _closed(demand: DemandInputs, opened: NDArray[np.bool_]) -> Iterable[str]:
    if shut := int((~opened).sum()):
        of = f"{shut:,} of the {len(opened):,} {demand.period_name}s"
        yield f"the stored plan has {of} as closed: nothing is ordered for a closed one"


def _required(predictor: Predictor) -> tuple[DemandInputs, int]:
    demand, periods = predictor.demand, lead_time_of(predictor)
    if demand is None or periods is None:
        raise BundleError(
            "the model has no sums over a lead time; set demand.lead_time and run `tabtrail train` (their errors are measured at"
            " demand.calibration_origins, of which the history must have room for six)"
        )
    return demand, periods


def _read(predictor: Predictor, demand: DemandInputs, asked: Mapping[str, Any], days: Sequence[str]) -> _Asked:
    """Read a series with its plan: a row a period, with the values of the plan where it has some, else those that are stored."""
    options = {name for name in (PLAN, LEVEL, PERIODS) if name not in predictor.schema.names}
    own = {name: value for name, value in asked.items() if name not in options}
    if unknown := next((name for name in own if name not in predictor.schema.names or _is_planned(demand, name)), None):
        raise PayloadError([Problem(unknown[:200], f"is not a column of a series; give values known ahead in '{PLAN}'")])
    given = {name: asked.get(name) for name in options}
    _require_lead_time(given.get(PERIODS), len(days), demand.period_name)
    level = _service_level(given.get(LEVEL), demand)
    planned, beside = _planned(predictor, demand, own, given.get(PLAN))
    empty = dict.fromkeys(demand.known_ahead)
    rows = []
    for day in days:
        try:
            rows += predictor.check([{**own, **empty, demand.panel.date: day, **planned.pop(day, {})}])
        except PayloadError as error:
            raise PayloadError([_of_day(demand, day, each) for each in error.problems]) from None
    unused = beside + len(planned)
    words = f"{unused:,} rows of the plan lie outside the lead time, {days[0]} to {days[-1]}, and are not used"
    return _Asked(rows, level, (words,) if unused else ())


def _is_planned(demand: DemandInputs, name: str) -> bool:
    return name in demand.known_ahead or name == demand.panel.date


def _require_lead_time(given: object, periods: int, name: str) -> None:
    if given is not None and (isinstance(given, bool) or given != periods):
        message = f"sums over {periods:,} {name}s were calibrated; leave it out, or set demand.lead_time and train"
        raise PayloadError([Problem(PERIODS, message)])


def _service_level(given: object, demand: DemandInputs) -> float:
    assert demand.bands is not None  # noqa: S101 - the caller made sure
    if given is None:
        return demand.bands.intervals.service_level
    least, most = SERVED
    if isinstance(given, bool) or not isinstance(given, int | float) or not least <= given <= most:
        raise PayloadError(
            [Problem(LEVEL, f"has to be a number from {least} to {most}; errors that are rarer were not measured")]
        )
    return float(given)


def _planned(
    predictor: Predictor, demand: DemandInputs, own: Mapping[str, Any], plan: object
) -> tuple[dict[str, dict[str, Any]], int]:
    """Return the values of a plan by the first day of their period, and how many of its rows lie within the history."""
    if plan is None:
        return {}, 0
    date, empty = demand.panel.date, dict.fromkeys(demand.known_ahead)
    form = f"is a list of rows with {', '.join((date, *empty))}"
    if not isinstance(plan, list | tuple) or not all(isinstance(each, Mapping) for each in plan):
        raise PayloadError([Problem(PLAN, form)])
    if unknown := next((name for each in plan for name in each if not _is_planned(demand, name)), None):
        raise PayloadError([Problem(str(unknown)[:200], f"stands in '{PLAN}', which {form}")])
    found: list[tuple[str, dict[str, Any]]] = []
    for index, each in enumerate(plan, 1):
        try:
            (read,) = predictor.check([{**own, **empty, **each}])
        except PayloadError as error:
            raise PayloadError([Problem(p.column, f"row {index:,} of '{PLAN}': {p.message}") for p in error.problems]) from None
        found.append((demand.period_day(read), {name: read[name] for name in demand.known_ahead}))
    if twice := next((day for day, times in Counter(day for day, _ in found).items() if times > 1), None):
        raise PayloadError([Problem(PLAN, f"has several rows for the {demand.period_name} of {twice}")])
    ahead = {day: values for day, values in found if day > demand.as_of}
    return ahead, len(found) - len(ahead)


def _of_day(demand: DemandInputs, day: str, problem: Problem) -> Problem:
    """Say in which row of the plan a value is missing; what is wrong with the series is wrong on all days."""
    if problem.column not in demand.known_ahead:
        return problem
    return Problem(problem.column, f"{day}: {problem.message}; put it into '{PLAN}'")
