"""Columns of typed cells, of a workbook or of JSON lines, as the model takes them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from tabtrail.bundle.arrow_columns import UnreadCells
from tabtrail.bundle.columnar import Array, CodedTexts, Column, no_texts
from tabtrail.bundle.values import MOST_EXACT, Read, Unread, other_spellings, reader_of
from tabtrail.contract.schema import Feature
from tabtrail.contract.typed_cells import cell_text

_NO_NUMBER = Unread("must be a number")


class CellReader:
    """Reads cells as `Predictor` reads the values of a row, and as ingest reads those of a source."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self._columns = [(feature, reader_of(feature)) for feature in features]
        self._others = {each.name: is_other for each in features if (is_other := other_spellings(each)) is not None}
        self.respelled = Counter[str]()

    def __call__(self, cells: Mapping[str, Sequence[Any]]) -> tuple[dict[str, Column], UnreadCells]:
        """Return the columns, and by row the values that could not be read (missing in the columns)."""
        columns: dict[str, Column] = {}
        unread: UnreadCells = {}
        for feature, read in self._columns:
            if feature.optional and feature.name not in cells:
                columns[feature.name] = no_texts(len(next(iter(cells.values()))))
                continue
            if (is_other := self._others.get(feature.name)) is not None:
                self.respelled[feature.name] += sum(map(is_other, cells[feature.name]))
            found = _READ[feature.kind](feature, read, cells[feature.name])
            for row, value in enumerate(found):
                if isinstance(value, Unread):
                    unread.setdefault(row, {})[feature.name] = value
            known = [None if isinstance(value, Unread) else value for value in found]
            columns[feature.name] = _doubles(known) if feature.kind == "numeric" else _coded(known)
        return columns, unread


def _read_numbers(feature: Feature, read: Read, values: Sequence[Any]) -> list[Any]:
    return [_number(feature, read, each) for each in values]


def _read_days(feature: Feature, read: Read, values: Sequence[Any]) -> list[Any]:
    """Read dates; of what is none, the text decides, as it does in a source."""
    return _read_texts(feature, read, [each if isinstance(each, date) else cell_text(each) for each in values])


def _number(feature: Feature, read: Read, cell: Any) -> Any:
    if feature.reading.nulls and cell is not None and feature.reading.is_null(cell_text(cell) or ""):
        return None
    value = read(cell)
    return value if value is None or type(value) in (int, float, Unread) else _NO_NUMBER


def _read_texts(_: Feature, read: Read, values: Sequence[Any]) -> list[Any]:
    """Read texts and dates, each different cell once."""
    known: dict[tuple[type, Any], Any] = {}
    found = []
    for value in values:
        key = (type(value), value)
        if key not in known:
            known[key] = read(value)
        found.append(known[key])
    return found


_READ = {"numeric": _read_numbers, "categorical": _read_texts, "date": _read_days}


def _doubles(numbers: Sequence[float | None]) -> Array:
    """Return numbers as doubles; a whole one that no double may hold becomes infinite, so that it is refused."""
    exact = [None if each is None else each if -MOST_EXACT <= each <= MOST_EXACT else np.inf for each in numbers]
    return np.array(exact, dtype=np.float64)


def _coded(values: Sequence[Any]) -> CodedTexts:
    codes: dict[Any, int] = {}
    rows = np.fromiter((codes.setdefault(value, len(codes)) for value in values), dtype=np.int64, count=len(values))
    return CodedTexts((*codes, *([] if None in codes else [None])), rows)
