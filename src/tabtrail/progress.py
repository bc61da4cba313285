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
    """Where a run says what it does: `say` takes a line, `advance` what is done of something that takes long."""

    say: Callable[[str], None] = lambda text: None
    advance: Advance = _nothing


SILENT = Progress()


def quarters(say: Callable[[str], None]) -> Advance:
    """Return an `advance` that says a line at each quarter of what has 20 parts or more: the bar of a log."""

    said = 0

    def advance(done: int, of: int, what: str = "fits") -> None:
        nonlocal said
        quarter = 4 * done // of
        if of >= _LEAST and said < quarter < 4:
            say(f"{done:,} of {of:,} {what}")
        said = quarter % 4

    return advance
