"""Which rows a model has learned from, as hashes of their keys: kept with its training, asked when two are compared."""

import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tabtrail.modeling.split import Mask

# Four bytes a key: of rows that are not known, one in a thousand is taken for known at 4 million keys, and is then left out.
_BYTES = 4


@dataclass(frozen=True)
class Learned:
    """The keys of a training part: `hashes` [keys], sorted, the first 32 bits of the BLAKE2b of each."""

    hashes: NDArray[np.uint32]

    @classmethod
    def of(cls, keys: Iterable[str]) -> "Learned":
        """Return what is kept of keys (see `tabtrail.modeling.split.Keys`)."""
        return cls(np.unique(_hashes(list(dict.fromkeys(keys)))))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Learned":
        """Read what `to_bytes` wrote. Raises `ValueError` or `KeyError` for anything else."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return cls(arrays["hashes"])

    def to_bytes(self) -> bytes:
        """Return an npz file."""
        buffer = io.BytesIO()
        np.savez(buffer, hashes=self.hashes)
        return buffer.getvalue()

    def has(self, keys: Sequence[str]) -> Mask:
        """Tell of each key whether it was learned from [keys]."""
        return np.isin(_hashes(keys), self.hashes)


def _hashes(keys: Sequence[str]) -> NDArray[np.uint32]:
    joined = b"".join(hashlib.blake2b(key.encode(), digest_size=_BYTES).digest() for key in keys)
    return np.frombuffer(joined, dtype=">u4").astype(np.uint32)
