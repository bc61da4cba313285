"""What the dates of a whole file say: that it is in another format than the training's files, or of a later time."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tabtrail.bundle.columnar import CodedTexts, Column
from tabtrail.bundle.values import Unread
from tabtrail.bundle.wide_blocks import Block
from tabtrail.contract.expressions import days_of
from tabtrail.contract.schema import Feature
from tabtrail.errors import DataError

_YEAR = 365  # days: data is scored for months after the training; a date later than a year after it may be a wrong one
_ROWS_SHOWN, _TEXT_SHOWN = 3, 40


class FileDates:
    """Looks at the dates of a file, block by block. `last` are the last ones of the training, YYYY-MM-DD, by column."""

    def __init__(self, file: str, last: Mapping[str, str]) -> None:
        self._file, self._last = file, last
        self._late = Counter[str]()

    @property
    def notes(self) -> list[str]:
        """What to know of the dates: how many are late."""
        return [
            f"{name}: {'1 row is' if count == 1 else f'{count:,} rows are'} dated more than a year after {self._last[name]},"
            " the last date of the training"
            for name, count in self._late.items()
        ]

    def see(
        self, block: Block, dated: Sequence[Feature], columns: Mapping[str, Column], unread: Mapping[int, Mapping[str, Unread]]
    ) -> None:
        """Look at the columns of dates of a block.

        Raises `DataError` where a row is only in a format that the rows of the training disproved: those that more than one
        format can read would then be of another day than they were meant to be.
        """
        for feature in dated:
            self._refuse_other_format(block, feature, unread)
            if feature.name in self._last:
                self._count_late(feature.name, columns[feature.name])

    def _count_late(self, name: str, column: Column) -> None:
        assert isinstance(column, CodedTexts)  # noqa: S101 - so dates are read
        after = days_of(self._last[name]) + _YEAR
        late = column.map(lambda day: day is not None and days_of(day) // 1 > after, bool)
        if count := int(np.count_nonzero(late)):
            self._late[name] += count

    def _refuse_other_format(self, block: Block, feature: Feature, unread: Mapping[int, Mapping[str, Unread]]) -> None:
        name = feature.name
        rows = [row for row in sorted(unread) if (wrong := unread[row].get(name)) is not None and wrong.contradicts is not None]
        if not rows:
            return
        other, ours = unread[rows[0]][name].contradicts, " or ".join(feature.reading.date.formats)
        shown = ", ".join(f"row {block.numbers[row]:,} ('{_text(block, name, row)}')" for row in rows[:_ROWS_SHOWN])
        more = f" and {len(rows) - _ROWS_SHOWN:,} more" if len(rows) > _ROWS_SHOWN else ""
        raise DataError(
            f"{self._file}: the dates of {name} are {ours} in the training, and only {other} fits {shown}{more}; a date that"
            " both fit would be read as another day. Write the dates as YYYY-MM-DD, or train on files of that format"
        )


def _text(block: Block, name: str, row: int) -> str:
    cell: Any = block.cells[name][row] if block.cells is not None else block.batch.column(name)[row].as_py()
    return str(cell)[:_TEXT_SHOWN]
