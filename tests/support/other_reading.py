"""Made-up CSV files, each with its own style, and another reading of them: Python's `csv`, `Decimal` and `datetime`."""

import csv
import io
import random
import re
import tempfile
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from tabtrail.config.load import load_config
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.ingest import ingest
from tabtrail.errors import TabtrailError

COLUMNS = ("id", "d", "n", "x", "t", "y")
DATE_FORMATS = {
    "%Y-%m-%d": r"\d{4}-\d\d?-\d\d?",
    "%d.%m.%Y": r"\d\d?\.\d\d?\.\d{4}",
    "%m/%d/%Y %H:%M": r"\d\d?/\d\d?/\d{4} \d\d?:\d\d?",
    "%d-%b-%Y": r"\d\d?-[A-Za-z]{3}-\d{4}",
    "%d %B %Y": r"\d\d? [A-Za-z]+ \d{4}",
    "%d/%m/%y": r"\d\d?/\d\d?/\d\d",
    "%Y%m%d": r"\d{8}",
}
ENCODINGS = {
    "utf-8": ("utf-8", "auto"),
    "utf-8-sig": ("utf-8-sig", "auto"),
    "utf-16": ("utf-16", "auto"),
    "cp1252": ("cp1252", "cp1252"),
    "cp850": ("cp850", "cp850"),
    "latin-1": ("latin-1", "latin-1"),
}
ODD_NUMBERS = [
    "nan",
    "inf",
    "-inf",
    "1e5",
    "1E-3",
    "0x1A",
    "1_0",
    "--1",
    "1-",
    "1..2",
    "1,2,3",
    "12.34.567",
    "1 2",
    "٣",
    "１２",
    "+",
    ".",
]
ODD_NUMBERS += [
    "9007199254740993",
    "99999999999999999999",
    "1e999",
    "-0",
    "+7",
    ".5",
    "5.",
    "007",
    "1.5e",
    "TRUE",
    "5,5",
    "5.5",
    "1'000",
]
ODD_DATES = [
    "0000-01-01",
    "-001-01-01",
    "+2003-01-02",
    "12-AUG-20",
    "01/02/03",
    " 985- 2-04",
    "2003-02-30",
    "29.02.2001",
    "44949",
]
ODD_DATES += [
    "2003-1-5 ",
    "20030105x",
    "31/12/69",
    "1/1/00",
    "9999-12-31",
    "1899-12-31",
    "2003-13-01",
    "5 Juni 2003",
    "٢٠٠٣-٠١-٠١",
    "24:00",
]
WORDS = [
    "plain",
    "two words",
    '5" pipe',
    "a;b",
    "a,b",
    "it's",
    "NA",
    "Málaga",
    "tab\there",
    "line\nbreak",
    " lead",
    "",
    "'q'",
    "=1+1",
    "\\",
]


@dataclass(frozen=True)
class Style:
    """How one file is written."""

    encoding: str
    delimiter: str
    line_end: str
    quoting: str
    date_format: str
    decimal: str
    thousands: str | None
    strip: tuple[str, ...]
    percent: bool
    parentheses: bool
    spoiled: float

    @property
    def config(self) -> dict[str, Any]:
        number = {"strip": list(self.strip), "percent": self.percent, "parentheses_negative": self.parentheses}
        source = {"encoding": ENCODINGS[self.encoding][1], "delimiter": self.delimiter, "decimal": self.decimal}
        columns = {
            "id": {"dtype": "string", "nullable": False},
            "d": {"dtype": "date"},
            "n": {"dtype": "int"},
            "t": {"dtype": "string"},
        }
        return {
            "version": 2,
            "paths": {"raw_csv": "x.csv"},
            "source": {**source, "thousands": self.thousands, "null_values": {"t": ["NA"]}},
            "cleaning": {"date_column": "d", "date_formats": [self.date_format], "plausible_years": [1900, 2100]},
            "contract": {
                "max_reject_share": 1,
                "columns": {**columns, "x": {"dtype": "float", "number": number}, "y": {"dtype": "float", "nullable": False}},
            },
            "model": {"target": "y", "numeric_features": ["x", "n"], "categorical_features": ["t"]},
            "split": {"kind": "random", "folds": 2},
        }


