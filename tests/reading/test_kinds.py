"""The format of a file is told by its bytes; what is not read is named, and a name that says something else is noted."""

import gzip
import zipfile
from pathlib import Path

import pytest
from tests.support.table_files import write_excel, write_json_lines, write_parquet

from tabtrail.errors import DataError
from tabtrail.reading.compressed import SourceFile
from tabtrail.reading.kinds import kind_of

OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 22 + b"\x09\0" + b"\0" * 16 + b"\0\0\0\0" + b"\0" * 460


def kind(path: Path) -> tuple[str, str | None]:
    return kind_of(SourceFile(path, path.name))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.xls", OLE2 + "Workbook".encode("utf-16-le"), r"an Excel 97 file \(.xls\); save it as .xlsx or CSV"),
        ("a.xlsx", OLE2 + "EncryptedPackage".encode("utf-16-le"), "an Excel workbook with a password"),
        ("a.xls", b"<html><table><tr><td>1</td></tr></table></html>", r"a web page \(HTML\)"),
        ("a.xls", b"\xef\xbb\xbf\r\n<TABLE border=1>", r"a web page \(HTML\)"),
        ("a.xls", b"<?xml version='1.0'?><Workbook xmlns='urn:schemas-microsoft-com:office:spreadsheet'>", "an Excel 2003 XML"),
        ("a.xml", b"<?xml version='1.0'?><rows/>", "is XML"),
        ("a.json", b'[\n {"a": 1}\n]', "a JSON array; write one object a line"),
        ("a.json", b'{\n  "a": 1\n}', "not one object a line"),
        ("a.pdf", b"%PDF-1.7", "a PDF"),
        ("a.feather", b"ARROW1\0\0", "an Arrow IPC"),
        ("a.orc", b"ORC\0", "an ORC file"),
        ("a.avro", b"Obj\x01", "an Avro file"),
        ("a.sas7bdat", b"\0" * 12 + b"\xc2\xea\x81\x60\xb3", "a SAS file"),
        ("a.sav", b"$FL2@(#)", "an SPSS file"),
        ("a.dta", b"<stata_dta><header>", "a Stata file"),
        ("a.h5", b"\x89HDF\r\n", "an HDF5 file"),
        ("a.db", b"SQLite format 3\0", "an SQLite database"),
        ("a.duckdb", b"\0" * 8 + b"DUCK" + b"\0" * 20, "a DuckDB database"),
        ("a.pkl", b"\x80\x05\x95\0\0", "a pickle"),
        ("a.xlsx", b"a,b\n1,2\n", "is not an Excel workbook, whatever its name says"),
        ("a.parquet", b"a,b\n1,2\n", "is not a Parquet file, whatever its name says"),
        ("a.jsonl", b"a,b\n1,2\n", "is not JSON lines, whatever its name says"),
        ("a.xlsx", b"PK\x03\x04 cut off", "a damaged workbook or zip archive"),
        ("a.csv.gz", gzip.compress(b"PAR1 and so on", mtime=0), "a Parquet file within a compressed one"),
    ],
)
def test_a_format_that_is_not_read_is_named(name: str, content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=words):
        kind(tmp_path / name)


@pytest.mark.parametrize(
    ("member", "content", "words"),
    [
        ("xl/workbook.bin", b"", r"a binary Excel workbook \(.xlsb\)"),
        ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet", r"an OpenDocument sheet \(.ods\)"),
        ("word/document.xml", b"", "an Office document"),
        ("rows.csv", b"a,b\n", "a zip archive, which is not read"),
    ],
)
def test_an_archive_is_named_by_what_lies_in_it(member: str, content: bytes, words: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(member, content)
    with pytest.raises(DataError, match=words):
        kind(tmp_path / "a.zip")


def test_the_bytes_tell_the_format_and_the_name_is_noted_where_it_says_another(tmp_path: Path) -> None:
    for write, found, ending in (
        (write_excel, "excel", ".xlsx"),
        (write_parquet, "parquet", ".parquet"),
        (write_json_lines, "json lines", ".jsonl"),
    ):
        assert kind(write(tmp_path / f"rows{ending}", ["a"], [["x"]])) == (found, None)
        told, note = kind(write(tmp_path / "rows.csv", ["a"], [["x"]]))
        assert told == found
        assert note is not None
        assert note.startswith("rows.csv is ")


def test_text_is_a_csv_whatever_it_begins_with(tmp_path: Path) -> None:
    for text in ("a,b\n1,2\n", "{id},[name]\n1,2\n", "[id],[name]\n1,2\n", "<b>,x\n", '{"a"}\n', "", "x"):
        (tmp_path / "a.csv").write_text(text)
        assert kind(tmp_path / "a.csv") == ("csv", None)


def test_json_lines_may_be_compressed_and_begin_with_a_bad_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"a": NaN}\n{"a": 1}\n'))
    assert kind(tmp_path / "a.jsonl.gz") == ("json lines", None)
