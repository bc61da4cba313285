"""How far the reading of the sources is."""

import time

from tabtrail.progress import Progress

_SAY_SECONDS = 0.5
_MB = 10**6


class Meter:
    """Reports now and then how much is read, of so many bytes in all files."""

    def __init__(self, progress: Progress, size: int) -> None:
        self._progress, self._size = progress, size
        self._start, self._reported = time.monotonic(), 0.0
        self._done = 0

    def show(self, rows: int, done: int) -> None:
        """Report so many rows, and so many bytes of the file that is being read."""
        now = time.monotonic()
        if now - self._reported >= _SAY_SECONDS:
            self._reported = now
            self._report(rows, (self._done + done) // _MB)

    def end_file(self, size: int) -> None:
        self._done += size

    def finish(self, rows: int) -> None:
        self._report(rows, max(1, self._size // _MB))

    def _report(self, rows: int, megabytes: int) -> None:
        rate = rows / max(time.monotonic() - self._start, 1e-9)
        self._progress.advance(megabytes, max(1, megabytes, self._size // _MB), f"MB: {rows:,} rows, {rate:,.0f} rows/s")