def style_of(rng: random.Random) -> Style:
    decimal = rng.choice(".,")
    delimiter = rng.choice([d for d in ",;\t|" if d != decimal])
    thousands = rng.choice([None, None, *(mark for mark in ".,' " if mark not in (decimal, delimiter))])
    return Style(
        rng.choice(list(ENCODINGS)),
        delimiter,
        rng.choice(["\n", "\r\n"]),
        rng.choice(["minimal", "all", "random"]),
        rng.choice(list(DATE_FORMATS)),
        decimal,
        thousands,
        rng.choice([(), ("$",), ("kg", "$")]),
        rng.random() < 0.2,
        rng.random() < 0.2,
        rng.choice([0, 0, 0.02, 0.1]),
    )


def number_text(value: Decimal, style: Style, rng: random.Random, *, marked: bool) -> str:
    """Write a number in the marks of a style; `marked`: with its signs of money, percent and parentheses."""
    whole, _, fraction = f"{abs(value):f}".partition(".")
    if style.thousands and rng.random() < 0.7:
        whole = f"{int(whole):,}".replace(",", style.thousands)
    text = whole + (style.decimal + fraction if fraction else "")
    if marked:
        text += rng.choice(["%", " %"]) if style.percent else ""
        if style.strip and rng.random() < 0.7:
            text = style.strip[0] + text if rng.random() < 0.5 else f"{text} {style.strip[-1]}"
        if value < 0 and style.parentheses and rng.random() < 0.5:
            return f"({text})"
    return f"-{text}" if value < 0 else text


def row_of(index: int, style: Style, rng: random.Random) -> list[str]:
    day = date(rng.randint(1970, 2068), rng.randint(1, 12), rng.randint(1, 28))
    moment = datetime(day.year, day.month, day.day, rng.randint(0, 23), rng.randint(0, 59))
    shown = moment.strftime(style.date_format)
    if rng.random() < 0.3 and style.date_format != "%Y%m%d":
        shown = re.sub(r"(?<!\d)0(\d)(?!\d)", r"\1", shown) if style.date_format != "%d/%m/%y" else shown
    x = Decimal(rng.randint(-(10**7), 10**7)).scaleb(-rng.choice([0, 1, 2, 3]))
    whole = Decimal(rng.randint(-(10**6), 10**6))
    words = [word for word in WORDS if can_encode(word, style.encoding)]
    return [
        f"r{index}",
        shown if rng.random() < 0.95 else "",
        number_text(whole, style, rng, marked=False) if rng.random() < 0.9 else "",
        number_text(x, style, rng, marked=True) if rng.random() < 0.9 else "",
        rng.choice(words),
        number_text(Decimal(rng.randint(0, 10**6)).scaleb(-2), style, rng, marked=False),
    ]


def can_encode(text: str, encoding: str) -> bool:
    try:
        text.encode(ENCODINGS[encoding][0])
    except UnicodeEncodeError:
        return False
    return True


def spoil(cells: list[str], style: Style, rng: random.Random) -> list[str]:
    """Return the cells with some of them damaged in ways that files are."""
    found = list(cells)
    for place, odd in ((1, ODD_DATES), (2, ODD_NUMBERS), (3, ODD_NUMBERS), (5, ODD_NUMBERS)):
        if rng.random() < style.spoiled:
            text = rng.choice([rng.choice(odd), mutated(found[place], rng)])
            found[place] = text if can_encode(text, style.encoding) else "?"
    return found


