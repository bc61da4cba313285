"""Blocks of text as checked rows: by Polars where every record is one line, by Python's `csv` where that is not so."""

import csv
import io
import sys
from collections.abc import Iterator

import numpy as np
import polars as pl

from tabtrail.data.checks import Checked, Contract
from tabtrail.errors import DataError
from tabtrail.reading.source import LARGEST_RECORD, SourceText, UndecodableText, refuse_nul

_LF = 10
_MARK = b"\xef\xbb\xbf"
_SMALL = 256 << 10
_PIECES = 16
_TRUST = 2


class RecordReader:
    """Turns the blocks of one source into checked rows with the line numbers that an editor shows.

    A block that is not one record a line (line breaks in quotes, short or long rows, blank lines) is cut smaller, and the
    pieces where it is so go record by record. A record that a block does not end is carried over to the next.
    """

    def __init__(self, contract: Contract, source: SourceText, header: tuple[str, ...], delimiter: str, line: int) -> None:
        self._contract, self._source, self._header, self._delimiter = contract, source, header, delimiter
        self._line, self._carry = line, b""
        self._misses = 0
        csv.field_size_limit(min(sys.maxsize, 2**31 - 1))

    def read(self, blocks: Iterator[bytes]) -> Iterator[Checked]:
        """Yield the checked rows of blocks that begin after the header.

        Raises `DataError` for a quote that is opened and not closed properly, `UndecodableText` for what is not UTF-8.
        """
        for block in blocks:
            yield from self._read(block)
        if self._carry:
            yield self._by_record(self._carry, final=True)

    def _read(self, block: bytes) -> Iterator[Checked]:
        refuse_nul(self._source.name, block, self._line + self._carry.count(b"\n"))
        if self._carry:
            yield self._by_record(self._carry + block)
        elif (checked := self._by_line(block)) is not None:
            yield checked
        elif len(block) <= _SMALL or block.find(b"\n") in (-1, len(block) - 1):
            yield self._by_record(block)
        else:
            for piece in _cut(block, max(_SMALL, len(block) // _PIECES)):
                yield from self._read(piece)

    def _by_line(self, block: bytes) -> Checked | None:
        """Check a block in which every record is one line; None where that is not so.

        Polars pads short rows with nulls without a word, drops a mark at the start, and takes a lone CR for a character.
        """
        lines = int(np.count_nonzero(np.frombuffer(block, np.uint8) == _LF)) + (not block.endswith(b"\n"))
        lone_cr = b"\r" in block and block.count(b"\r") != block.count(b"\r\n")
        if lone_cr or block.startswith(_MARK) or (b'"' in block and block.count(b'"') % 2):
            return None
        contract = self._contract
        rows = None
        if contract.numbers:
            rows = self._parse(block, contract.numbers)
            self._misses = 0 if rows is not None else self._misses + 1
            if rows is not None and (blank := contract.with_nulls(rows)):
                # Polars reads blanks as null where the contract wants them named, so that texts must tell.
                contract.read_as_text(blank)
                rows = self._parse(block, contract.numbers)
            elif self._misses > _TRUST:
                contract.read_as_text(set(contract.numbers))
        if rows is None:
            rows = self._parse(block, {})
        if rows is None or rows.height != lines or not self._is_whole(block, rows):
            return None
        checked = contract.check(rows, self._line, block)
        self._line += lines
        return checked

    def _parse(self, block: bytes, numbers: dict[str, pl.DataType]) -> pl.DataFrame | None:
        if not self._delimiter.isascii():
            return None
        schema: dict[str, pl.DataType] = {name: numbers.get(name, pl.String()) for name in self._header}
        try:
            return pl.read_csv(block, has_header=False, schema=schema, separator=self._delimiter)
        except (pl.exceptions.PolarsError, OSError):  # OSError: a text that begins like compressed data
            return None

    def _is_whole(self, block: bytes, rows: pl.DataFrame) -> bool:
        """Tell whether no row is short. Long ones Polars refuses, so that the number of delimiters is proof enough."""
        last = rows.get_column(self._header[-1])
        if not last.null_count():
            return True
        width, delimiter = len(self._header), self._delimiter.encode()
        if b'"' not in block:
            return block.count(delimiter) == rows.height * (width - 1)
        lines = block.split(b"\n")
        return all(self._width(lines[index], delimiter) == width for index in last.is_null().arg_true())

    def _width(self, line: bytes, delimiter: bytes) -> int:
        if b'"' not in line:
            return line.count(delimiter) + 1
        return len(next(csv.reader([line.decode()], delimiter=self._delimiter)))

    def _by_record(self, text: bytes, *, final: bool = False) -> Checked:
        try:
            decoded = text.decode()
        except UnicodeDecodeError as error:
            raise UndecodableText(self._line + text.count(b"\n", 0, error.start)) from None
        width = len(self._header)
        reader = csv.reader(io.StringIO(decoded, newline=""), delimiter=self._delimiter, strict=True)
        records, numbers = list[list[str]](), list[int]()
        ragged, ragged_lines = list[list[str]](), list[int]()
        begun = 0
        self._carry = b""
        try:
            for record in reader:
                if len(record) == width:
                    records.append(record)
                    numbers.append(self._line + begun)
                elif record:
                    ragged.append(record)
                    ragged_lines.append(self._line + begun)
                begun = reader.line_num
        except csv.Error as error:
            if final or "unexpected end of data" not in str(error):
                raise self._open_quote(begun, str(error)) from None
            self._carry = _after_lines(decoded, begun)
            if len(self._carry) > LARGEST_RECORD:
                raise self._open_quote(begun, f"a record of more than {LARGEST_RECORD >> 20} MB") from None
        checked = self._contract.check_records(records, numbers, ragged, ragged_lines)
        self._line += begun
        return checked

    def _open_quote(self, begun: int, reason: str) -> DataError:
        return DataError(
            f"{self._source.name}, from line {self._line + begun}: {reason}; a quote is opened and not closed properly"
        )


def _cut(block: bytes, size: int) -> Iterator[bytes]:
    """Cut a block at line feeds into pieces of about a size."""
    start = 0
    while start < len(block):
        end = block.rfind(b"\n", start, start + size) + 1 or block.find(b"\n", start) + 1 or len(block)
        yield block[start:end]
        start = end


def _after_lines(text: str, lines: int) -> bytes:
    """Return the text after so many lines, as `csv` counts them."""
    file = io.StringIO(text, newline="")
    for _ in range(lines):
        file.readline()
    return file.read().encode()
