"""The column that is to be predicted: whether it can be, and which ones are likely where nobody said."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tabtrail.data.ingest import LARGEST_TARGET
from tabtrail.errors import DataError, UsageError, nearest
from tabtrail.proposal.columns import Columns, Guess
from tabtrail.proposal.leaks import names_rows
from tabtrail.proposal.words import KEY_NAME

LEAST_ROWS = 30
"""Rows with a target at least: of fewer, five folds hold four each, and no model is told from the mean."""
_MOST_MISSING = 0.5  # of the rows; beyond it most of the file says nothing about the target
_NAMES = re.compile(
    r"(?i)price|sales|amount|revenue|value|cost|total|target|demand|turnover|income|salary|wage|charge|profit|score|quantity|qty|count|"
    r"^cnt$|^y$|units|sold|rent|load|consumption|umsatz|preis|menge|betrag|absatz|prix|ventes|montant|precio|ventas|importe"
)


@dataclass(frozen=True)
class Likely:
    """A column that may be the target, and why."""

    name: str
    reason: str


def require_target(columns: Columns, named: str, renamed: Mapping[str, str]) -> Guess:
    """Return the target. Raises `UsageError` for a column that is not there, `DataError` for one that cannot be a target."""
    name = renamed.get(named, named)
    if name not in columns.guesses:
        known = [*columns.guesses]
        shown = ", ".join(known[:20]) + (f" and {len(known) - 20:,} more" if len(known) > 20 else "")
        raise UsageError(f"--target: there is no column '{named}'{nearest(named, known) or '.'} The columns are {shown}")
    target = columns.guesses[name]
    _require_numbers(target)
    _require_rows(target)
    return target


def _require_numbers(target: Guess) -> None:
    name, counts = target.name, target.seen.counts
    if target.kind == "empty":
        raise DataError(f"the target {name} is empty in all {target.seen.rows:,} rows; name another column")
    if target.kind in ("text", "date") or target.numbers is None:
        what = "text" if target.kind == "text" else "a date"
        words = ", ".join(map(repr, counts["text"].head(3)))
        also = f" ({target.reason})" if target.reason else ""
        raise DataError(
            f"the target {name} is {what} ({words}){also}: tabtrail does regression only, it predicts numbers and not classes;"
            " name a column of numbers"
        )
    if target.distinct < 2:
        raise DataError(f"the target {name} has the same value in all rows, {counts['text'][0]!r}; there is nothing to learn")
    if target.distinct == 2:
        both = " and ".join(map(repr, sorted(counts["text"].head(2))))
        raise DataError(
            f"the target {name} has two values only, {both}, in {target.seen.rows:,} rows: tabtrail does regression only, it"
            " predicts a number and not one of two classes; name another column"
        )
    if max(abs(target.numbers.least), abs(target.numbers.largest)) > LARGEST_TARGET:
        raise DataError(
            f"the target {name} is beyond {LARGEST_TARGET:g} in some rows, whose squared errors overflow; leave these rows out of"
            " the file, or name another column"
        )


def _require_rows(target: Guess) -> None:
    assert target.numbers is not None  # noqa: S101 - asked before
    rows, known = target.seen.rows, target.numbers.read
    if rows - known > _MOST_MISSING * rows:
        raise DataError(
            f"the target {target.name} is missing in {rows - known:,} of {rows:,} rows ({(rows - known) / rows:.0%}),"
            " and rows without it cannot be learned from; name another column, or leave these rows out of the file"
        )
    if known < LEAST_ROWS:
        raise DataError(
            f"{known:,} rows have a target, too few to tell a model from the mean: give {LEAST_ROWS} at least, better hundreds"
        )


def likely_targets(columns: Columns) -> list[Likely]:
    """Return the columns that may be the target, the likeliest first: numbers with many values that name no rows."""
    scored = [
        (score, -place, likely) for place, (score, likely) in enumerate(filter(None, map(_scored, columns.guesses.values())))
    ]
    return [likely for _, _, likely in sorted(scored, key=lambda each: (-each[0], each[1]))]


def _scored(guess: Guess) -> tuple[float, Likely] | None:
    numbers = guess.numbers
    if numbers is None or guess.distinct < 3 or guess.missing > _MOST_MISSING * guess.seen.rows:
        return None
    named = _NAMES.search(guess.name) is not None
    if not named and (KEY_NAME.search(guess.name) or names_rows(guess)):
        return None
    many = guess.distinct > 20
    score = 2.0 * named + 1.0 * many + 0.5 * (not numbers.whole)
    said = "named like one, " if named else ""
    return score, Likely(guess.name, f"{said}{guess.distinct:,} values from {numbers.least:,.6g} to {numbers.largest:,.6g}")


def require_some(likely: Sequence[Likely], name: str) -> None:
    """Raise `DataError` for a file without a column that could be a target."""
    if not likely:
        raise DataError(
            f"{name} has no column of numbers with three values or more, so that there is nothing to predict (regression only)"
        )
