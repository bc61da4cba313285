"""A file of rows to score, CSV, Parquet, Excel or JSON lines, in blocks of a bounded size and in their order."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from tabtrail.bundle.arrow_arrays import texts_to_arrow, to_arrow
from tabtrail.bundle.arrow_columns import is_text, reads_plain_numbers
from tabtrail.bundle.values import MOST_EXACT
from tabtrail.bundle.wide_blocks import Block, WideBlocks, wide_columns
from tabtrail.contract.layout import Layout, name_columns
from tabtrail.contract.schema import Feature
from tabtrail.contract.typed_cells import cell_text
from tabtrail.contract.wide import Melted
from tabtrail.errors import DataError, UsageError, nearest
from tabtrail.reading.cell_rows import CellRows
from tabtrail.reading.compressed import SourceFile
from tabtrail.reading.excel import ExcelSheet
from tabtrail.reading.header import Header, advise, open_table
from tabtrail.reading.json_lines import JsonLines
from tabtrail.reading.kinds import kind_of
from tabtrail.reading.quotes import plain_blocks, plain_delimiter
from tabtrail.reading.source import TextFile, open_text

_BLOCK_BYTES = 4 << 20  # of CSV; a record must be shorter
_BLOCK_ROWS = 16_384  # measured: 4 % less CPU than with 65,536, and two thirds of the memory


@dataclass(frozen=True)
class InputFile:
    """A file to score. `keep` are columns that the output repeats, such as an id. `sheet` is the one of a workbook that it must
    have; that of the layout is taken where it is there.
    """

    path: Path
    layout: Layout = field(default=Layout())
    keep: tuple[str, ...] = ()
    sheet: str | None = None


class Blocks:
    """The blocks of a file, which with `melted` may be a wide one. `encoding` says how it was read, known with its first block;
    `notes` are known at the end; `not_repeated` are the columns that neither the model nor the output takes.
    """

    def __init__(self, file: InputFile, features: Sequence[Feature], melted: Melted | None = None) -> None:
        self._file, self._features, self._melted = file, features, melted
        self._wide: WideBlocks | None = None
        self._source = SourceFile(file.path, str(file.path), named_by="--input")
        self.encoding, self.notes = "", list[str]()
        self.not_repeated: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Block]:
        """Yield the blocks.

        Raises `UsageError` for a file that cannot be read, `DataError` for one in another format or without the columns.
        """
        kind, note = kind_of(self._source)
        self.notes += [note] if note else []
        read = {"csv": self._csv, "parquet": self._parquet, "excel": self._excel, "json lines": self._json_lines}[kind]
        try:
            for block in read():
                yield from [block] if self._wide is None else self._wide(block)
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0][:200] if isinstance(error, pa.ArrowInvalid) else type(error).__name__
            raise UsageError(f"{self._file.path} cannot be read: {reason}") from None
        self.notes += [self._wide.note()] if self._wide else []

    def _parquet(self) -> Iterator[Block]:
        with pq.ParquetFile(self._file.path) as opened:
            written = opened.schema_arrow.names
            names = name_columns(written, self._file.layout, self._names)
            wanted = self._wanted(names, lambda: "")
            found = dict(zip(names, written, strict=True))
            own = [(feature, found[name]) for name in wanted if (feature := self._feature(name)) is not None]
            require_types(str(self._file.path), own, opened.schema_arrow)
            start = 1
            for batch in opened.iter_batches(_BLOCK_ROWS, columns=[found[name] for name in wanted]):
                called = {old: name for name, old in found.items()}
                batch = batch.rename_columns([called[name] for name in batch.schema.names])
                yield Block(np.arange(start, start + batch.num_rows), batch)
                start += batch.num_rows

    def _excel(self) -> Iterator[Block]:
        layout = self._file.layout if self._file.sheet is None else replace(self._file.layout, sheet=self._file.sheet)
        sheet = ExcelSheet(self._source, layout, named_by="--sheet", strict=self._file.sheet is not None)
        self.encoding = sheet.encoding
        yield from self._cells(sheet.header, sheet.rows)
        self.notes += sheet.notes

    def _json_lines(self) -> Iterator[Block]:
        text = open_text(self._source, self._file.layout.encoding)
        table = JsonLines(text)
        self.encoding = text.encoding.removesuffix("-sig")
        yield from self._cells(table.header, partial(table.rows, late_keys=True))
        self.notes += text.notes

    def _cells(self, header: Header, read: Callable[[list[str]], Iterator[CellRows]]) -> Iterator[Block]:
        """Yield rows of typed cells; columns to keep are texts, so that all blocks have them in one type."""
        names = name_columns(header.written, self._file.layout, self._names)
        wanted = self._wanted(names, lambda: advise(header, self._file.layout, self._names))
        start, features = 1, [name for name in wanted if self._feature(name) is not None]
        for rows in read([written for written, name in zip(header.written, names, strict=True) if name in wanted]):
            columns = dict(zip(names, rows.columns, strict=True))
            place = {line: start + index for index, line in enumerate(sorted([*rows.lines, *rows.malformed]))}
            numbers = np.array([place[line] for line in rows.lines], dtype=np.int64)
            kept = {
                name: texts_to_arrow([cell_text(cell) for cell in columns[name]]) for name in self._file.keep if name in columns
            }
            batch = pa.RecordBatch.from_pydict({"": to_arrow(numbers), **kept})
            broken = [(place[line], each.reason) for line, each in rows.malformed.items()]
            yield Block(numbers, batch, broken, {name: columns[name] for name in features})
            start += len(place)

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
                    yield Block(block.numbers[later], block.batch.filter(to_arrow(later)), broken)

    def _parsed(self, *, typed: bool) -> Iterator[Block]:
        layout, name = self._file.layout, self._source.name
        text = open_text(self._source, layout.encoding)
        with closing(text.blocks()) as blocks:
            header, rest = open_table(name, blocks, layout)
            self.encoding = text.encoding.removesuffix("-sig")
            names = name_columns(header.written, layout, self._names)
            wanted = self._wanted(names, lambda: advise(header, layout, self._names))
            rows = plain_blocks(name, rest, header, layout.comment)
            if typed:
                rows = _without_hexadecimals(rows)
            if (first := next(rows, None)) is not None:
                found = _Text(TextFile(chain([first], rows)), plain_delimiter(header), names, wanted)
                yield from _batches(found, {each: self._type(each, typed=typed) for each in wanted})
        self.notes += text.notes

    def _type(self, name: str, *, typed: bool) -> Any:
        feature = self._feature(name)
        return pa.string() if feature is None else _csv_type(feature, typed=typed)

    def _feature(self, name: str) -> Feature | None:
        """Return the feature that a column of the file is read as, None for one that is only kept."""
        own = name if self._wide is None else self._wide.stands_for.get(name, name)
        return next((each for each in self._features if each.name == own), None)

    @property
    def _names(self) -> list[str]:
        return list(dict.fromkeys([*(feature.name for feature in self._features), *self._file.keep]))

    def _wanted(self, found: Sequence[str], advice: Callable[[], str]) -> list[str]:
        wanted, path = self._names, self._file.path
        spared = {feature.name for feature in self._features if feature.optional} - set(self._file.keep)
        wide = wide_columns(self._melted, path, found, self._features) if self._melted else None
        if wide is not None:
            self._wide = WideBlocks(wide, self._features, self._file.keep)
            spared |= {*wide.made, *wide.long}
        missing = [f"'{name}'{nearest(name, list(found))}" for name in wanted if name not in found and name not in spared]
        if missing:
            which = "the column" if len(missing) == 1 else "the columns"
            raise DataError(f"{path} lacks {which} {', '.join(missing)}{advice() or '; is its delimiter that of the config?'}")
        if len(set(found)) < len(found):
            raise DataError(f"{path} has two columns of one name")
        self.not_repeated = tuple(name for name in found if name not in wanted and self._feature(name) is None)
        return [name for name in wanted if name in found] if self._wide is None else list(self._wide.columns)


@dataclass(frozen=True)
class _Text:
    """The rows of a CSV as text without a header, what its columns are called, and which of them are wanted."""

    file: TextFile
    delimiter: str
    names: Sequence[str]
    wanted: Sequence[str]


def _batches(text: _Text, types: Mapping[str, Any]) -> Iterator[Block]:
    """Yield the rows as pyarrow reads them. Raises `pa.ArrowInvalid` for a text in the place of a number."""
    broken: list[tuple[int, str]] = []

    def skip(row: Any) -> str:
        broken.append((row.number, f"has {row.actual_columns} fields instead of {row.expected_columns}"))
        return "skip"

    reader = pcsv.open_csv(
        text.file,
        read_options=pcsv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False, column_names=text.names),
        parse_options=pcsv.ParseOptions(delimiter=text.delimiter, newlines_in_values=True, invalid_row_handler=skip),
        convert_options=pcsv.ConvertOptions(
            column_types=types,
            include_columns=text.wanted,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    with reader:
        yield from _numbered(reader, broken)


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
    """Raise `ArrowInvalid` where Arrow took a word, such as `nan`, for a number, or may have rounded an integer."""
    for column in batch.columns:
        if pa.types.is_floating(column.type):
            ends = [abs(each) for each in pc.min_max(column).as_py().values() if each is not None]
            if not all(each < MOST_EXACT for each in ends) or pc.any(pc.is_nan(column)).as_py():
                raise pa.ArrowInvalid("a word in the place of a number")


def _without_hexadecimals(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield blocks of text, or raise `ArrowInvalid` for a block with a text, of whichever column, that Arrow may take for a
    hexadecimal number.
    """
    last = b""
    for block in blocks:
        if any(mark in block or mark in last + block[:1] for mark in (b"0x", b"0X")):
            raise pa.ArrowInvalid("a text in the place of a number")
        last = block[-1:] or last
        yield block


