"""Files and folders that are whole or not there: atomic writes and swaps, and what killed processes leave behind."""

import contextlib
import ctypes
import errno
import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tabtrail.errors import TabtrailError
from tabtrail.system.temporary import remove, remove_abandoned, temporary_sibling

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_LEAST_FREE_BYTES = 64 * 1024
_SYSTEM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS)
_BLOCK = 4096  # of most file systems: a limit may leave room for less than what is written at once
_STORAGE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path`; on success it is synced and renamed over `path`, on failure removed.

    So is what a killed process left of it.
    """
    make_folder(path.parent)
    with _explain_refusals(path.parent):
        remove_abandoned(path)
        temporary = temporary_sibling(path, path.suffix)
        temporary.touch(exist_ok=False)
        mode = temporary.stat().st_mode  # as the umask has it; who writes the file may make another one
        try:
            with _recognise_full_disk(temporary):
                yield temporary
            temporary.chmod(mode)
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
    with atomic_folder_and_files(path) as (temporary,):
        yield temporary


@contextlib.contextmanager
def atomic_folder_and_files(path: Path, *files: Path) -> Iterator[list[Path]]:
    """Yield temporary siblings: of a folder, as `atomic_folder` does, and of files that belong to it and take their places next.

    The exchange of the folder is the moment from which the new state counts: the files are whole on the disk by then. What
    a killed process had no time to rename stays beside its place (`temporary_siblings`).
    """
    path = path.resolve()  # the folder itself, where the path is a link to it
    if path.exists() and not path.is_dir():
        raise TabtrailError(f"{path} is a file, where a folder is to be written; move it away, or name another path")
    make_folder(path.parent)
    with _explain_refusals(path.parent):
        remove_abandoned(path)
        folder = temporary_sibling(path)
        beside = [temporary_sibling(file, file.suffix) for file in files]
        folder.mkdir()
        new = folder.stat().st_ino
        try:
            for each in beside:
                each.touch(exist_ok=False)
            modes = {each: each.stat().st_mode for each in (folder, *beside)}  # whoever writes a file may make another one
            with _recognise_full_disk(folder, *beside):
                yield [folder, *beside]
            for each, mode in modes.items():
                each.chmod(mode)
            for each in (*folder.rglob("*"), *modes):
                sync(each)
            sync(path.parent)
            _put_folder(folder, path)
            for each, file in zip(beside, files, strict=True):
                each.replace(file)
                each.unlink(missing_ok=True)  # a link to the file that is there already: renaming one does nothing
            sync(path.parent)
        finally:
            counts = path.exists() and path.stat().st_ino == new  # an interrupt right after the exchange keeps the files
            for each in (folder, *(() if counts else beside)):
                remove(each)


def _put_folder(new: Path, place: Path) -> None:
    if place.exists():
        _exchange(new, place)
    else:
        new.rename(place)


def make_folder(path: Path) -> None:
    """Create a folder with its parents, or raise `TabtrailError` saying which one cannot be made."""
    with _explain_refusals(path):
        path.mkdir(parents=True, exist_ok=True)


def require_writable(*folders: Path) -> None:
    """Raise `TabtrailError` for the first folder that cannot be made or written in, before any work is spent."""
    for folder in folders:
        make_folder(folder)
        with _explain_refusals(folder), tempfile.TemporaryFile(dir=folder):
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


def link_or_copy(source: Path, target: Path) -> None:
    """Make `target` another name of a file: a hard link, which takes no room and stays whole when the folder is copied.

    A copy where there are no hard links, as between two file systems.
    """
    make_folder(target.parent)
    with _explain_refusals(target.parent):
        temporary = temporary_sibling(target, target.suffix)
        try:
            try:
                temporary.hardlink_to(source)
            except OSError:
                shutil.copyfile(source, temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)  # a rename onto another name of the same file does nothing


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the JSON object of a file, or None where there is no such file or it holds no JSON object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError, json.JSONDecodeError):
        return None
    return value if isinstance(value, dict) else None


def rename_command(database: Path, suffix: str) -> str:
    """Return the shell command that renames a SQLite database with its journals, for a person to type."""
    parts = [part for part in ("", "-journal", "-wal", "-shm") if not part or Path(f"{database}{part}").exists()]
    return " && ".join(f"mv {shlex.quote(f'{database}{part}')} {shlex.quote(f'{database}{suffix}{part}')}" for part in parts)


@contextlib.contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Turn what a full, read-only or failing disk raises into a `TabtrailError` that says where and what to do."""
    try:
        with _recognise_system_errors():
            yield
    except OSError as error:
        if error.errno not in _STORAGE:
            raise
        where = error.filename if isinstance(error.filename, str | Path) else folder
        raise TabtrailError(_refusal(Path(where), error)) from error


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
def _explain_refusals(folder: Path) -> Iterator[None]:
    """Raise a `TabtrailError` that says what to do where the system does not let a folder be written."""
    try:
        with _recognise_system_errors():
            yield
    except OSError as error:
        raise TabtrailError(_refusal(folder, error)) from error


@contextlib.contextmanager
def _recognise_system_errors() -> Iterator[None]:
    """Raise an `OSError` where a library such as Polars reports one of the system only in the text of its own error."""
    try:
        yield
    except TabtrailError:
        raise
    except Exception as error:
        number = system_errno(error)
        if number is None or (isinstance(error, OSError) and error.errno is not None):
            raise
        raise OSError(number, os.strerror(number)) from error


def system_errno(error: Exception) -> int | None:
    """Return the number of what the system refused: of an `OSError`, or where a library names it in its text alone."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    return next((each for each in _SYSTEM if os.strerror(each) in str(error)), None)


@contextlib.contextmanager
def _recognise_full_disk(*places: Path) -> Iterator[None]:
    """Raise an `OSError` for a full disk, a quota or a limit of the size of files, whatever a library made of it ("transport
    error", "Invalid thrift"): while what it wrote into these files and folders is still there, a little more is written.
    """
    try:
        yield
    except (OSError, TabtrailError):
        raise
    except Exception as error:
        try:
            _write_more(places)
        except OSError as reason:
            if reason.errno in _STORAGE:
                raise OSError(reason.errno, os.strerror(reason.errno)) from error
        raise


def _write_more(places: Sequence[Path]) -> None:
    """Append to the largest file; what is written goes with it."""
    inner = [each for place in places for each in (place, *place.rglob("*")) if each.is_file()]
    largest = max(inner, key=lambda each: each.stat().st_size, default=places[0] / "more")
    with largest.open("ab", buffering=0) as file:
        for _ in range(_LEAST_FREE_BYTES // _BLOCK):
            file.write(bytes(_BLOCK))
        os.fsync(file.fileno())


def growth_problem(path: Path) -> str:
    """Return why a file a little larger than `path` cannot be written beside it, and what to do; empty where it can."""
    beside = temporary_sibling(path)
    try:
        with beside.open("wb", buffering=0) as file:
            os.truncate(file.fileno(), path.stat().st_size if path.exists() else 0)
        _write_more([beside])
    except OSError as error:
        return _reason(error) if error.errno in _STORAGE else ""
    finally:
        beside.unlink(missing_ok=True)
    return ""


def _refusal(folder: Path, error: OSError) -> str:
    return f"cannot write in {folder}: {_reason(error)} (`tabtrail doctor` says more), and run the command again"


def _reason(error: OSError) -> str:
    reason = os.strerror(error.errno) if error.errno else str(error)
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    advice = "make room there" if full else "check its permissions"
    if error.errno == errno.EFBIG:
        advice = "raise the limit of the size of files (ulimit -f)"
    elif error.errno == errno.EDQUOT:
        advice = "make room within your quota"
    return f"{reason}; {advice}"


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