def mutated(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    change = rng.randrange(4)
    if change == 0:
        return text[:at] + text[at + 1 :]
    if change == 1:
        return text[:at] + rng.choice("0123456789.,-+ '()%$/:eE\xa0x") + text[at:]
    if change == 2:
        return f" {text}  "
    return text[:at] + text[at : at + 1] * 2 + text[at + 1 :]


def field(text: str, style: Style, rng: random.Random) -> str:
    needs = any(character in text for character in (style.delimiter, '"', "\n", "\r"))
    quote = needs or style.quoting == "all" or (style.quoting == "random" and rng.random() < 0.3)
    return '"' + text.replace('"', '""') + '"' if quote else text


def broken_line(line: str, style: Style, rng: random.Random) -> str:
    """Return a line whose quotes or number of fields are wrong."""
    return rng.choice(
        [
            line + style.delimiter + "more",
            line.rpartition(style.delimiter)[0],
            line.replace("r", '"r"x', 1),
            line.replace(style.delimiter, f'{style.delimiter}"say \\"hi\\", now"', 1),
            line + ' "',
            line.replace("r", 'r"', 1),
        ]
    )


def file_of(style: Style, rng: random.Random) -> tuple[str, bool]:
    """Return the text of a file, and whether something in it is spoiled."""
    spoiled = False
    lines = [style.delimiter.join(field(name, style, rng) for name in COLUMNS)]
    for index in range(rng.randint(8, 60)):
        cells = row_of(index, style, rng)
        damaged = spoil(cells, style, rng)
        line = style.delimiter.join(field(cell, style, rng) for cell in damaged)
        if rng.random() < style.spoiled / 3:
            line, damaged = broken_line(line, style, rng), []
        spoiled |= damaged != cells
        lines.append(line)
    return style.line_end.join(lines) + (style.line_end if rng.random() < 0.8 else ""), spoiled


class Unreadable(Exception):  # noqa: N818 - a finding, no error
    """A cell that cannot be read."""


def other_number(text: str, style: Style, *, marked: bool) -> Decimal:
    """Read a number with `Decimal`, by peeling off what the style allows. Raises `Unreadable`."""
    rest, negative = text.strip(), False
    strip = style.strip if marked else ()
    if marked and style.parentheses:
        outer = peel(rest, strip)
        if outer.startswith("(") and outer.endswith(")"):
            rest, negative = outer[1:-1].strip(), True
            if peel(rest, strip)[:1] in tuple("+-\u2212"):
                raise Unreadable
    sign, rest = sign_of(peel(rest, strip, front=True))
    rest = peel(rest, strip, front=True)
    rest = peel(rest, strip, back=True)
    if marked and style.percent:
        if not rest.endswith("%"):
            raise Unreadable
        rest = rest[:-1].rstrip()
    mantissa, exponent = (rest, "")
    if not (marked and style.percent) and (at := re.search("[eE]", rest)):
        mantissa, exponent = rest[: at.start()], rest[at.start() :]
        if not re.fullmatch("[eE][+-]?[0-9]+", exponent):
            raise Unreadable
    whole, _, fraction = mantissa.partition(style.decimal)
    if style.thousands and any(mark in whole for mark in marks_of(style.thousands)):
        first, *groups = re.split("[" + re.escape(marks_of(style.thousands)) + "]", whole)
        if not (1 <= len(first) <= 3 and first[0] != "0" and all(len(group) == 3 for group in groups)):
            raise Unreadable
        whole = first + "".join(groups)
    digits = whole + fraction
    if not (digits.isascii() and digits.isdigit()):
        raise Unreadable
    try:
        value = Decimal(f"{sign}{whole or '0'}.{fraction or '0'}{exponent}")
    except InvalidOperation:
        raise Unreadable from None
    value = value / 100 if marked and style.percent else value
    return -value if negative else value


def marks_of(thousands: str) -> str:
    return {" ": " \xa0\u2009\u202f", "'": "'\u2019"}.get(thousands, thousands)


def peel(text: str, marks: tuple[str, ...], *, front: bool = False, back: bool = False) -> str:
    """Cut the marks off an end of a text, or off both."""
    both, again = not front and not back, True
    while again:
        again = False
        for mark in marks:
            if (front or both) and text.startswith(mark):
                text, again = text[len(mark) :].lstrip(), True
            if (back or both) and text.endswith(mark):
                text, again = text[: -len(mark)].rstrip(), True
    return text


def sign_of(text: str) -> tuple[str, str]:
    if text[:1] in ("+", "-", "\u2212") and text[:1]:
        return ("" if text[0] == "+" else "-"), text[1:]
    return "", text


def other_values(record: list[str], style: Style) -> dict[str, Any]:
    """Return what the cells of a record mean. Raises `Unreadable` where the row has to be set aside."""
    if len(record) != len(COLUMNS):
        raise Unreadable
    cells = dict(zip(COLUMNS, record, strict=True))
    if not cells["id"] or not cells["y"]:
        raise Unreadable
    whole = other_number(cells["n"], style, marked=False) if cells["n"] else None
    if whole is not None and (not re.fullmatch("[^.,eE]+", peeled_thousands(cells["n"], style)) or not -(2**63) <= whole < 2**63):
        raise Unreadable
    return {
        "id": cells["id"],
        "d": other_date(cells["d"], style) if cells["d"] else None,
        "n": None if whole is None else int(whole),
        "x": double(other_number(cells["x"], style, marked=True), cells["x"], style) if cells["x"] else None,
        "t": None if cells["t"] in ("", "NA") else cells["t"],
        "y": double(other_number(cells["y"], style, marked=False), cells["y"], style),
    }


def peeled_thousands(text: str, style: Style) -> str:
    return text.replace(style.thousands, "") if style.thousands else text


def double(value: Decimal, text: str, style: Style) -> float:
    """Return the nearest double. Raises `Unreadable` for one that is not finite, and an integer that none equals."""
    found = float(value)
    if found in (float("inf"), float("-inf")):
        raise Unreadable
    digits = not {style.decimal, "e", "E", "%"} & set(text)
    if digits and abs(value) > 2**53 and Decimal(found) != value:
        raise Unreadable
    return found


def other_date(text: str, style: Style) -> date:
    if not re.fullmatch(DATE_FORMATS[style.date_format], text.strip(), re.ASCII):
        raise Unreadable
    try:
        found = datetime.strptime(text.strip(), style.date_format).date()
    except ValueError:
        raise Unreadable from None
    if not 1900 <= found.year <= 2100:
        raise Unreadable
    return found


def compare(folder: Path, data: bytes, text: str, style: Style, *, spoiled: bool) -> tuple[str, list[str]]:
    """Ingest a file; return what became of it, and what differs from the other reading."""
    (folder / "x.csv").write_bytes(data)
    (folder / "c.yaml").write_text(yaml.safe_dump(style.config))
    config = load_config(folder / "c.yaml")
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=style.delimiter, strict=True))[1:]
    except csv.Error:
        records = None
    try:
        manifest = ingest(config)
    except TabtrailError as error:
        allowed = spoiled or all_bad(records or [], style)
        return f"refused ({type(error).__name__})", [] if allowed else [f"a clean file is refused: {error}"]
    kept = {row["id"]: row for row in scan_dataset(config.dataset).collect().to_dicts()}
    aside = pl.read_parquet(config.paths.rejects).height
    problems = [] if manifest.rows_in == manifest.rows_kept + manifest.rows_rejected else ["rows are lost"]
    if records is None:
        return "accepted", [*problems, "quotes that `csv` cannot read were read"]
    wanted, bad = {}, 0
    for record in filter(None, records):
        try:
            values = other_values(record, style)
            wanted[values["id"]] = values
        except Unreadable:
            bad += 1
    if aside != bad:
        problems.append(f"{aside} rows are set aside instead of {bad}")
    for key in sorted({*kept, *wanted}):
        ours = {name: kept[key][name] for name in COLUMNS} if key in kept else None
        if ours != wanted.get(key):
            problems.append(f"{key}: {ours} instead of {wanted.get(key)}")
    return "accepted", problems


def all_bad(records: list[list[str]], style: Style) -> bool:
    for record in filter(None, records):
        try:
            other_values(record, style)
        except Unreadable:
            continue
        return False
    return True


def try_file(seed: int) -> tuple[str, list[str]]:
    """Make the file of a seed and compare. Any error but a typed one passes through."""
    rng = random.Random(seed)
    style = style_of(rng)
    text, spoiled = file_of(style, rng)
    with tempfile.TemporaryDirectory() as folder:
        return compare(Path(folder), text.encode(ENCODINGS[style.encoding][0]), text, style, spoiled=spoiled)
