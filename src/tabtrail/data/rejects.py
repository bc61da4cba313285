"""The rows that were set aside: their columns, their file, and when there are so many that everything stops."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tabtrail.data.offenders import RULES, Offenders, worst_rules
from tabtrail.errors import DataError

_SPILL_ROWS = 100_000  # rejected rows that are held in memory
_MOST_SENT = 200_000  # of one file; with so many the whole is mostly refused


def reject_schema(header: Sequence[str]) -> dict[str, pl.DataType]:
    """Return the columns of the rejects: where a row stood, what it broke, its texts, and the whole line where it was ragged."""
    texts: dict[str, pl.DataType] = {name: pl.String() for name in (RULES, *header, "_text")}
    return {"_file": pl.String(), "_line": pl.Int64(), **texts}


class RejectWriter:
    """The rows that were set aside; many of them go to a scratch folder until all are known."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._pending = list[pl.DataFrame]()
        self._spilled = list[Path]()
        self._rows = 0
        self.first: str | None = None
        self.offenders = Offenders()

    def add(self, rejects: pl.DataFrame, rules: Iterable[str]) -> None:
        """Take further rejected rows, in the order of the file, and the rules that some of them broke."""
        if not rejects.height:
            return
        if self.first is None:
            self.first = f"line {rejects['_line'][0]:,}"
        self.offenders.add(rejects, rules)
        self._pending.append(rejects)
        self._rows += rejects.height
        if self._rows >= _SPILL_ROWS:
            path = self._scratch / f"rejects-{len(self._spilled)}.parquet"
            pl.concat(self._pending).write_parquet(path, compression="zstd")
            self._spilled.append(path)
            self._pending, self._rows = [], 0

    def words(self, column: str) -> list[str]:
        """Return up to three texts of a column where all its texts, in the last rejected rows, are words without a digit."""
        texts = pl.concat([each.get_column(column) for each in self._pending if column in each.columns] or [pl.Series([""])])
        distinct = texts.str.strip_chars().replace("", None).drop_nulls().unique(maintain_order=True)
        return [] if distinct.str.contains(r"\d").any() else distinct.head(3).to_list()

    def write(self, path: Path, header: Sequence[str], previous: Path | None = None) -> None:
        """Write one Parquet file of all rejects, after those of a previous file."""
        rest = pl.concat([pl.DataFrame(schema=reject_schema(header)), *self._pending])
        earlier = [each for each in (previous, *self._spilled) if each is not None]
        if not earlier:
            rest.write_parquet(path, compression="zstd")
            return
        frames = [pl.scan_parquet(each) for each in earlier]
        pl.concat([*frames, rest.lazy()]).sink_parquet(path, compression="zstd")


class RejectLog(RejectWriter):
    """The rejected rows of a file that is read elsewhere, as they came, for the writer of all files."""

    def __init__(self) -> None:
        super().__init__(Path())
        self.stretches = list[tuple[pl.DataFrame, tuple[str, ...]]]()

    def add(self, rejects: pl.DataFrame, rules: Iterable[str]) -> None:
        """Keep further rejected rows. Raises `DataError` for more than are held in memory."""
        self._rows += rejects.height
        if self._rows > _MOST_SENT:
            raise DataError(f"more than {_MOST_SENT:,} of its rows are rejected")
        if rejects.height:
            self.stretches.append((rejects, tuple(rules)))


@dataclass(frozen=True)
class RejectCounts:
    """How many of so many rows were set aside, how many broke each rule (a row may break several), and where the first stood."""

    rows: int
    rejected: int
    by_rule: Mapping[str, int]
    first: str | None


class TooManyRejectsError(DataError):
    """The file breaks the contract in so many rows that nothing is replaced; `counts` say how many, where they are known."""

    def __init__(self, message: str, counts: RejectCounts | None = None) -> None:
        super().__init__(message)
        self.counts = counts


class TextTargetError(TooManyRejectsError):
    """The target is a column of words."""


def break_circuit(source: str, counts: RejectCounts, max_share: float, *, shown: Callable[[str], str]) -> None:
    """Raise `TooManyRejectsError` when all rows were set aside, or more than `max_share` of them.

    The message names the rules that most rows broke; `shown` returns examples of what broke a rule.
    """
    if counts.rejected > max_share * counts.rows:
        said = f"rows break the contract, more than contract.max_reject_share {max_share:g} allows (first on {counts.first})"
        what = f"{counts.rejected:,} of {counts.rows:,} {said}"
    elif counts.rejected == counts.rows:
        what = "every row was rejected"
    else:
        return
    worst, advice = worst_rules(counts.by_rule, shown), _on_dates(counts.by_rule)
    raise TooManyRejectsError(f"{source}: {what}: {worst}.{advice} Nothing was replaced.", counts)


def _on_dates(by_rule: Mapping[str, int]) -> str:
    broken = [rule for rule, count in by_rule.items() if count]
    advice = ""
    if any("date" in rule or "disagrees" in rule for rule in broken):
        advice += " Do cleaning.date_formats have day, month and year in the file's order?"
    if any("year outside" in rule for rule in broken):
        advice += " A year outside cleaning.plausible_years is no date."
    return advice
