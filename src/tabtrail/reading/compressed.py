"""The bytes of a file, decompressed, some megabytes at a time, and hashed on the way."""

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from tabtrail.errors import ConfigError, DataError
from tabtrail.storage.objects import StoredFile, on_disk, size_of
from tabtrail.system.optional import load_optional

_READ = 8 << 20
_OTHERS = {b"\xfd7zX": "xz", b"PK\x03\x04": "a zip archive", b"BZh": "bzip2"}
_READ_IN_PARTS = (b"PAR1", b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class SourceFile:
    """A file to read: its `name` in messages, and the setting or option that named it."""

    path: StoredFile
    name: str
    named_by: str = "paths.raw_csv"

    @property
    def local(self) -> Path:
        """Its path, of a file that is `seekable`."""
        assert isinstance(self.path, Path)  # noqa: S101 - what is not was copied
        return self.path

    @property
    def size(self) -> int:
        """Its bytes."""
        return size_of(self.path)


@contextmanager
def seekable(file: SourceFile) -> Iterator[SourceFile]:
    """Yield a file whose parts can be read in any order, as workbooks and Parquet files are: of an object a copy on the disk."""
    with readable(file), file.path.open("rb") as opened:
        streams = not opened.read(4).startswith(_READ_IN_PARTS)
    if streams:
        yield file
        return
    with on_disk(file.path) as path:
        yield replace(file, path=path)


@contextmanager
def readable(file: SourceFile) -> Iterator[None]:
    """Raise a `ConfigError` that names the file where the system does not let it be read."""
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"{file.named_by}: {file.name} cannot be read: {error.strerror or error}; check its permissions"
        ) from error


def chunks_of(file: SourceFile) -> Iterator[bytes]:
    """Yield what a file holds, decompressed. Raises `DataError` for a damaged file, or a compression that is not read."""
    with readable(file), file.path.open("rb") as opened:
        yield from _chunks(_decompressed(opened, file.name), file.name)


class HashedFile(io.RawIOBase):
    """A file that is hashed while it is read. `done` counts its bytes."""

    def __init__(self, file: SourceFile) -> None:
        self._source, self.done = file, 0
        self._sha256, self._content = hashlib.sha256(), hashlib.sha256()
        self._packed = False
        self._file: BinaryIO | None = None

    def chunks(self) -> Iterator[bytes]:
        """Yield what `chunks_of` does; at the end every byte of the file is hashed."""
        name = self._source.name
        with readable(self._source), self._source.path.open("rb") as self._file:
            plain = _decompressed(cast(BinaryIO, self), name)
            self._packed = cast(Any, plain) is not self
            for chunk in _chunks(plain, name):
                if self._packed:
                    self._content.update(chunk)
                yield chunk
            while self.read(_READ):
                pass

    def sha256(self) -> str:
        """The sha256 of the file as it lies on the disk, once it is read."""
        return self._sha256.hexdigest()

    def content_sha256(self) -> str:
        """The sha256 of what the file holds decompressed, once it is read."""
        return (self._content if self._packed else self._sha256).hexdigest()

    def readable(self) -> bool:
        return True

    def peek(self, size: int) -> bytes:
        return self._file.peek(size) if isinstance(self._file, io.BufferedReader) else b""

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size) if self._file is not None else b""
        self._sha256.update(block)
        self.done += len(block)
        return block

    def readinto(self, buffer: Any) -> int:
        block = self.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)


def _decompressed(file: BinaryIO, name: str) -> BinaryIO:
    peek = file.peek(4)[:4]  # type: ignore[attr-defined]
    if peek.startswith(_GZIP):
        return cast(BinaryIO, gzip.GzipFile(fileobj=file))
    if peek == _ZSTD:
        return _zstd(file)
    if kind := next((kind for magic, kind in _OTHERS.items() if peek.startswith(magic)), None):
        raise DataError(f"{name} is {kind}, which is not read; unpack it, or compress it with gzip or zstd")
    return file


def _zstd(file: BinaryIO) -> BinaryIO:
    pa = load_optional("pyarrow", "arrow")
    return cast(BinaryIO, pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd"))


def _chunks(file: BinaryIO, name: str) -> Iterator[bytes]:
    read = partial(file.read, _READ)
    while True:
        try:
            chunk = read()
        except (OSError, EOFError, zlib.error) as error:
            given = error.strerror if isinstance(error, OSError) else None
            reason = given or "the compressed data are damaged or cut short"
            raise DataError(f"{name} cannot be read: {reason}; fetch the file again") from None
        if not chunk:
            return
        yield chunk
