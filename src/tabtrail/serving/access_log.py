"""A line of JSON for each request, written by a thread: a request pays for noting five values, not for the line or the disk."""

import json
import logging
import os
import threading
import time
from collections import deque
from functools import lru_cache
from typing import NamedTuple

logger = logging.getLogger("tabtrail.serve")
STDERR = 2
_COLLECT_SECONDS = 0.1  # so long lines are collected before they are written at once
_MOST_WAITING = 100_000  # lines kept while the log cannot be written; later ones are left out and counted
_WHOLE_BYTES = 4096  # a write of so many bytes to a pipe is never mixed with another process's (POSIX: PIPE_BUF)
_STOP_SECONDS = 5


class Answered(NamedTuple):
    """A request that was answered; `when` in seconds since 1970. `request_id` has only letters, digits and `._-`."""

    when: float
    request_id: str
    method: str
    route: str
    status: int
    seconds: float


class AccessLog:
    """Notes what was answered and writes it soon after; `stop` writes the rest. A kill loses the lines of the last tenth of a
    second.
    """

    def __init__(self, descriptor: int = STDERR) -> None:
        self._descriptor = descriptor
        self._waiting: deque[Answered] = deque()
        self._wake = threading.Event()
        self._stopping = False
        self._left_out = 0
        self._thread = threading.Thread(target=self._work, name="access-log", daemon=True)

    def note(self, answered: Answered) -> None:
        """Take a line; never waits."""
        if len(self._waiting) >= _MOST_WAITING:
            self._left_out += 1
            return
        self._waiting.append(answered)
        if self._stopping:
            self._write()
        elif not self._wake.is_set():
            self._wake.set()
            if self._thread.ident is None:
                self._thread.start()

    def stop(self) -> None:
        """Write what waits and end the thread; what comes later is written at once."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)
        self._write()

    def _work(self) -> None:
        while not self._stopping:
            self._wake.wait()
            if not self._stopping:
                time.sleep(_COLLECT_SECONDS)
            self._wake.clear()
            self._write()

    def _write(self) -> None:
        lines = []
        while True:
            try:
                lines.append(_line(self._waiting.popleft()))
            except IndexError:
                break
        for block in _blocks(lines):
            try:
                os.write(self._descriptor, block)
            except OSError:  # the disk is full, or nobody reads: a request must not fail for its line
                self._left_out += 1
        if self._left_out:
            left_out, self._left_out = self._left_out, 0
            logger.warning("the access log is behind: %s entries were left out", left_out)


def _line(answered: Answered) -> bytes:
    when, request_id, method, route, status, seconds = answered
    return (
        f'{{"time": "{_second(int(when))}.{int(when % 1 * 1000):03d}", "level": "info", "logger": "tabtrail.access", '
        f'"message": "request", "request_id": "{request_id}", "method": {_quoted(method)}, "route": {_quoted(route)}, '
        f'"status": {status}, "milliseconds": {seconds * 1000:.3f}}}\n'
    ).encode()


def _blocks(lines: list[bytes]) -> list[bytes]:
    """Return lines joined to blocks that are written whole."""
    blocks: list[list[bytes]] = [[]]
    size = 0
    for line in lines:
        if size + len(line) > _WHOLE_BYTES:
            blocks.append([])
            size = 0
        blocks[-1].append(line)
        size += len(line)
    return [b"".join(block) for block in blocks if block]


@lru_cache(4)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(second))


@lru_cache(100)
def _quoted(text: str) -> str:
    return json.dumps(text)
