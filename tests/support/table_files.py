"""The same rows as a CSV, an Excel workbook, a Parquet file and JSON lines."""

import csv
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pyarrow as pa
import pyarrow.parquet as pq

from tabtrail.contract.typed_cells import cell_text

Rows = Sequence[Sequence[Any]]
_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
# Cell styles by what they show; the numbers are indices into cellXfs.
DATE, MOMENT, PERCENT, DURATION, TEXT = 1, 2, 3, 4, 5
_STYLES = (
    f'<styleSheet {_MAIN}><numFmts count="2"><numFmt numFmtId="164" formatCode="dd\\.mm\\.yyyy;@"/>'
    '<numFmt numFmtId="165" formatCode="[h]:mm:ss"/></numFmts><cellXfs count="6"><xf numFmtId="0"/><xf numFmtId="164"/>'
    '<xf numFmtId="22"/><xf numFmtId="10"/><xf numFmtId="165"/><xf numFmtId="49"/></cellXfs></styleSheet>'
)


@dataclass(frozen=True)
class ExcelError:
    """A cell that holds an error, such as #N/A."""

    text: str


@dataclass(frozen=True)
class Formula:
    """A cell with a formula and its stored result; None where it was never calculated."""

    text: str
    result: float | str | None


@dataclass(frozen=True)
class Styled:
    """A number that is shown in some style."""

    number: float
    style: int


def write_csv(path: Path, names: Sequence[str], rows: Rows, delimiter: str = ",") -> Path:
    """Write the texts of all cells."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([cell_text(cell) for cell in row] for row in rows)
    return path


def write_json_lines(path: Path, names: Sequence[str], rows: Rows) -> Path:
    """Write one object a line; dates are texts there."""
    objects = ({name: _plain(cell) for name, cell in zip(names, row, strict=True)} for row in rows)
    path.write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in objects), encoding="utf-8")
    return path


def write_parquet(path: Path, names: Sequence[str], rows: Rows, types: Mapping[str, Any] | None = None) -> Path:
    """Write typed columns; one whose cells are of several types as texts, unless `types` says which."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    arrays = [_array(cells, (types or {}).get(name)) for name, cells in zip(names, columns, strict=True)]
    pq.write_table(pa.table(arrays, names=list(names)), path)
    return path


def write_excel(path: Path, names: Sequence[str], rows: Rows, sheet: str = "Sheet1", **layout: Any) -> Path:
    """Write one sheet; numbers, texts, truth values and dates are typed cells, None no cell at all."""
    return write_workbook(path, {sheet: [list(names), *rows]}, **layout)


def write_workbook(
    path: Path,
    sheets: Mapping[str, Rows],
    *,
    hidden: Sequence[str] = (),
    merged: Sequence[str] = (),
    shared: bool = True,
    from_1904: bool = False,
    extra: Mapping[str, bytes] | None = None,
) -> Path:
    """Write sheets of rows as Excel lays them out; `merged` are areas of the first, `extra` parts replace others."""
    texts: dict[str, int] | None = {} if shared else None
    parts = {f"xl/worksheets/sheet{index}.xml": _sheet(rows, texts, merged if index == 1 else ()) for index, rows in
             enumerate(sheets.values(), 1)}  # fmt: skip
    state = dict.fromkeys(hidden, ' state="hidden"')
    entries = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{index}"{state.get(name, "")} r:id="rId{index}"/>'
        for index, name in enumerate(sheets, 1)
    )
    links = "".join(
        f'<Relationship Id="rId{index}" Type="{_LINKS}/worksheet" Target="worksheets/sheet{index}.xml"/>'
        for index in range(1, len(sheets) + 1)
    )
    properties = '<workbookPr date1904="1"/>' if from_1904 else "<workbookPr/>"
    parts |= {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "xl/workbook.xml": f'<workbook {_MAIN} xmlns:r="{_LINKS}">{properties}<sheets>{entries}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{links}</Relationships>',
        "xl/styles.xml": _STYLES,
    }  # fmt: skip
    if texts:
        parts["xl/sharedStrings.xml"] = f"<sst {_MAIN}>" + "".join(f"<si>{_t(text)}</si>" for text in texts) + "</sst>"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**parts, **(extra or {})}.items():
            archive.writestr(name, content)
    return path


FORMATS: dict[str, Callable[[Path, Sequence[str], Rows], Path]] = {
    ".csv": write_csv,
    ".xlsx": write_excel,
    ".parquet": write_parquet,
    ".jsonl": write_json_lines,
}


def _sheet(rows: Rows, texts: dict[str, int] | None, merged: Sequence[str]) -> str:
    lines = "".join(f'<row r="{number}">{_cells(number, row, texts)}</row>' for number, row in enumerate(rows, 1))
    areas = "<mergeCells>" + "".join(f'<mergeCell ref="{area}"/>' for area in merged) + "</mergeCells>" if merged else ""
    return f'<?xml version="1.0" encoding="UTF-8"?><worksheet {_MAIN}><sheetData>{lines}</sheetData>{areas}</worksheet>'


def _cells(number: int, row: Sequence[Any], texts: dict[str, int] | None) -> str:
    return "".join(_cell(f"{_letters(column)}{number}", cell, texts) for column, cell in enumerate(row))


def _cell(where: str, cell: Any, texts: dict[str, int] | None) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return f'<c r="{where}" t="b"><v>{int(cell)}</v></c>'
    if isinstance(cell, ExcelError):
        return f'<c r="{where}" t="e"><v>{cell.text}</v></c>'
    if isinstance(cell, Formula):
        kind = ' t="str"' if isinstance(cell.result, str) else ""
        return f'<c r="{where}"{kind}><f>{escape(cell.text)}</f><v>{"" if cell.result is None else cell.result}</v></c>'
    if isinstance(cell, Styled):
        return f'<c r="{where}" s="{cell.style}"><v>{cell.number!r}</v></c>'
    if isinstance(cell, date):
        moment = cell if isinstance(cell, datetime) else datetime(cell.year, cell.month, cell.day)
        serial = (moment - datetime(1899, 12, 30)).total_seconds() / 86_400
        return f'<c r="{where}" s="{MOMENT if isinstance(cell, datetime) else DATE}"><v>{serial!r}</v></c>'
    if isinstance(cell, int | float):
        return f'<c r="{where}"><v>{cell!r}</v></c>'
    if texts is None:
        return f'<c r="{where}" t="inlineStr"><is>{_t(cell)}</is></c>'
    return f'<c r="{where}" t="s"><v>{texts.setdefault(cell, len(texts))}</v></c>'


def _t(text: str) -> str:
    escaped = "".join(f"_x{ord(each):04X}_" if each < " " and each not in "\t\n" else each for each in text)
    return f'<t xml:space="preserve">{escape(escaped)}</t>'


def _letters(column: int) -> str:
    return (_letters(column // 26 - 1) if column >= 26 else "") + chr(65 + column % 26)


def _plain(cell: Any) -> Any:
    return cell_text(cell) if isinstance(cell, date) else cell


def _array(cells: Sequence[Any], kind: Any) -> Any:
    if kind is None and len({type(cell) for cell in cells if cell is not None}) > 1:
        return pa.array([cell_text(cell) for cell in cells], pa.string())
    return pa.array(list(cells), kind)
