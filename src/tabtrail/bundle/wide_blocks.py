"""Blocks of a wide file to score, with one column an item, as the blocks of long rows that they stand for.

The patterns are those by which ingest reads wide files (`contract.wide`), and so is the order: the rows of a line follow each
other, the series in the order of their first column, and have the line's number. Arrow makes the rows: scoring needs no Polars.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tabtrail.bundle.arrow_arrays import texts_to_arrow, to_arrow
from tabtrail.bundle.columnar import Array
from tabtrail.contract.schema import Feature
from tabtrail.contract.wide import Melted, Misfit, Wide, braced, match_columns
from tabtrail.errors import DataError, UsageError

_ROWS = 200_000  # long rows of a block: a line of a thousand items makes a thousand


@dataclass
class Block:
    """Consecutive rows: their numbers from 1, the columns as they were read, and the malformed rows with the reason.

    `cells` are the features of a workbook or of JSON lines, by name; the batch holds the other columns then. `made` are columns
    of the batch that say which of the rows of a line each is.
    """

    numbers: Array
    batch: Any
    broken: list[tuple[int, str]] = field(default_factory=list)
    cells: Mapping[str, Sequence[Any]] | None = None
    made: tuple[str, ...] = ()


def wide_columns(melted: Melted, path: Path, names: Sequence[str], features: Sequence[Feature]) -> Wide | None:
    """Return what the columns of a wide file become; None for a file that has the columns of the series: it is long.

    The columns of the target need not be there. Raises `DataError` for a file that is neither.
    """
    made = braced(next(iter(melted.patterns.values())))
    if not set(made) - set(names):
        return None
    asked = {feature.name for feature in features}
    patterns = {long: pattern for long, pattern in melted.patterns.items() if long in asked} or melted.patterns
    try:
        wide = match_columns(names, patterns).without(melted.dropped)
    except Misfit as misfit:
        known = " and ".join(f"'{name}'" for name in made)
        raise DataError(f"{path} has neither the columns {known} of a long file nor those of a wide one: {misfit}") from None
    if clash := next((name for name in (*wide.made, *wide.long) if name in names), None):
        raise DataError(f"{path} is wide, by its columns of {wide.long[0]}, and has a column '{clash}' too")
    if not wide.groups:
        raise DataError(f"{path}: cleaning.drop_columns leaves no column of {wide.long[0]}")
    return wide


class WideBlocks:
    """Turns blocks of a wide file into blocks of its long rows. `columns` are those of the file that are read."""

    def __init__(self, wide: Wide, features: Sequence[Feature], keep: Sequence[str]) -> None:
        self._wide, self._count = wide, len(wide.groups)
        self._long = [place for place, name in enumerate(wide.long) if name in {feature.name for feature in features}]
        asked = {*(feature.name for feature in features), *keep}
        self._kept = [name for name in wide.kept if name in asked]
        self.stands_for = {
            name: wide.long[place] for place in self._long for _, own in wide.groups if (name := own[place]) is not None
        }
        self.columns = (*self._kept, *self.stands_for)
        if lost := next((name for name in keep if name not in (*wide.kept, *wide.made)), None):
            raise UsageError(f"--id {lost}: the file is wide, and this is the column of one series; leave it out")

    def note(self) -> str:
        """Say what became of the columns."""
        wide = self._wide
        return (
            f"it is wide: its columns of {' and '.join(wide.long)} make {self._count:,} rows a line, by"
            f" {' and '.join(wide.made)}; the rows of a line have its number, and the output says of which series they are"
        )

    def __call__(self, block: Block) -> Iterator[Block]:
        """Yield the long rows of a block. What is wrong with a line is wrong with all its rows."""
        broken = [each for each in block.broken for _ in range(self._count)]
        step = max(1, _ROWS // self._count)
        for start in range(0, max(len(block.numbers), 1), step):
            part = slice(start, start + step)
            numbers = block.numbers[part]
            texts = [texts_to_arrow(each) for each in zip(*(texts for texts, _ in self._wide.groups), strict=True)]
            which = to_arrow(np.tile(np.arange(self._count), len(numbers)))
            made = {name: values.take(which) for name, values in zip(self._wide.made, texts, strict=True)}
            cells = None if block.cells is None else self._cells(block.cells, part, made)
            batch = self._batch(block.batch.slice(start, step), made, typed=block.cells is None)
            yield Block(np.repeat(numbers, self._count), batch, broken if start == 0 else [], cells, self._wide.made)

    def _batch(self, batch: Any, made: Mapping[str, Any], *, typed: bool) -> Any:
        lines = to_arrow(np.repeat(np.arange(batch.num_rows), self._count))
        names = [name for name in batch.schema.names if name not in self.stands_for]
        columns = {name: batch.column(name).take(lines) for name in names} | dict(made)
        if typed:
            columns |= {self._wide.long[place]: self._interleaved(batch, place) for place in self._long}
        return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))

    def _interleaved(self, batch: Any, place: int) -> Any:
        """Return the long column of a block, from its wide ones."""
        found = [None if name is None else batch.column(name) for _, own in self._wide.groups for name in (own[place],)]
        kind = _common_type([each.type for each in found if each is not None], self._wide.long[place])
        parts = [pa.nulls(batch.num_rows, kind) if each is None else each.cast(kind) for each in found]
        order = np.arange(self._count)[None, :] * batch.num_rows + np.arange(batch.num_rows)[:, None]
        return pa.concat_arrays(parts).take(to_arrow(order.ravel()))

    def _cells(self, cells: Mapping[str, Sequence[Any]], part: slice, made: Mapping[str, Any]) -> dict[str, Sequence[Any]]:
        found: dict[str, Sequence[Any]] = {
            name: [value for value in cells[name][part] for _ in range(self._count)] for name in self._kept if name in cells
        }
        found |= {name: values.to_pylist() for name, values in made.items()}
        lines = len(next(iter(cells.values()))[part])
        for place in self._long:
            names = [own[place] for _, own in self._wide.groups]
            columns = [[None] * lines if name is None else cells[name][part] for name in names]
            found[self._wide.long[place]] = list(chain.from_iterable(zip(*columns, strict=True)))
        return found


def _common_type(kinds: Sequence[Any], long: str) -> Any:
    """Return the type that the columns of a long one share. Raises `DataError` where some are texts and others are not."""
    known = list(dict.fromkeys(kind for kind in kinds if not pa.types.is_null(kind)))
    if len(known) <= 1:
        return known[0] if known else pa.null()
    if any(not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)) for kind in known):
        raise DataError(f"the columns of {long} are of several types: {', '.join(map(str, known[:5]))}")
    return pa.int64() if not any(map(pa.types.is_floating, known)) else pa.float64()
