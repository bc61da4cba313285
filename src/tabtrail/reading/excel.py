"""One sheet of an Excel workbook as a table, read in a stream: its header, its rows, and where a row is none."""

import csv
import io
import zipfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from itertools import islice
from typing import Any

from tabtrail.contract.layout import Layout
from tabtrail.contract.typed_cells import cell_text
from tabtrail.errors import DataError
from tabtrail.reading.cell_rows import CellRows, Malformed
from tabtrail.reading.compressed import SourceFile
from tabtrail.reading.header import Header
from tabtrail.reading.sheet_xml import NOT_STORED, Findings, Row, SheetParser, column_of
from tabtrail.reading.workbook import LARGEST_SHEET, GuardedPart, choose_sheet, open_package, open_part, read_package
from tabtrail.system.hashes import sha256_file

_BLOCK_ROWS, _BLOCK_TEXT = 16_384, 16 << 20  # rows, and characters of their texts, that are handed on together
_LOOKED_AT = 50  # rows at the start among which a header is looked for that the configured row does not hold


class ExcelSheet:
    """One sheet as a table: below the rows to skip, the first row that is not empty is its header.

    `columns` are the names in it. `notes` are for the person who runs the command, known when all rows are read.
    """

    def __init__(self, file: SourceFile, layout: Layout, *, named_by: str = "source.sheet", strict: bool = True) -> None:
        """Open a workbook. A sheet of another name than the layout's is taken, where it is the only one, unless `strict`.

        Raises `DataError` for a workbook that cannot be read, `ConfigError` where the sheet is not known.
        """
        self.file, self.name, self._layout = file, file.name, layout
        self.size, self.done, self.replaced = file.size, 0, 0
        self.sha256 = self.content_sha256 = sha256_file(file.local)
        self.notes = tuple[str, ...]()
        with open_package(file) as archive:
            self._package = read_package(file.name, archive)
            names = {sheet.name for sheet in self._package.sheets}
            wanted = layout.sheet if strict or layout.sheet in names else None
            self._sheet = choose_sheet(file.name, self._package.sheets, wanted, named_by)
            first = list(islice(self._rows(archive, Findings()), _LOOKED_AT + layout.skip_rows))
        below = next((row for row in first if row[0] > layout.skip_rows), None)
        if below is None:
            raise DataError(f"{self.name}: the sheet '{self._sheet.name}' is empty")
        line, cells = below
        self.columns = tuple(cell_text(cells.get(column)) or "" for column in range(max(cells) + 1))
        self.header = Header(self.columns, line, ",", 0, line, _as_csv(first))

    @property
    def encoding(self) -> str:
        return f"xlsx, sheet {self._sheet.name}"

    def rows(self, wanted: Collection[str] | None = None) -> Iterator[CellRows]:
        """Yield the rows below the header; empty ones are left out. Of columns that are not `wanted` no cell is read.

        Raises `DataError` for a damaged workbook, for merged cells below the header, and for what no sheet can hold.
        """
        findings, read = Findings(), [column for column, name in enumerate(self.columns) if wanted is None or name in wanted]
        above = self.header.line + self._layout.skip_after_header
        block = _Block(self.columns, read)
        with open_package(self.file) as archive:
            for line, cells in self._rows(archive, findings):
                if line > above:
                    block.add(line, cells)
                if block.is_full:
                    yield block.take()
        yield block.take()
        self._refuse_merged(findings, read)
        if findings.errors:
            counts = ", ".join(f"{text} {count:,} times" for text, count in sorted(findings.errors.items()))
            self.notes = (f"{self.name} holds errors of Excel, read as these texts: {counts}; source.null_values can name them",)

    def _rows(self, archive: zipfile.ZipFile, findings: Findings) -> Iterator[Row]:
        """Yield the rows that hold something."""
        parser = SheetParser(self.name, self._package, findings)
        size = max(1, archive.getinfo(self._sheet.part).file_size)
        with ExitStack() as files:
            opened = files.enter_context(open_part(self.name, archive, self._sheet.part, LARGEST_SHEET))
            for found in parser.parse(GuardedPart(self.name, opened)):
                self.done = self.size * opened.tell() // size
                yield from found

    def _refuse_merged(self, findings: Findings, read: Collection[int]) -> None:
        for area in findings.merged:
            first, _, last = area.replace("$", "").partition(":")
            row = last.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
            columns = range(column_of(first), column_of(last) + 1)
            if row.isdecimal() and int(row) > self.header.line and any(column in columns for column in read):
                raise DataError(
                    f"{self.name}, sheet '{self._sheet.name}': {area} are merged, and only the first of them holds the value;"
                    " unmerge them and fill each cell"
                )


class _Block:
    """Rows on their way to columns, of which some are read."""

    def __init__(self, columns: tuple[str, ...], read: list[int]) -> None:
        self._columns, self._width, self._read = columns, len(columns), read
        self._rows, self._lines = list[list[Any]](), list[int]()
        self._malformed = dict[int, Malformed]()
        self._text = 0

    @property
    def is_full(self) -> bool:
        return len(self._rows) + len(self._malformed) >= _BLOCK_ROWS or self._text >= _BLOCK_TEXT

    def add(self, line: int, cells: dict[int, Any]) -> None:
        """Take a row, or set it aside where it is longer than the header or has a formula without a result."""
        values = list(map(cells.get, self._read))
        self._text += sum(len(value) for value in values if type(value) is str)
        if max(cells) >= self._width:
            reason = f"ragged: {max(cells) + 1} fields, the header has {self._width}"
            self._malformed[line] = Malformed(reason, ",".join(_texts(cells)))
        elif NOT_STORED in values:
            column = self._columns[self._read[values.index(NOT_STORED)]]
            reason = f"{column}: a formula without a stored result (open the workbook in Excel and save it)"
            self._malformed[line] = Malformed(reason, ",".join(_texts(cells)))
        else:
            self._rows.append(values)
            self._lines.append(line)

    def take(self) -> CellRows:
        """Return the rows so far, and begin again."""
        found = dict(zip(self._read, zip(*self._rows, strict=True), strict=True)) if self._rows else {}
        columns = [list(found.get(column, [None] * len(self._rows))) for column in range(self._width)]
        taken = CellRows(columns, self._lines, self._malformed, self._text + 8 * len(self._rows) * self._width)
        self._rows, self._lines, self._malformed, self._text = [], [], {}, 0
        return taken


def _texts(cells: dict[int, Any]) -> list[str]:
    found = map(cells.get, range(max(cells) + 1))
    return ["" if cell is NOT_STORED else cell_text(cell) or "" for cell in found]


def _as_csv(rows: list[Row]) -> bytes:
    """Return rows as the lines of a CSV, each on its own line, for the advice on a header that does not fit."""
    written, line = io.StringIO(), 1
    for row, cells in rows:
        written.write("\n" * min(row - line, 1000))
        csv.writer(written, lineterminator="\n").writerow(" ".join(text.split()) for text in _texts(cells))
        line = row + 1
    return written.getvalue().encode(errors="replace")
