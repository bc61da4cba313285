"""What the intervals of forecast demand must hold in a bundle's metadata."""

from collections.abc import Mapping
from itertools import chain
from typing import Any

from tabtrail.bundle.demand.intervals import ALL, Bounds, DemandIntervals
from tabtrail.bundle.demand.quantiles import SHARES


def require_form(stated: Mapping[str, Any]) -> None:
    """Raise any of `ValueError`, `KeyError`, `TypeError` for intervals that a forecast would stumble over."""
    intervals = DemandIntervals.from_dict(stated)
    shares = (*intervals.levels, intervals.service_level)
    _require(bool(intervals.levels) and all(isinstance(share, float) and 0 < share < 1 for share in shares))
    _require(all(type(value) is int and value > 0 for value in (*intervals.groups, intervals.step)) and bool(intervals.groups))
    _require(type(intervals.through) is int and list(intervals.groups) == sorted(set(intervals.groups)))
    _require(all(value is None or _is_number(value) for value in (intervals.least, intervals.new)))
    _require(intervals.lead_time is None or (type(intervals.lead_time) is int and bool(intervals.sums[ALL].signed)))
    for band in (*intervals.bands.values(), *intervals.sums.values()):
        _require(len(band.scores) == len(SHARES) and len(band.signed) in (0, len(SHARES)) and band.smallest > 0)
        numbers = (band.power, band.smallest, band.below, band.above, *band.scores, *band.signed)
        _require(all(map(_is_number, numbers)))
    for moved in intervals.offsets.values():
        _require(len(moved.scores) == len(intervals.levels) and moved.smallest > 0)
        _require(all(len(scores) == len(SHARES) for scores in moved.scores))
        _require(all(map(_is_number, (moved.power, moved.smallest, *chain.from_iterable(moved.scores)))))
    Bounds(intervals, intervals.allowed)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _require(holds: bool) -> None:
    if not holds:
        raise ValueError
