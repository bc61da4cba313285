"""The records of the stages: where they lie, and how an output is brought up to date without making its stage stale."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tabtrail.system.files import read_json, write_json
from tabtrail.system.hashes import known_sha256


def record_file(output_dir: Path, stage: str) -> Path:
    """Record of a stage: key, what the key is made of, and the sha256 of every output by its path."""
    return output_dir / ".stages" / f"{stage}.json"


@contextmanager
def updated_output(output_dir: Path, path: Path) -> Iterator[None]:
    """Let a file that a stage left be brought up to date, as results are taken into the database: the stage stays as fresh as
    it was.
    """
    before = known_sha256(path) if path.is_file() else None
    yield
    for file in record_file(output_dir, "*").parent.glob("*.json"):
        known = read_json(file) or {}
        if before is not None and known.get("outputs", {}).get(str(path)) == before:
            write_json(file, {**known, "outputs": {**known["outputs"], str(path): known_sha256(path)}})
