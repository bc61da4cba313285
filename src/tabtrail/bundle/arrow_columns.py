"""Columns between Arrow and numpy, without a copy where that can be.

Arrow's arrays are made from their buffers: `pa.array`, `pa.scalar` and `to_numpy` import pandas where it is installed, which
takes 0.2 s.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tabtrail.bundle.columnar import Array, CodedTexts, Column
from tabtrail.contract.schema import Feature

_NUMBER = r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"


def from_arrow(features: Sequence[Feature], batch: Any) -> tuple[dict[str, Column], dict[int, dict[str, str]]]:
    """Return the columns, and by row the texts in the place of a number (the column then has NaN)."""
    columns: dict[str, Column] = {}
    garbled: dict[int, dict[str, str]] = {}
    for feature in features:
        values = batch.column(feature.name)
        if feature.kind != "numeric":
            columns[feature.name] = _coded_texts(feature, values)
        elif not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
            columns[feature.name] = _doubles(values)
        else:
            trimmed = pc.utf8_trim_whitespace(values)
            numeric = pc.match_substring_regex(trimmed, _NUMBER)
            columns[feature.name] = _doubles(pc.if_else(numeric, trimmed, None))
            for index in np.flatnonzero(_array(pc.equal(numeric, False).cast(pa.int8()), 0)):
                garbled.setdefault(int(index), {})[feature.name] = values[int(index)].as_py()
    return columns, garbled


def to_arrow(values: Array) -> Any:
    """Return whole numbers or doubles as Arrow has them."""
    kind = pa.int64() if values.dtype.kind == "i" else pa.float64()
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def texts_to_arrow(texts: dict[int, str], rows: int) -> Any:
    """Return texts by row, null for the other rows."""
    known, lengths, data = np.zeros(rows, dtype=bool), np.zeros(rows + 1, dtype=np.int32), []
    for index in sorted(texts):
        data.append(texts[index].encode())
        known[index], lengths[index + 1] = True, len(data[-1])
    buffers = [np.packbits(known, bitorder="little"), np.cumsum(lengths, dtype=np.int32), b"".join(data)]
    return pa.Array.from_buffers(pa.string(), rows, [pa.py_buffer(buffer) for buffer in buffers])


def _coded_texts(feature: Feature, values: Any) -> CodedTexts:
    if feature.kind == "date" and not pa.types.is_dictionary(values.type) and not pa.types.is_string(values.type):
        values = values.cast(pa.date32()).cast(pa.string())
    encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    distinct = (*encoded.dictionary.to_pylist(), None)
    return CodedTexts(distinct, _array(encoded.indices, len(distinct) - 1))


def _doubles(values: Any) -> Array:
    return _array(values.cast(pa.float64()), np.nan)


def _array(values: Any, missing: float) -> Array:
    """Return values with `missing` for null."""
    if values.null_count:
        values = values.fill_null(pa.array(np.array([missing])).cast(values.type)[0])
    array: Array = np.from_dlpack(values)
    return array
