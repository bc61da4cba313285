"""What became of the rows of a panel, in words."""

from tabtrail.config.demand import Demand
from tabtrail.contract.periods import Calendar
from tabtrail.forecast.panel.panel import Account


def account_notes(account: Account, demand: Demand) -> list[str]:
    """Return sentences on what became of rows and periods; first the counts, then what needs a look."""
    name = Calendar(demand.frequency).name
    notes = [
        f"{account.rows:,} rows: the demand of {account.kept:,} is known, {account.plan_rows:,} are of a plan, {account.empty:,}"
        f" have no demand, {account.duplicates:,} are put together with another",
        f"{account.series:,} series over {account.periods:,} {name}s; {account.without_row:,} {name}s without a row are"
        f" {_FILLED[demand.missing_periods]}, {account.closed:,} closed, {account.stockout:,} sold out, {account.negative:,}"
        f" below zero",
    ]
    if account.copied:
        share = account.copied / max(1, account.cells)
        notes.append(
            f"warning: demand.missing_periods is forward_fill, so that {account.copied:,} of {account.cells:,} values"
            f" ({share:.0%}) are copies of the {name}"
            f" before; a naive forecast looks best by that, and no error here tells how good a model is"
        )
    if account.undated:
        notes.append(
            f"warning: {account.undated:,} rows have no date and are left out; nullable: false sets them aside at ingest"
        )
    if account.single:
        notes.append(f"{account.single:,} series have one {name} with demand at most, and are forecast like their neighbours")
    return notes


_FILLED = {"zero": "zero", "missing": "not known", "forward_fill": "as the one before"}
