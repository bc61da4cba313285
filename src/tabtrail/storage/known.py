"""The hashes of objects that were read once: while an object has the same ETag, it need not be read again to know its hash."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from tabtrail.storage.objects import ObjectFile, StoredFile
from tabtrail.system.files import read_json, write_json
from tabtrail.system.hashes import known_sha256

_FILE = "objects.json"


def stored_sha256(file: StoredFile, cache_dir: Path) -> str:
    """Return what stands for the contents of a file: its sha256, or of an object that was not read yet its ETag."""
    if isinstance(file, Path):
        return known_sha256(file)
    known = (read_json(cache_dir / _FILE) or {}).get(str(file))
    return str(known["sha256"]) if isinstance(known, dict) and known.get("state") == _state(file) else _state(file)


def read_sha256(file: StoredFile, cache_dir: Path) -> str:
    """Return the sha256 of a file; an object that is not known is read for it."""
    found = stored_sha256(file, cache_dir)
    if isinstance(file, Path) or found != _state(file):
        return found
    with file.open() as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def remember_sha256(digests: Mapping[StoredFile, str], cache_dir: Path) -> None:
    """Keep the hashes of objects that were read as they are now."""
    found = {str(file): {"state": _state(file), "sha256": sha} for file, sha in digests.items() if isinstance(file, ObjectFile)}
    if found:
        write_json(cache_dir / _FILE, {**(read_json(cache_dir / _FILE) or {}), **found})


def _state(file: ObjectFile) -> str:
    return f"{file.etag} {file.size}"
