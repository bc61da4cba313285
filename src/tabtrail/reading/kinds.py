"""Which format a file is in, by its bytes; a format that is not read is named."""

import re
import zipfile
from itertools import islice
from typing import Literal

from tabtrail.errors import DataError
from tabtrail.reading.compressed import SourceFile, chunks_of, readable

Kind = Literal["csv", "excel", "parquet", "json lines"]

BY_NAME: dict[str, Kind] = {
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "json lines",
    ".ndjson": "json lines",
}
_CALLED = {"csv": "text", "excel": "an Excel workbook", "parquet": "a Parquet file", "json lines": "JSON lines"}
_TO_CSV = "save it as CSV, Parquet or .xlsx"
# The bytes at the start, the name of the format and what to do. Sources: the formats' specifications, or file(1)'s magic.
_NOT_READ = (
    (b"%PDF", "a PDF; a table has to be taken out of it first, as CSV"),
    (b"ARROW1", f"an Arrow IPC (Feather) file; {_TO_CSV}"),
    (b"FEA1", f"a Feather file; {_TO_CSV}"),
    (b"ORC", f"an ORC file; {_TO_CSV}"),
    (b"Obj\x01", f"an Avro file; {_TO_CSV}"),
    (b"\x89HDF", f"an HDF5 file; {_TO_CSV}"),
    (b"SQLite format 3", "an SQLite database; export the table as CSV"),
    (b"$FL2", f"an SPSS file (.sav); {_TO_CSV}"),
    (b"$FL3", f"an SPSS file (.zsav); {_TO_CSV}"),
    (b"<stata_dta>", f"a Stata file (.dta); {_TO_CSV}"),
    (b"\0" * 12 + b"\xc2\xea\x81\x60", f"a SAS file (.sas7bdat); {_TO_CSV}"),
    (b"RDX", f"an R file (.rdata); {_TO_CSV}"),
    (b"X\n\0\0\0", f"an R file (.rds); {_TO_CSV}"),
    (b"\x93NUMPY", f"a NumPy file; {_TO_CSV}"),
    (b"\x80\x04\x95", f"a pickle, which may run code when it is read; {_TO_CSV}"),
    (b"\x80\x05\x95", f"a pickle, which may run code when it is read; {_TO_CSV}"),
    (b"{\\rtf", "a text document (RTF); save its table as CSV"),
)  # fmt: skip
_NOT_UNPACKED = {
    b"\xfd7zX": "xz",
    b"BZh": "bzip2",
    b"7z\xbc\xaf": "7-Zip",
    b"Rar!": "RAR",
    b"\x04\x22\x4d\x18": "LZ4",
    b"PAR1": "a Parquet file within a compressed one",
    b"PK\x03\x04": "a workbook or an archive within a compressed one",
}
_ZIP, _OLE2, _COMPRESSED = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
_DUCKDB = slice(8, 12)
_START = 4096
_OBJECT = re.compile(rb'\{\s*(?:"(?:[^"\\]|\\.)*"\s*:|\}|"[^"]*\Z)')


def kind_of(file: SourceFile) -> tuple[Kind, str | None]:
    """Return the format of a file, and a note where its name says another one.

    Raises `DataError` that names the format for one that is not read, and for a file that is not what its name says.
    """
    with readable(file), file.path.open("rb") as opened:
        start = opened.read(_START)
    if start.startswith(_COMPRESSED):
        start = next(chunks_of(file), b"")[:_START]
        if inner := next((what for magic, what in _NOT_UNPACKED.items() if start.startswith(magic)), None):
            raise DataError(f"{file.name} is {inner}, which is not read; unpack it first")
    found = _by_magic(file, start)
    named = next((BY_NAME[suffix] for suffix in reversed(file.path.suffixes) if suffix.lower() in BY_NAME), None)
    if found is None and named in ("excel", "parquet", "json lines") and start:
        raise DataError(f"{file.name} is not {_CALLED[named]}, whatever its name says; it is damaged, or text to be named .csv")
    kind = found or "csv"
    other = named if named is not None else "csv" if _ends_as_csv(file) else kind
    if other == kind:
        return kind, None
    return kind, f"{file.name} is {_CALLED[kind]} by its bytes, whatever its name says, and is read as that"


