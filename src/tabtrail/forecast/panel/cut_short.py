"""The last week or month of the data where the data ends within it: what was sold by then is not its demand."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl

from tabtrail.config.demand import Demand
from tabtrail.contract.periods import Calendar

_BEFORE = 12
"""Periods that the last one is compared with: a year of months, a quarter of weeks, with their shorter ones and holidays."""


def cut_short(rows: pl.LazyFrame, demand: Demand, dated: str) -> date | None:
    """Return the last day with demand where its week or month is cut short by it; None where that is whole, and for days.

    It is cut short where its last day lies both further from its end and closer to its begin than those of the periods before:
    rows of weeks or months may all bear the first day, and a February ends early.
    """
    calendar = Calendar(demand.frequency)
    if demand.frequency == "D" or not demand.drop_incomplete:
        return None
    known = rows.filter(pl.col(demand.target).is_not_null()).select(pl.col(dated).cast(pl.Date)).drop_nulls().unique()
    days = known.collect()[dated].sort().to_numpy().astype("datetime64[D]")
    periods, first = np.unique(calendar.numbers(days), return_index=True)
    periods, latest = periods[-_BEFORE - 1 :], days[np.append(first[1:], len(days)) - 1][-_BEFORE - 1 :]
    seen, left = latest - calendar.first_days(periods), calendar.first_days(periods + 1) - latest
    if len(periods) < 2 or seen[-1] >= seen[:-1].min() or left[-1] <= left[:-1].max():
        return None
    found: date = latest[-1].astype(object)
    return found


def without_demand_of(rows: pl.LazyFrame, ended: date, demand: Demand, dated: str) -> pl.LazyFrame:
    """Return the rows, those of the period that is cut short without their demand: as rows of a plan."""
    calendar = Calendar(demand.frequency)
    before: Any = pl.col(dated).cast(pl.Date) < calendar.first_day(calendar.number(ended))
    return rows.with_columns(pl.when(before).then(pl.col(demand.target)).alias(demand.target))
