"""What every column of a file is: numbers, dates or texts, with the figures that show it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import polars as pl

from tabtrail.contract.dates import DateFormat
from tabtrail.contract.numbers import NumberFormat, format_problem
from tabtrail.data.dates import read_moments
from tabtrail.data.numbers import to_number
from tabtrail.proposal.dates import Dates, decided_by_file, read_dates
from tabtrail.proposal.doubts import doubt_of
from tabtrail.proposal.numbers import CURRENCIES, Numbers, marks_of_file, read_numbers, same_values, settled
from tabtrail.proposal.seen import Seen
from tabtrail.proposal.texts import Texts
from tabtrail.proposal.words import is_never_a_category

Kind = Literal["number", "date", "text", "empty"]
_LONG_DIGITS = r"^\s*[0-9]{16,}\s*$"  # from here on a double may not hold the number, and nobody counts so far: it is an id
_CODE = r"^\s*[A-Za-z]+[-_#/:]?[0-9]+\s*$"
_PADDED = 0.5  # share of the rows with blanks around the text: a width that is filled up, and no slip
_ZERO_IN_FRONT = r"^\s*0[0-9]+\s*$"


@dataclass(frozen=True)
class Guess:
    """A column and what it is. `reason` says why digits are kept as text, `doubt` what else it may be."""

    seen: Seen
    kind: Kind
    numbers: Numbers | None = None
    dates: Dates | None = None
    reason: str = ""
    doubt: str = ""

    @property
    def name(self) -> str:
        return self.seen.name

    @cached_property
    def missing(self) -> int:
        """Rows without a value, those of the words for it counted."""
        words = self.words
        said = self.seen.counts.filter(pl.col("text").is_in(list(words)))["rows"].sum() if words else 0
        return self.seen.rows - self.seen.filled + int(said)

    @property
    def words(self) -> tuple[str, ...]:
        """Texts that stand in this column for a missing value."""
        if self.kind == "text":
            return tuple(word for word in self.seen.missing_words if is_never_a_category(word))
        found = self.numbers or self.dates
        held = set(self.seen.counts["text"].head(20_000)) if found is not None else set[str]()
        return tuple(word for word in found.words if word in held) if found is not None else ()

    @property
    def padded(self) -> str | None:
        """A text with blanks around it, where most have some: fields of a fixed width. None for others."""
        known = self.seen.known
        blank = known.filter(known["text"].str.strip_chars() != known["text"])
        is_padded = self.kind == "text" and blank.height and int(blank["rows"].sum()) > _PADDED * self.seen.filled
        return str(blank["text"][0]) if is_padded else None

    @property
    def distinct(self) -> int:
        """Different values."""
        return self.numbers.distinct if self.numbers is not None else self.seen.distinct

    def values(self) -> pl.Series:
        """Return the values of all rows: numbers as doubles, dates as points in time, texts as they are; null for none."""
        column = self.seen.texts.frame[self.name]
        if self.words:
            column = column.set(column.is_in([*self.words]).fill_null(False), None)
        if self.numbers is not None:
            numbers = column.to_frame("t").select(to_number(pl.col("t"), self.numbers.written, pl.Float64())).to_series()
            return numbers.set(~numbers.is_finite().fill_null(True), None).alias(self.name)
        if self.dates is not None:
            return read_moments(column, DateFormat(self.dates.formats, time_zone="UTC"))
        return column


@dataclass(frozen=True)
class Columns:
    """All columns of a file in their order, and the marks that most of its numbers are written with."""

    guesses: Mapping[str, Guess]
    decimal: str
    thousands: str | None

    def own_format(self, guess: Guess) -> NumberFormat | None:
        """Return how the numbers of a column are written where not as the marks of the file alone say; else None."""
        if guess.numbers is None:
            return None
        of_file, own = NumberFormat(self.decimal, self.thousands), guess.numbers.written
        if same_values(guess.seen, own, of_file):
            return None
        # Where a column has no mark of its own, it is written as the file is: a later 1.050,00 is read.
        marks = ((self.decimal, self.thousands), (own.decimal, self.thousands), (self.decimal, own.thousands))
        likely = (replace(own, decimal=decimal, thousands=thousands) for decimal, thousands in marks)
        return next((each for each in likely if not format_problem(each) and same_values(guess.seen, own, each)), own)


def guess_columns(texts: Texts) -> Columns:
    """Look at every column, then once more at numbers whose marks only the other columns tell."""
    delimiter = texts.source.delimiter
    guesses = {name: _guess(Seen.of(name, texts), delimiter) for name in texts.frame.columns}
    decimal, thousands = marks_of_file({name: each.numbers for name, each in guesses.items() if each.numbers is not None})
    decided = any(
        each.numbers is not None and (each.numbers.decisive or (each.numbers.written.thousands and not each.numbers.open))
        for each in guesses.values()
    )
    for name, each in guesses.items():
        if each.numbers is not None and each.numbers.open:
            guesses[name] = Guess(each.seen, "number", settled(each.seen, each.numbers, decimal, decided=decided))
    dates = {name: each.dates for name, each in guesses.items() if each.dates is not None}
    for name, found in dates.items():
        guesses[name] = replace(
            guesses[name], dates=decided_by_file(guesses[name].seen, found, dates, decimal if decided else ".")
        )
    if decimal == "," and thousands is None:
        thousands = "."  # of no other meaning beside a decimal comma
    return Columns(guesses, decimal, thousands)


def _guess(seen: Seen, delimiter: str) -> Guess:
    if not seen.known.height:
        return Guess(seen, "empty") if all(not text.strip() for text in seen.counts["text"]) else Guess(seen, "text")
    if (dates := read_dates(seen)) is not None:
        return Guess(seen, "date", dates=dates)
    numbers = read_numbers(seen, delimiter)
    if numbers is None:
        return Guess(seen, "text", doubt=doubt_of(seen))
    if reason := _as_text(seen, numbers):
        return Guess(seen, "text", reason=reason)
    return Guess(seen, "number", numbers)


def _as_text(seen: Seen, numbers: Numbers) -> str:
    """Return why a column of digits is one of texts; nothing where it is one of numbers."""
    texts = seen.known["text"]
    if (
        numbers.written.strip
        and (code := texts.filter(texts.str.contains(_CODE))).len() > 0.5 * len(texts)
        and not _is_currency(numbers)
    ):
        return f"letters before the digits, as in a code: {seen.example(str(code[0]))}"
    zeros = texts.filter(texts.str.contains(_ZERO_IN_FRONT))
    if len(zeros) and numbers.whole:
        return f"zeros in front, as {seen.example(str(zeros[0]))}"
    long = texts.filter(texts.str.contains(_LONG_DIGITS))
    if len(long):
        return f"{len(str(long[0]).strip())} digits, more than a number holds, as {seen.example(str(long[0]))}"
    return ""


def _is_currency(numbers: Numbers) -> bool:
    return all(CURRENCIES.match(mark) for mark in numbers.written.strip)
