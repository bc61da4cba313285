"""Blocks of text as checked rows: by Polars where every record is one line, else by Python's `csv`."""

from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl

from tabtrail.data.checks import Checked, RowChecker
from tabtrail.data.melt import WideChecker
from tabtrail.reading.quotes import plain_quotes
from tabtrail.reading.records import read_records, refuse_nul, width_of
from tabtrail.reading.source import UndecodableText

_LF = 10
_MARK = b"\xef\xbb\xbf"
_SMALL = 256 << 10  # bytes from which cutting a block further costs more than reading it record by record
_PIECES = 16
_TRUST = 2  # blocks whose numbers could not be parsed; after one more, numbers are read as texts to save the second parse


class BlockReader:
    """Turns the blocks of one source into checked rows with the line numbers that an editor shows.

    A block that is not one record a line (line breaks in quotes, short or long rows, blank lines) is cut smaller, and only the
    pieces that are not are read record by record. A record that a block does not end is carried over to the next. Lines that
    begin with `comment` are left out, and counted in `comments`.
    """

    def __init__(self, checker: RowChecker | WideChecker, name: str, first_line: int, *, comment: str | None = None) -> None:
        self._checker, self._name, self._line = checker, name, first_line
        self._header, self._delimiter = checker.header, checker.delimiter
        self._comment, self.comments = comment, 0
        self._carry = b""
        self._misses = 0

    def read(self, blocks: Iterator[bytes]) -> Iterator[Checked]:
        """Yield the checked rows of blocks that begin after the header.

        Raises `DataError` for a quote that is opened and not closed properly, `UndecodableText` for what is not UTF-8.
        """
        for block in blocks:
            yield from self._read(block)
        if self._carry:
            yield self._by_record(self._carry, final=True)

    def _read(self, block: bytes) -> Iterator[Checked]:
        refuse_nul(self._name, block, self._line + self._carry.count(b"\n"))
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

        Polars pads short rows with nulls without an error, drops a mark at the start, and takes a lone CR for a character.
        """
        lines = int(np.count_nonzero(np.frombuffer(block, np.uint8) == _LF)) + (not block.endswith(b"\n"))
        lone_cr = b"\r" in block and block.count(b"\r") != block.count(b"\r\n")
        if lone_cr or block.startswith(_MARK) or self._has_comments(block) or not self._delimiter.isascii():
            return None
        plain = plain_quotes(block, self._delimiter)
        if plain is None:
            return None
        block = plain
        rows = self._parse_numbers(block) if self._checker.numbers else None
        if rows is None:
            rows = self._parse(block, {})
        if rows is None or rows.height != lines or not self._is_whole(block, rows):
            return None
        checked = self._checker.check(rows, self._line, block)
        self._line += lines
        return checked

    def _parse_numbers(self, block: bytes) -> pl.DataFrame | None:
        """Parse number columns as such; None where one of them holds a text, after which columns may be read as texts."""
        checker = self._checker
        assert isinstance(checker, RowChecker)  # noqa: S101 - the other one has no numbers
        rows = self._parse(block, checker.numbers)
        self._misses = 0 if rows is not None else self._misses + 1
        if rows is not None and (blank := checker.with_nulls(rows)):
            # Polars reads blanks as null, where the contract names them by their text.
            checker.read_as_text(blank)
            return self._parse(block, checker.numbers)
        if self._misses > _TRUST:
            checker.read_as_text(set(checker.numbers))
        return rows

    def _parse(self, block: bytes, numbers: Mapping[str, pl.DataType]) -> pl.DataFrame | None:
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
        width = len(self._header)
        if b'"' not in block:
            return block.count(self._delimiter.encode()) == rows.height * (width - 1)
        lines = block.split(b"\n")
        return all(width_of(lines[index], self._delimiter) == width for index in last.is_null().arg_true())

    def _has_comments(self, block: bytes) -> bool:
        prefix = self._comment.encode() if self._comment else None
        return prefix is not None and (block.startswith(prefix) or b"\n" + prefix in block)

    def _by_record(self, text: bytes, *, final: bool = False) -> Checked:
        try:
            decoded = text.decode()
        except UnicodeDecodeError as error:
            raise UndecodableText(self._line + text.count(b"\n", 0, error.start)) from None
        delimiter, comment = self._delimiter, self._comment
        found = read_records(self._name, decoded, self._line, delimiter=delimiter, final=final, comment=comment)
        self._carry, self.comments = found.rest, self.comments + found.comments
        self._line += found.lines_read
        return self._checker.check_records({line: each for line, each in zip(found.lines, found.fields, strict=True) if each})


def _cut(block: bytes, size: int) -> Iterator[bytes]:
    """Cut a block at line feeds into pieces of about a size."""
    start = 0
    while start < len(block):
        end = block.rfind(b"\n", start, start + size) + 1 or block.find(b"\n", start) + 1 or len(block)
        yield block[start:end]
        start = end
