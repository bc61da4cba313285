"""Workbooks: what each cell holds, which rows are none, and what is refused."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support.table_files import (
    DATE,
    DURATION,
    MOMENT,
    PERCENT,
    TEXT,
    ExcelError,
    Formula,
    Rows,
    Styled,
    write_excel,
    write_workbook,
)

from tabtrail.contract.layout import Layout
from tabtrail.errors import ConfigError, DataError, TabtrailError
from tabtrail.reading import excel, sheet_xml, workbook
from tabtrail.reading.compressed import SourceFile
from tabtrail.reading.excel import ExcelSheet


def read(path: Path, **choice: Any) -> ExcelSheet:
    return ExcelSheet(SourceFile(path, path.name), Layout(**choice))


def cells_of(sheet: ExcelSheet) -> dict[int, list[Any]]:
    """Return the cells of each row, by its number in the sheet."""
    found = {}
    for block in sheet.rows():
        found.update(zip(block.lines, map(list, zip(*block.columns, strict=True)), strict=True))
    return found


def one_cell(folder: Path, cell: Any, **layout: Any) -> Any:
    return cells_of(read(write_excel(folder / "one.xlsx", ["a"], [[cell]], **layout)))[2][0]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (10022, 10022.0),
        ("007", "007"),
        ("2,871.00", "2,871.00"),
        (True, True),
        (Styled(0.957, PERCENT), 0.957),
        (Styled(37676, DATE), datetime(2003, 2, 24)),
        (Styled(37676.5625, MOMENT), datetime(2003, 2, 24, 13, 30)),
        (Styled(0.5625, MOMENT), "13:30:00"),
        (Styled(1.25, DURATION), "30:00:00"),
        (Styled(5, TEXT), 5.0),
        (Styled(1, DATE), datetime(1900, 1, 1)),
        (Styled(59, DATE), datetime(1900, 2, 28)),
        (Styled(60, DATE), "1900-02-29"),
        (Styled(61, DATE), datetime(1900, 3, 1)),
        (Styled(-5, DATE), -5.0),
        (Styled(3e6, DATE), 3e6),
        (ExcelError("#N/A"), "#N/A"),
        (Formula("1+1", 2), 2.0),
        (Formula('"a"&"b"', "ab"), "ab"),
        ("carriage\rreturn", "carriage\rreturn"),
        ("<&> ü 😀", "<&> ü 😀"),
    ],
)
def test_a_cell_is_what_excel_stores_in_it(cell: Any, value: Any, tmp_path: Path) -> None:
    found = one_cell(tmp_path, cell)
    assert (type(found), found) == (type(value), value)


def test_texts_within_their_cells_read_as_shared_ones_do(tmp_path: Path) -> None:
    assert one_cell(tmp_path, " a\n<b> ", shared=False) == one_cell(tmp_path, " a\n<b> ") == " a\n<b> "


def test_a_workbook_that_counts_from_1904_gives_its_own_days(tmp_path: Path) -> None:
    assert one_cell(tmp_path, Styled(36214, DATE), from_1904=True) == datetime(2003, 2, 24)


def test_rows_keep_their_numbers_and_empty_ones_are_left_out(tmp_path: Path) -> None:
    rows: Rows = [["x", 1], [None, None], ["y", None], [None, None], [None, None]]
    assert cells_of(read(write_excel(tmp_path / "gaps.xlsx", ["a", "b"], rows))) == {2: ["x", 1.0], 4: ["y", None]}


def test_the_header_is_the_first_row_below_those_that_are_skipped(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "title.xlsx", {"S": [["Sales 2003"], [None], ["a", 2003], [1, 2]]})
    sheet = read(path, skip_rows=1)
    assert (sheet.columns, sheet.header.line, cells_of(sheet)) == (("a", "2003"), 3, {4: [1.0, 2.0]})


def test_a_formula_that_was_never_calculated_sets_its_row_aside(tmp_path: Path) -> None:
    sheet = read(write_excel(tmp_path / "f.xlsx", ["a", "b"], [[1, 2], [Formula("A2*2", None), 3]]))
    malformed = {line: each for block in sheet.rows() for line, each in block.malformed.items()}
    assert list(malformed) == [3]
    assert malformed[3].reason.startswith("a: a formula without a stored result")


def test_a_row_longer_than_the_header_is_set_aside(tmp_path: Path) -> None:
    sheet = read(write_excel(tmp_path / "long.xlsx", ["a", "b"], [[1, 2], [1, 2, None, "more"]]))
    malformed = {line: each for block in sheet.rows() for line, each in block.malformed.items()}
    assert (malformed[3].reason, malformed[3].text) == ("ragged: 4 fields, the header has 2", "1,2,,more")


def test_errors_of_excel_are_noted_with_their_counts(tmp_path: Path) -> None:
    sheet = read(write_excel(tmp_path / "e.xlsx", ["a"], [[ExcelError("#REF!")], [ExcelError("#N/A")], [ExcelError("#N/A")]]))
    list(sheet.rows())
    assert "#N/A 2 times, #REF! 1 times" in sheet.notes[0]


def test_merged_cells_below_the_header_are_refused_and_above_it_are_not(tmp_path: Path) -> None:
    rows = {"S": [["title", None], ["a", "b"], [1, 2], [None, 3]]}
    above = read(write_workbook(tmp_path / "above.xlsx", rows, merged=["A1:B1"]), skip_rows=1)
    assert len(cells_of(above)) == 2
    with pytest.raises(DataError, match=r"A3:A4 are merged, and only the first of them holds the value"):
        cells_of(read(write_workbook(tmp_path / "below.xlsx", rows, merged=["A1:B1", "A3:A4"]), skip_rows=1))


SHEETS: dict[str, Rows] = {"Orders": [["a"], [1]], "Prices": [["b"], [2]], "Secret": [["c"], [3]]}


def test_the_only_sheet_that_is_shown_needs_no_name(tmp_path: Path) -> None:
    assert read(write_workbook(tmp_path / "w.xlsx", SHEETS, hidden=["Prices", "Secret"])).columns == ("a",)


def test_several_sheets_are_listed_and_a_wrong_name_gets_the_near_miss(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "w.xlsx", SHEETS, hidden=["Secret"])
    with pytest.raises(ConfigError, match=r"has the sheets 'Orders', 'Prices'; set source.sheet"):
        read(path)
    with pytest.raises(ConfigError, match=r"no sheet 'orders'; did you mean 'Orders'\?"):
        read(path, sheet="orders")
    assert read(path, sheet="Secret").columns == ("c",)


def test_a_sheet_in_blocks_is_the_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_excel(tmp_path / "b.xlsx", ["a", "b"], [[index, f"text {index}"] for index in range(500)])
    whole = cells_of(read(path))
    monkeypatch.setattr(excel, "_BLOCK_ROWS", 7)
    monkeypatch.setattr(sheet_xml, "_READ", 64)
    assert cells_of(read(path)) == whole
    assert len(whole) == 500


BILLION = b'<!DOCTYPE w [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize(
    ("part", "content"),
    [
        (SHEET, BILLION + b"<worksheet><sheetData><row><c t='str'><v>&b;</v></c></row></sheetData></worksheet>"),
        ("xl/sharedStrings.xml", BILLION + b"<sst><si><t>&b;</t></si></sst>"),
        ("xl/workbook.xml", BILLION + b"<workbook/>"),
        (SHEET, ("<?xml version='1.0' encoding='utf-16'?>" + BILLION.decode() + "<worksheet/>").encode("utf-16")),
        (SHEET, b"<worksheet><sheetData><row r='1'><c r='A1'><v>not a number</v></c></row></sheetData></worksheet>"),
        (SHEET, b"<worksheet><sheetData><row r='1'><c r='A1' t='s'><v>99</v></c></row></sheetData></worksheet>"),
        (SHEET, b"<worksheet><sheetData><row r='1048577'><c r='A1'><v>1</v></c></row></sheetData></worksheet>"),
        (SHEET, b"<worksheet><sheetData><row r='1'><c r='XFE1'><v>1</v></c></row></sheetData></worksheet>"),
        (
            SHEET,
            b"<worksheet><sheetData><row r='1'><c t='str'><v>" + b"x" * (1 << 21) + b"</v></c></row></sheetData></worksheet>",
        ),
        (SHEET, b"<worksheet><sheetData><row r='1'>"),
    ],
)
def test_a_workbook_that_excel_would_not_write_is_refused(part: str, content: bytes, tmp_path: Path) -> None:
    path = write_excel(tmp_path / "bad.xlsx", ["a"], [["x"]], extra={part: content})
    with pytest.raises(DataError, match=r"bad\.xlsx"):
        cells_of(read(path))


def test_two_cells_far_apart_take_no_memory_for_what_lies_between(tmp_path: Path) -> None:
    cells = "<row><c t='str'><v>a</v></c></row><row r='1048576'><c r='A1048576'><v>7</v></c></row>"
    far = f"<worksheet><sheetData>{cells}</sheetData></worksheet>".encode()
    assert cells_of(read(write_excel(tmp_path / "far.xlsx", ["a"], [], extra={SHEET: far}))) == {1048576: [7.0]}


def test_parts_that_unpack_beyond_their_bounds_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_excel(tmp_path / "bomb.xlsx", ["a"], [["x" * 5000]])
    monkeypatch.setattr(workbook, "LARGEST_PART", 4000)
    with pytest.raises(DataError, match=r"sharedStrings\.xml unpacks to .* more than 4,000"):
        read(path)
    monkeypatch.undo()
    monkeypatch.setattr(excel, "LARGEST_SHEET", 100)
    with pytest.raises(DataError, match=r"sheet1\.xml unpacks to"):
        read(path)


def test_any_damage_to_a_workbook_is_a_typed_error(tmp_path: Path) -> None:
    path = write_excel(tmp_path / "w.xlsx", ["a", "b"], [[index, "text"] for index in range(50)])
    data = path.read_bytes()
    for cut in range(0, len(data), 97):
        (tmp_path / "cut.xlsx").write_bytes(data[:cut] + bytes([data[cut] ^ 0x55]) + data[cut + 1 :])
        try:
            cells_of(read(tmp_path / "cut.xlsx"))
        except TabtrailError:
            continue


def test_prefixes_of_the_namespace_change_nothing(tmp_path: Path) -> None:
    sheet = (
        b"<x:worksheet xmlns:x='http://schemas.openxmlformats.org/spreadsheetml/2006/main'><x:sheetData>"
        b"<x:row><x:c t='str'><x:v>a</x:v></x:c></x:row><x:row><x:c><x:v>5</x:v></x:c></x:row></x:sheetData></x:worksheet>"
    )
    assert cells_of(read(write_excel(tmp_path / "p.xlsx", ["a"], [], extra={SHEET: sheet}))) == {2: [5.0]}


def test_how_a_text_is_pronounced_is_no_part_of_it(tmp_path: Path) -> None:
    main = b"xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main'"
    texts = (
        b"<sst " + main + b"><si><t>a</t></si><si><r><t>to</t></r><r><t>kyo</t></r><rPh sb='0' eb='1'><t>xx</t></rPh></si></sst>"
    )
    path = write_excel(tmp_path / "ph.xlsx", ["a"], [["b"]], extra={"xl/sharedStrings.xml": texts})
    assert cells_of(read(path)) == {2: ["tokyo"]}
