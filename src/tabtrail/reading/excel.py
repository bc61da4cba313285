"""The rows of one sheet of an Excel workbook, read in a stream: what each cell holds, by type, and where a row is none."""

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pyexpat import ExpatError, ParserCreate, XMLParserType
from typing import Any

from tabtrail.contract.typed_cells import cell_text
from tabtrail.errors import DataError
from tabtrail.reading.cell_rows import CellRows, Malformed
from tabtrail.reading.compressed import SourceFile
from tabtrail.reading.workbook import (
    LARGEST_SHEET,
    GuardedPart,
    Package,
    choose_sheet,
    open_package,
    open_part,
    plain_text,
    read_package,
)
from tabtrail.system.hashes import sha256_file

MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384
"""What a sheet can have: Microsoft, "Excel specifications and limits"."""
_LONGEST_TEXT = 1 << 20  # characters of a cell; Excel allows 32,767
_READ = 1 << 20
_BLOCK_ROWS, _BLOCK_TEXT = 16_384, 16 << 20  # rows, and characters of their texts, that are handed on together
_LAST_SERIAL = 2_958_466  # 10000-01-01
_NOT_STORED = object()  # of a formula that was never calculated


@dataclass(frozen=True)
class SheetChoice:
    """Which sheet to read, and after how many of its rows the header stands; `named_by` is the key or option for the sheet."""

    sheet: str | None = None
    skip_rows: int = 0
    named_by: str = "source.sheet"


class ExcelSheet:
    """One sheet as a table: the first row that is not empty is its header.

    `columns` are the names in it, `header_line` its row in the sheet. `notes` are for the person who runs the command, known
    when all rows are read.
    """

    def __init__(self, file: SourceFile, choice: SheetChoice) -> None:
        self.file, self.name, self._choice = file, file.name, choice
        self.size, self.done, self.replaced = file.path.stat().st_size, 0, 0
        self.sha256 = self.content_sha256 = sha256_file(file.path)
        self.notes = tuple[str, ...]()
        with open_package(file) as archive:
            self._package = read_package(file.name, archive)
            self._sheet = choose_sheet(file.name, self._package.sheets, choice.sheet, choice.named_by)
            first = next(self._rows(archive, _Findings()), None)
        if first is None:
            raise DataError(f"{self.name}: the sheet '{self._sheet.name}' is empty")
        self.header_line, cells = first
        self.columns = tuple(cell_text(cells.get(column)) or "" for column in range(max(cells) + 1))

    @property
    def encoding(self) -> str:
        return f"xlsx, sheet {self._sheet.name}"

    def rows(self) -> Iterator[CellRows]:
        """Yield the rows below the header; empty ones are left out.

        Raises `DataError` for a damaged workbook, for merged cells below the header, and for what no sheet can hold.
        """
        findings = _Findings()
        with open_package(self.file) as archive:
            block = _Block(self.columns)
            for line, cells in self._rows(archive, findings):
                if line == self.header_line:
                    continue
                block.add(line, cells)
                if block.is_full:
                    yield block.take()
            yield block.take()
        self._refuse_merged(findings)
        if findings.errors:
            counts = ", ".join(f"{text} {count:,} times" for text, count in sorted(findings.errors.items()))
            self.notes = (f"{self.name} holds errors of Excel, read as these texts: {counts}; source.null_values can name them",)

    def _rows(self, archive: zipfile.ZipFile, findings: "_Findings") -> Iterator[tuple[int, dict[int, Any]]]:
        """Yield the rows that hold something, from the header on, with their numbers in the sheet."""
        parser = _SheetParser(self.name, self._package, findings)
        size = max(1, archive.getinfo(self._sheet.part).file_size)
        with ExitStack() as files:
            opened = files.enter_context(open_part(self.name, archive, self._sheet.part, LARGEST_SHEET))
            for found in parser.parse(GuardedPart(self.name, opened)):
                self.done = self.size * opened.tell() // size
                yield from (row for row in found if row[0] > self._choice.skip_rows)

    def _refuse_merged(self, findings: "_Findings") -> None:
        for area in findings.merged:
            last = area.rpartition(":")[2].lstrip("$ABCDEFGHIJKLMNOPQRSTUVWXYZ")
            if last.isdecimal() and int(last) > self.header_line:
                raise DataError(
                    f"{self.name}, sheet '{self._sheet.name}': {area} are merged, and only the first of them holds the value;"
                    " unmerge them and fill each cell"
                )


