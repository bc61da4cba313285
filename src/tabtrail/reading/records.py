"""CSV records with the line numbers that an editor shows, as Python's `csv` reads them."""

import csv
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from tabtrail.errors import DataError

LARGEST_RECORD = 16 << 20
"""Bytes of a record, and of a line, at most: a quote that is never closed would otherwise take in the whole file."""
_limit_in_use = Lock()


@dataclass(frozen=True)
class Header:
    """The columns of a CSV, and how many bytes and lines of its text they take."""

    columns: tuple[str, ...]
    size: int
    lines: int


@dataclass(frozen=True)
class Records:
    """The whole records of a stretch of text, and the line on which each begins.

    `lines_read` is the number of lines that they take, `rest` the beginning of a record that the text does not end.
    """

    fields: list[list[str]]
    lines: list[int]
    lines_read: int
    rest: bytes


def read_header(name: str, block: bytes, delimiter: str) -> Header:
    """Return the header of a CSV from its first block of UTF-8 text. Raises `DataError` where it cannot be read."""
    reader = csv.reader(io.StringIO(block.decode(errors="replace"), newline=""), delimiter=delimiter)
    try:
        columns = tuple(next(reader, ()))
    except csv.Error as error:
        raise DataError(f"{name}, line 1: {error}; is it a CSV?") from None
    size = 0
    for _ in range(reader.line_num):
        size = _line_end(block, size)
    return Header(columns, size, reader.line_num)


def read_records(name: str, text: str, first_line: int, *, delimiter: str, final: bool) -> Records:
    """Return the records of a text that begins on a line of the file; a `final` text must end its last record.

    Raises `DataError` for a quote that is opened and not closed properly.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    fields, lines = list[list[str]](), list[int]()
    begun, rest = 0, b""
    try:
        with _fields_of_any_length():
            for record in reader:
                fields.append(record)
                lines.append(first_line + begun)
                begun = reader.line_num
    except csv.Error as error:
        if final or "unexpected end of data" not in str(error):
            raise _open_quote(name, first_line + begun, str(error)) from None
        rest = _after_lines(text, begun)
        if len(rest) > LARGEST_RECORD:
            raise _open_quote(name, first_line + begun, f"a record of more than {LARGEST_RECORD >> 20} MB") from None
    return Records(fields, lines, begun, rest)


def width_of(line: bytes, delimiter: str) -> int:
    """Return the number of fields of a record of one line."""
    if b'"' not in line:
        return line.count(delimiter.encode()) + 1
    with _fields_of_any_length():
        return len(next(csv.reader([line.decode()], delimiter=delimiter)))


def refuse_nul(name: str, block: bytes, line: int) -> None:
    """Raise `DataError` for a NUL character in a block that begins on some line."""
    if (at := block.find(b"\0")) >= 0:
        at_line = line + block.count(b"\n", 0, at)
        order = "utf-16-be" if block[:4096:2].count(0) > block[1:4096:2].count(0) else "utf-16-le"
        raise DataError(
            f"{name}, line {at_line:,}: a NUL character; the file is damaged, or it is UTF-16 (then set source.encoding: {order})"
        )


@contextmanager
def _fields_of_any_length() -> Iterator[None]:
    """Lift the limit of the `csv` module, which is one for the whole process, and put it back."""
    with _limit_in_use:
        before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
        try:
            yield
        finally:
            csv.field_size_limit(before)


def _open_quote(name: str, line: int, reason: str) -> DataError:
    return DataError(f"{name}, from line {line}: {reason}; a quote is opened and not closed properly")


def _line_end(block: bytes, start: int) -> int:
    ends = [at for at in (block.find(b"\n", start), block.find(b"\r", start)) if at >= 0]
    if not ends:
        return len(block)
    end = min(ends)
    return end + (2 if block[end : end + 2] == b"\r\n" else 1)


def _after_lines(text: str, lines: int) -> bytes:
    """Return the text after so many lines, as `csv` counts them."""
    file = io.StringIO(text, newline="")
    for _ in range(lines):
        file.readline()
    return file.read().encode()
