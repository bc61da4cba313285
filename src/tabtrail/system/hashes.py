"""sha256 of files, folders and values. Apart from `files`, so that reading a bundle imports little."""

import hashlib
import json
import time
from functools import cache
from pathlib import Path
from typing import Any


def sha256_file(path: Path) -> str:
    """Return the hex sha256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_SETTLED_SECONDS = 2.0
_known: dict[Path, tuple[tuple[int, ...], str]] = {}


def known_sha256(path: Path) -> str:
    """Return the hex sha256 of a file, read once by this process for as long as nothing wrote to it.

    A file is the same while its size, inode and times of change (ns) are. Time stamps are as coarse as the clock of the file
    system, so that a second write within one tick cannot be seen: only files that were left alone for two seconds are
    remembered.
    """
    before = path.stat()
    state = (before.st_dev, before.st_ino, before.st_size, before.st_mtime_ns, before.st_ctime_ns)
    known = _known.get(path)
    if known is not None and known[0] == state:
        return known[1]
    begun = time.time()
    digest = sha256_file(path)
    if begun - max(before.st_mtime, before.st_ctime) > _SETTLED_SECONDS:
        _known[path] = (state, digest)
    return digest


def sha256_json(value: Any) -> str:
    """Return the hex sha256 of the canonical JSON text of a value (sorted keys, no spaces)."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()


def sha256_folder(folder: Path, pattern: str) -> str:
    """Return one hex sha256 over relative names and contents of the files of `folder` that match `pattern`."""
    return sha256_json(
        {str(path.relative_to(folder)): known_sha256(path) for path in sorted(folder.rglob(pattern)) if path.is_file()}
    )


@cache
def code_version() -> str:
    """Return the sha256 of this package's own sources: results made by other code are stale."""
    return sha256_folder(Path(__file__).parents[1], "*.py")
