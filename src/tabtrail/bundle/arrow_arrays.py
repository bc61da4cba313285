"""Arrays of Arrow made from their buffers: `pa.array`, `pa.scalar` and `to_numpy` import pandas where it is installed, which
takes 0.2 s.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tabtrail.bundle.columnar import Array, CodedTexts


def to_arrow(values: Array) -> Any:
    """Return whole numbers, doubles or truth values as Arrow has them."""
    if values.dtype.kind == "b":
        return pa.Array.from_buffers(pa.bool_(), len(values), [None, _bits(values)])
    kind = pa.int64() if values.dtype.kind == "i" else pa.float64()
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def bounds_to_arrow(values: Array) -> Any:
    """Return bounds as Arrow has them, null where there is none."""
    data = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(pa.float64(), len(values), [_bits(~np.isnan(values)), data])


def texts_to_arrow(texts: Sequence[str | None]) -> Any:
    """Return texts as Arrow has them, null for None."""
    data = [b"" if text is None else text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, data)], dtype=np.int32)
    known = _bits(np.array([text is not None for text in texts], dtype=bool))
    return pa.Array.from_buffers(pa.string(), len(data), [known, pa.py_buffer(ends), pa.py_buffer(b"".join(data))])


def coded_to_arrow(texts: CodedTexts) -> Any:
    """Return a column of texts as Arrow has it, null for a missing one."""
    return texts_to_arrow(texts.values).take(to_arrow(texts.codes))


def _bits(values: Array) -> Any:
    return pa.py_buffer(np.packbits(values, bitorder="little"))
