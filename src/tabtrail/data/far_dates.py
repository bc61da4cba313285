"""Dates far from all others, such as 1901-01-01 or 2099-12-31 for an unknown one: they stretch a series, and make partitions."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from tabtrail.data.dataset import scan_folder
from tabtrail.data.manifest import ColumnStatistics

LONGEST_PAUSE = 366  # days: seasonal data may pause for a year
_FEWEST = 10  # other days: of fewer, a gap of half their span is no rarity (stocktakings every other year, say)
_SIGN = " from all other dates, which span "


@dataclass(frozen=True)
class Days:
    """The days of a column, in order, and the rows of each."""

    days: list[date]
    rows: list[int]

    @property
    def gap(self) -> int | None:
        """The place of the first day after the longest gap, where it is longer than a pause and all other time with dates."""
        gaps = [(after - before).days for before, after in zip(self.days, self.days[1:], strict=False)]
        longest = max(gaps, default=0)
        span = sum(gaps)
        return gaps.index(longest) + 1 if longest > LONGEST_PAUSE and longest > span - longest else None

    def cut(self, start: int | None, stop: int | None = None) -> "Days":
        return Days(self.days[start:stop], self.rows[start:stop])


def find_far_dates(
    folder: Path, keys: Mapping[str, str], stated: Mapping[str, ColumnStatistics], rows: pl.DataFrame
) -> list[str]:
    """Return a finding for the dates of a dataset that lie far from all others, by column of `stated` (its range).

    Far is beyond a gap that is longer than a year and than the time which all other dates span. A gap of the dataset is one of
    every sample of its `rows` with the range, so that a column is read only where those show one.
    """
    findings = []
    for name, range_ in stated.items():
        ends = {date.fromisoformat(str(each)[:10]) for each in (range_.min, range_.max) if each is not None}
        if name in rows.columns:
            ends.update(rows.get_column(name).cast(pl.Date).drop_nulls().unique())
        days = sorted(ends)
        if Days(days, [0] * len(days)).gap is not None:
            findings += [_finding(name, far, others) for far, others in _far(_days_of(folder, keys, name))]
    return findings


def is_far_date(finding: str, names: Iterable[str]) -> bool:
    """Whether this is a finding on far dates in one of these columns, which further rows may change."""
    return _SIGN in finding and any(finding.startswith(f"{name}: ") for name in names)


def _days_of(folder: Path, keys: Mapping[str, str], name: str) -> Days:
    column = pl.col(name).cast(pl.Date)
    counted = scan_folder(folder, keys).select(column).drop_nulls().group_by(name).len().sort(name).collect(engine="streaming")
    return Days(counted[name].to_list(), counted["len"].to_list())


def _far(all_days: Days) -> Iterator[tuple[Days, Days]]:
    """Yield the days beyond a gap and the others, again for those; the side with fewer days is the far one."""
    left = all_days
    while (place := left.gap) is not None:
        before, after = left.cut(0, place), left.cut(place)
        far, left = (before, after) if len(before.days) < len(after.days) else (after, before)
        if len(left.days) < _FEWEST:
            return
        yield far, left


def _finding(name: str, far: Days, others: Days) -> str:
    count, first, last = sum(far.rows), others.days[0], others.days[-1]
    rows = "1 row is" if count == 1 else f"{count:,} rows are"
    dated = str(far.days[0]) if len(far.days) == 1 else f"{far.days[0]} to {far.days[-1]}"
    early = far.days[-1] < first
    away = (first - far.days[-1] if early else far.days[0] - last).days
    years = f"[{first.year}, 2100]" if early else f"[1900, {last.year}]"
    return (
        f"{name}: {rows} dated {dated}, {away:,} days{_SIGN}{(last - first).days:,} ({first} to {last}); where that stands for an"
        f" unknown date, set cleaning.plausible_years, as {years}: such rows are then set aside"
    )
