"""The Parquet layer and the rejects, written as rows come, in bounded memory."""

import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl

from tabtrail.data.checks import reject_schema
from tabtrail.errors import DataError
from tabtrail.system.hashes import sha256_file

_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_CHUNK_ROWS = 1 << 18
_CHUNK_TEXT = 256 << 20
_STEP = 8192
_SPILL_ROWS = 100_000


@dataclass(frozen=True)
class ColumnStatistics:
    """What the kept rows hold in a column: nulls, the range and mean of numbers, the range of dates (YYYY-MM-DD), the bytes of
    the longest text in UTF-8. None where there is no value, or none of the kind.
    """

    nulls: int
    min: float | str | None = None
    max: float | str | None = None
    mean: float | None = None
    longest: int | None = None


class DatasetWriter:
    """Hive-partitioned Parquet files (zstd), each called after its own sha256.

    The rows are cut into chunks at places that depend on the rows alone: neither the blocks of the source, nor threads, nor the
    order of the files change what is written.
    """

    def __init__(self, folder: Path, keys: tuple[str, ...]) -> None:
        self._folder, self._keys = folder, keys
        self._pending = list[pl.DataFrame]()
        self._rows = self._text = 0
        self._statistics = list[pl.DataFrame]()
        self.schema = pl.Schema()

    def add(self, kept: pl.DataFrame, text: int) -> None:
        """Take rows that were parsed from so many bytes of text."""
        if not kept.height:
            return
        self.schema = kept.schema
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

    def statistics(self) -> dict[str, ColumnStatistics]:
        """Return the statistics of every column of the rows written."""
        if not self._statistics:
            return {}
        parts = pl.concat(self._statistics)
        return {name: _combined(parts, name, dtype) for name, dtype in self.schema.items()}

    def _write(self, chunk: pl.DataFrame) -> None:
        frame = chunk.rechunk()
        self._statistics.append(_measured(frame))
        if not self._keys:
            _write_part(frame, self._folder)
            return
        for values, part in frame.partition_by(self._keys, as_dict=True, include_key=False, maintain_order=True).items():
            names = (_NULL_PARTITION if value is None else quote(str(value), safe="") for value in values)
            parts = [f"{key}={name}" for key, name in zip(self._keys, names, strict=True)]
            if longest := next((key for key, each in zip(self._keys, parts, strict=True) if len(each.encode()) > 255), None):
                raise DataError(f"parquet.partition_by: {longest} has a value that is too long for the name of a folder")
            target = self._folder.joinpath(*parts)
            target.mkdir(parents=True, exist_ok=True)
            _write_part(part, target)


def _write_part(frame: pl.DataFrame, folder: Path) -> None:
    temporary = folder / "part.tmp"
    frame.write_parquet(temporary, compression="zstd")
    name = f"part-{sha256_file(temporary)[:16]}"
    path, again = folder / f"{name}.parquet", 1
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


def _measured(frame: pl.DataFrame) -> pl.DataFrame:
    """Return one row: nulls, and `min`, `max`, `sum`, `longest` by column."""
    expressions = []
    for name, dtype in frame.schema.items():
        column = pl.col(name)
        expressions.append(column.null_count().alias(f"nulls {name}"))
        if dtype == pl.String:
            expressions.append(column.str.len_bytes().max().alias(f"longest {name}"))
            continue
        expressions += [column.min().alias(f"min {name}"), column.max().alias(f"max {name}")]
        if dtype.is_numeric():
            expressions.append(column.cast(pl.Float64).sum().alias(f"sum {name}"))
    return frame.lazy().select(pl.len().alias("rows"), *expressions).collect()


def _combined(parts: pl.DataFrame, name: str, dtype: pl.DataType) -> ColumnStatistics:
    nulls = int(parts.get_column(f"nulls {name}").sum())
    if dtype == pl.String:
        return ColumnStatistics(nulls, longest=_value(parts.get_column(f"longest {name}").max()))
    low, high = parts.get_column(f"min {name}").min(), parts.get_column(f"max {name}").max()
    values = int(parts.get_column("rows").sum()) - nulls
    mean = float(parts.get_column(f"sum {name}").sum()) / values if dtype.is_numeric() and values else None
    return ColumnStatistics(nulls, _value(low), _value(high), _finite(mean))


def _finite(mean: float | None) -> float | None:
    """Return 12 significant digits of a mean; None where the sum is beyond what a double holds."""
    return None if mean is None or not math.isfinite(mean) else float(f"{mean:.12g}")


def _value(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def merged(
    old: Mapping[str, ColumnStatistics], old_rows: int, new: Mapping[str, ColumnStatistics], new_rows: int
) -> dict[str, Any]:
    """Return the statistics of the rows of two datasets together."""

    def both(function: Any, *values: Any) -> Any:
        known = [value for value in values if value is not None]
        return function(known) if known else None

    result = {}
    for name, before in old.items():
        after = new[name]
        weights = [
            (each.mean, rows - each.nulls) for each, rows in ((before, old_rows), (after, new_rows)) if each.mean is not None
        ]
        mean = sum(value * weight for value, weight in weights) / sum(w for _, w in weights) if weights else None
        result[name] = ColumnStatistics(
            before.nulls + after.nulls,
            both(min, before.min, after.min),
            both(max, before.max, after.max),
            _finite(mean),
            both(max, before.longest, after.longest),
        )
    return result


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

    def write(self, path: Path, header: tuple[str, ...], previous: Path | None = None) -> None:
        """Write one Parquet file of all rejects, after those of a previous file."""
        rest = pl.concat([pl.DataFrame(schema=reject_schema(header)), *self._pending])
        earlier = [each for each in (previous, *self._spilled) if each is not None]
        if not earlier:
            rest.write_parquet(path, compression="zstd")
            return
        frames = [pl.scan_parquet(each) for each in earlier]
        pl.concat([*frames, rest.lazy()]).sink_parquet(path, compression="zstd")


def link_files(source: Path, target: Path) -> None:
    """Put the Parquet files of a dataset into another folder, without copying them where the file system can."""
    for path in source.rglob("*.parquet"):
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, place)
        except OSError:
            shutil.copyfile(path, place)
