"""Where a long job says what it does."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Where a run says what it does: `say` takes a line, `advance` fits done and fits in all."""

    say: Callable[[str], None] = lambda text: None
    advance: Callable[[int, int], None] = lambda done, of: None


SILENT = Progress()
