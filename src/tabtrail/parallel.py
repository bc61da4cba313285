"""Independent tasks over the configured processes."""

import signal
from collections.abc import Generator, Iterable
from typing import Any

import joblib

from tabtrail.config import Engine


def spread(engine: Engine, jobs: Iterable[Any], *, in_order: bool = False) -> Generator[Any]:
    """Yield the result of each `joblib.delayed` call as it is done, or in their order. Closed early, the rest is dropped."""
    if engine.kind == "serial" or engine.workers == 1:
        yield from (function(*args, **kwargs) for function, args, kwargs in jobs)
        return
    with joblib.parallel_config(backend="loky", n_jobs=engine.workers, inner_max_num_threads=1, initializer=_ignore_interrupts):
        kind = "generator" if in_order else "generator_unordered"
        yield from joblib.Parallel(return_as=kind, batch_size=1)(jobs)


def _ignore_interrupts() -> None:
    """A terminal sends Ctrl-C to the workers too; the driver ends them, without a traceback from each."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
