"""Blocks of rows that the workers of a cluster read and keep, and a library's own distributed training on them, watched over."""

import io
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from typing import Any, TypeVar

import dask.array as da
import numpy as np
from dask import delayed
from distributed import Client, Future, KilledWorker, wait

from tabtrail.errors import DataError, EngineError
from tabtrail.jobs.dask import Refused, call, connected, lost, versions
from tabtrail.jobs.job import Arrays, Fitted, TrainingError

R = TypeVar("R")
Block = tuple[Any, Any, Any]
"""A matrix [rows, columns], what is learned [rows], and weights [rows], or None where all rows weigh the same."""
_Shape = tuple[int, int, bool]
_WEIGHTS = 2  # their place in a block
_LOOK_SECONDS = 1.0
# A library that loses a worker says so within seconds, or waits for it forever: LightGBM reads on from a closed connection.
_PATIENCE_SECONDS = 20.0
_PAUSED_SECONDS = 60.0  # a worker that is so long too full to begin with what it was given will not begin any more


@dataclass
class _Training:
    """A training in a thread of its own; a thread that waits for a lost worker forever does not keep the process alive."""

    ended: threading.Event = field(default_factory=threading.Event)
    result: Any = None
    error: Exception | None = None

    @property
    def succeeded(self) -> bool:
        return self.ended.is_set() and self.error is None

    def run(self, client: Client, work: Callable[[], Any]) -> None:
        try:
            with client.as_current():
                self.result = work()
        except Exception as error:  # noqa: BLE001 - raised again, or explained, by who waits for the training
            self.error = error
        finally:
            self.ended.set()


def fit_on_dask(
    train: Callable[[Arrays], Any],
    read: Callable[[Any, Any], Block],
    common: Any,
    parts: Sequence[Any],
    *,
    address: str,
    libraries: Sequence[str],
) -> Fitted:
    """Return what `train` makes of the blocks `read(common, part)` of all parts, which workers read and keep.

    Raises `EngineError` for a cluster that is away or loses a worker, what `read` raises, `DataError` where no row is left, and
    `TrainingError` with what `train` raises while all workers are there.
    """
    training = _Training()
    with connected(address, libraries) as client, client.as_current(), lost(address):
        [sent] = client.scatter([common], broadcast=True, hash=False)
        own, token, workers = versions(tuple(libraries)), uuid.uuid4().hex, sorted(client.nthreads())
        blocks = [
            client.submit(
                *(call, read, own, sent, part),
                key=f"tabtrail-block-{token}-{number}",
                pure=False,
                # In turn: left to the scheduler, a few parts may all come to the worker that was ready first.
                workers=[workers[number % len(workers)]],
                allow_other_workers=True,
            )
            for number, part in enumerate(parts)
        ]
        sizes = _read_all(client, blocks)
        kept = [(block, shape) for block, shape in zip(blocks, sizes, strict=True) if shape[0]]
        if not kept:
            raise DataError("no row of the dataset is left for the final fit to learn from")
        held = {worker for workers in client.who_has([block for block, _ in kept]).values() for worker in workers}
        with _unsaid():
            _watch(training, client, partial(train, Arrays(client, *_arrays(kept))), held)
    if training.error is not None:
        raise TrainingError(training.error) from None
    return Fitted(training.result, sum(shape[0] for _, shape in kept), len(held))


def _read_all(client: Client, blocks: list[Future]) -> list[_Shape]:
    """Return rows, columns, and whether there are weights, of each block when all are read."""
    shapes = client.map(_shape, blocks, pure=False)
    wait(shapes)
    try:
        found = client.gather(shapes)
    except KilledWorker as error:
        raise EngineError(
            f"the rows of the final fit ended every Dask worker that read them ({error.last_worker.address} last), most likely"
            " for want of memory; give the workers more, or start more of them"
        ) from None
    for each in found:
        if isinstance(each, Refused):
            raise each.error
    return list(found)


def _shape(block: Block | Refused) -> tuple[int, int, bool] | Refused:
    return block if isinstance(block, Refused) else (*block[0].shape, block[2] is not None)


def _arrays(blocks: Sequence[tuple[Future, _Shape]]) -> Iterator[Any]:
    """Yield matrix, targets and weights as Dask arrays; None for weights where there are none."""
    for place, kind in enumerate((np.float32, np.float64, np.float64)):
        chunks = [
            da.from_delayed(delayed(itemgetter(place), pure=False)(block), (rows, columns) if place == 0 else (rows,), dtype=kind)
            for block, (rows, columns, weighted) in blocks
            if place < _WEIGHTS or weighted
        ]
        yield da.concatenate(chunks) if chunks else None


def _watch(training: _Training, client: Client, work: Callable[[], Any], workers: set[str]) -> None:
    """Return when a training has ended while all of its workers are there. Raises `EngineError` where one is gone or stuck."""
    threading.Thread(target=training.run, args=(client, work), daemon=True).start()
    gone_since = paused_since = None
    while not training.ended.wait(_LOOK_SECONDS):
        now, there = time.monotonic(), client.scheduler_info(n_workers=-1)["workers"]
        gone_since = None if workers <= set(there) else gone_since or now
        paused_since = paused_since or now if any(_is_stuck(there[each]) for each in workers & set(there)) else None
        if gone_since is not None and now - gone_since > _PATIENCE_SECONDS:
            break
        if paused_since is not None and now - paused_since > _PAUSED_SECONDS:
            raise EngineError(
                "a Dask worker is too full to begin with the final fit (the rows that it holds nearly reach its memory limit);"
                " start more workers, or give them more memory"
            )
    gone = ", ".join(sorted(workers - set(client.nthreads())))
    if gone and not training.succeeded:
        raise EngineError(
            f"the Dask worker {gone} ended in the middle of the final fit, which no other can take over (if for want of memory,"
            " its log says so: start more workers, or give them more); type the command again: the candidates that are fitted are"
            " not fitted again. A worker that stays busy has to be started anew"
        )


@contextmanager
def _unsaid() -> Iterator[None]:
    """Keep from people what LightGBM says in passing: that it looks for ports, on stdout, where only data may stand."""
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Parameter n_jobs will be ignored")
        yield


def _is_stuck(worker: dict[str, Any]) -> bool:
    return worker.get("status") == "paused" and not worker.get("metrics", {}).get("task_counts", {}).get("executing")
