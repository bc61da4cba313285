"""A job as its files say: what was asked for, which processes work on it, and how it ended.

Each file is written once, or by one process alone, and atomically: whoever reads them, in whichever worker, finds the same.
"""

import json
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from tabtrail.system.files import read_json
from tabtrail.system.lock_owner import read_owner
from tabtrail.system.process import is_alive

ASKED = "asked.json"  # by the service: what was asked for
PROCESSES = "processes.json"  # by the watcher: which processes are at work, on which step
CANCEL = "cancel.json"  # by the service: it is to end
END = "end.json"  # by the watcher: how it ended
LOG = "log.txt"  # what the commands say
RESULT = "result.json"  # what the training prints
CANCELLED = 143  # exit code of a command that SIGTERM ended
_START_SECONDS = 60  # that a watcher has to begin; it takes a fraction of one where the machine is free
_MEANING = {
    1: "it failed",
    2: "the config cannot be used",
    3: "the data does not keep its contract, or is not enough",
    4: "what was trained was refused",
}
State = Literal["running", "cancelling", "succeeded", "failed", "cancelled"]


@dataclass(frozen=True)
class Job:
    """A training that was asked for: `folder` holds its files, `processes` (the watcher, then what it watches) work on it."""

    folder: Path
    kind: str
    experiment: str | None
    asked_at: str
    state: State
    step: str | None = None
    ended_at: str | None = None
    exit_code: int | None = None
    processes: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def at_work(self) -> bool:
        return self.state in ("running", "cancelling")

    @property
    def detail(self) -> str:
        """Why it failed, in words that hold nothing of the data; empty where it did not."""
        if self.state != "failed":
            return ""
        where = f"the log on the server says more ({self.folder.parent.parent.name}/jobs/{self.id}/{LOG})"
        if self.exit_code is None:
            return f"its processes ended without a word: they were killed, or the machine was; {where}"
        if self.exit_code < 0:
            return f"it was killed by signal {-self.exit_code}; {where}"
        return f"{_MEANING.get(self.exit_code, 'it was ended')} (exit code {self.exit_code}); {where}"

    @property
    def result(self) -> dict[str, Any] | None:
        """What the training printed, None where there is nothing that can be read."""
        return read_json(self.folder / RESULT) if self.state == "succeeded" else None


def read_job(folder: Path, output_dir: Path) -> Job | None:
    """Return the job of a folder as it is now; None where the folder holds none."""
    asked = read_json(folder / ASKED)
    if asked is None:
        return None
    found = read_json(folder / PROCESSES) or {}
    processes = tuple(each for each in (found.get("watcher"), found.get("worker")) if each)
    at_work = any(_is_at_work(each, output_dir) for each in processes) if processes else _may_start(asked["asked_at"])
    end = read_json(folder / END)  # after the look at the processes: one that ended meanwhile has left it
    cancelled = (folder / CANCEL).exists()
    if end is None and at_work:
        state: State = "cancelling" if cancelled else "running"
    elif end is not None and end["exit_code"] == 0:
        state = "succeeded"
    else:
        state = "cancelled" if cancelled else "failed"
    known = end or {}
    return Job(
        folder,
        asked["kind"],
        asked.get("experiment"),
        asked["asked_at"],
        state,
        found.get("step"),
        known.get("at"),
        known.get("exit_code"),
        processes,
    )


def now() -> str:
    """Return the time in UTC (ISO 8601)."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def json_text(value: str) -> str:
    """Return a text as the YAML of `--set` reads it back: one that looks like a number or a truth value stays a text."""
    return json.dumps(value, ensure_ascii=False)


def _is_at_work(process: str, output_dir: Path) -> bool:
    """Tell whether a process works on its job. What runs on another host, as in a container of before, cannot be seen: it counts
    while it is named as the holder of the project's lock.
    """
    if process.rsplit(":", 2)[0] == socket.gethostname():
        return is_alive(process)
    owner = read_owner(output_dir)
    return owner is not None and owner.process == process


def _may_start(asked_at: str) -> bool:
    return time.time() - datetime.fromisoformat(asked_at).timestamp() < _START_SECONDS
