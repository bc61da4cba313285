"""Where a long job says what it does."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Where a run says what it does: `say` takes a line, `advance` fits done and fits in all.

    `read` takes rows read so far, rows a second, bytes read and bytes in all.
    """

    say: Callable[[str], None] = lambda text: None
    advance: Callable[[int, int], None] = lambda done, of: None
    read: Callable[[int, float, int, int], None] = lambda rows, rate, done, of: None


SILENT = Progress()
