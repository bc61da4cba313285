"""What a job is, and what runs beside it in a worker process."""

import os
import signal
import threading
import time
from dataclasses import dataclass
from typing import Any

Job = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Shared:
    """An argument that many jobs have in common: workers get it once. Nothing may write to it."""

    value: Any


def plain(job: Job) -> Job:
    """Return the arguments of a job, shared ones as they are."""
    return tuple(each.value if isinstance(each, Shared) else each for each in job)


def follow_driver() -> None:
    """A terminal sends Ctrl-C to the workers too; the driver ends them, without a traceback from each.

    A driver that was killed ends nobody: the workers look for it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
