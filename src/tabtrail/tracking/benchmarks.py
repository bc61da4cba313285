"""Which benchmark a run belongs to: its own, where it is a benchmark's, or its parent's."""

from dataclasses import dataclass

from tabtrail.errors import UsageError
from tabtrail.tracking.runs import Run, complete_children, read_run
from tabtrail.tracking.store import Store
from tabtrail.tracking.tags import BUNDLE, COMPLETE, TAG

_PARENT = "mlflow.parentRunId"
SERIES = "demand"
_ROWS = "benchmark"


@dataclass(frozen=True)
class Found:
    """A run of a benchmark: the benchmark's own (`candidate` is None), or that of one of its candidates."""

    benchmark: Run
    candidate: Run | None


def find_benchmark(store: Store, run_id: str, *, asked: str = "") -> Found:
    """Return the benchmark, of rows or of series, that a run belongs to. Raises `UsageError` for one that is not there or not of
    a benchmark. `asked` is what the person gave in the place of the run's id.
    """
    shown = asked or run_id
    run = read_run(store, run_id)
    if run is None:
        raise UsageError(
            f"there is no run {shown} in the MLflow store; `tabtrail sql 'FROM runs'` lists those of the last benchmark"
        )
    parent = read_run(store, run.tags[_PARENT]) if _PARENT in run.tags else run
    if parent is None or parent.tags.get(TAG + "kind") not in (_ROWS, SERIES):
        raise UsageError(f"run {shown} is not one of a benchmark of tabtrail")
    return Found(parent, None if parent.run_id == run.run_id else run)


def is_of_series(run: Run) -> bool:
    """Tell whether a run is of a training on many series."""
    return run.tags.get(TAG + "kind") == SERIES


def complete_benchmark(store: Store, run_id: str) -> Found:
    """Return the complete benchmark of a run. Raises `UsageError` as `find_benchmark` does, and for one that was cut short."""
    found = find_benchmark(store, run_id)
    if found.benchmark.tags.get(COMPLETE) != "true":
        raise UsageError(f"the benchmark of run {run_id} never became complete; `tabtrail train` continues it")
    return found


@dataclass(frozen=True)
class Wanted:
    """A candidate of a benchmark that is to be deployed, and the run that holds its bundle: None where none has been made yet."""

    benchmark: Run
    candidate: str
    holder: str | None


def wanted_candidate(store: Store, run_id: str, candidate: str | None = None, *, asked: str = "") -> Wanted:
    """Return the candidate that is meant: the named one of the run's benchmark, that of the run, or the benchmark's winner.

    Raises `UsageError` as `find_benchmark` does, for a benchmark that was cut short, and for a name or run that contradict.
    """
    shown = asked or run_id
    found = find_benchmark(store, run_id, asked=shown)
    winner = found.benchmark.tags.get(TAG + "champion")
    if winner is None:
        raise UsageError(f"the benchmark of run {shown} never became complete; `tabtrail train` continues it")
    own = None if found.candidate is None else found.candidate.tags[TAG + "candidate"]
    if candidate is not None and own not in (None, candidate):
        raise UsageError(f"run {shown} is of {own}, not of {candidate}; leave --candidate out, or give the benchmark's run")
    name = candidate or own or winner
    if name == winner and BUNDLE in found.benchmark.tags:
        return Wanted(found.benchmark, name, found.benchmark.run_id)
    run = found.candidate or complete_children(store, found.benchmark.run_id).get(name)
    return Wanted(found.benchmark, name, run.run_id if run is not None and BUNDLE in run.tags else None)
