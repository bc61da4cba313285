"""How a long job reports what it is doing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

_LEAST = 20  # parts; fewer would give a line for nearly every one


class Advance(Protocol):
    """Takes how many of what (`fits`, …) are done, and how many there are in all."""

    def __call__(self, done: int, of: int, what: str = "fits") -> None: ...


def _nothing(done: int, of: int, what: str = "fits") -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Progress:
    """What a job reports to: `say` takes a line, `advance` how far something that takes long has come, `begin` the name of a
    stage that begins, its place (from 1) and how many stages there are.
    """

    say: Callable[[str], None] = lambda text: None
    advance: Advance = _nothing
    begin: Callable[[str, int, int], None] = lambda stage, place, of: None


SILENT = Progress()


def quarters(say: Callable[[str], None]) -> Advance:
    """Return an `advance` that says a line at each quarter of work in 20 parts or more, where no bar can be drawn."""

    said = 0

    def advance(done: int, of: int, what: str = "fits") -> None:
        nonlocal said
        quarter = 4 * done // of
        if of >= _LEAST and said < quarter < 4:
            say(f"{done:,} of {of:,} {what}")
        said = quarter % 4

    return advance
