"""Where a long job says what it does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

_LEAST = 20


class Advance(Protocol):
    """Takes how many of what are done, and how many there are in all."""

    def __call__(self, done: int, of: int, what: str = "fits") -> None: ...


def _nothing(done: int, of: int, what: str = "fits") -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Progress:
    """Where a run says what it does: `say` takes a line, `advance` what is done of something that takes long.

    `read` takes rows read so far, rows a second, bytes read and bytes in all.
    """

    say: Callable[[str], None] = lambda text: None
    advance: Advance = _nothing
    read: Callable[[int, float, int, int], None] = lambda rows, rate, done, of: None


SILENT = Progress()


def quarters(say: Callable[[str], None]) -> Advance:
    """Return an `advance` that says a line at each quarter of what has 20 parts or more: the bar of a log."""

    def advance(done: int, of: int, what: str = "fits") -> None:
        if of >= _LEAST and 4 * done // of > 4 * (done - 1) // of and done < of:
            say(f"{done:,} of {of:,} {what}")

    return advance
