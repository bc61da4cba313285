"""Which process works on a run, so that runs of a dead process are known from those of a living one."""

import os
import socket
from pathlib import Path


def this_process() -> str:
    """Return host, process id and, where the system gives it, the start of the process, since ids are reused."""
    return process_of(os.getpid())


def process_of(pid: int) -> str:
    """Return the same of another process of this machine."""
    return f"{socket.gethostname()}:{pid}:{_start(pid)}"


def is_alive(process: str) -> bool:
    """Whether the process is alive. One of another host is taken to be, since it cannot be seen from here."""
    host, _, rest = process.rpartition(":")[0].rpartition(":")
    if host != socket.gethostname():
        return bool(host)
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, ValueError):
        return True
    return _start(int(rest)) == process.rpartition(":")[2]


def _start(pid: int) -> str:
    """Return the start time in clock ticks since boot (Linux: field 22 of /proc/<pid>/stat), "" where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]
