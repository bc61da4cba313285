"""Jobs on the workers of a Dask scheduler that somebody else started. The only importer of `distributed`, an optional extra."""

import logging
import platform
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from distributed import Client, Future, KilledWorker, as_completed
from threadpoolctl import threadpool_limits

from tabtrail.errors import EngineError, TabtrailError
from tabtrail.jobs.job import Job, Made, Shared
from tabtrail.system.hashes import code_version
from tabtrail.system.versions import installed_versions

R = TypeVar("R")
Versions = dict[str, str]
_CONNECT_SECONDS = 5
_MOST_LOSSES = 3  # jobs that were lost three times in a row, while none was finished, would be lost again
_LOUD = (
    "distributed",
    "distributed.client",
    "distributed.core",
    "distributed.comm",
    "distributed.batched",
    "tornado.application",
)


@dataclass(frozen=True)
class Refused:
    """An error with a message for people, as a value: raised, the worker would write the job's arguments to its log."""

    error: TabtrailError


def run_on_dask(
    function: Callable[..., R], jobs: Sequence[Job], address: str, libraries: Sequence[str], *, in_order: bool
) -> Generator[R]:
    """Yield the results of jobs as `tabtrail.jobs.run.run` does. A job that is lost with its worker runs again on another one."""
    left, finished, losses, following = dict(enumerate(jobs)), dict[int, R](), 0, 0
    own = versions(tuple(libraries))
    with _connected(address, own) as client:
        while left:
            if losses == _MOST_LOSSES:
                raise EngineError(
                    f"the workers of {address} lost what they were given {losses} times in a row; look at their logs"
                )
            losses += 1
            for index, result in _submit(client, address, function, left, own):
                del left[index]
                losses = 0
                if not in_order:
                    yield result
                    continue
                finished[index] = result
                while following in finished:
                    yield finished.pop(following)
                    following += 1


def check_cluster(address: str, libraries: Sequence[str]) -> None:
    """Raise `EngineError` unless a scheduler answers and all of its workers compute what the driver would."""
    with connected(address, libraries):
        return


def worker_memory(address: str, libraries: Sequence[str]) -> dict[str, int | None]:
    """Return the bytes that each worker may take, by its address; None for no limit. Raises as `check_cluster` does."""
    with connected(address, libraries) as client, lost(address):
        known = client.scheduler_info(n_workers=-1)["workers"]
        return {worker: each["memory_limit"] or None for worker, each in known.items()}


@contextmanager
def connected(address: str, libraries: Sequence[str]) -> Iterator[Client]:
    """Connect to a scheduler, all of whose workers have the driver's versions. Raises `EngineError`."""
    with _connected(address, versions(tuple(libraries))) as client:
        yield client


def ask_workers(address: str, libraries: Sequence[str], question: Callable[..., R], *arguments: Any) -> dict[str, R]:
    """Return what a question gives on each worker, by the worker's address. Raises `EngineError` as `check_cluster` does."""
    with _connected(address, versions(tuple(libraries))) as client, lost(address):
        found: dict[str, R] = client.run(question, *arguments)
        return found


def _submit(
    client: Client, address: str, function: Callable[..., R], jobs: dict[int, Job], driver: Versions
) -> Iterator[tuple[int, R]]:
    """Yield number and result of the jobs that were not lost."""
    indices: dict[str, int] = {}
    futures: dict[str, Future] = {}
    token = uuid.uuid4().hex
    try:
        with lost(address):
            _wait_until_connected(client)
            data = _scatter(client, jobs)
            for index, job in jobs.items():
                arguments = [_sent(each, data) for each in job]
                key = f"tabtrail-{token}-{index}"
                indices[key] = index
                futures[key] = client.submit(call, function, driver, *arguments, key=key, pure=False)
        for future in as_completed(list(futures.values()), loop=client.loop):
            if future.status in ("cancelled", "lost"):
                continue
            try:
                result = future.result()
            except CancelledError:
                continue
            except KilledWorker as error:
                raise EngineError(
                    f"a job ended every Dask worker that took it ({error.last_worker.address} last), most likely for want of"
                    " memory; give the workers more, or lower split.max_rows"
                ) from None
            if isinstance(result, Refused):
                raise result.error
            futures.pop(future.key).release()
            yield indices[future.key], result
    finally:
        if client.status == "running":
            client.cancel(list(futures.values()), force=True)


