"""How far a job has come, on stderr: one line that moves on a terminal, else a line for each thing that is said."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
from rich.progress import Progress as Bar
from rich.table import Column
from rich.text import Text

from tabtrail.progress import Progress, quarters

_BAR = 20  # cells
_TIMES = 24  # cells of `0:12:34, 0:56:07 left` and of the blanks between the columns


@contextmanager
def progress_on_stderr(quiet: bool) -> Iterator[Progress]:
    """Lines on stderr; on a terminal also one that shows from the start on which stage is at work, how far it has come, how long
    all has taken and how long this part will take; elsewhere a line each quarter of what takes long. Nothing when quiet.
    """
    if quiet:
        yield Progress()
        return
    console = Console(stderr=True, highlight=False)

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=not console.is_terminal)

    if not console.is_terminal:
        yield Progress(say=say, advance=quarters(say))
        return
    said = TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis"))
    with Bar(said, _BarWhereRoom(console.width), _Times(), console=console, transient=True) as bar:
        yield _Line(bar).progress(say)


class _Line:
    """The line that moves: a stage, and what of it is counted."""

    def __init__(self, bar: Bar) -> None:
        self._bar, self._stage, self._what = bar, "starting", ""
        self._task = bar.add_task(self._stage, total=None)

    def progress(self, say: Callable[[str], None]) -> Progress:
        """Return what a job reports to."""
        return Progress(say=say, advance=self._advance, begin=self._begin)

    def _begin(self, stage: str, place: int, of: int) -> None:
        self._stage, self._what = f"{stage} ({place} of {of})" if of > 1 else stage, ""
        self._bar.reset(self._task, total=None, description=self._stage)

    def _advance(self, done: int, of: int, what: str = "fits") -> None:
        kind = what.partition(":")[0]
        if kind != self._what:  # a rate of fits says nothing about pictures
            self._what = kind
            self._bar.reset(self._task)
        shown = f"{self._stage}: {done:,} of {of:,} {what}" if done < of else self._stage
        self._bar.update(self._task, description=shown, completed=done, total=of if done < of else None)


class _BarWhereRoom(BarColumn):
    """The bar, where the words and the times beside it leave room for it on the line."""

    def __init__(self, width: int) -> None:
        super().__init__(_BAR)
        self._room = width - _BAR - _TIMES

    def render(self, task: Task) -> Any:
        """Return the bar, or nothing."""
        return super().render(task) if cell_len(task.description) <= self._room else Text()


class _Times(ProgressColumn):
    """How long all has taken, and how long what is counted will take at its pace so far."""

    def __init__(self) -> None:
        super().__init__()
        self._start = time.monotonic()

    def render(self, task: Task) -> Text:
        """Return both as hours, minutes and seconds."""
        took = timedelta(seconds=int(time.monotonic() - self._start))
        left = None if task.finished else task.time_remaining
        return Text(f"{took}" + ("" if left is None or task.total is None else f", {timedelta(seconds=int(left))} left"))
