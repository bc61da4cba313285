"""Jobs in worker processes of this machine, which end when their driver does."""

import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import joblib

from tabtrail.errors import EngineError
from tabtrail.jobs.job import Job, unshared

R = TypeVar("R")
_MAPPED_BYTES = 100_000  # arrays from this size on are written once and mapped into every worker process
_MOST_BREAKS = 3  # a job that ended three pools in a row would end the next one too


def run_in_processes(function: Callable[..., R], jobs: Sequence[Job], workers: int, *, in_order: bool) -> Generator[R]:
    """Yield the results of jobs as `tabtrail.jobs.run.run` does. Jobs that a killed worker took with it run again."""
    left, breaks = dict(enumerate(jobs)), 0
    kind = "generator" if in_order else "generator_unordered"
    # Not by joblib.parallel_config: its backend would also serve, and end with, what the driver itself does in between.
    threads = {"inner_max_num_threads": 1, "initializer": _follow_driver}
    while left:
        calls = (joblib.delayed(_numbered)(index, function, unshared(job)) for index, job in list(left.items()))
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
    if not gc.isenabled():
        gc.freeze()  # what the first job imports has come with it, and stays
        gc.enable()
    return index, function(*job)


def _follow_driver() -> None:
    """Let the driver alone end this worker, and end with the driver.

    A terminal sends Ctrl-C to the workers too; the driver ends them without a traceback from each. A driver that was killed
    cannot end its workers, so each of them watches it.
    """
    gc.disable()  # until the first job is there: what imports make stays, and looking through it takes an eighth of their time
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
