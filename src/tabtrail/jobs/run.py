"""One small function over many jobs: in this process, in worker processes, or on a Dask cluster; the same results from each."""

from collections.abc import Callable, Generator, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any, TypeVar

import joblib
from threadpoolctl import threadpool_limits

from tabtrail.config.operation import Engine
from tabtrail.errors import EngineError, require_extra
from tabtrail.jobs.job import Fitted, Job, unshared
from tabtrail.jobs.processes import run_in_processes

R = TypeVar("R")


def run(
    function: Callable[..., R], jobs: Sequence[Job], engine: Engine, *, in_order: bool = False, libraries: Sequence[str] = ()
) -> Generator[R]:
    """Yield `function(*job)` of each job as it is done, or in the order of the jobs. Closed early, the rest is dropped.

    `libraries` are the distributions that results depend on: a worker of a cluster must have the driver's versions.

    Every job has one thread (BLAS and OpenMP too), and no more processes run than there are cores. A job whose worker was
    killed runs again. Raises what the function raises, and `EngineError` for a job that ends its worker again and again, or
    a cluster that cannot be used.
    """
    if engine.kind == "dask":
        yield from _dask().run_on_dask(function, jobs, str(engine.address), libraries, in_order=in_order)
    elif (workers := worker_count(engine)) == 1:
        for job in jobs:
            with threadpool_limits(1):
                result = function(*unshared(job))
            yield result
    else:
        yield from run_in_processes(function, jobs, workers, in_order=in_order)


def run_one(function: Callable[..., R], job: Job, engine: Engine, *, libraries: Sequence[str] = ()) -> R:
    """Return `function(*job)`, computed on a worker of the cluster where the engine is one, else in this process."""
    if engine.kind != "dask":
        return function(*unshared(job))
    [result] = run(function, [job], engine, libraries=libraries)
    return result


def check_engine(engine: Engine, libraries: Sequence[str]) -> None:
    """Raise `EngineError` where jobs that depend on `libraries` cannot be run, before anything is made ready for them."""
    if "dask" in (engine.kind, engine.final):
        if engine.address is None:
            raise EngineError("this was fitted in the end on a Dask cluster (engine.final); set engine.address to one")
        _dask().check_cluster(engine.address, libraries)


def ask_workers(engine: Engine, question: Callable[..., R], *arguments: Any, libraries: Sequence[str] = ()) -> dict[str, R]:
    """Return what a question gives on each worker of a cluster, by the worker's address; nothing for this machine."""
    if engine.kind != "dask":
        return {}
    found: dict[str, R] = _dask().ask_workers(str(engine.address), libraries, question, *arguments)
    return found


def worker_count(engine: Engine) -> int:
    """Return how many jobs run at once on this machine: one where the engine is serial, else no more than there are cores.

    Cores are those that this process may use: affinity and the CPU quota of a container count.
    """
    return 1 if engine.kind == "serial" else max(1, min(engine.workers, joblib.cpu_count()))


def worker_memory(engine: Engine, libraries: Sequence[str]) -> dict[str, int | None]:
    """Return the bytes that each worker of the cluster may take, by its address; None for no limit. Raises `EngineError`."""
    found: dict[str, int | None] = _dask().worker_memory(str(engine.address), libraries)
    return found


def fit_on_dask(
    train: Callable[[Any], Any],
    read: Callable[..., Any],
    common: Any,
    parts: Sequence[Any],
    engine: Engine,
    *,
    libraries: Sequence[str],
) -> Fitted:
    """Return what a library's own distributed training makes of rows that workers read (`tabtrail.jobs.dask_fit.fit_on_dask`)."""
    found: Fitted = _dask("dask_fit").fit_on_dask(train, read, common, parts, address=str(engine.address), libraries=libraries)
    return found


def _dask(module: str = "dask") -> ModuleType:
    require_extra("dask", "distributed")
    return import_module(f"tabtrail.jobs.{module}")  # needs distributed, an optional extra
