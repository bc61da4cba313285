"""What became of the rows of a panel, and what of it needs a look, in words."""

import numpy as np
from numpy.typing import NDArray

from tabtrail.config.demand import Demand
from tabtrail.contract.periods import Calendar
from tabtrail.forecast.panel.panel import Account, Panel


def panel_notes(panel: Panel, demand: Demand) -> list[str]:
    """Return sentences on what became of the rows, and warnings of columns and conditions that say nothing."""
    notes = [] if panel.account is None else account_notes(panel.account, demand)
    notes += [note for name in panel.series if (note := _alike(name, panel.static[name]))]
    for name, values in panel.known.items():
        known = values[~np.isnan(values)]
        if len(known) and known.min() == known.max():
            notes.append(f"warning: demand.known_ahead: {name} is {known[0]:g} in all periods, so that it says nothing")
        if name == demand.price and (known <= 0).any():
            notes.append(
                f"warning: demand.price: {name} is 0 or below in {int((known <= 0).sum()):,} periods, such as {known.min():g};"
                f" contract.columns.{name}.min sets such rows aside"
            )
    return notes


def _alike(name: str, texts: NDArray[np.object_]) -> str:
    """Return which ids are one but for spaces and case; empty where none are."""
    spellings: dict[str, list[str]] = {}
    for text in dict.fromkeys(texts.tolist()):
        spellings.setdefault(" ".join(text.split()).casefold(), []).append(text)
    several = [each for each in spellings.values() if len(each) > 1]
    if not several:
        return ""
    return (
        f"warning: demand.series: {len(several):,} values of {name} are written in several ways, such as"
        f" {' and '.join(map(repr, several[0][:2]))}, which are series of their own; cleaning.trim and cleaning.fold_case make"
        " them one"
    )


def rejects_note(rejected: int, demand: Demand) -> str:
    """Return what rows that ingest set aside mean for the demand; empty where there are none."""
    if not rejected or demand.missing_periods == "missing":
        return ""
    name, filled = Calendar(demand.frequency).name, _FILLED[demand.missing_periods]
    return (
        f"warning: ingest set {rejected:,} rows aside; a {name} that has no other row is {filled}. Mend them, or set"
        " demand.missing_periods: missing"
    )


def account_notes(account: Account, demand: Demand) -> list[str]:
    """Return sentences on what became of rows and periods; first the counts, then what needs a look."""
    calendar = Calendar(demand.frequency)
    name = calendar.name
    notes = [
        f"{account.rows:,} rows: the demand of {account.kept:,} is known, {account.plan_rows:,} are of a plan, {account.empty:,}"
        f" have no demand, {account.duplicates:,} are put together with another",
        f"{account.series:,} series over {account.periods:,} {name}s; {account.without_row:,} {name}s without a row are"
        f" {_FILLED[demand.missing_periods]}, {account.closed:,} closed, {account.stockout:,} sold out, {account.negative:,}"
        f" below zero",
    ]
    if account.ended:
        notes.append(
            f"warning: the data ends on {account.ended}, within a {name}: what was sold in it by then is left out, and it is"
            " forecast; demand.drop_incomplete: false takes it as whole"
        )
    if account.copied:
        share = account.copied / max(1, account.cells)
        notes.append(
            f"warning: demand.missing_periods is forward_fill, so that {account.copied:,} of {account.cells:,} values"
            f" ({share:.0%}) are copies of the {name}"
            f" before; a naive forecast looks best by that, and no error here tells how good a model is"
        )
    if account.pause >= demand.horizon:
        first, last = account.idle[0], account.idle[-1]
        notes.append(
            f"warning: no series has demand in the {account.pause:,} {name}s from {calendar.first_day(first)} to"
            f" {calendar.last_day(last)}, which are {_FILLED[demand.missing_periods]}; is a date wrong, or is there a condition"
            " for demand.closed?"
        )
    for key, count, said in (("closed", account.closed, demand.closed), ("stockout", account.stockout, demand.stockout)):
        if said is not None and not count:
            notes.append(f"warning: demand.{key} holds in no row: {said}")
    if account.undated:
        notes.append(
            f"warning: {account.undated:,} rows have no date and are left out; nullable: false sets them aside at ingest"
        )
    if account.single:
        notes.append(f"{account.single:,} series have one {name} with demand at most, and are forecast like their neighbours")
    return notes


_FILLED = {"zero": "zero", "missing": "not known", "forward_fill": "as the one before"}
