"""An object of a bucket as a file: read in a stream, in bounded memory, and the same from its first byte to its last."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from tabtrail.storage.address import Address
from tabtrail.storage.bucket import Bucket, NoObjectError
from tabtrail.system.temporary import scratch_folder

_BLOCK = 8 << 20  # bytes that are fetched at once


@dataclass(frozen=True)
class ObjectFile:
    """An object as it was when it was listed. Each part is read on condition that it still has its ETag, so that a file that is
    replaced meanwhile raises `ChangedError`, and is never read half and half.
    """

    address: Address
    size: int
    etag: str
    bucket: Bucket = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """The last part of its name."""
        return self.address.name

    @property
    def suffixes(self) -> list[str]:
        """The endings of its name, as a path has them."""
        return PurePosixPath(self.name).suffixes

    def open(self, mode: Literal["rb"] = "rb") -> io.BufferedReader:
        """Open it for reading, as a path is opened."""
        assert mode == "rb"  # noqa: S101 - of paths, which it stands for
        return io.BufferedReader(_Ranged(self), _BLOCK)

    def beside(self, ending: str) -> bytes | None:
        """Return the object whose name has an ending more, None where there is none."""
        try:
            found = self.bucket.read(self.address.key + ending)
        except NoObjectError:
            return None
        return None if found is None else found[0]

    def __str__(self) -> str:
        return str(self.address)


StoredFile = Path | ObjectFile
"""A file to read, of this machine or of a bucket."""


def size_of(file: StoredFile) -> int:
    """Return the size of a file in bytes."""
    return file.size if isinstance(file, ObjectFile) else file.stat().st_size


@contextmanager
def on_disk(file: StoredFile) -> Iterator[Path]:
    """Yield a file of this machine: the file itself, or a copy of an object that is removed at the end.

    For formats that are not read from the front to the back.
    """
    if isinstance(file, Path):
        yield file
        return
    with scratch_folder() as folder:
        path = Path(folder) / file.name
        with file.open("rb") as source, path.open("wb") as target:
            while block := source.read(_BLOCK):
                target.write(block)
        yield path


class _Ranged(io.RawIOBase):
    """The bytes of an object, each part fetched when it is asked for."""

    def __init__(self, file: ObjectFile) -> None:
        self._file, self._position = file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._file.size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        length = min(len(buffer), self._file.size - self._position)
        if length <= 0:
            return 0
        file = self._file
        part = file.bucket.read_range(file.address.key, file.etag, self._position, length)
        buffer[: len(part)] = part
        self._position += len(part)
        return len(part)
