"""How a table lies in a text file or a sheet: what parts its fields, and on which line its header stands."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from tabtrail.contract.texts import BLANKS
from tabtrail.errors import DataError
from tabtrail.proposal.words import is_missing_word, looks_like_number
from tabtrail.reading.records import any_field_length

DELIMITERS = ",;\t|:"
_LOOKED_AT = 400  # records that decide on delimiter and header
_ABOVE = 60  # lines above a header at most
_MOSTLY = 0.9  # share of the lines that tell how fields are parted
_CLOSE = 0.1  # shares of records of one width that are as good as equal: then the delimiter that gives more fields counts
_MARKS = ("#", "//", "%")

Record = tuple[int, list[str]]
"""A record and the line on which it begins."""


@dataclass(frozen=True)
class Table:
    """Where a table lies: the delimiter, the header's names and line, lines of no rows below it, and what comments begin with.

    `width_share` is the share of the looked-at records that have as many fields as the header, `trailing` whether all rows, and
    not the header, end in a delimiter.
    """

    delimiter: str
    names: tuple[str, ...]
    line: int
    after: int
    comment: str | None
    above: tuple[str, ...]
    width_share: float
    looked_at: int
    by_sep: bool = False
    trailing: bool = False


def find_table(name: str, text: str, delimiters: str = DELIMITERS) -> Table:
    """Return where the table lies in the beginning of a file. Raises `DataError` where there is no header above rows."""
    _require_no_blanks(name, text)
    sep = _sep(text)
    tried = [sep] if sep else delimiters
    found = {each: _records(text, each) for each in tried}
    scores = {each: _consistency(records) for each, records in found.items()}
    best = max(share for share, width in scores.values()) if scores else 0.0
    wide = {each: width for each, (share, width) in scores.items() if width > 1 and share >= best - _CLOSE}
    wide = wide or {each: width for each, (share, width) in scores.items() if width > 1 and share >= 0.5}
    if not wide and (parted := _by_single_blanks(text)):
        found, tried, wide = {" ": parted}, [" "], {" ": len(parted[0][1])}
    if not wide:
        raise DataError(_one_column(name, found[tried[0]]))
    # A decimal comma parts as many fields in every row, but none in the names above them, so that its table begins later.
    named = {each: _has_names(found[each], width) for each, width in wide.items()}
    places = {each: _header_place(found[each], width) for each, width in wide.items()}
    delimiter = max(wide, key=lambda each: (named[each], -places[each], wide[each], -tried.index(each)))
    return _with_header(name, text, delimiter, found[delimiter], by_sep=sep is not None)


def _by_single_blanks(text: str) -> list[Record]:
    """Return the records of lines whose fields are parted by one blank each; none where they are words of texts."""
    records = _records(text, " ")
    width = len(records[0][1]) if records else 0
    same = [record for _, record in records[1:] if len(record) == width]
    numbers = [place for place in range(width) if len(same) > 1 and _numbers_share(same, place) > 0.9]
    return records if width > 1 and len(same) > 0.95 * (len(records) - 1) and 2 * len(numbers) >= width else []


def _sep(text: str) -> str | None:
    first = text.split("\n", 1)[0].strip("\r").strip('"')
    return first[4] if first.lower().startswith("sep=") and len(first) == 5 else None


def _one_column(name: str, records: Sequence[Record]) -> str:
    if not records:
        return f"{name} is empty: there is no line with text in it"
    if len(records) == 1:
        return f"{name} has a header alone, and no rows"
    return f"{name} has one column only ({records[0][1][0][:40]!r} on line {records[0][0]}): there is nothing to predict it from"


def _require_no_blanks(name: str, text: str) -> None:
    """Raise `DataError` for lines whose fields are parted by blanks, as printers lay them out."""
    lines = [line for line in text.split("\n")[:_LOOKED_AT] if line.strip(BLANKS)]
    widths = Counter(len(line.split()) for line in lines)
    runs = sum("  " in line.strip() for line in lines)
    width, same = widths.most_common(1)[0] if widths else (0, 0)
    if any(_pads_fields(lines, mark) for mark in ",;\t|"):
        return
    if width > 2 and runs > 0.9 * len(lines) and (same > 0.5 * len(lines) or runs == len(lines)):
        raise DataError(
            f"{name}: its fields are parted by blanks ({lines[0].strip()[:60]!r}), several of them, which are not read as a"
            " delimiter; save it with commas or tabs between them (where no field has a blank within:"
            " sed -E 's/^ +//; s/ +/,/g'), and the names of the columns above"
        )


def _pads_fields(lines: Sequence[str], mark: str) -> bool:
    """Whether a mark parts as many fields on nearly every line, and blanks only fill these up."""
    count = lines[0].count(mark) if lines else 0
    same = [line for line in lines if line.count(mark) == count]
    filled = [line for line in same if not any("  " in field.strip() for field in line.split(mark))]
    return count > 0 and len(filled) > _MOSTLY * len(lines)


def _records(text: str, delimiter: str) -> list[Record]:
    def read() -> Iterator[Record]:
        reader, line = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), 1
        try:
            with any_field_length():
                for record in reader:
                    if any(cell.strip(BLANKS) for cell in record):
                        yield line, record
                    line = reader.line_num + 1
        except csv.Error:
            return

    return list(islice(read(), _LOOKED_AT))


def _consistency(records: Sequence[Record]) -> tuple[float, int]:
    """Return the share of records that have the most frequent number of fields, and that number; of those of several fields."""
    counts = Counter(len(record) for _, record in records)
    if not counts:
        return 0.0, 0
    width, rows = max(counts.items(), key=lambda each: (each[1] if each[0] > 1 else 0, each[0]))
    return rows / len(records), width


def _with_header(name: str, text: str, delimiter: str, records: Sequence[Record], *, by_sep: bool) -> Table:
    share, width = _consistency(records)
    place = _header_place(records, width)
    line, names = records[place]
    rows = [record for _, record in records[place + 1 :]]
    if not rows:
        raise DataError(f"{name} has a header alone (line {line}), and no rows")
    _require_names(name, line, names, rows)
    after = 1 if _is_unit_row(rows) else 0
    lines = text.split("\n")
    above = tuple(each.strip("\r") for each in lines[1 if by_sep else 0 : line - 1])
    comment = _comment(above, lines[line:])
    trailing = all(len(row) == len(names) + 1 and not row[-1] for row in rows)
    return Table(delimiter, tuple(names), line, after, comment, above, share, len(records), by_sep, trailing)


def _has_names(records: Sequence[Record], width: int) -> bool:
    """Whether a record of full width could be a header: `34,1;5` is two fields by either mark, and `size;age` by one alone."""
    numbers = _number_places(records, width)
    return any(len(record) == width and not _is_row(record, numbers) for line, record in records if line <= _ABOVE)


def _header_place(records: Sequence[Record], width: int) -> int:
    """Return the first record of full width all of whose cells are filled; else the one above the first row that is fullest."""
    near = [
        (place, record) for place, (line, record) in enumerate(records) if line <= _ABOVE and len(record) in (width, width - 1)
    ]
    filled = {place: sum(bool(cell.strip(BLANKS)) for cell in record) for place, record in near}
    numbers = _number_places(records, width)
    names = {place: count for place, count in filled.items() if not _is_row(records[place][1], numbers)}
    candidates = names or filled or {0: 1}
    most = max(candidates.values())
    return next(place for place, count in candidates.items() if count == most)


def _number_places(records: Sequence[Record], width: int) -> list[int]:
    """Return the places at which nearly all records of full width have numbers."""
    whole = [record for _, record in records if len(record) == width]
    return [place for place in range(width) if whole and _numbers_share(whole, place) > 0.9]


def _is_row(record: Sequence[str], numbers: Sequence[int]) -> bool:
    """Whether a record is none of names: there are words where rows have numbers, of which a few may be called 4046 or 2015."""
    said = [record[place] for place in numbers if place < len(record) and record[place].strip(BLANKS)]
    words = [cell for cell in said if not looks_like_number(cell) and not is_missing_word(cell)]
    if len(said) > 1 and 2 * len(words) > len(said):
        return any(is_missing_word(cell) for cell in record)
    return any(looks_like_number(cell) or is_missing_word(cell) for cell in record)


def _require_names(name: str, line: int, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Raise `DataError` where what should be the header is a row like those below it."""
    whole = [row for row in rows if len(row) == len(names)]
    numbers = [place for place in range(len(names)) if whole and _numbers_share(whole, place) > 0.9]
    as_rows = [place for place in numbers if looks_like_number(names[place])]
    if numbers and as_rows and len(as_rows) >= 0.9 * len(numbers):
        shown = ", ".join(repr(each) for each in names[:4])
        raise DataError(
            f"{name}, line {line}: {shown} … read like a row, not like names of columns; write a header above the rows"
        )


def _numbers_share(rows: Sequence[Sequence[str]], place: int) -> float:
    cells = [row[place] for row in rows if row[place].strip(BLANKS) and not is_missing_word(row[place])]
    return sum(map(looks_like_number, cells)) / len(cells) if cells else 0.0


def _is_unit_row(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row holds words, such as units, where all later ones hold numbers."""
    first, rest = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    if len(rest) < 3:
        return False
    numbers = [place for place in range(len(first)) if _numbers_share(rest, place) > 0.9]
    cells = [first[place].strip(BLANKS) for place in numbers if first[place].strip(BLANKS)]
    words = [cell for cell in cells if not looks_like_number(cell) and not is_missing_word(cell)]
    return bool(words) and len(words) == len(cells) and all(len(word) <= 20 for word in words)


def _comment(above: Sequence[str], below: Sequence[str]) -> str | None:
    said = [line for line in above if line.strip(BLANKS)]
    for mark in _MARKS:
        if said and all(line.startswith(mark) for line in said):
            return mark
    marked = [line for line in below if line.startswith("#")]
    return "#" if marked and all(line.startswith("# ") for line in marked) else None
