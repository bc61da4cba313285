"""An Excel workbook (.xlsx, .xlsm) as a package: its sheets, shared texts and date formats, within stated bounds.

Why no reader of others: fastexcel and python-calamine (tried: 0.21, 0.9) give an empty cell for an error (#N/A) and for a formula
whose result was never stored, fastexcel one type for a column of several, and both take memory for the rectangle around the
cells, which two cells can stretch to 17 billion. Source of the format: ECMA-376, part 1, chapters 10 and 18.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from posixpath import join, normpath
from typing import IO
from xml.etree import ElementTree

from tabtrail.errors import ConfigError, DataError, nearest
from tabtrail.reading.compressed import SourceFile, readable

LARGEST_PART = 512 << 20
"""Bytes, unpacked, of a part that is held in memory: the shared texts, the styles, the list of sheets."""
LARGEST_SHEET = 4 << 30
"""Bytes, unpacked, of a sheet, which is read in a stream: 1,048,576 rows of 100 cells of 40 bytes."""
_MOST_PARTS = 65_536
# Built-in formats that show a date or a time: ECMA-376, 18.8.30; 27 to 36 and 50 to 58 in East Asian versions.
_DATE_FORMATS = frozenset((*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)))
_NOT_CODES = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
_ELAPSED = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")


@dataclass(frozen=True)
class Sheet:
    """A worksheet: its name, the part that holds it, and whether it is shown."""

    name: str
    part: str
    visible: bool


@dataclass(frozen=True)
class Package:
    """What the cells of a workbook refer to. `dates` and `durations` are the styles that show a number as such."""

    sheets: tuple[Sheet, ...]
    texts: tuple[str, ...]
    dates: frozenset[int]
    durations: frozenset[int]
    from_1904: bool


@contextmanager
def open_package(file: SourceFile) -> Iterator[zipfile.ZipFile]:
    """Open a workbook. Raises `DataError` where it is damaged or does not keep its bounds."""
    try:
        with readable(file), zipfile.ZipFile(file.local) as archive:
            if len(archive.filelist) > _MOST_PARTS:
                raise DataError(f"{file.name}: more than {_MOST_PARTS:,} parts; this is not a workbook that Excel wrote")
            yield archive
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        EOFError,
        ElementTree.ParseError,
        KeyError,
        zlib.error,
    ) as error:
        raise DataError(f"{file.name} is a damaged workbook ({error}); open it in Excel and save it again") from None


def read_package(name: str, archive: zipfile.ZipFile) -> Package:
    """Return what the cells refer to."""
    book = _parse(name, archive, "xl/workbook.xml")
    properties = book.find("{*}workbookPr")
    dates, durations = _styles(name, archive)
    return Package(
        sheets=tuple(_sheets(name, archive, book)),
        texts=tuple(_texts(name, archive)),
        dates=dates,
        durations=durations,
        from_1904=properties is not None and properties.get("date1904") in ("1", "true"),
    )


def choose_sheet(name: str, sheets: tuple[Sheet, ...], wanted: str | None, named_by: str) -> Sheet:
    """Return the wanted sheet, or the only one that is shown. Raises an error that lists the sheets."""
    names = [sheet.name for sheet in sheets]
    if wanted is not None:
        if wanted not in names:
            raise ConfigError(f"{named_by}: {name} has no sheet '{wanted}'{nearest(wanted, names)}; it has {_list(names)}")
        return sheets[names.index(wanted)]
    shown = [sheet for sheet in sheets if sheet.visible]
    if len(shown) == 1:
        return shown[0]
    if not shown:
        raise DataError(f"{name} has no sheet that is shown" + (f"; set {named_by} to one of {_list(names)}" if names else ""))
    raise ConfigError(f"{name} has the sheets {_list([sheet.name for sheet in shown])}; set {named_by} to the one to read")


def open_part(name: str, archive: zipfile.ZipFile, part: str, largest: int) -> IO[bytes]:
    """Open a part. Raises `DataError` for one that unpacks to more than `largest` bytes: reading ends at the stated size."""
    size = archive.getinfo(part).file_size
    if size > largest:
        raise DataError(f"{name}: {part} unpacks to {size:,} bytes, more than {largest:,}; save the sheet as CSV or Parquet")
    return archive.open(part)


def refuse_doctype(name: str, block: bytes) -> None:
    """Raise `DataError` for a document type, in which entities could be declared that grow without bound; Excel writes none."""
    if b"<!DOCTYPE" in (block.replace(b"\0", b"") if b"\0" in block else block):
        raise DataError(f"{name} declares a document type, which no workbook does; it is not read")


def plain_text(text: str) -> str:
    """Return a text without Excel's escapes: `_x000D_` is a carriage return."""
    return _ESCAPE.sub(_unescaped, text) if "_x" in text else text


