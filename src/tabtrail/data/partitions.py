"""The Parquet files of the dataset, written as rows come, in bounded memory."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import polars as pl

from tabtrail.data.manifest import ColumnStatistics
from tabtrail.data.statistics import combine, measure
from tabtrail.errors import DataError
from tabtrail.system.hashes import sha256_file

_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_CHUNK_ROWS = 1 << 18  # rows of a file at most: one row group, which readers take in one piece
_CHUNK_TEXT = 256 << 20  # bytes of text at most, which bounds the memory for wide rows
_STEP = 8192  # rows by which such a chunk is rounded up
_TEMPORARY = "part.tmp"
_NAME = len("part-") + 16  # characters of the name of a file, without the number of one that is there again
_LONGEST_NAME = 255  # bytes that most file systems allow the name of a folder


@dataclass(frozen=True)
class Written:
    """The Parquet files of a source that was read elsewhere: their names within the dataset, each with its path or its contents,
    and what `measure` found in the rows.
    """

    parts: tuple[tuple[str, Path | bytes], ...]
    measured: tuple[pl.DataFrame, ...]
    schema: pl.Schema


class DatasetWriter:
    """Hive-partitioned Parquet files (zstd), each called after its own sha256.

    The rows are cut into chunks at places that depend on the rows alone: neither the blocks of the source, nor threads, nor the
    order of the files change what is written.
    """

    def __init__(self, folder: Path, keys: Sequence[str]) -> None:
        self._folder, self._keys = folder, list(keys)
        self._pending = list[pl.DataFrame]()
        self._rows = self._text = 0
        self._measured = list[pl.DataFrame]()
        self._schema = pl.Schema()

    def add(self, kept: pl.DataFrame, text: int) -> None:
        """Take rows that were parsed from so many bytes of text."""
        if not kept.height:
            return
        self._schema = kept.schema
        self._pending.append(kept)
        self._rows += kept.height
        self._text += text
        while self._rows >= _CHUNK_ROWS or self._text >= _CHUNK_TEXT:
            frame = pl.concat(self._pending)
            cut = _CHUNK_ROWS if self._text < _CHUNK_TEXT else _chunk_end(frame)
            self._pending = [frame.slice(cut)]
            self._rows = frame.height - cut
            self._text = _text_bytes(self._pending[0])
            if not cut:
                return
            self._write(frame.slice(0, cut))

    def end_file(self) -> None:
        """Write what is left of a source, so that its rows share no file with those of another."""
        if self._rows:
            self._write(pl.concat(self._pending))
        self._pending, self._rows, self._text = [], 0, 0

    def written(self) -> Written:
        """Return what was written so far."""
        paths = sorted(self._folder.rglob("*.parquet"))
        parts = tuple((path.relative_to(self._folder).as_posix(), path) for path in paths)
        return Written(parts, tuple(self._measured), self._schema)

    def take(self, written: Written) -> None:
        """Take over the files of a source; their paths are moved."""
        for name, part in written.parts:
            folder = self._folder / Path(name).parent
            folder.mkdir(parents=True, exist_ok=True)
            temporary = folder / _TEMPORARY
            if isinstance(part, bytes):
                temporary.write_bytes(part)
            else:
                shutil.move(part, temporary)
            _place(temporary, Path(name).stem[:_NAME])
        self._measured += written.measured
        self._schema = written.schema if written.measured else self._schema

    def statistics(self) -> dict[str, ColumnStatistics]:
        """Return the statistics of every column of the rows written; none where no row was."""
        return combine(self._measured, self._schema)

    def _write(self, chunk: pl.DataFrame) -> None:
        frame = chunk.rechunk()
        self._measured.append(measure(frame))
        if not self._keys:
            _write_part(frame, self._folder)
            return
        for values, part in frame.partition_by(self._keys, as_dict=True, include_key=False, maintain_order=True).items():
            names = (_NULL_PARTITION if value is None else quote(str(value), safe="") for value in values)
            parts = [f"{key}={name}" for key, name in zip(self._keys, names, strict=True)]
            long = (key for key, each in zip(self._keys, parts, strict=True) if len(each.encode()) > _LONGEST_NAME)
            if (key := next(long, None)) is not None:
                raise DataError(f"parquet.partition_by: {key} has a value that is too long for the name of a folder")
            target = self._folder
            for each in parts:  # the folder itself is never made: a worker may write when the driver has removed it
                target /= each
                target.mkdir(exist_ok=True)
            _write_part(part, target)


def _write_part(frame: pl.DataFrame, folder: Path) -> None:
    temporary = folder / _TEMPORARY
    frame.write_parquet(temporary, compression="zstd")
    _place(temporary, f"part-{sha256_file(temporary)}"[:_NAME])


def _place(temporary: Path, name: str) -> None:
    folder, again = temporary.parent, 1
    path = folder / f"{name}.parquet"
    while path.exists():  # equal rows are rows all the same
        again += 1
        path = folder / f"{name}-{again}.parquet"
    temporary.rename(path)


def _chunk_end(frame: pl.DataFrame) -> int:
    """Return after how many rows a chunk ends: at its most rows, or earlier where it holds much text; 0 where it goes on."""
    head = frame.slice(0, _CHUNK_ROWS)
    full = head.height if head.height == _CHUNK_ROWS else 0
    if _text_bytes(head) < _CHUNK_TEXT:
        return full
    sizes = head.select(pl.sum_horizontal(pl.col(pl.String).str.len_bytes().cast(pl.Int64)).cum_sum()).to_series()
    first = (sizes >= _CHUNK_TEXT).arg_max() or 0
    end = (first // _STEP + 1) * _STEP
    return end if end <= head.height else full


def _text_bytes(frame: pl.DataFrame) -> int:
    sizes = frame.select(pl.col(pl.String).str.len_bytes().cast(pl.Int64).sum())
    return int(sum(sizes.row(0))) if sizes.width else 0
