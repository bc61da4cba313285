"""A folder read in one state, although another process may replace it at any moment; plain files only."""

import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, TypeVar

from tabtrail.errors import BundleError, NotTrainedError

REPAIR = "`tabtrail train` puts the last good one back"
_TRIES = 50  # a reader needs milliseconds: so many swaps in a row are not deployments
T = TypeVar("T")


@dataclass(frozen=True)
class FolderView:
    """One state of a folder: its files are those of one bundle, even if another one is swapped in meanwhile."""

    folder: Path
    descriptor: int | None

    def names(self) -> list[str]:
        try:
            return os.listdir(self.folder if self.descriptor is None else self.descriptor)  # noqa: PTH208 - Path cannot
        except OSError as error:
            raise BundleError(f"cannot read {self.folder}: {os.strerror(error.errno or 0)}") from None

    def read(self, file: str, most: int) -> bytes:
        """Return the bytes of a plain file of the folder, of so many bytes at most."""
        with self._open(file) as opened:
            size = os.fstat(opened.fileno()).st_size
            if size > most:
                raise BundleError(f"{self.folder / file} has {size:,} bytes, more than the {most:,} that are read; {REPAIR}")
            data = opened.read(most + 1)
        if len(data) > most:
            raise BundleError(f"{self.folder / file} grows while it is read; {REPAIR}")
        return data

    def verified(self, entry: Mapping[str, Any], *, keep: bool = True) -> bytes:
        """Return the bytes of a listed file (where `keep`) after comparing size and sha256."""
        path, wanted = self.folder / entry["name"], entry["bytes"]
        with self._open(entry["name"]) as opened:
            size = os.fstat(opened.fileno()).st_size
            if size != wanted:
                raise BundleError(f"{path} was altered: it has {size:,} bytes instead of {wanted:,}; {REPAIR}")
            data = opened.read(wanted + 1) if keep else b""
            digest = hashlib.sha256(data) if keep else hashlib.file_digest(opened, "sha256")
        if digest.hexdigest() != entry["sha256"]:
            raise BundleError(f"{path} was altered: it has other bytes; {REPAIR}")
        return data

    def _open(self, file: str) -> BufferedReader:
        path = self.folder / file
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            if self.descriptor is None and path.is_symlink():
                raise BundleError(f"{path} is not a plain file of the bundle's folder; {REPAIR}")
            # Opening a pipe in the place of a file would otherwise wait for its writer.
            where = path if self.descriptor is None else Path(file)
            descriptor = os.open(where, flags, dir_fd=self.descriptor)
        except OSError as error:
            kind = _kind(path)
            if kind is not None and not stat.S_ISREG(kind):
                raise BundleError(f"{path} is not a plain file of the bundle's folder; {REPAIR}") from None
            raise BundleError(f"the bundle is incomplete: {path}: {os.strerror(error.errno or 0)}; {REPAIR}") from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise BundleError(f"{path} is not a plain file of the bundle's folder; {REPAIR}")
        return os.fdopen(descriptor, "rb")


def _kind(path: Path) -> int | None:
    try:
        return path.lstat().st_mode
    except OSError:
        return None


def read_unmoved(folder: Path, read: Callable[[FolderView], T]) -> T:
    """Read from one state of the folder; where that fails because the folder was replaced meanwhile, read the new one."""
    for _ in range(_TRIES):
        descriptor = _open_folder(folder)
        try:
            before = folder.stat() if descriptor is None else os.fstat(descriptor)
            return read(FolderView(folder, descriptor))
        except BundleError:
            if _same(folder, before):
                raise
        except FileNotFoundError:
            raise NotTrainedError(f"there is no model in {folder}; run `tabtrail run` first") from None
        finally:
            if descriptor is not None:
                os.close(descriptor)
    raise BundleError(f"{folder} is replaced faster than it can be read; try again")


def _open_folder(folder: Path) -> int | None:
    if os.open not in os.supports_dir_fd or os.listdir not in os.supports_fd:
        return None
    try:
        return os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    except FileNotFoundError:
        raise NotTrainedError(f"there is no model in {folder}; run `tabtrail run` first") from None
    except OSError as error:
        raise BundleError(f"cannot read {folder}: {os.strerror(error.errno or 0)}") from None


def _same(folder: Path, before: os.stat_result) -> bool:
    try:
        return os.path.samestat(folder.stat(), before)
    except OSError:
        return True