def _unescaped(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return found[0] if "\ud800" <= character <= "\udfff" else character  # half of a pair is no text


class GuardedPart:
    """A part that is read block by block, each without a document type."""

    def __init__(self, name: str, part: IO[bytes]) -> None:
        self._name, self._part = name, part

    def read(self, size: int = -1) -> bytes:
        block = self._part.read(size)
        refuse_doctype(self._name, block)
        return block


def _parse(name: str, archive: zipfile.ZipFile, part: str) -> ElementTree.Element:
    with open_part(name, archive, part, LARGEST_PART) as opened:
        return ElementTree.parse(GuardedPart(name, opened)).getroot()  # noqa: S314 - see the import


def _sheets(name: str, archive: zipfile.ZipFile, book: ElementTree.Element) -> Iterator[Sheet]:
    links = {link.get("Id"): link for link in _parse(name, archive, "xl/_rels/workbook.xml.rels")}
    for sheet in book.iterfind("{*}sheets/{*}sheet"):
        link = next((links.get(value) for key, value in sheet.items() if key.endswith("}id")), None)
        if link is not None and link.get("Type", "").endswith("/worksheet"):
            part = normpath(join("/xl", link.get("Target", ""))).lstrip("/")
            yield Sheet(sheet.get("name", ""), part, sheet.get("state", "visible") == "visible")


def _texts(name: str, archive: zipfile.ZipFile) -> Iterator[str]:
    """Yield the texts that cells share; what is said about their pronunciation (`rPh`) is not part of them."""
    part = next((each for each in archive.namelist() if each.lower() == "xl/sharedstrings.xml"), None)
    if part is None:
        return
    with open_part(name, archive, part, LARGEST_PART) as opened:
        parts = list[str]()
        root, spoken = None, 0
        for event, element in ElementTree.iterparse(GuardedPart(name, opened), ("start", "end")):  # noqa: S314
            root = element if root is None else root
            tag = element.tag.rpartition("}")[2]
            if tag == "rPh":
                spoken += 1 if event == "start" else -1
            elif event == "end" and tag == "t" and not spoken:
                parts.append(element.text or "")
            elif event == "end" and tag == "si":
                yield plain_text("".join(parts))
                parts.clear()
                root.clear()


def _styles(name: str, archive: zipfile.ZipFile) -> tuple[frozenset[int], frozenset[int]]:
    """Return the indices of the cell styles that show a date, and of those that show a duration."""
    if "xl/styles.xml" not in archive.namelist():
        return frozenset(), frozenset()
    root = _parse(name, archive, "xl/styles.xml")
    codes = {int(each.get("numFmtId", 0)): each.get("formatCode", "") for each in root.iterfind("{*}numFmts/{*}numFmt")}
    used = [int(each.get("numFmtId", 0)) for each in root.iterfind("{*}cellXfs/{*}xf")]
    kinds = {number: _kind_of_format(number, codes.get(number)) for number in set(used)}
    dates = frozenset(index for index, number in enumerate(used) if kinds[number] == "date")
    return dates, frozenset(index for index, number in enumerate(used) if kinds[number] == "duration")


def _kind_of_format(number: int, code: str | None) -> str:
    """Tell what a number format shows: `date` (a time of day too), `duration` or `number`."""
    if code is None:
        return "duration" if number == 46 else "date" if number in _DATE_FORMATS else "number"
    first = _NOT_CODES.sub("", code.split(";")[0]).lower()
    if _ELAPSED.search(first):
        return "duration"
    return "date" if set(first) & set("dmyhs") else "number"


def _list(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:20])
    return shown + (f" and {len(names) - 20} more" if len(names) > 20 else "")
