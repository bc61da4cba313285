"""Files and folders that are whole or not there: atomic writes, atomic swaps, and what killed ones leave behind."""

import contextlib
import ctypes
import errno
import glob
import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tabtrail.errors import TabtrailError

TEMPORARY = ".tabtrail-"  # in the name of every temporary sibling, so that nobody else's file is taken for one
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_LEAST_FREE_BYTES = 64 * 1024
_STORAGE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path`; on success it is synced and renamed over `path`, on failure removed."""
    make_folder(path.parent)
    with _writing(path.parent):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}{TEMPORARY}", suffix=path.suffix)
        os.close(descriptor)
        temporary = Path(name)
        try:
            with _full_told(path.parent):
                yield temporary
            temporary.chmod(0o666 & ~_umask())
            sync(temporary)
            temporary.replace(path)
            sync(path.parent)
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
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}{TEMPORARY}"))
        try:
            with _full_told(path.parent):
                yield temporary
            temporary.chmod(0o777 & ~_umask())
            for file in (*temporary.rglob("*"), temporary):
                sync(file)
            if path.exists():
                _exchange(temporary, path)
            else:
                temporary.rename(path)
            sync(path.parent)
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


def move_aside(database: Path, suffix: str) -> str:
    """Return the shell command that renames a SQLite database with its journals, so that no other file is taken for theirs."""
    parts = [part for part in ("", "-journal", "-wal", "-shm") if not part or Path(f"{database}{part}").exists()]
    return " && ".join(f"mv {shlex.quote(f'{database}{part}')} {shlex.quote(f'{database}{suffix}{part}')}" for part in parts)


def temporary_siblings(folder: Path, name: str = "") -> list[Path]:
    """Return the temporary files and folders in a folder: those of the target `name`, or of any target."""
    return sorted(folder.glob(f".{glob.escape(name) or '*'}{TEMPORARY}*"))


@contextlib.contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Turn what a full, read-only or failing disk raises into a `TabtrailError` that says where and what to do."""
    try:
        with _libraries_told():
            yield
    except OSError as error:
        if error.errno not in _STORAGE:
            raise
        where = error.filename if isinstance(error.filename, str | Path) else folder
        raise TabtrailError(_no_write(Path(where), error)) from error


def sync(path: Path) -> None:
    """Flush a file or folder to disk (folders only where the system lets them be opened)."""
    if os.name != "posix" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        with _libraries_told():
            yield
    except OSError as error:
        raise TabtrailError(_no_write(folder, error)) from error


@contextlib.contextmanager
def _libraries_told() -> Iterator[None]:
    """Raise as `OSError` what libraries such as Polars tell of the system in the text of an error of their own."""
    try:
        yield
    except (OSError, TabtrailError):
        raise
    except Exception as error:
        number = next((each for each in (errno.ENOSPC, errno.EFBIG, errno.EROFS) if os.strerror(each) in str(error)), None)
        if number is None:
            raise
        raise OSError(number, os.strerror(number)) from error


@contextlib.contextmanager
def _full_told(folder: Path) -> Iterator[None]:
    """Libraries that meet a full disk raise what they like ("transport error"): look, while what they wrote is still there."""
    try:
        yield
    except (OSError, TabtrailError):
        raise
    except Exception as error:
        if shutil.disk_usage(folder).free >= _LEAST_FREE_BYTES:
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error


def _no_write(folder: Path, error: OSError) -> str:
    reason = os.strerror(error.errno) if error.errno else str(error)
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    advice = "make room there" if full else "check its permissions"
    return f"cannot write in {folder}: {reason}; {advice} (`tabtrail doctor` tells more), and run the command again"


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


@cache
def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
