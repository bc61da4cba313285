"""The run of a training on series: begun, or taken up where one of the same data, config and code was cut short."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from tabtrail.bundle.metadata import signature_name
from tabtrail.progress import Progress
from tabtrail.tracking.artifacts import list_files
from tabtrail.tracking.provenance import Provenance, log_origin
from tabtrail.tracking.refusals import store_errors
from tabtrail.tracking.runs import Run, close_dead_runs, complete_children, find_run, read_run, running
from tabtrail.tracking.store import Store
from tabtrail.tracking.tags import BUNDLE, BUNDLE_FOLDER, KEY


@dataclass(frozen=True)
class Identity:
    """A training for the store: the name of its run, what it is made from, its config as text, and what else its tags say.

    Two with the same `key` (data, config, code and libraries) come out the same.
    """

    name: str
    key: str
    provenance: Provenance
    config: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Tracked:
    """A run at work, and the candidates that are in it already, by name."""

    run_id: str
    finished: Mapping[str, Run] = field(default_factory=dict)


@contextmanager
def tracked(store: Store, identity: Identity, progress: Progress, *, force: bool) -> Iterator[Tracked]:
    """Begin a run, or take up that of the same training unless `force`; it ends complete, or failed where an exception passes.

    Runs that say they are running while their process is gone are closed.
    """
    with store_errors(store.uri):
        dead = close_dead_runs(store)
        resumed = None if force else find_run(store, identity.key)
    if dead:
        progress.say(f"demand: {dead} runs of a process that is gone are closed as killed")
    tags = {**identity.provenance.tags, **identity.tags, KEY: identity.key}
    with running(store, identity.name, tags, resumed=resumed) as run_id:
        log_origin(store, run_id, identity.provenance, identity.config)
        finished = complete_children(store, run_id) if resumed else {}
        begun = f"is continued, {len(finished)} models are finished" if finished else "begins"
        progress.say(f"demand: run {run_id} {begun}")
        yield Tracked(run_id, finished)


def holds_bundle(store: Store, run_id: str, name: str, *, signed: bool) -> bool:
    """Tell whether a run holds a bundle that can be deployed: signed, where there is a key by now."""
    run = read_run(store, run_id)
    if run is None or BUNDLE not in run.tags:
        return False
    return not signed or f"{BUNDLE_FOLDER}/{signature_name(name)}" in list_files(store, run_id, BUNDLE_FOLDER)