def _csv_type(feature: Feature, *, typed: bool) -> Any:
    if feature.kind == "numeric":
        # Of doubles, Arrow would take 7.0 for a whole number; of whole numbers, it takes 0x1A for 26.
        number = pa.int64() if feature.rule.dtype == "int" else pa.float64()
        return number if typed and reads_plain_numbers(feature) else pa.string()
    return pa.dictionary(pa.int32(), pa.string())


def require_types(path: str, features: Sequence[tuple[Feature, str]], schema: Any) -> None:
    """Raise `DataError` for a column, by its feature and its name in the file, that holds nothing that the feature could be:
    lists or bytes, truth values for numbers that are not flags.
    """
    for feature, name in features:
        kind = schema.field(name).type
        inner = kind.value_type if pa.types.is_dictionary(kind) else kind
        number = pa.types.is_integer(inner) or pa.types.is_floating(inner) or pa.types.is_decimal(inner)
        number = number or (feature.rule.is_flag and pa.types.is_boolean(inner))
        day = pa.types.is_date(inner) or pa.types.is_timestamp(inner)
        own = {"numeric": number, "categorical": number or day or pa.types.is_boolean(inner), "date": day}
        if not (own[feature.kind] or is_text(inner) or pa.types.is_null(inner)):
            wanted = {"numeric": "numbers", "categorical": "texts", "date": "dates"}[feature.kind]
            raise DataError(f"{path}: the column '{feature.name}' is {kind}; it must be {wanted}")