def _wait_until_connected(client: Client) -> None:
    """A client that lost its scheduler tries again for a while, and drops without an error what it is given meanwhile."""
    while client.status == "connecting":
        time.sleep(0.1)
    if client.status != "running":
        raise TimeoutError


def _scatter(client: Client, jobs: dict[int, Job]) -> dict[int, Any]:
    """Give every worker what jobs share, once. Returns the futures by the id of the `Shared`."""
    arguments = (each for job in jobs.values() for each in job)
    shared = {id(each): each.value for each in arguments if isinstance(each, Shared) and each.made_by is None}
    sent = client.scatter(list(shared.values()), broadcast=True, hash=False) if shared else []
    return dict(zip(shared, sent, strict=True))


def _sent(argument: Any, data: dict[int, Any]) -> Any:
    if not isinstance(argument, Shared):
        return argument
    return data[id(argument)] if argument.made_by is None else Made(argument.made_by)


def call(function: Callable[..., R], driver: Versions, *job: Any) -> R | Refused:
    """Run a job in one thread, if this worker computes what the driver would."""
    if (difference := _difference(driver, versions(tuple(driver)))) is not None:
        return Refused(
            EngineError(f"a Dask worker has other versions than the driver, and might compute other results: {difference}")
        )
    threadpool_limits(1)  # for the life of the worker: another job's thread may be at work when this one ends
    try:
        return function(*(each.make() if isinstance(each, Made) else each for each in job))
    except TabtrailError as error:
        return Refused(error)


@cache
def versions(libraries: tuple[str, ...]) -> Versions:
    """Return the versions of what results depend on: Python, our code and the named distributions that are installed."""
    own = {"python": platform.python_version(), "tabtrail": code_version()}
    return own | installed_versions(name for name in libraries if name not in own)


def _difference(driver: Versions, worker: Versions) -> str | None:
    return next(
        (f"{name} is {worker.get(name)} there, {own} here" for name, own in driver.items() if worker.get(name) != own), None
    )


@contextmanager
def _connected(address: str, own: Versions) -> Iterator[Client]:
    """Connect to a scheduler whose workers have the driver's versions, `own`. Raises `EngineError`."""
    with _quiet():
        try:
            client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False, name="tabtrail")
        except (OSError, ValueError) as error:
            raise EngineError(
                f"no Dask scheduler answers at {address} ({type(error).__name__}); start one (`dask scheduler`), correct"
                " engine.address, or set engine.kind: processes"
            ) from None
        try:
            _require_like_workers(client, address, own)
            yield client
        finally:
            client.close()


def _require_like_workers(client: Client, address: str, own: Versions) -> None:
    try:
        client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
    except TimeoutError:
        raise EngineError(
            f"the Dask scheduler at {address} has no workers; start some: dask worker {address} --nthreads 1"
        ) from None
    for worker, found in client.run(versions, tuple(own), on_error="return").items():
        if isinstance(found, BaseException):
            raise EngineError(f"the Dask worker {worker} cannot run tabtrail ({type(found).__name__}); install it there")
        if (difference := _difference(own, found)) is not None:
            raise EngineError(
                f"the Dask worker {worker} has other versions than the driver, and might compute other results: {difference}"
            )


@contextmanager
def lost(address: str) -> Iterator[None]:
    """Raise `EngineError` where the scheduler is away in the middle."""
    try:
        yield
    except (OSError, TimeoutError, RuntimeError, CancelledError) as error:
        raise EngineError(
            f"the Dask scheduler at {address} no longer answers ({type(error).__name__}); start it and type the command again:"
            " what a training has finished is not repeated"
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Dask's own log: what goes wrong between client and cluster is reported once, as an `EngineError`."""
    loggers = [logging.getLogger(name) for name in _LOUD]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
