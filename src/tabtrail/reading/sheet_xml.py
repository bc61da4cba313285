"""The XML of a sheet, read in a stream: what each cell holds, by type. Source: ECMA-376, part 1, 18.3.1."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pyexpat import ExpatError, ParserCreate, XMLParserType
from typing import Any

from tabtrail.errors import DataError
from tabtrail.reading.workbook import GuardedPart, Package, plain_text

MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384
"""What a sheet can have: Microsoft, "Excel specifications and limits"."""
_LONGEST_TEXT = 1 << 20  # characters of a cell; Excel allows 32,767
_READ = 1 << 20
_LAST_SERIAL = 2_958_466  # 10000-01-01
NOT_STORED = object()
"""The value of a formula that was never calculated."""
Row = tuple[int, dict[int, Any]]
"""The number of a row in the sheet, from 1, and its cells by column, from 0."""


@dataclass
class Findings:
    """What concerns the whole sheet: its errors by text, and the areas of merged cells."""

    errors: dict[str, int] = field(default_factory=dict)
    merged: list[str] = field(default_factory=list)


class SheetParser:
    """Turns the XML of a sheet into rows; those without a cell that holds something are left out."""

    def __init__(self, name: str, package: Package, findings: Findings) -> None:
        self._name, self._package, self._findings = name, package, findings
        self._found = list[Row]()
        self._columns = dict[str, int]()
        self._row, self._cells, self._in_row = 0, dict[int, Any](), False
        self._column, self._last_column, self._type, self._style = -1, -1, "n", 0
        self._text, self._length = list[str](), 0
        self._listening, self._spoken, self._formula = False, False, False

    def parse(self, part: GuardedPart) -> Iterator[list[Row]]:
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
            index = self._columns[letters] = column_of(letters)
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
            return NOT_STORED if self._formula else None
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


def column_of(reference: str) -> int:
    """Return the index of a column from its letters: AB, or AB12, is 27; -1 without letters."""
    index = 0
    for letter in reference.rstrip("0123456789").upper():
        index = index * 26 + ord(letter) - 64
    return index - 1


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
