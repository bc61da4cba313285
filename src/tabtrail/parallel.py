"""Independent tasks over the configured processes."""

import os
import signal
import threading
import time
from collections.abc import Generator, Iterable
from typing import Any

import joblib

from tabtrail.config import Engine


def spread(engine: Engine, jobs: Iterable[Any], *, in_order: bool = False) -> Generator[Any]:
    """Yield the result of each `joblib.delayed` call as it is done, or in their order. Closed early, the rest is dropped."""
    if engine.kind == "serial" or engine.workers == 1:
        yield from (function(*args, **kwargs) for function, args, kwargs in jobs)
        return
    # Not by joblib.parallel_config: its backend would also serve, and end with, what the driver itself does in between.
    kind = "generator" if in_order else "generator_unordered"
    threads = {"inner_max_num_threads": 1, "initializer": _follow_driver}
    yield from joblib.Parallel(engine.workers, "loky", return_as=kind, batch_size=1, **threads)(jobs)


def _follow_driver() -> None:
    """A terminal sends Ctrl-C to the workers too; the driver ends them, without a traceback from each.

    A driver that was killed ends nobody: the workers look for it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
