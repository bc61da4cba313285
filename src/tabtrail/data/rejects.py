"""The rows that were set aside: their columns, their file, and when there are so many that everything stops."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tabtrail.errors import DataError

RULES = "_rules"
_SPILL_ROWS = 100_000  # rejected rows that are held in memory


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

    def add(self, rejects: pl.DataFrame) -> None:
        """Take further rejected rows, in the order of the file."""
        if not rejects.height:
            return
        if self.first is None:
            self.first = f"line {rejects['_line'][0]:,}"
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


@dataclass(frozen=True)
class RejectCounts:
    """How many of so many rows were set aside, how many broke each rule (a row may break several), and where the first stood."""

    rows: int
    rejected: int
    by_rule: Mapping[str, int]
    first: str | None


def break_circuit(source: str, counts: RejectCounts, max_share: float) -> None:
    """Raise `DataError` when more than `max_share` of the rows were set aside, naming the rules that most rows broke."""
    if counts.rejected <= max_share * counts.rows:
        return
    broken = {rule: count for rule, count in counts.by_rule.items() if count}
    worst = "; ".join(f"{rule} ({count:,} rows)" for rule, count in sorted(broken.items(), key=lambda item: -item[1])[:3])
    dates = (
        " Do cleaning.date_formats have day, month and year in the file's order?"
        if any("date" in rule or "disagrees" in rule for rule in broken)
        else ""
    )
    if any("year outside" in rule for rule in broken):
        dates += " A year outside cleaning.plausible_years is no date."
    raise DataError(
        f"{source}: {counts.rejected:,} of {counts.rows:,} rows break the contract, more than contract.max_reject_share"
        f" {max_share:g} allows (first on {counts.first}): {worst}.{dates} Nothing was replaced."
    )
