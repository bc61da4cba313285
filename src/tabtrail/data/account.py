"""What became of the rows of the sources, and where they go: of one file, or of all, joined in their order."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from tabtrail.data.categories import CategoryWatch, RecordedTexts
from tabtrail.data.copies import CopyWatch
from tabtrail.data.duplicates import Duplicates
from tabtrail.data.file_sample import FileSample
from tabtrail.data.manifest import SourceRecord
from tabtrail.data.partitions import DatasetWriter, Written
from tabtrail.data.rejects import RejectWriter
from tabtrail.data.repeats import RepeatWatch
from tabtrail.data.thousands import ThousandsWatch


@dataclass
class SplitKeys:
    """The distinct values of the column that a group split keeps together, no more of them than are `enough`."""

    column: str | None
    enough: int
    values: set[Any] = field(default_factory=set)

    def add(self, rows: pl.DataFrame) -> None:
        if self.column is not None and len(self.values) < self.enough:
            self.values.update(rows.get_column(self.column).unique().to_list())

    def join(self, values: set[Any]) -> None:
        """Take the values of rows that were read elsewhere."""
        if len(self.values) < self.enough:
            self.values |= values


@dataclass(frozen=True)
class Outputs:
    """Where rows go: those that are kept, those that are set aside, the split keys of the kept ones and a sample of them; which
    are set aside as duplicates.
    """

    rows: DatasetWriter
    rejects: RejectWriter
    keys: SplitKeys
    sample: FileSample
    duplicates: Duplicates | None = None


@dataclass
class Account:
    """What was read: files, rows in (`rows_before` of them before the `file` at hand) and kept, how many broke each rule or got
    each warning, and how many of the kept ones were without a value in a filled or dropped column (`missing`). `findings` say
    what a person should look at.
    """

    header: tuple[str, ...] = ()
    sources: list[SourceRecord] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rows: int = 0
    file: str = ""
    rows_before: int = 0
    kept: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    warned: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    repeats: RepeatWatch = field(default_factory=RepeatWatch)
    copies: CopyWatch = field(default_factory=CopyWatch)
    categories: CategoryWatch = field(default_factory=lambda: CategoryWatch({}))

    def join(self, other: "Account") -> None:
        """Take what was read elsewhere after what is in this account."""
        self.header = self.header or other.header
        self.sources += other.sources
        self.notes += other.notes
        self.findings += other.findings
        self.rows, self.kept = self.rows + other.rows, self.kept + other.kept
        for own, found in (
            (self.rejected, other.rejected),
            (self.warned, other.warned),
            (self.missing, other.missing),
        ):
            own.update(found)
        self.repeats.join(other.repeats.sums)
        self.copies.join(other.copies)
        if isinstance(other.categories, RecordedTexts):
            for stretch in other.categories.stretches:
                self.categories.add(*stretch)


@dataclass(frozen=True)
class Found:
    """What one file gave that was read elsewhere, ready to be joined to the files before it."""

    account: Account
    thousands: ThousandsWatch
    rows: Written
    rejects: tuple[tuple[pl.DataFrame, tuple[str, ...]], ...]
    keys: set[Any]
    sample: FileSample
