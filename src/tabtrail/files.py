"""Files and folders that are whole or not there: atomic writes, atomic swaps, stage records."""

import contextlib
import ctypes
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tabtrail.errors import TabtrailError
from tabtrail.hashes import sha256_file

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path`; on success it is synced and renamed over `path`, on failure removed."""
    make_folder(path.parent)
    with _writing(path.parent):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
        os.close(descriptor)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            _sync(temporary)
            temporary.replace(path)
            _sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary sibling folder; on success it takes the place of `path` as a whole, on failure it is removed.

    On Linux the two folders are exchanged in one system call, so that a reader always finds a complete one. Elsewhere the
    old folder is renamed away first, which leaves a moment without either.
    """
    path = path.resolve()  # the folder itself, where the path is a link to it
    if path.exists() and not path.is_dir():
        raise TabtrailError(f"{path} is a file, and a folder is to be written there; move it away or name another path")
    make_folder(path.parent)
    with _writing(path.parent):
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            for file in temporary.rglob("*"):
                _sync(file)
            if path.exists():
                _exchange(temporary, path)
            else:
                temporary.rename(path)
            _sync(path.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def make_folder(path: Path) -> None:
    """Create a folder with its parents, or raise `TabtrailError` saying which one cannot be made."""
    with _writing(path):
        path.mkdir(parents=True, exist_ok=True)


def require_writable(*folders: Path) -> None:
    """Raise `TabtrailError` for the first folder that cannot be made or written in, before any work is spent."""
    for folder in folders:
        make_folder(folder)
        with _writing(folder), tempfile.TemporaryFile(dir=folder):
            pass


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON atomically. NaN and infinity are refused (`ValueError`): they are not JSON."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """Return indented JSON in UTF-8. NaN and infinity are refused (`ValueError`): they are not JSON."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def write_parquet(path: Path, frame: Any) -> None:
    """Write a Polars frame as Parquet (zstd) atomically."""
    with atomic_file(path) as temporary:
        frame.write_parquet(temporary, compression="zstd")


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the JSON object of a file, or None where there is no such file or it holds no JSON object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError, json.JSONDecodeError):
        return None
    return value if isinstance(value, dict) else None


def record_stage(record: Path, key: str, outputs: Mapping[str, str]) -> None:
    """Note that the stage with this key wrote these outputs (path → sha256), so that unchanged work is not repeated."""
    write_json(record, {"key": key, "outputs": dict(outputs)})


def stage_is_fresh(record: Path, key: str) -> bool:
    """Tell whether a stage with this very key ran and each of its outputs is still there, unaltered."""
    known = read_json(record)
    if known is None or known.get("key") != key:
        return False
    return all(Path(path).is_file() and sha256_file(Path(path)) == digest for path, digest in known["outputs"].items())


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise TabtrailError(f"cannot write in {folder}: {reason}; check its permissions and the space left") from error


def _exchange(new: Path, old: Path) -> None:
    """Swap two folders in one step where the system can (renameat2, Linux 3.15), else in two."""
    libc = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None
    if libc is not None and hasattr(libc, "renameat2"):
        if libc.renameat2(_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(old), _RENAME_EXCHANGE) == 0:
            return
        if ctypes.get_errno() not in (errno.EINVAL, errno.ENOSYS):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(old))
    aside = old.with_name(f"{new.name}.old")
    old.rename(aside)
    new.rename(old)
    aside.rename(new)


def _sync(path: Path) -> None:
    """Flush a file or folder to disk (folders only where the system lets them be opened)."""
    if os.name != "posix" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@cache
def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
