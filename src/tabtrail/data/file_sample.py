"""Rows of the source files in the order of the files, few enough to be held while the rest goes to the disk."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from tabtrail.data.dataset import scan_folder

ENOUGH = 10_000  # rows that show where a unit changes; twice as many are held at most
_BEFORE = 2_000  # rows of the dataset that an append adds to: enough for a side, few beside a small file
_TEXT = 32  # the first characters of a text, by which two texts count as the same here
FILE, ROW = "_file", "_row"


class FileSample:
    """Every n-th kept row of each file, from its first, with its `_file` and `_row` (from 1, rejected rows counted).

    n doubles as rows come, for all files. What is taken of a file does not depend on the others, so that files may be read one
    by one in several places.
    """

    def __init__(self, before: pl.DataFrame | None = None) -> None:
        self._before, self._frames = before, dict[str, list[pl.DataFrame]]()
        self._step, self._seen, self._held, self._largest = 1, 0, 0, 0

    def add(self, kept: pl.DataFrame, file: str, *, row: int, rows: int) -> None:
        """Take the kept ones of so many rows of a file, the first of which is its `row`."""
        if not kept.height:
            return
        if file not in self._frames:
            self._frames[file], self._seen = [], 0
        offset = -self._seen % self._step
        # Which rows of a stretch were rejected is not asked again: the numbers are exact where none was.
        place = (pl.int_range(pl.len()) * self._step + offset) * rows // kept.height + row
        frame = kept.gather_every(self._step, offset).with_columns(
            pl.col(pl.String).str.head(_TEXT), pl.lit(file).alias(FILE), place.alias(ROW)
        )
        self._frames[file].append(frame)
        self._seen, self._held = self._seen + kept.height, self._held + frame.height
        self._largest = max(self._largest, self._seen)
        self._thin()

    def join(self, other: "FileSample") -> None:
        """Take the sample of further files, taken elsewhere."""
        while self._step < other._step:
            self._double()
        while other._step < self._step:
            other._double()
        self._frames.update(other._frames)
        self._held, self._largest = self._held + other._held, max(self._largest, other._largest)
        self._thin()

    def _thin(self) -> None:
        # A first row is held of each file, however many there are.
        while self._held > 2 * ENOUGH and self._step < self._largest:
            self._double()

    def _double(self) -> None:
        self._step *= 2
        self._frames = {file: [pl.concat(frames).gather_every(2)] for file, frames in self._frames.items()}
        self._held = sum(frame.height for frames in self._frames.values() for frame in frames)

    def __getstate__(self) -> dict[str, Any]:
        """Compress the rows, which travel from a worker to the driver."""
        return {**vars(self), "_frames": {file: _compressed(pl.concat(frames)) for file, frames in self._frames.items()}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._frames = {file: [pl.read_ipc(data)] for file, data in state["_frames"].items()}

    def rows(self) -> pl.DataFrame:
        """Return the rows in order, those of the dataset before (with the `_file` null) first."""
        if not self._frames:
            return pl.DataFrame()
        found = pl.concat(frame for frames in self._frames.values() for frame in frames)
        if self._before is None:
            return found
        names = [name for name in found.columns if name in self._before.columns and name not in (FILE, ROW)]
        earlier = self._before.select(names).cast({name: found.schema[name] for name in names})
        return pl.concat([earlier, found], how="diagonal")


def _compressed(frame: pl.DataFrame) -> bytes:
    frame.write_ipc(file := io.BytesIO(), compression="zstd")
    return file.getvalue()


def sample_dataset(folder: Path, keys: Mapping[str, str], rows: int) -> pl.DataFrame:
    """Return a few of so many rows of a dataset, in its order."""
    texts = pl.col(pl.String).str.head(_TEXT)
    return scan_folder(folder, keys).gather_every(max(1, rows // _BEFORE)).with_columns(texts).collect(engine="streaming")