def _ends_as_csv(file: SourceFile) -> bool:
    return any(suffix.lower() in (".csv", ".tsv", ".txt", ".xls") for suffix in file.path.suffixes)


def _by_magic(file: SourceFile, start: bytes) -> Kind | None:
    """Return the format that the bytes show; None for text that may be CSV."""
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.startswith(_ZIP):
        return _zipped(file)
    if start.startswith(_OLE2):
        raise DataError(f"{file.name} is {_ole2(file, start)}")
    if what := next((what for magic, what in _NOT_READ if start.startswith(magic)), None):
        raise DataError(f"{file.name} is {what}")
    if start[_DUCKDB] == b"DUCK":
        raise DataError(f"{file.name} is a DuckDB database; export the table as Parquet or CSV")
    return _by_text(file, start)


def _by_text(file: SourceFile, start: bytes) -> Kind | None:
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    lower = text[:200].lower()
    if lower.startswith((b"<!doctype html", b"<html", b"<table", b"<head", b"<body")):
        raise DataError(
            f"{file.name} is a web page (HTML), also where it is named .xls; open it in Excel and save it as .xlsx or CSV"
        )
    if lower.startswith(b"<?xml"):
        sheet = b"office:spreadsheet" in text or b"Excel.Sheet" in text
        what = "an Excel 2003 XML workbook; save it as .xlsx or CSV" if sheet else f"XML; {_TO_CSV}"
        raise DataError(f"{file.name} is {what}")
    if text.startswith(b"[") and text[1:].lstrip()[:1] in (b"{", b"[", b"]"):
        raise DataError(f"{file.name} is a JSON array; write one object a line instead (JSON lines, `jq -c '.[]'`)")
    if text.startswith(b"{"):
        return _json(file, text)
    return None


def _json(file: SourceFile, text: bytes) -> Kind | None:
    """Tell JSON lines from a CSV whose first column begins with a brace, and from one JSON document on many lines."""
    if not (found := _OBJECT.match(text)):
        return None
    if b"\n" in found.group():
        raise DataError(f"{file.name} is JSON, but not one object a line; write JSON lines (`jq -c '.[]'`)")
    return "json lines"


def _zipped(file: SourceFile) -> Kind:
    with readable(file):
        try:
            with file.path.open("rb") as opened, zipfile.ZipFile(opened) as archive:
                names = set(islice(archive.namelist(), 100_000))
                declared = (
                    archive.read("mimetype")[:100] if "mimetype" in names and archive.getinfo("mimetype").file_size < 100 else b""
                )
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError):
            raise DataError(f"{file.name} is a damaged workbook or zip archive; fetch the file again") from None
    if "xl/workbook.xml" in names:
        return "excel"
    if "xl/workbook.bin" in names:
        raise DataError(f"{file.name} is a binary Excel workbook (.xlsb); save it as .xlsx or CSV")
    if b"spreadsheet" in declared:
        raise DataError(f"{file.name} is an OpenDocument sheet (.ods); save it as .xlsx or CSV")
    if any(name.startswith(("word/", "ppt/")) for name in names):
        raise DataError(f"{file.name} is an Office document, not a workbook; save its table as .xlsx or CSV")
    raise DataError(f"{file.name} is a zip archive, which is not read; unpack it, or compress it with gzip or zstd")


def _ole2(file: SourceFile, start: bytes) -> str:
    """Name what a container of Microsoft's old format holds; a workbook with a password lies in one as well.

    Source: [MS-CFB], the header: the size of a sector at 30 (a power of two), the first sector of the directory at 48.
    """
    with readable(file), file.path.open("rb") as opened:
        opened.seek((int.from_bytes(start[48:52], "little") + 1) << min(start[30], 12))
        directory = opened.read(_START)
    if "EncryptedPackage".encode("utf-16-le") in directory:
        return "an Excel workbook with a password; save it without one"
    return "an Excel 97 file (.xls); save it as .xlsx or CSV"
