"""The header of a CSV: where it stands below titles and comments, and what a file looks like whose header does not fit."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice

from tabtrail.contract.layout import Layout, name_columns
from tabtrail.errors import DataError
from tabtrail.reading.records import LARGEST_RECORD, any_field_length, line_end, refuse_nul
from tabtrail.reading.source import UndecodableText

_SEP = re.compile(rb'"?sep=([^\r\n"])"?\r?\n')
_DELIMITERS = ",;\t|:"
_HEAD_BYTES = 64 << 10
_LOOKED_AT = 50  # records at the start of a file in which a header is looked for: titles rarely take more


@dataclass(frozen=True)
class Header:
    """The names of the columns as they are written in a CSV, on which line, and how its fields are parted.

    `size` and `lines` are the bytes and lines of text up to the first row, `head` is the beginning of that text.
    """

    written: tuple[str, ...]
    line: int
    delimiter: str
    size: int
    lines: int
    head: bytes = field(repr=False)


def open_table(name: str, blocks: Iterator[bytes], layout: Layout) -> tuple[Header, Iterator[bytes]]:
    """Return the header of a CSV and the blocks of UTF-8 text below it.

    Raises `DataError` where it cannot be read, `UndecodableText` where it is not UTF-8.
    """
    text, more = b"", next(blocks, b"")
    while more:
        refuse_nul(name, more, 1 + text.count(b"\n"))
        text += more
        header = _read_header(name, text, layout, final=len(text) > LARGEST_RECORD)
        if header is not None:
            break
        more = next(blocks, b"")
    else:
        header = read_header(name, text, layout)
    rest = text[header.size :]
    return header, chain([rest], blocks) if rest else blocks


def header_of(written: tuple[str, ...], line: int) -> Header:
    """Return the header of a table that is not text: the names of its columns, and the row in which they stand."""
    return Header(written, line, ",", 0, line, b"")


def read_header(name: str, text: bytes, layout: Layout) -> Header:
    """Return the header of a CSV of UTF-8 text. Raises `DataError` where it cannot be read."""
    header = _read_header(name, text, layout, final=True)
    assert header is not None  # noqa: S101 - a final text ends its header
    return header


def _read_header(name: str, text: bytes, layout: Layout, *, final: bool) -> Header | None:
    """Return the header, or None where a text that is not `final` ends before the first row begins."""
    sep = _SEP.match(text)
    delimiter = sep[1].decode(errors="replace") if sep else layout.delimiter
    size, line = _skip(text, max(layout.skip_rows, 1 if sep else 0), 0, 1)
    size, line = _skip_blank(text, size, line, layout.comment)
    try:
        found = _record(text[size:], delimiter, final=final)
    except csv.Error as error:
        raise DataError(f"{name}, line {line}: {error}; is it a CSV?") from None
    if found is None:
        return None
    written, lines = found
    end, after = _skip(text, lines + layout.skip_after_header, size, line)
    if not final and end >= len(text):
        return None
    _require_utf8(text[:end])
    header = Header(written, line, delimiter, end, after - 1, text[:_HEAD_BYTES])
    return _with_trailing(text[end:], header, layout)


def _require_utf8(text: bytes) -> None:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise UndecodableText(1 + text.count(b"\n", 0, error.start)) from None


def _skip(text: bytes, lines: int, size: int, line: int) -> tuple[int, int]:
    for _ in range(lines):
        if size >= len(text):
            break
        size, line = line_end(text, size), line + 1
    return size, line


def _skip_blank(text: bytes, size: int, line: int, comment: str | None) -> tuple[int, int]:
    """Skip lines that hold nothing, or a comment."""
    prefix = comment.encode() if comment else None
    while size < len(text) and (text[size : size + 1] in b"\r\n" or (prefix and text.startswith(prefix, size))):
        size, line = line_end(text, size), line + 1
    return size, line


def _record(text: bytes, delimiter: str, *, final: bool) -> tuple[tuple[str, ...], int] | None:
    """Return the first record and its lines; None where a text that is not final does not end it."""
    window = text[:LARGEST_RECORD].decode(errors="replace")
    reader = csv.reader(io.StringIO(window, newline=""), delimiter=delimiter, strict=True)
    try:
        with any_field_length():
            record = next(reader, None)
    except csv.Error as error:
        if final or "unexpected end of data" not in str(error):
            raise
        return None
    if record is None:
        return ((), 0) if final else None
    return tuple(record), reader.line_num


def _with_trailing(rows: bytes, header: Header, layout: Layout) -> Header:
    """Add a column without a name where the rows, and not the header, end in a delimiter, and such columns are dropped."""
    if layout.unnamed != "drop":
        return header
    first = next(_records(rows, header.delimiter), (0, []))[1]
    trailing = len(first) == len(header.written) + 1 and not first[-1]
    return replace(header, written=(*header.written, "")) if trailing else header


def advise(header: Header, layout: Layout, required: Iterable[str]) -> str:
    """Return what to change so that the header of a file has the required columns, as `; …`; nothing where nothing is seen."""
    wanted = frozenset(required)
    for delimiter in dict.fromkeys((header.delimiter, *_DELIMITERS)):
        for line, record in islice(_records(header.head, delimiter), _LOOKED_AT):
            if wanted <= set(name_columns(record, layout, wanted)):
                return _where(header, line, delimiter)
    folding = replace(layout, fold_header=True)
    if wanted <= set(name_columns(header.written, folding, wanted)):
        return "; its names differ by case, blanks or underscores alone: set source.fold_header: true, or source.rename"
    return _widths(header)


def _where(header: Header, line: int, delimiter: str) -> str:
    """Return the advice for a header that was found on some line with some delimiter."""
    parts = []
    if line != header.line:
        above = header.head.split(b"\n")[: line - 1]
        commented = all(each.startswith(b"#") or not each.strip() for each in above) and any(above)
        advice = 'source.comment: "#"' if commented else f"source.skip_rows: {line - 1}"
        parts.append(f"line {line} has the columns: set {advice}")
    if delimiter != header.delimiter:
        shown = "\\t" if delimiter == "\t" else delimiter
        parts.append(f'with the delimiter {shown!r} they are there: set source.delimiter: "{shown}"'.replace("\\\\", "\\"))
    return "".join(f"; {part}" for part in parts)


def _widths(header: Header) -> str:
    """Return what is seen where later records have more fields than the header."""
    later = (
        (line, len(record)) for line, record in islice(_records(header.head, header.delimiter), _LOOKED_AT) if line > header.line
    )
    width = len(header.written)
    line, wider = next(((line, found) for line, found in later if found > width), (0, 0))
    if not wider:
        return ""
    return f"; line {header.line} has {_fields(width)}, line {line} has {wider}: title lines? set source.skip_rows: {line - 1}"


def _fields(count: int) -> str:
    return f"{count} field{'' if count == 1 else 's'}"


def _records(text: bytes, delimiter: str) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield records, as far as they can be read, with the line on which each begins."""
    reader = csv.reader(io.StringIO(text[:_HEAD_BYTES].decode(errors="replace"), newline=""), delimiter=delimiter)
    line = 1
    try:
        with any_field_length():
            for record in reader:
                if record:
                    yield line, record
                line = reader.line_num + 1
    except csv.Error:
        return
