"""A timely end for a job that gets a signal to end: libraries in the middle of a long call do not look at signals."""

import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

END_SECONDS = 3.5
_ENDING = (signal.SIGINT, signal.SIGTERM)


def end_in_time(seconds: float = END_SECONDS) -> None:
    """After SIGINT or SIGTERM, end this process and its children with 130 or 143 where they have not ended in `seconds`.

    Python runs signal handlers between two of its own instructions; until then the system's wake-up bytes (see
    `signal.set_wakeup_fd`) wake a thread. Every result is written atomically, so that none is left half-written. For the main
    thread of a program that ends after its one job, not for a service that drains: it replaces the wake-up descriptor.
    """
    if threading.current_thread() is not threading.main_thread() or os.name != "posix":
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader, writer, seconds), daemon=True).start()


def _watch(reader: socket.socket, _writer: socket.socket, seconds: float) -> None:
    while (number := reader.recv(1)[0]) not in _ENDING:
        pass
    time.sleep(seconds)
    for pid in _descendants(os.getpid()):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    sys.stderr.flush()
    os._exit(128 + number)


def _descendants(pid: int) -> list[int]:
    """Return the processes under one, as far as the system lists them (Linux); others look for their parent themselves."""
    found: list[int] = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(each) for each in tasks.read_text(encoding="ascii").split()]
        except OSError:
            continue
    return [*found, *(each for child in found for each in _descendants(child))]
