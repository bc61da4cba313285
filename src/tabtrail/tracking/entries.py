"""The entries of a history of promotions as files, read and checked without MLflow, which takes seconds to import."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tabtrail.errors import StoreError
from tabtrail.system.hashes import sha256_json
from tabtrail.tracking import sqlite_file

FOLDER, CLAIM = "history", "entry."
_REMEDY = "restore it, or delete the run `promotions of …` in MLflow to begin a new history"
_FILE = "file://"


@dataclass(frozen=True)
class Deployed:
    """A model that is or was deployed: the sha256 stands for every byte of its bundle, the version is the registry's."""

    model: str
    run_id: str
    version: str | None
    bundle_sha256: str


@dataclass(frozen=True)
class Entry:
    """A change in the history. `when` is UTC (ISO 8601), `previous_sha256` chains entries; for the others see `Change`."""

    number: int
    when: str
    who: str
    action: str
    before: Deployed | None
    after: Deployed
    reason: str
    forced: bool
    verdict: dict[str, Any] | None
    metrics: dict[str, float]
    previous_sha256: str

    @property
    def sha256(self) -> str:
        return sha256_json(asdict(self))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def count_local_entries(path: Path, model: str, experiment: str) -> int | None:
    """Return how many entries a model has in a SQLite file; None where MLflow has to say, as they are no files of this machine.

    Raises `StoreError` where the chain of their hashes is broken, or two runs have entries.
    """
    runs = sqlite_file.runs_of(path, experiment, model)
    begun = only_begun(model, {run_id: params for run_id, (_, params) in runs.items()})
    if begun is None:
        return 0
    address, params = runs[begun]
    folder = Path(address.removeprefix(_FILE))
    return len(read_entries(folder / FOLDER, params)) if folder.is_absolute() else None


def only_begun(model: str, runs: Mapping[str, Mapping[str, str]]) -> str | None:
    """Return the one of the runs (run id → parameters) that has entries, None where none has. Raises `StoreError` for two."""
    begun = [run_id for run_id, params in runs.items() if any(key.startswith(CLAIM) for key in params)]
    if len(begun) > 1:
        raise StoreError(
            f"the history of promotions of {model} was begun by two machines at once, in the runs {' and '.join(begun)}; delete"
            " the one that is wrong"
        )
    return next(iter(begun), None)


def read_entries(folder: Path, params: Mapping[str, str]) -> list[Entry]:
    """Return the entries in a folder, oldest first. Raises `StoreError` where one is missing or was changed."""
    entries, previous = [_entry(file) for file in _counted(folder, params)], ""
    for number, entry in enumerate(entries, 1):
        if entry.number != number or entry.previous_sha256 != previous:
            raise StoreError(f"the history of promotions in the MLflow store was altered before entry {entry.number}; {_REMEDY}")
        previous = entry.sha256
    return entries


def entry_name(number: int, sha256: str) -> str:
    """Return the name of the file of an entry."""
    return f"{number:06}-{sha256[:16]}.json"


def _counted(folder: Path, params: Mapping[str, str]) -> list[Path]:
    """Return the files of the entries in their order: those that parameters of the run name, and those of before, `000001.json`,
    which none names. What else is there was refused, or cut short.
    """
    claimed = {key.removeprefix(CLAIM): sha256 for key, sha256 in params.items() if key.startswith(CLAIM)}
    earlier = {path.stem: path for path in folder.glob("*.json") if path.stem.isdigit() and path.stem not in claimed}
    named = {number: folder / entry_name(int(number), sha256) for number, sha256 in claimed.items()}
    return [path for _, path in sorted((earlier | named).items())]


def _entry(file: Path) -> Entry:
    try:
        value = json.loads(file.read_bytes())
        stated = value.pop("sha256")
        before = None if value["before"] is None else Deployed(**value["before"])
        entry = Entry(**{**value, "before": before, "after": Deployed(**value["after"])})
    except (OSError, ValueError, KeyError, TypeError):
        stated, entry = "", None
    number, _, claimed = file.stem.partition("-")
    if entry is None or entry.sha256 != stated or not stated.startswith(claimed):
        raise StoreError(f"entry {number} of the history of promotions in the MLflow store was altered; {_REMEDY}")
    return entry
