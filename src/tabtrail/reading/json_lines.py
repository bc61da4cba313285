"""JSON lines: one object a line, its values by type, and where a line is none."""

import json
from collections.abc import Collection, Iterator
from itertools import chain
from typing import Any

from tabtrail.errors import DataError
from tabtrail.reading.cell_rows import CellRows, Malformed
from tabtrail.reading.header import Header, header_of
from tabtrail.reading.source import SourceText, UndecodableText
from tabtrail.reading.strict_json import parse_json

_HEAD = 1 << 20  # bytes at the start, at least, whose keys are the columns: enough for keys that a few lines lack
_BLANKS = b" \t\r\n"


class JsonLines:
    """The objects of a file as a table, whose columns are the keys of its first block (1 MB at least, mostly 8), in their order.

    A key that a line lacks is an empty cell.
    """

    def __init__(self, text: SourceText) -> None:
        self.text, self.name = text, text.name
        blocks = text.blocks()
        start = next(blocks, b"")
        while len(start) < _HEAD and (more := next(blocks, b"")):
            start += more
        self._first = self._objects(start, 1)
        self._blocks = blocks
        self.columns = tuple(dict.fromkeys(chain.from_iterable(row for row in self._first.rows)))
        if not self._first.rows:
            reason = next((each.reason for each in self._first.malformed.values()), "there is no line in it")
            raise DataError(f"{self.name}: no line of its first {len(self._first.lines) or 1:,} is a JSON object ({reason})")

    @property
    def header(self) -> Header:
        return header_of(self.columns, 1)

    @property
    def nested(self) -> tuple[str, ...]:
        """The columns that hold a list or an object in the first block."""
        found = {name for row in self._first.rows for name, value in row.items() if isinstance(value, list | dict)}
        return tuple(name for name in self.columns if name in found)

    def rows(self, wanted: Collection[str] | None = None, *, late_keys: bool = False) -> Iterator[CellRows]:
        """Yield the rows. Of columns that are not `wanted` no cell is read; `late_keys` are no reason to set a line aside.

        Raises `DataError` for a list or an object in a column, `UndecodableText` for what is not UTF-8.
        """
        read = frozenset(self.columns if wanted is None else wanted)
        line, block = 1, self._first
        yield self._table(block, read, late_keys=late_keys)
        for data in self._blocks:
            line += block.count
            block = self._objects(data, line)
            yield self._table(block, read, late_keys=late_keys)

    def _objects(self, block: bytes, first_line: int) -> "_Objects":
        found = _Objects(block.count(b"\n"), len(block))
        for line, text in enumerate(block.split(b"\n"), first_line):
            if not text.strip(_BLANKS):
                continue
            try:
                text.decode()
            except UnicodeDecodeError:
                raise UndecodableText(line) from None
            try:
                value = parse_json(text)
                if b"\\ud" in text.lower():
                    json.dumps(value, ensure_ascii=False).encode()
            except ValueError as error:
                half = isinstance(error, UnicodeEncodeError)
                found.set_aside(line, f"not JSON: {'half of a surrogate pair' if half else error}", text)
                continue
            if isinstance(value, dict):
                found.rows.append(value)
                found.lines.append(line)
            else:
                found.set_aside(line, "not a JSON object", text)
        return found

    def _table(self, block: "_Objects", read: frozenset[str], *, late_keys: bool) -> CellRows:
        known = frozenset(self.columns)
        if not late_keys and any(row.keys() - known for row in block.rows):
            block = block.without_unknown(known)
        empty = [None] * len(block.rows)
        columns = [[row.get(name) for row in block.rows] if name in read else empty for name in self.columns]
        for name, values in zip(self.columns, columns, strict=True):
            if {list, dict} & set(map(type, values)):
                self._refuse_nested(name, values, block.lines)
        return CellRows(columns, block.lines, block.malformed, block.size)

    def _refuse_nested(self, name: str, values: list[Any], lines: list[int]) -> None:
        line, value = next((line, value) for line, value in zip(lines, values, strict=True) if isinstance(value, list | dict))
        what = "a list" if isinstance(value, list) else "an object"
        raise DataError(f"{self.name}, line {line:,}: '{name}' holds {what}; write its parts as keys of their own, or drop it"
                        " (cleaning.drop_columns)")  # fmt: skip


class _Objects:
    """The objects of a block with their lines; `count` line ends are in it, `size` bytes."""

    def __init__(self, count: int, size: int) -> None:
        self.count, self.size = count, size
        self.rows, self.lines = list[dict[str, Any]](), list[int]()
        self.malformed = dict[int, Malformed]()

    def set_aside(self, line: int, reason: str, text: bytes) -> None:
        self.malformed[line] = Malformed(reason, text.decode().rstrip("\r"))

    def without_unknown(self, known: frozenset[str]) -> "_Objects":
        """Return the objects that have no other keys; the others are set aside."""
        rest = _Objects(self.count, self.size)
        rest.malformed = self.malformed
        for line, row in zip(self.lines, self.rows, strict=True):
            if other := next((key for key in row if key not in known), None):
                text = json.dumps(row, ensure_ascii=False).encode("utf-8", "replace")
                rest.set_aside(line, f"ragged: the key '{other[:80]}', which no line of the first block has", text)
            else:
                rest.rows.append(row)
                rest.lines.append(line)
        return rest
