"""Columns of Arrow as numpy has them, without a copy where that can be."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tabtrail.bundle.arrow_arrays import to_arrow
from tabtrail.bundle.columnar import Array, CodedTexts, Column, no_texts
from tabtrail.bundle.values import MOST_EXACT, NOT_NAN, Read, Unread, null_numbers, other_spellings, reader_of
from tabtrail.contract.numbers import NumberFormat
from tabtrail.contract.schema import Feature
from tabtrail.contract.texts import BLANKS

# Texts that Arrow reads as the contract does, where no marks are configured: integers that a double holds, no infinities.
_PLAIN = {"int": r"^[-+]?\d{1,15}$", "float": r"^[-+]?(\d{1,15}(\.\d*)?|\.\d+)([eE][-+]?\d{1,2})?$"}
UnreadCells = dict[int, dict[str, Unread]]


class ColumnReader:
    """Reads columns of Arrow as the cells of the features are read: each different text once, plain numbers all together."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self._columns = [(feature, reader_of(feature)) for feature in features]
        self._others = {each.name: is_other for each in features if (is_other := other_spellings(each)) is not None}
        self.respelled = Counter[str]()

    def __call__(self, batch: Any) -> tuple[dict[str, Column], UnreadCells]:
        """Return the columns, and by row the values that could not be read (missing in the columns)."""
        columns: dict[str, Column] = {}
        unread: UnreadCells = {}
        for feature, read in self._columns:
            if feature.optional and feature.name not in batch.schema.names:
                columns[feature.name] = no_texts(batch.num_rows)
                continue
            values = batch.column(feature.name)
            if pa.types.is_dictionary(values.type) and feature.kind == "numeric":
                values = values.cast(values.type.value_type)
            if (is_other := self._others.get(feature.name)) is not None:
                counts = pc.value_counts(values).to_pylist()
                self.respelled[feature.name] += sum(each["counts"] for each in counts if is_other(each["values"]))
            turn = _coded_texts if feature.kind != "numeric" else _numbers if is_text(values.type) else _typed_numbers
            column, wrong = turn(feature, read, values)
            columns[feature.name] = column
            for index, what in wrong.items():
                unread.setdefault(index, {})[feature.name] = what
        return columns, unread


def is_text(kind: Any) -> bool:
    """Whether a type of Arrow is one of texts, each on its own."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def reads_plain_numbers(feature: Feature) -> bool:
    """Whether the numbers of a column are written so that Arrow reads them as `read_number` does."""
    return feature.reading.number == NumberFormat() and not feature.reading.nulls


def _coded_texts(feature: Feature, read: Read, values: Any) -> tuple[CodedTexts, dict[int, Unread]]:
    if pa.types.is_timestamp(values.type):
        plain_day = feature.rule.dtype == "date" and values.type.tz is None
        # Python has no nanoseconds.
        values = values.cast(pa.date32() if plain_day else pa.timestamp("us", values.type.tz), safe=False)
    encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    found = [read(value) for value in encoded.dictionary.to_pylist()]
    codes = _array(encoded.indices, len(found))
    known = (*(None if isinstance(value, Unread) else value for value in found), None)
    return CodedTexts(known, codes), _unread_rows(found, codes)


def _unread_rows(found: list[Any], codes: Array) -> dict[int, Unread]:
    """Return by row the values that could not be read, of values by code and the rows' codes."""
    wrong = [code for code, value in enumerate(found) if isinstance(value, Unread)]
    if not wrong:
        return {}
    return {int(row): found[codes[row]] for row in np.flatnonzero(np.isin(codes, wrong))}


def _typed_numbers(feature: Feature, _: Read, values: Any) -> tuple[Array, dict[int, Unread]]:
    numbers = _doubles(values)
    nan = np.isnan(numbers)
    wrong = {}
    if nan.sum() != values.null_count:
        there = _array(values.is_valid().cast(pa.int8()), 0) == 1
        wrong = dict.fromkeys(map(int, np.flatnonzero(nan & there)), NOT_NAN)
    if nulls := null_numbers(feature.reading):
        numbers = np.where(np.isin(numbers, list(nulls)), np.nan, numbers)
    return numbers, wrong


def _numbers(feature: Feature, read: Read, values: Any) -> tuple[Array, dict[int, Unread]]:
    """Return the numbers that texts mean: the plain ones in bulk, each other text once."""
    trimmed = pc.utf8_trim(values, BLANKS)
    plain = pc.match_substring_regex(trimmed, _PLAIN[feature.rule.dtype])
    if not reads_plain_numbers(feature):
        plain = pc.and_(plain, False)
    numbers = _doubles(pc.if_else(plain, trimmed, None)).copy()
    rows = np.flatnonzero(_array(pc.equal(plain, False).cast(pa.int8()), 0))
    if not len(rows):
        return numbers, {}
    encoded = values.take(to_arrow(rows)).dictionary_encode()
    found = [read(value) for value in encoded.dictionary.to_pylist()]
    codes = _array(encoded.indices, 0)
    numbers[rows] = np.array([_double(value) for value in found])[codes]
    return numbers, {int(rows[index]): what for index, what in _unread_rows(found, codes).items()}


def _double(value: float | Unread | None) -> float:
    if value is None or isinstance(value, Unread):
        return math.nan
    return value if abs(value) <= MOST_EXACT else math.inf


def _doubles(values: Any) -> Array:
    """Return numbers as doubles; a whole one that no double may hold becomes infinite, so that it is refused."""
    doubles = _array(values.cast(pa.float64(), safe=False), np.nan)
    if pa.types.is_integer(values.type) and values.type.bit_width == 64:  # the others hold none that is so large
        whole = _array(values, 0)
        doubles = np.where((whole > int(MOST_EXACT)) | (whole < -int(MOST_EXACT)), math.inf, doubles)
    return doubles


def _array(values: Any, missing: float) -> Array:
    """Return values with `missing` for null."""
    if values.null_count:
        values = values.fill_null(to_arrow(np.array([missing])).cast(values.type)[0])
    array: Array = np.from_dlpack(values)
    return array
