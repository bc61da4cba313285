"""Names for what is not finished yet: each names the process that made it, so that what a killed one left is known as such."""

import glob
import hashlib
import re
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tabtrail.system.process import is_alive, this_process

TEMPORARY = ".tabtrail-"  # in the name of every temporary sibling, so that nobody else's file is taken for one
_SCRATCH = "tabtrail-"
_MARK = re.compile(r"tabtrail-([0-9a-f]{6})-([0-9a-f]+)-([0-9a-f]*)-")


def temporary_sibling(path: Path, suffix: str = "") -> Path:
    """Return a name beside `path` that nobody else uses."""
    return path.with_name(f".{path.name}{TEMPORARY}{_mark(this_process())}-{secrets.token_hex(3)}{suffix}")


def temporary_siblings(folder: Path, name: str = "") -> list[Path]:
    """Return the temporary files and folders in a folder: those of the target `name`, or of any target."""
    return sorted(folder.glob(f".{glob.escape(name) or '*'}{TEMPORARY}*"))


@contextmanager
def scratch_beside(path: Path) -> Iterator[Path]:
    """Make a folder beside `path`, on the disk that has room for what becomes of it; it is removed at the end."""
    folder = temporary_sibling(path)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def scratch_folder() -> "tempfile.TemporaryDirectory[str]":
    """Make a folder where the system keeps temporary files; as a context it is removed at the end."""
    return tempfile.TemporaryDirectory(prefix=f"{_SCRATCH}{_mark(this_process())}-")


def lasting_scratch_folder() -> Path:
    """Make a folder where the system keeps temporary files, which its maker removes."""
    return Path(tempfile.mkdtemp(prefix=f"{_SCRATCH}{_mark(this_process())}-"))


def abandoned_scratch() -> list[Path]:
    """Return the scratch folders of this machine whose makers were killed."""
    return sorted(each for each in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*") if maker_has_ended(each))


def maker_has_ended(path: Path) -> bool:
    """Tell whether the process that made a temporary file or folder ran on this machine and has ended."""
    found = _MARK.search(path.name)
    if found is None or found[1] != _host_mark(socket.gethostname()):
        return False
    start = str(int(found[3], 16)) if found[3] else ""
    return not is_alive(f"{socket.gethostname()}:{int(found[2], 16)}:{start}")


def is_of(path: Path, process: str) -> bool:
    """Tell whether a process, as `this_process` has it, made a temporary file or folder."""
    return f"tabtrail-{_mark(process)}-" in path.name


def remove_abandoned(path: Path) -> None:
    """Remove what killed processes of this machine left beside `path` of what was to become it."""
    for each in temporary_siblings(path.parent, path.name):
        if maker_has_ended(each):
            remove(each)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _mark(process: str) -> str:
    """Host, process id and start in few characters: names of files are bounded."""
    host, pid, start = process.rsplit(":", 2)
    return f"{_host_mark(host)}-{int(pid):x}-{f'{int(start):x}' if start else ''}"


def _host_mark(host: str) -> str:
    return hashlib.sha256(host.encode()).hexdigest()[:6]
