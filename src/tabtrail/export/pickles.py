"""The pickled Python model: written so that equal models give equal bytes, and read with a word on what cannot be opened."""

import io
import pickle
import sys
from typing import Any

import joblib
from joblib.compressor import BinaryZlibFile
from joblib.numpy_pickle import NumpyPickler


class ForeignPickleError(Exception):
    """A pickle names a class that this version of tabtrail, or of a library, does not have; the text says which."""


def pickled(model: Any) -> bytes:
    """Return the joblib file of a model; equal models give equal bytes."""
    buffer = io.BytesIO()
    with BinaryZlibFile(buffer, "wb", compresslevel=3) as file:
        _Canonical(file).dump(model)
    return buffer.getvalue()


class _Canonical(NumpyPickler):
    """Equal strings are written once, and referred to from then on.

    Which of them are one object depends on what the process made or unpickled before: instances of a class share the strings
    that are the names of their attributes, and the first instance brings them.
    """

    def save(self, obj: Any) -> None:
        super().save(sys.intern(obj) if type(obj) is str else obj)


def unpickled(data: bytes) -> Any:
    """Return the model of a joblib file, or of a plain pickle such as MLflow keeps.

    Unpickling runs code: check first that the bytes are our own.

    Raises `ForeignPickleError` where it was written by code whose classes have since moved or gone.
    """
    try:
        return pickle.loads(data) if data.startswith(pickle.PROTO) else joblib.load(io.BytesIO(data))  # noqa: S301
    except (ImportError, AttributeError) as error:
        raise ForeignPickleError(f"it was written by another version of tabtrail or of a library ({error})") from None
