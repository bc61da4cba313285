"""A Dask scheduler and workers on loopback, as a user starts them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.projects import REPO

_LOCAL = ("--no-dashboard", "--host", "127.0.0.1")


@dataclass
class Cluster:
    """A scheduler at `address`; workers can be added and killed."""

    folder: Path
    address: str
    scheduler: "subprocess.Popen[bytes]"
    workers: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def add_worker(self) -> "subprocess.Popen[bytes]":
        words = ("worker", self.address, "--no-nanny", "--nthreads", "1", "--local-directory", str(self.folder))
        self.workers.append(_start(*words, *_LOCAL, log=self.folder / "worker.log"))
        return self.workers[-1]

    def log(self) -> str:
        return (self.folder / "worker.log").read_text(errors="replace")


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[Cluster]:
    """Start a scheduler on a free port and some workers of one thread, and end what is left of them."""
    file = folder / "scheduler.json"
    scheduler = _start("scheduler", "--port", "0", "--scheduler-file", str(file), *_LOCAL, log=folder / "scheduler.log")
    made = None
    try:
        for _ in range(600):
            if file.is_file() and file.read_text().strip():
                break
            assert scheduler.poll() is None, (folder / "scheduler.log").read_text()
            time.sleep(0.1)
        made = Cluster(folder, json.loads(file.read_text())["address"], scheduler)
        for _ in range(workers):
            made.add_worker()
        yield made
    finally:
        for process in [*(made.workers if made else ()), scheduler]:
            process.kill()
            process.wait(20)


def _start(*words: str, log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as stream:
        command = [sys.executable, "-m", "dask", *words]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(REPO), os.environ.get("PYTHONPATH", ""))),
        }
        return subprocess.Popen(command, stdout=stream, stderr=stream, env=environment, cwd=log.parent)
