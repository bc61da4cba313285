"""What a job is: the arguments of one call, some of which many jobs have in common."""

from dataclasses import dataclass
from typing import Any

Job = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Shared:
    """An argument that many jobs have in common: workers get it once. Nothing may write to it."""

    value: Any


def unshared(job: Job) -> Job:
    """Return the arguments of a job with the values of shared ones in their places."""
    return tuple(each.value if isinstance(each, Shared) else each for each in job)
