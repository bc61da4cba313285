"""The pickled Python model: written so that equal models give equal bytes, and read with a word on what cannot be opened."""

import io
import pickle
import sys
from pathlib import Path
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
        _CanonicalJoblib(file).dump(model)
    return buffer.getvalue()


def write_plain_pickle(model: Any, path: Path) -> None:
    """Write a pickle that needs no joblib to be opened; equal models give equal bytes."""
    with path.open("wb") as file:
        # Not protocol 5, of which the pickler in Python fails at the second empty array (its `b""` is in the memo already).
        _CanonicalPlain(file, protocol=4).dump(model)


class _Canonical:
    """Equal strings are written once, and referred to from then on.

    Which of them are one object depends on what the process made or unpickled before: instances of a class share the strings
    that are the names of their attributes, and the first instance brings them.
    """

    def save(self, obj: Any, *options: bool) -> None:
        super().save(sys.intern(obj) if type(obj) is str else obj, *options)  # type: ignore[misc]


class _CanonicalJoblib(_Canonical, NumpyPickler):
    pass


class _CanonicalPlain(_Canonical, pickle._Pickler):
    """The pickler in Python: the one that is written in C asks nobody about strings."""


def unpickled(data: bytes) -> Any:
    """Return the model of a joblib file, or of a plain pickle such as MLflow keeps.

    Unpickling runs code: check first that the bytes are our own.

    Raises `ForeignPickleError` where it was written by code whose classes have since moved or gone.
    """
    try:
        return pickle.loads(data) if data.startswith(pickle.PROTO) else joblib.load(io.BytesIO(data))  # noqa: S301
    except (ImportError, AttributeError) as error:
        raise ForeignPickleError(f"it was written by another version of tabtrail or of a library ({error})") from None
