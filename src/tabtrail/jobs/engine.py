"""One small function over many jobs: in this process, in worker processes, or on a Dask cluster; the same results from each."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import joblib
from threadpoolctl import threadpool_limits

from tabtrail.config.operation import Engine
from tabtrail.errors import EngineError, require_extra
from tabtrail.jobs.shared import Job, follow_driver, plain

R = TypeVar("R")
_MAPPED_BYTES = 100_000  # arrays from this size on are written once and mapped into every worker process
_MOST_BREAKS = 3


def run(function: Callable[..., R], jobs: Sequence[Job], engine: Engine, *, in_order: bool = False) -> Generator[R]:
    """Yield `function(*job)` of each job as it is done, or in the order of the jobs. Closed early, the rest is dropped.

    Every job has one thread (BLAS and OpenMP too), and no more processes run than there are cores. A job whose worker was
    killed runs again. Raises what the function raises, and `EngineError` for a job that ends its worker again and again, or
    a cluster that cannot be used.
    """
    if engine.kind == "dask":
        require_extra("dask", "distributed")
        from tabtrail.jobs.dask_engine import run_on_dask

        yield from run_on_dask(function, jobs, engine, in_order=in_order)
    elif (workers := processes(engine)) == 1:
        for job in jobs:
            with threadpool_limits(1):
                result = function(*plain(job))
            yield result
    else:
        yield from _run_in_processes(function, jobs, workers, in_order=in_order)


def check_engine(engine: Engine) -> None:
    """Raise `EngineError` where jobs cannot be run, before anything is made ready for them."""
    if engine.kind == "dask":
        require_extra("dask", "distributed")
        from tabtrail.jobs.dask_engine import check_cluster

        check_cluster(str(engine.address))


def processes(engine: Engine) -> int:
    """Return how many jobs run at once on this machine: one where the engine is serial, else no more than there are cores.

    Cores are those that this process may use: affinity and the CPU quota of a container count.
    """
    return 1 if engine.kind == "serial" else max(1, min(engine.workers, joblib.cpu_count()))


def _run_in_processes(function: Callable[..., R], jobs: Sequence[Job], workers: int, *, in_order: bool) -> Generator[R]:
    left, breaks = dict(enumerate(jobs)), 0
    kind = "generator" if in_order else "generator_unordered"
    # Not by joblib.parallel_config: its backend would also serve, and end with, what the driver itself does in between.
    threads = {"inner_max_num_threads": 1, "initializer": follow_driver}
    while left:
        calls = (joblib.delayed(_numbered)(index, function, plain(job)) for index, job in list(left.items()))
        pool = joblib.Parallel(workers, "loky", return_as=kind, batch_size=1, max_nbytes=_MAPPED_BYTES, **threads)
        try:
            for index, result in pool(calls):
                del left[index]
                breaks = 0
                yield result
        except BrokenProcessPool:
            breaks += 1
            if breaks == _MOST_BREAKS:
                raise EngineError(
                    f"a worker process was killed {breaks} times in a row, most likely for want of memory; lower engine.workers"
                    " or split.max_rows"
                ) from None


def _numbered(index: int, function: Callable[..., R], job: Job) -> tuple[int, R]:
    return index, function(*job)
