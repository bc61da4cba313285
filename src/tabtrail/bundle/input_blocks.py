"""A file of rows to score, CSV or Parquet, in blocks of a bounded size and in their order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from tabtrail.bundle.arrow_columns import is_text, reads_plain_numbers
from tabtrail.bundle.columnar import Array
from tabtrail.contract.schema import Feature
from tabtrail.errors import DataError, UsageError, nearest
from tabtrail.reading.compressed import SourceFile
from tabtrail.reading.records import read_header
from tabtrail.reading.source import TextFile, open_text

_BLOCK_BYTES = 4 << 20  # of CSV; a record must be shorter
_BLOCK_ROWS = 65_536


@dataclass(frozen=True)
class InputFile:
    """A file to score; its dialect is used for CSV alone. `keep` are columns that the output repeats, such as an id."""

    path: Path
    delimiter: str = ","
    encoding: str = "auto"
    keep: tuple[str, ...] = ()


@dataclass
class Block:
    """Consecutive rows: their numbers from 1, the columns as they were read, and the malformed rows with the reason."""

    numbers: Array
    batch: Any
    broken: list[tuple[int, str]] = field(default_factory=list)


class Blocks:
    """The blocks of a file. `encoding` is that of a CSV, known with its first block."""

    def __init__(self, file: InputFile, features: Sequence[Feature]) -> None:
        self._file, self._features = file, features
        self.encoding = ""

    def __iter__(self) -> Iterator[Block]:
        """Yield the blocks. Raises `UsageError` for a file that cannot be read, `DataError` for one without the columns."""
        parquet = self._file.path.suffix.lower() == ".parquet"
        try:
            yield from self._parquet() if parquet else self._csv()
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0][:200] if isinstance(error, pa.ArrowInvalid) else type(error).__name__
            raise UsageError(f"{self._file.path} cannot be read: {reason}") from None

    def _parquet(self) -> Iterator[Block]:
        with pq.ParquetFile(self._file.path) as opened:
            wanted = self._wanted(opened.schema_arrow.names)
            _require_types(self._file.path, self._features, opened.schema_arrow)
            start = 1
            for batch in opened.iter_batches(_BLOCK_ROWS, columns=wanted):
                yield Block(np.arange(start, start + batch.num_rows), batch)
                start += batch.num_rows

    def _csv(self) -> Iterator[Block]:
        """Yield blocks with numbers read as such, and from the first block with a text in the place of a number, as texts."""
        done = 0
        try:
            for block in self._parsed(typed=True):
                _refuse_words(block.batch)
                yield block
                done = int(block.numbers[-1]) if len(block.numbers) else done
        except pa.ArrowInvalid:
            for block in self._parsed(typed=False):
                later = block.numbers > done
                if later.any():
                    broken = [each for each in block.broken if each[0] > done]
                    yield Block(block.numbers[later], block.batch.filter(pa.array(later)), broken)

    def _parsed(self, *, typed: bool) -> Iterator[Block]:
        file = self._file
        text = open_text(SourceFile(file.path, str(file.path), named_by="--input"), file.encoding)
        blocks = text.blocks()
        first = next(blocks, b"")
        self.encoding = text.encoding.removesuffix("-sig")
        wanted = self._wanted(read_header(str(file.path), first, file.delimiter).columns)
        types = {feature.name: _csv_type(feature, typed=typed) for feature in self._features}
        types.update({name: pa.string() for name in file.keep if name not in types})
        broken: list[tuple[int, str]] = []

        def skip(row: Any) -> str:
            broken.append((row.number - 1, f"has {row.actual_columns} fields instead of {row.expected_columns}"))
            return "skip"

        reader = pcsv.open_csv(
            TextFile(chain([first], blocks)),
            read_options=pcsv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False),
            parse_options=pcsv.ParseOptions(delimiter=file.delimiter, newlines_in_values=True, invalid_row_handler=skip),
            convert_options=pcsv.ConvertOptions(
                column_types=types,
                include_columns=wanted,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
        with reader:
            yield from _numbered(reader, broken)

    def _wanted(self, found: Sequence[str]) -> list[str]:
        wanted = list(dict.fromkeys([*(feature.name for feature in self._features), *self._file.keep]))
        path = self._file.path
        missing = [f"'{name}'{nearest(name, list(found))}" for name in wanted if name not in found]
        if missing:
            which = "the column" if len(missing) == 1 else "the columns"
            raise DataError(f"{path} lacks {which} {', '.join(missing)}; is its delimiter that of the config?")
        if len(set(found)) < len(found):
            raise DataError(f"{path} has two columns of one name")
        return wanted


def _numbered(reader: Any, broken: list[tuple[int, str]]) -> Iterator[Block]:
    """Yield the batches with the numbers of their rows. `broken` fills while the reader reads ahead of them."""
    start = 1
    for batch in reader:
        numbers = np.arange(start, start + batch.num_rows + len(broken))
        numbers = numbers[~np.isin(numbers, [number for number, _ in broken])][: batch.num_rows]
        start = int(numbers[-1]) + 1 if len(numbers) else start
        now = [each for each in broken if each[0] < start]
        broken[:] = [each for each in broken if each[0] >= start]
        yield Block(numbers, batch, now)
    if broken:
        yield Block(np.arange(0), pa.RecordBatch.from_pylist([], schema=reader.schema), list(broken))


def _refuse_words(batch: Any) -> None:
    """Raise `ArrowInvalid` where Arrow took a word, such as `nan`, for a number."""
    for column in batch.columns:
        if pa.types.is_floating(column.type) and pc.any(pc.invert(pc.is_finite(column))).as_py():
            raise pa.ArrowInvalid("a word in the place of a number")


def _csv_type(feature: Feature, *, typed: bool) -> Any:
    if feature.kind == "numeric":
        return pa.float64() if typed and reads_plain_numbers(feature) else pa.string()
    return pa.dictionary(pa.int32(), pa.string())


def _require_types(path: Path, features: Sequence[Feature], schema: Any) -> None:
    """Raise `DataError` for a column that holds nothing that its feature could be: lists or bytes, truth values for numbers."""
    for feature in features:
        kind = schema.field(feature.name).type
        inner = kind.value_type if pa.types.is_dictionary(kind) else kind
        number = pa.types.is_integer(inner) or pa.types.is_floating(inner) or pa.types.is_decimal(inner)
        day = pa.types.is_date(inner) or pa.types.is_timestamp(inner)
        own = {"numeric": number, "categorical": number or day or pa.types.is_boolean(inner), "date": day}
        if not (own[feature.kind] or is_text(inner) or pa.types.is_null(inner)):
            wanted = {"numeric": "numbers", "categorical": "texts", "date": "dates"}[feature.kind]
            raise DataError(f"{path}: the column '{feature.name}' is {kind}; it must be {wanted}")
