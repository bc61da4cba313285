"""Text in which no reader of CSV can take a quote for something else: as RFC 4180 has it, without comments."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from tabtrail.reading.header import Header
from tabtrail.reading.records import any_field_length, read_records

_QUOTE, _LF, _CR = b'"\n\r'
Array = np.ndarray[Any, Any]


def plain_quotes(block: bytes, delimiter: str) -> bytes | None:
    """Return a block of lines in which every quote opens, closes or, doubled, stands within a quoted field.

    Readers differ in what they make of any other quote, such as in `5" pipe`: a line that has one is written anew, with the
    fields that `csv` finds in it. None where that cannot be: a record of several lines, a text after a closing quote.
    """
    if b'"' not in block:
        return block
    bytes_ = np.frombuffer(block, np.uint8)
    quotes = np.flatnonzero(bytes_ == _QUOTE)
    odd = _out_of_place(bytes_, quotes, delimiter)
    if not len(odd):
        return None if len(quotes) % 2 else block
    plain = _rewritten(block, np.unique(np.searchsorted(np.flatnonzero(bytes_ == _LF), odd)), delimiter)
    return plain if plain is not None and _is_plain_by_line(plain, delimiter) else None


def plain_blocks(name: str, blocks: Iterable[bytes], header: Header, comment: str | None) -> Iterator[bytes]:
    """Yield the rows below a header in blocks of whole records with plain quotes and no comments, parted by `plain_delimiter`.

    Raises `DataError` for quotes that leave open what a field is.
    """
    delimiter, line, rest = header.delimiter, header.lines + 1, b""
    prefix = comment.encode() if comment else None
    for block in chain(blocks, [b""]):
        commented = prefix is not None and (block.startswith(prefix) or b"\n" + prefix in block)
        plain = None if rest or commented or not delimiter.isascii() else plain_quotes(block, delimiter)
        if plain is None:
            text, final = (rest + block).decode(), not block
            found = read_records(name, text, line, delimiter=delimiter, final=final, comment=comment)
            rest, line, plain = found.rest, line + found.lines_read, _written(found.fields, plain_delimiter(header))
        else:
            line += block.count(b"\n")
        if plain:
            yield plain


def plain_delimiter(header: Header) -> str:
    """What parts the fields of plain blocks: the delimiter of the file where it is one byte."""
    return header.delimiter if header.delimiter.isascii() else ","


def _is_plain_by_line(block: bytes, delimiter: str) -> bool:
    """Whether every quote of a block opens or closes a field, or is doubled within one, and none is open where a line ends."""
    bytes_ = np.frombuffer(block, np.uint8)
    quotes = np.flatnonzero(bytes_ == _QUOTE)
    before = np.searchsorted(quotes, np.append(np.flatnonzero(bytes_ == _LF), len(block)))
    return not (before % 2).any() and not len(_out_of_place(bytes_, quotes, delimiter))


def _out_of_place(bytes_: Array, quotes: Array, delimiter: str) -> Array:
    """Return the places of quotes that neither open nor close a field, when every other quote is taken for a closing one."""
    edges = np.zeros(256, bool)
    edges[[ord(delimiter), _LF, _CR]] = True
    opening, closing = quotes[0::2], quotes[1::2]
    before = np.where(opening > 0, edges[bytes_[opening - 1]], True)
    after = np.where(closing + 1 < len(bytes_), edges[bytes_[np.minimum(closing + 1, len(bytes_) - 1)]], True)
    doubled = closing[: len(opening[1:])] + 1 == opening[1:]
    before[1:] |= doubled
    after[: len(doubled)] |= doubled
    return np.concatenate([opening[~before], closing[~after]])


def _rewritten(block: bytes, lines: Array, delimiter: str) -> bytes | None:
    """Return the block with some of its lines, counted from 0, written with the quotes that their fields need."""
    found = block.split(b"\n")
    for index in lines:
        line = found[index]
        end = b"\r" if line.endswith(b"\r") else b""
        try:
            with any_field_length():
                (record,) = csv.reader([line.removesuffix(b"\r").decode()], delimiter=delimiter, strict=True)
        except (csv.Error, UnicodeDecodeError, ValueError):
            return None
        found[index] = _written([record], delimiter).removesuffix(b"\r\n") + end
    return b"\n".join(found)


def _written(records: Iterable[Sequence[str]], delimiter: str) -> bytes:
    """Return records as text with the quotes that they need; an empty record is nothing."""
    text = io.StringIO(newline="")
    # Its characters decide with the delimiter which fields are quoted: CR and LF must be among them.
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows(filter(None, records))
    return text.getvalue().encode()