@dataclass
class _Findings:
    """What concerns the whole sheet: its errors by text, and the areas of merged cells."""

    errors: dict[str, int] = field(default_factory=dict)
    merged: list[str] = field(default_factory=list)


class _Block:
    """Rows on their way to columns."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self._columns, self._width = columns, len(columns)
        self._rows, self._lines = list[list[Any]](), list[int]()
        self._malformed = dict[int, Malformed]()
        self._text = 0

    @property
    def is_full(self) -> bool:
        return len(self._rows) + len(self._malformed) >= _BLOCK_ROWS or self._text >= _BLOCK_TEXT

    def add(self, line: int, cells: dict[int, Any]) -> None:
        """Take a row, or set it aside where it is longer than the header or has a formula without a result."""
        values = list(map(cells.get, range(self._width)))
        self._text += sum(len(value) for value in values if type(value) is str)
        if max(cells) >= self._width:
            reason = f"ragged: {max(cells) + 1} fields, the header has {self._width}"
            self._malformed[line] = Malformed(reason, _joined(cells))
        elif _NOT_STORED in values:
            column = self._columns[values.index(_NOT_STORED)]
            reason = f"{column}: a formula without a stored result (open the workbook in Excel and save it)"
            self._malformed[line] = Malformed(reason, _joined(cells))
        else:
            self._rows.append(values)
            self._lines.append(line)

    def take(self) -> CellRows:
        """Return the rows so far, and begin again."""
        columns = [list(values) for values in zip(*self._rows, strict=True)] if self._rows else [[] for _ in self._columns]
        taken = CellRows(columns, self._lines, self._malformed, self._text + 8 * len(self._rows) * self._width)
        self._rows, self._lines, self._malformed, self._text = [], [], {}, 0
        return taken


def _joined(cells: dict[int, Any]) -> str:
    return ",".join(
        "" if cell in (None, _NOT_STORED) else cell_text(cell) or "" for cell in map(cells.get, range(max(cells) + 1))
    )


class _SheetParser:
    """Turns the XML of a sheet into rows of cells by column. Source: ECMA-376, part 1, 18.3.1."""

    def __init__(self, name: str, package: Package, findings: _Findings) -> None:
        self._name, self._package, self._findings = name, package, findings
        self._found = list[tuple[int, dict[int, Any]]]()
        self._columns = dict[str, int]()
        self._row, self._cells, self._in_row = 0, dict[int, Any](), False
        self._column, self._last_column, self._type, self._style = -1, -1, "n", 0
        self._text, self._length = list[str](), 0
        self._listening, self._spoken, self._formula = False, False, False

    def parse(self, part: GuardedPart) -> Iterator[list[tuple[int, dict[int, Any]]]]:
        """Yield the rows that each block of the sheet ends."""
        parser = ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._characters
        for block in iter(partial(part.read, _READ), b""):
            self._feed(parser, block)
            yield self._found
            self._found = []
        self._feed(parser, b"", final=True)
        yield self._found

    def _feed(self, parser: XMLParserType, block: bytes, *, final: bool = False) -> None:
        try:
            parser.Parse(block, final)
        except (ExpatError, ValueError, LookupError, OverflowError) as error:
            raise DataError(f"{self._name}: damaged after row {self._row:,} ({error}); open it in Excel and save it") from None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if ":" in name:
            name = name.rpartition(":")[2]
        if name == "v" or name == "t":
            self._listening = self._column >= 0 and not self._spoken
        elif name == "c" and self._in_row:
            self._column = self._column_of(attributes.get("r"))
            self._type, self._style = attributes.get("t", "n"), int(attributes.get("s", 0))
            self._formula, self._length = False, 0
            self._text.clear()
        elif name == "f":
            self._formula = True
        elif name == "rPh":  # how a text is pronounced
            self._spoken = True
        elif name == "row":
            self._row = int(attributes.get("r", self._row + 1))
            if not 0 < self._row <= MOST_ROWS:
                raise DataError(f"{self._name}: row {self._row:,} is beyond the {MOST_ROWS:,} of a sheet; it is damaged")
            self._in_row, self._last_column = True, -1
            self._cells = {}
        elif name == "mergeCell":
            self._findings.merged.append(attributes.get("ref", ""))

    def _characters(self, text: str) -> None:
        if self._listening:
            self._length += len(text)
            if self._length > _LONGEST_TEXT:
                raise DataError(
                    f"{self._name}, row {self._row:,}: a cell of more than {_LONGEST_TEXT:,} characters; it is damaged"
                )
            self._text.append(text)

    def _end(self, name: str) -> None:
        if ":" in name:
            name = name.rpartition(":")[2]
        if name == "v" or name == "t":
            self._listening = False
        elif name == "c" and self._column >= 0:
            value = self._value("".join(self._text))
            if value is not None and value != "":
                self._cells[self._column] = value
            self._last_column, self._column = self._column, -1
        elif name == "rPh":
            self._spoken = False
        elif name == "row":
            self._in_row = False
            if self._cells:
                self._found.append((self._row, self._cells))

    def _column_of(self, reference: str | None) -> int:
        """Return the index of a cell's column: AB12 is in column 27."""
        if reference is None:
            index = self._last_column + 1
        else:
            letters = reference.rstrip("0123456789")
            if (known := self._columns.get(letters)) is not None:
                return known
            index = 0
            for letter in letters.upper():
                index = index * 26 + ord(letter) - 64
            index -= 1
            self._columns[letters] = index
        if not 0 <= index < MOST_COLUMNS:
            raise DataError(f"{self._name}: a cell in column {index + 1:,}; a sheet has {MOST_COLUMNS:,}; it is damaged")
        return index

    def _value(self, text: str) -> Any:
        kind = self._type
        if kind == "s":
            return self._package.texts[int(text)] if text else None
        if kind == "inlineStr" or kind == "str":
            return plain_text(text)
        if not text:
            return _NOT_STORED if self._formula else None
        if kind == "b":
            return text == "1"
        if kind == "e":
            self._findings.errors[text] = self._findings.errors.get(text, 0) + 1
            return text
        if kind == "d":
            return datetime.fromisoformat(text).replace(tzinfo=None)
        number = float(text)
        if self._style in self._package.dates:
            return _point_in_time(number, from_1904=self._package.from_1904)
        return _duration(number) if self._style in self._package.durations else number


def _point_in_time(serial: float, *, from_1904: bool) -> Any:
    """Return what a serial number shown as a date means: a datetime, a text for a time of day, the number where it is no date.

    Excel takes 1900 for a leap year: serial 60 is a day that there never was, and earlier ones are a day later.
    """
    if 0 <= serial < 1:
        return _duration(serial)
    if not 1 <= serial < _LAST_SERIAL:
        return serial
    if not from_1904 and serial < 61:
        if int(serial) == 60:
            return "1900-02-29"
        serial += 1
    start = datetime(1904, 1, 1) if from_1904 else datetime(1899, 12, 30)
    return start + timedelta(milliseconds=round(serial * 86_400_000))


def _duration(days: float) -> str:
    seconds = round(days * 86_400)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
