"""The process that runs a job's commands and notes how they end, whatever becomes of the service.

It holds the lock of the jobs while it lives, so that the system itself lets one run at a time. Its first line on stdout says
whether it begins.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tabtrail.serving.jobs.record import ASKED, CANCEL, CANCELLED, END, LOG, PROCESSES, RESULT, json_text, now
from tabtrail.system.files import read_json, write_json
from tabtrail.system.held import is_held
from tabtrail.system.lock_owner import read_owner
from tabtrail.system.process import process_of, this_process

LOCK = ".lock"
_NICER = 10  # the service answers while it trains
_ENDING = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


def main(folder: Path, words: Sequence[str]) -> int:
    """Run the commands of a job in turn until one fails; return its exit code."""
    for number in _ENDING:
        signal.signal(number, lambda *_: None)  # meant for the command, which ends; this process notes how
    lock = FileLock(folder.parent / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return _answer({"at_work": "another job"})
    output_dir = folder.parent.parent
    if is_held(output_dir):
        return _answer({"at_work": str(read_owner(output_dir) or "another process")})
    write_json(folder / PROCESSES, {"watcher": this_process(), "worker": None, "step": None})
    _answer({"at_work": None})
    _log_to(folder / LOG)
    code = 1
    try:
        code = _run_all(folder, words)
    finally:
        write_json(folder / END, {"exit_code": code, "at": now()})
    return code


def commands(asked: dict[str, Any], words: Sequence[str]) -> dict[str, list[str]]:
    """Return the commands of a job by step: the data brought up to the source files, then the training."""
    experiment = asked.get("experiment")
    own = [*words, *(["--set", f"mlflow.experiment={json_text(experiment)}"] if experiment else [])]
    program = [sys.executable, "-m", "tabtrail"]
    forced = ["--force"] if asked.get("force") else []
    train = [*program, "train", "--format=json", *forced, *own]
    if groups := asked.get("groups"):
        train = [*program, "demand", "train", "--format=json", *(f"--only={group}" for group in groups), *own]
    return {"ingest": [*program, "ingest", *own], "train": train}


def _run_all(folder: Path, words: Sequence[str]) -> int:
    if hasattr(os, "nice"):
        os.nice(_NICER)
    for step, command in commands(read_json(folder / ASKED) or {}, words).items():
        if code := _run(folder, step, command):
            return code
    return 0


def _run(folder: Path, step: str, command: list[str]) -> int:
    if (folder / CANCEL).exists():
        return CANCELLED
    with (folder / RESULT).open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out)  # noqa: S603 - our own words
        try:
            write_json(folder / PROCESSES, {"watcher": this_process(), "worker": process_of(process.pid), "step": step})
            if (folder / CANCEL).exists():  # it came before there was a process to signal
                process.terminate()
            return process.wait()
        except BaseException:
            process.kill()
            raise


def _answer(value: dict[str, Any]) -> int:
    with suppress(OSError):  # the service is gone: the job goes on
        os.write(1, json.dumps(value).encode() + b"\n")
    return 0


def _log_to(path: Path) -> None:
    """Send what this process and its commands print into the log."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.close(file)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
