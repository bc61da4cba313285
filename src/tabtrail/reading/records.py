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
class Records:
    """The whole records of a stretch of text, and the line on which each begins.

    `lines_read` is the number of lines that they take, `comments` of them no records; `rest` is the beginning of a record that
    the text does not end.
    """

    fields: list[list[str]]
    lines: list[int]
    lines_read: int
    rest: bytes
    comments: int = 0


def read_records(name: str, text: str, first_line: int, *, delimiter: str, final: bool, comment: str | None = None) -> Records:
    """Return the records of a text that begins on a line of the file; a `final` text must end its last record.

    Raises `DataError` for quotes that leave open what a field is: a text after a closing quote, a quote that is never closed.
    """
    file, comments = io.StringIO(text, newline=""), _Comments(comment)
    reader = csv.reader(comments.skip(file) if comment else file, delimiter=delimiter, strict=True)
    fields, lines = list[list[str]](), list[int]()
    begun, rest = 0, b""
    try:
        with any_field_length():
            for record in reader:
                fields.append(record)
                lines.append(first_line + begun + comments.count)
                begun, comments.between = reader.line_num, True
    except csv.Error as error:
        line = first_line + begun + comments.count
        if final or "unexpected end of data" not in str(error):
            raise _bad_quote(name, line, str(error)) from None
        rest = _after_lines(text, begun + comments.count)
        if len(rest) > LARGEST_RECORD:
            raise _bad_quote(name, line, f"a record of more than {LARGEST_RECORD >> 20} MB") from None
    return Records(fields, lines, begun + comments.count, rest, comments.count)


class _Comments:
    """Leaves out the lines that begin with a text, and counts them: those `between` two records, never one within quotes."""

    def __init__(self, prefix: str | None) -> None:
        self._prefix = prefix or ""
        self.between, self.count = True, 0

    def skip(self, file: Iterator[str]) -> Iterator[str]:
        for line in file:
            if self.between and line.startswith(self._prefix):
                self.count += 1
            else:
                self.between = False
                yield line


def width_of(line: bytes, delimiter: str) -> int:
    """Return the number of fields of a record of one line."""
    if b'"' not in line:
        return line.count(delimiter.encode()) + 1
    with any_field_length():
        return len(next(csv.reader([line.decode()], delimiter=delimiter)))


def refuse_nul(name: str, block: bytes, line: int) -> None:
    """Raise `DataError` for a NUL character in a block that begins on some line."""
    if (at := block.find(b"\0")) >= 0:
        at_line = line + block.count(b"\n", 0, at)
        raise DataError(f"{name}, line {at_line:,}: a NUL character; the file is damaged")


@contextmanager
def any_field_length() -> Iterator[None]:
    """Lift the limit of the `csv` module, which is one for the whole process, and put it back."""
    with _limit_in_use:
        before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
        try:
            yield
        finally:
            csv.field_size_limit(before)


def _bad_quote(name: str, line: int, reason: str) -> DataError:
    return DataError(
        f"{name}, from line {line}: {reason}; a quote is opened and not closed properly: a quote within quotes is written twice"
        ' ("5"" pipe"; a backslash before it is not read)'
    )


def line_end(block: bytes, start: int) -> int:
    """Return where the line ends that begins at `start`, after its line end."""
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
