"""What a job is: the arguments of one call, some of which many jobs have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Job = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Shared:
    """An argument that many jobs have in common: workers get it once. Nothing may write to it.

    A worker of a cluster calls `made_by` instead, where there is one: what is small travels, and the value does not.
    """

    value: Any
    made_by: Callable[[], Any] | None = None


@dataclass(frozen=True)
class Made:
    """In the place of an argument that the worker makes itself."""

    make: Callable[[], Any]


@dataclass(frozen=True)
class Arrays:
    """Rows as Dask arrays, whose blocks lie on the workers of a Dask client: `x` [rows, columns], `y` [rows], and `weights`
    [rows] or None. Nothing here imports Dask, which is optional.
    """

    client: Any
    x: Any
    y: Any
    weights: Any


class TrainingError(Exception):
    """What a library raised in its training."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


@dataclass(frozen=True)
class Fitted:
    """What a distributed training came to: the model, the rows it learned from, and the number of workers that held some."""

    model: Any
    rows: int
    workers: int


def unshared(job: Job) -> Job:
    """Return the arguments of a job with the values of shared ones in their places."""
    return tuple(each.value if isinstance(each, Shared) else each for each in job)
