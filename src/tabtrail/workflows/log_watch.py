"""The prediction log looked at again and again: a martingale over all rows since the deployment, and the newest rows to describe.

The service does this too, so nothing here needs a package that trains. The state of the martingale lies in the log's folder. It
follows from the files that were seen and their order alone, so that two processes that look at the same time do no harm.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tabtrail.bundle.columnar import Array
from tabtrail.bundle.logged import WATCH_STATE, label_blocks, label_files, log_files, read_logged, run_of
from tabtrail.contract.schema import Feature
from tabtrail.errors import BundleError
from tabtrail.monitor.martingale import Martingale, begin
from tabtrail.monitor.outcome import MartingaleState
from tabtrail.monitor.reference import Reference
from tabtrail.monitor.sketch import ERROR, PREDICTION
from tabtrail.system.files import read_json, write_json
from tabtrail.workflows.drift_rows import Rows

_DAY = 86_400


@dataclass(frozen=True)
class Watched:
    """The deployed model whose log is looked at; `seed` decides how ties are broken."""

    features: Sequence[Feature]
    reference: Reference
    run_id: str
    seed: int


@dataclass
class State:
    """A martingale, the run of the model that it watches, and the files of the log that it has seen."""

    run_id: str
    martingale: Martingale
    seen: set[str] = field(default_factory=set)


def look(folder: Path, watched: Watched) -> Martingale:
    """Let the martingale take the rows and labels that are new, and keep its state. A new deployment begins again."""
    state = _state(folder, watched)
    for path in (each for each in log_files(folder) if each.name not in state.seen):
        if run_of(path) == watched.run_id:
            rows = read_logged(path, watched.features)
            state.martingale.look(watched.reference, watched.reference.encode({**rows.values, PREDICTION: rows.predicted}))
        state.seen.add(path.name)
    for path in (each for each in label_files(folder) if each.name not in state.seen):
        for labels in (each.of(watched.run_id) for each in label_blocks(path)):
            if len(labels.actual) and ERROR in watched.reference.sketches:
                error = labels.actual - labels.predicted
                state.martingale.look(watched.reference, watched.reference.encode({ERROR: error}))
        state.seen.add(path.name)
    _keep(folder, state)
    return state.martingale


def logged_rows(folder: Path, watched: Watched, *, since: float | None = None) -> Iterator[Rows]:
    """Yield the rows that the watched model predicted, file by file, with the labels that are known: those `since` a day
    (since 1970-01-01, UTC), all where it is None.
    """
    labels = _labels(folder, watched.run_id)
    for path in log_files(folder):
        if (since is not None and path.stat().st_mtime / _DAY < since) or run_of(path) != watched.run_id:
            continue
        rows = Rows.logged(read_logged(path, watched.features), labels.get(path.name))
        yield rows if since is None or rows.days is None else rows.taken(rows.days >= since)


def state_of(martingale: Martingale) -> MartingaleState:
    """Return the state of a martingale as a report has it."""
    return MartingaleState(
        value=martingale.value,
        largest=martingale.largest,
        alarmed=martingale.alarmed,
        looks=martingale.looks,
        parts={str(part): value for part, value in martingale.parts().items()},
        leading=tuple(martingale.leading()),
    )


def read_reference(data: bytes) -> Reference:
    """Read the reference of a bundle. Raises `BundleError` for one of another version."""
    try:
        return Reference.from_bytes(data)
    except (ValueError, KeyError, TypeError):
        raise BundleError("the reference of the deployed model is of another version; train again") from None


def set_apart(reference: Reference, ignore: Sequence[str]) -> Reference:
    """Return a reference whose ignored columns never alarm."""
    ignored = {name: "drift.ignore" for name in ignore if name in reference.sketches}
    return replace(reference, apart={**reference.apart, **ignored}) if ignored else reference


def today() -> float:
    """Return the time in days since 1970-01-01, UTC."""
    return time.time() / _DAY


def _labels(folder: Path, run_id: str) -> dict[str, tuple[Array, Array]]:
    """Return places and actual values of all labels, by file of predictions."""
    found: dict[str, list[tuple[Array, Array]]] = {}
    for path in label_files(folder):
        for block in label_blocks(path):
            for file, each in block.of(run_id).by_file().items():
                found.setdefault(file, []).append(each)
    return {
        file: (np.concatenate([places for places, _ in parts]), np.concatenate([actual for _, actual in parts]))
        for file, parts in found.items()
    }


def _state(folder: Path, watched: Watched) -> State:
    known = read_json(folder / WATCH_STATE) or {}
    fresh = State(watched.run_id, begin(watched.reference, seed=watched.seed))
    if known.get("run_id") != watched.run_id:
        return fresh
    try:
        state = State(watched.run_id, Martingale.from_dict(known["martingale"]), set(known["seen"]))
    except (KeyError, TypeError, ValueError):
        return fresh
    return state if state.martingale.reference_sha256 == watched.reference.sha256 else fresh


def _keep(folder: Path, state: State) -> None:
    there = {path.name for path in (*log_files(folder), *label_files(folder))}
    told = {"run_id": state.run_id, "seen": sorted(state.seen & there), "martingale": state.martingale.to_dict()}
    write_json(folder / WATCH_STATE, told)
