"""A wide file read as the long one it stands for: each of its lines becomes a row for every series, before rows are checked.

The rows of a line follow each other, the series in the order of their first column, and have the line's number.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import polars as pl

from tabtrail.config.dataset import TableRules
from tabtrail.contract.typed_cells import MOST_EXACT
from tabtrail.contract.wide import Misfit, Wide, made_columns, match_columns
from tabtrail.data.checks import Checked, RowChecker, parted
from tabtrail.data.header import refuse_reserved
from tabtrail.errors import DataError
from tabtrail.reading.cell_rows import CellRows, Malformed

# Long rows that are checked at once: a block of 8 MB may hold millions of them, a tenth of a gigabyte a column.
_ROWS = 200_000
_SHOWN = 5


def wide_rules(rules: TableRules) -> TableRules:
    """Return the rules for the header of a wide file: what the patterns make is not required of it."""
    made = made_columns(rules.melted)
    required = tuple(name for name in rules.columns.required if name not in made)
    return replace(rules, columns=replace(rules.columns, required=required))


def wide_of(name: str, header: Sequence[str], rules: TableRules) -> Wide:
    """Return what the columns of a wide file become. Raises `DataError` naming the key of a pattern that does not fit."""
    made = made_columns(rules.melted)
    refuse_reserved(name, made)
    if clash := next((each for each in header if each in made), None):
        raise DataError(
            f"{name}: demand.melt makes a column '{clash}', and the file has one; give one of them another name (source.rename),"
            " or remove demand.melt where the file is long already"
        )
    try:
        wide = match_columns(header, rules.melted)
    except Misfit as misfit:
        raise DataError(f"{name}: demand.melt.columns.{misfit.long}: {misfit}") from None
    return wide.without(rules.cleaning.drop_columns)


class WideChecker:
    """A `RowChecker` of the long rows, with the face that whoever reads a wide file knows."""

    numbers: Mapping[str, pl.DataType] = {}  # a wide block is read as texts

    def __init__(self, checker: RowChecker, header: tuple[str, ...], wide: Wide) -> None:
        self.header, self.columns, self.delimiter = header, wide.columns, checker.delimiter
        self._checker, self._wide = checker, wide
        checker.rows_a_line = len(wide.groups)

    def note(self, name: str) -> str:
        """Say what became of the columns, and what is counted from then on."""
        wide = self._wide
        columns = sum(column is not None for _, own in wide.groups for column in own)
        kept = ", ".join(wide.kept[:_SHOWN]) + (f" and {len(wide.kept) - _SHOWN:,} more" if len(wide.kept) > _SHOWN else "")
        lacking = {
            long: count for place, long in enumerate(wide.long) if (count := sum(own[place] is None for _, own in wide.groups))
        }
        empty = "".join(f"; {long} has no column for {count:,} of them and is empty there" for long, count in lacking.items())
        return (
            f"{name}: its {columns:,} columns of {' and '.join(wide.long)} make {len(wide.groups):,} rows a line, by"
            f" {' and '.join(wide.made)}, which are counted as rows; each has {kept}{empty}"
        )

    def check(self, rows: pl.DataFrame, first_line: int, text: bytes) -> Checked:
        """Check parsed rows, each of which is one line of the text."""
        return self._check_texts(rows, pl.int_range(first_line, first_line + rows.height, eager=True), {}, len(text))

    def check_records(self, records: Mapping[int, Sequence[str]]) -> Checked:
        """Check records as `csv` read them, by line; those that have not the header's number of fields are set aside."""
        whole, ragged = parted(records, len(self.header), self.delimiter)
        texts = pl.DataFrame(list(whole.values()), schema=dict.fromkeys(self.header, pl.String), orient="row")
        size = sum(len(field) for record in whole.values() for field in record)
        return self._check_texts(texts, pl.Series(list(whole), dtype=pl.Int64), ragged, size)

    def check_cells(self, cells: pl.DataFrame, lines: pl.Series, malformed: Mapping[int, Malformed], size: int) -> Checked:
        """Check long rows of typed cells."""
        return self._checker.check_cells(cells, lines, malformed, size)

    def long_frames(self, frame: pl.DataFrame, lines: pl.Series) -> Iterator[tuple[pl.DataFrame, pl.Series]]:
        """Yield the long rows of a wide table, with their lines. Texts and numbers of one long column come apart."""
        frame = self._alike(frame)
        first = [next(name for name in names if name) for names in zip(*(own for _, own in self._wide.groups), strict=True)]
        kinds: dict[tuple[str, ...], list[int]] = {}
        for place, (_, own) in enumerate(self._wide.groups):
            types = tuple(str(frame.schema[name or usual]) for name, usual in zip(own, first, strict=True))
            kinds.setdefault(types, []).append(place)
        step = max(1, _ROWS // len(self._wide.groups))
        for start in range(0, frame.height, step):
            part, at = frame.slice(start, step), lines.slice(start, step)
            for places in kinds.values():
                yield _unpivoted(part, self._wide, places), _repeated(at, len(places))

    def long_rows(self, rows: CellRows) -> CellRows:
        """Return the long rows of typed cells of a wide table."""
        cells, count = dict(zip(self.header, rows.columns, strict=True)), len(self._wide.groups)
        empty = [None] * len(rows.lines)
        kept = [[value for value in cells[name] for _ in range(count)] for name in self._wide.kept]
        made: list[list[Any]] = [
            [*texts] * len(rows.lines) for texts in zip(*(texts for texts, _ in self._wide.groups), strict=True)
        ]
        wide = [
            [cells[name] if name else empty for name in names]
            for names in zip(*(own for _, own in self._wide.groups), strict=True)
        ]
        long = [list(chain.from_iterable(zip(*columns, strict=True))) for columns in wide]
        return CellRows([*kept, *made, *long], [line for line in rows.lines for _ in range(count)], rows.malformed, rows.size)

    def _alike(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return a table in which whole numbers beside broken ones of a long column are doubles, where all are exact as such."""
        changed = list[pl.Series]()
        for names in zip(*(own for _, own in self._wide.groups), strict=True):
            columns = [frame.get_column(name) for name in names if name]
            numbers = [each for each in columns if each.dtype.is_integer() or each.dtype.is_float()]
            empty = [each for each in columns if each.dtype == pl.Null]
            if len(numbers) + len(empty) < len(columns) or not numbers:
                continue
            broken = any(each.dtype.is_float() for each in numbers)
            if not broken or all(_is_exact(each) for each in numbers if each.dtype.is_integer()):
                dtype = pl.Float64 if broken else pl.Int64 if all(each.dtype != pl.UInt64 for each in numbers) else pl.Int128
                changed += [each.cast(dtype) for each in columns if each.dtype != dtype]
        return frame.with_columns(changed)

    def _check_texts(self, rows: pl.DataFrame, lines: pl.Series, ragged: Mapping[int, Malformed], size: int) -> Checked:
        parts = [self._checker.check_texts(texts, at) for texts, at in self.long_frames(rows, lines)]
        checked = joined(parts) if parts else self._checker.check_texts(_no_rows(self.columns), pl.Series(dtype=pl.Int64))
        return self._checker.with_malformed(replace(checked, size=size), ragged)


def joined(parts: Sequence[Checked]) -> Checked:
    """Return rows that were checked in parts, in their order."""
    if len(parts) == 1:
        return parts[0]
    rejected, warned, missing = Counter[str](), Counter[str](), Counter[str]()
    for part in parts:
        rejected.update(part.rejected)
        warned.update(part.warned)
        missing.update(part.missing)
    kept, rejects = (pl.concat(frames) for frames in zip(*((part.kept, part.rejects) for part in parts), strict=True))
    lines, size = pl.concat([part.lines for part in parts]), sum(part.size for part in parts)
    return Checked(kept, rejects, sum(part.rows for part in parts), dict(rejected), dict(warned), size, missing, lines)


def _unpivoted(frame: pl.DataFrame, wide: Wide, places: Sequence[int]) -> pl.DataFrame:
    """Return the long rows of some series, those of a line one after the other."""
    groups, height = [wide.groups[place] for place in places], frame.height
    across = np.arange(len(groups))[None, :] * height + np.arange(height)[:, None]
    order = pl.Series(across.ravel())
    columns = [_repeated(frame.get_column(name), len(groups)) for name in wide.kept]
    for place, name in enumerate(wide.made):
        texts = pl.Series(name, [texts[place] for texts, _ in groups], dtype=pl.String)
        columns.append(texts.gather(pl.Series(np.tile(np.arange(len(groups)), height))))
    for place, name in enumerate(wide.long):
        found = [frame.get_column(column) if (column := names[place]) else None for _, names in groups]
        dtype = next((each.dtype for each in found if each is not None), pl.String())
        own = [pl.Series([None] * height, dtype=dtype) if each is None else each for each in found]
        columns.append(pl.concat(own).gather(order).alias(name))
    return pl.DataFrame(columns)


def _is_exact(column: pl.Series) -> bool:
    """Whether every whole number of a column is one as a double too."""
    low, high = column.min(), column.max()
    return low is None or (isinstance(low, int) and isinstance(high, int) and -MOST_EXACT < low <= high < MOST_EXACT)


def _repeated(column: pl.Series, times: int) -> pl.Series:
    return column.gather(pl.Series(np.repeat(np.arange(len(column)), times)))


def _no_rows(columns: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
