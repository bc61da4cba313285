"""sha256 of files, folders and values. Apart from `files`, so that reading a bundle imports little."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any


def sha256_file(path: Path) -> str:
    """Return the hex sha256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_json(value: Any) -> str:
    """Return the hex sha256 of the canonical JSON text of a value (sorted keys, no spaces)."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()


def sha256_folder(folder: Path, pattern: str) -> str:
    """Return one hex sha256 over relative names and contents of the files of `folder` that match `pattern`."""
    return sha256_json(
        {str(path.relative_to(folder)): sha256_file(path) for path in sorted(folder.rglob(pattern)) if path.is_file()}
    )


@cache
def code_version() -> str:
    """Return the sha256 of this package's own sources: results made by other code are stale."""
    return sha256_folder(Path(__file__).parents[1], "*.py")
