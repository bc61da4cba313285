"""Which benchmark a run belongs to: its own, where it is a benchmark's, or its parent's."""

from dataclasses import dataclass

from tabtrail.errors import UsageError
from tabtrail.tracking.items import COMPLETE, TAG
from tabtrail.tracking.runs import Run, read_run
from tabtrail.tracking.store import Store

_PARENT = "mlflow.parentRunId"


@dataclass(frozen=True)
class Found:
    """A run of a benchmark: the benchmark's own (`candidate` is None), or that of one of its candidates."""

    benchmark: Run
    candidate: Run | None


def find_benchmark(store: Store, run_id: str, *, asked: str = "") -> Found:
    """Return the benchmark of a run. Raises `UsageError` for one that is not there or not of a benchmark.

    `asked` is what the person gave in the place of the run's id.
    """
    run, shown = read_run(store, run_id), asked or run_id
    if run is None:
        raise UsageError(
            f"there is no run {shown} in the MLflow store; `tabtrail sql 'FROM runs'` lists those of the last benchmark"
        )
    parent = read_run(store, run.tags[_PARENT]) if _PARENT in run.tags else run
    if parent is None or parent.tags.get(TAG + "kind") != "benchmark":
        raise UsageError(f"run {shown} is not one of a benchmark of tabtrail")
    return Found(parent, None if parent.run_id == run.run_id else run)


def complete_benchmark(store: Store, run_id: str) -> Found:
    """Return the complete benchmark of a run. Raises `UsageError` as `find_benchmark` does, and for one that was cut short."""
    found = find_benchmark(store, run_id)
    if found.benchmark.tags.get(COMPLETE) != "true":
        raise UsageError(f"the benchmark of run {run_id} never became complete; `tabtrail train` continues it")
    return found


def benchmark_of_winner(store: Store, run_id: str, *, asked: str = "") -> str:
    """Return the id of the benchmark that a run stands for: its own run, or that of its winner, which is the one with a bundle.

    Raises `UsageError` as `find_benchmark` does, and for another candidate.
    """
    found, shown = find_benchmark(store, run_id, asked=asked), asked or run_id
    winner = found.benchmark.tags.get(TAG + "champion")
    if winner is None:
        raise UsageError(f"the benchmark of run {shown} never became complete; `tabtrail train` continues it")
    if found.candidate is not None and (name := found.candidate.tags.get(TAG + "candidate")) != winner:
        raise UsageError(f"the run {shown} is of {name}; only the winner of a benchmark is bundled, here {winner}")
    return found.benchmark.run_id
