"""The records of the stages: where they lie, and how an output is brought up to date without making its stage stale."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tabtrail.system.files import read_json, write_json
from tabtrail.system.hashes import known_sha256, sha256_file


def record_file(output_dir: Path, stage: str) -> Path:
    """Record of a stage: key, what the key is made of, and the sha256 of every output by its path."""
    return output_dir / ".stages" / f"{stage}.json"


@contextmanager
def updated_output(output_dir: Path, path: Path) -> Iterator[Callable[[Path], None]]:
    """Let a file that a stage left be brought up to date, as results are taken into the database: the stage stays as fresh as
    it was.

    Yields what is to be called with the new file before it takes its place: from then on the record has both hashes, so that
    whoever is killed between the two leaves a fresh stage too.
    """
    before = known_sha256(path) if path.is_file() else None
    files = [each for each in record_file(output_dir, "*").parent.glob("*.json") if before in recorded(each, path)]
    yield lambda new: _note(files, path, [before, sha256_file(new)])
    _note(files, path, [known_sha256(path)])


def recorded(file: Path, path: Path) -> list[str]:
    """Return the hashes that an output may have by the record of a stage; two while it is brought up to date."""
    return hashes_of(((read_json(file) or {}).get("outputs") or {}).get(str(path), []))


def hashes_of(value: str | list[str]) -> list[str]:
    """Return the hashes of an output in a record: one is a text of its own."""
    return [value] if isinstance(value, str) else list(value)


def _note(files: Sequence[Path], path: Path, hashes: Sequence[str | None]) -> None:
    for file in files:
        known = read_json(file) or {}
        value = hashes[0] if len(hashes) == 1 else list(hashes)
        write_json(file, {**known, "outputs": {**known["outputs"], str(path): value}})
