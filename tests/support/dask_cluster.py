"""A Dask scheduler and workers on loopback, as a user starts them, and a door before the scheduler that counts bytes."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
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

    def add_worker(self, without: Sequence[str] = (), memory_limit: str = "auto") -> "subprocess.Popen[bytes]":
        """Start a worker in a folder of its own, `without` some variables of the environment."""
        own = self.folder / f"worker-{len(self.workers)}"
        own.mkdir()
        words = ("worker", self.address, "--no-nanny", "--nthreads", "1", "--memory-limit", memory_limit)
        words += ("--local-directory", str(own))
        self.workers.append(_start(*words, *_LOCAL, log=self.folder / "worker.log", folder=own, without=without))
        return self.workers[-1]

    def wait_for_workers(self) -> None:
        """Wait until all workers that were started are known to the scheduler."""
        for _ in range(600):
            if not self.workers or self.log().count("Registered to") >= len(self.workers):
                return
            time.sleep(0.1)
        raise AssertionError(self.log())

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
        made.wait_for_workers()
        yield made
    finally:
        for process in [*(made.workers if made else ()), scheduler]:
            process.kill()
            process.wait(20)


def _start(*words: str, log: Path, folder: Path | None = None, without: Sequence[str] = ()) -> "subprocess.Popen[bytes]":
    with log.open("ab") as stream:
        command = [sys.executable, "-m", "dask", *words]
        environment = {
            **{name: value for name, value in os.environ.items() if name not in without},
            "PYTHONPATH": os.pathsep.join((str(REPO), os.environ.get("PYTHONPATH", ""))),
        }
        return subprocess.Popen(command, stdout=stream, stderr=stream, env=environment, cwd=folder or log.parent)


@dataclass
class Counted:
    """A door to a scheduler at `address`: the bytes that went in by it (`sent`), and out; `seen` is what the driver said."""

    address: str
    sent: int = 0
    received: int = 0
    seen: bytearray = field(default_factory=bytearray)


@contextmanager
def counted(address: str) -> Iterator[Counted]:
    """Open a door to a scheduler for a driver; what the scheduler says to its workers does not pass by it."""
    host, port = address.removeprefix("tcp://").rsplit(":", 1)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        door = Counted(f"tcp://127.0.0.1:{listening.getsockname()[1]}")
        threading.Thread(target=_let_in, args=(listening, (host, int(port)), door), daemon=True).start()
        yield door


def _let_in(listening: socket.socket, target: tuple[str, int], door: Counted) -> None:
    with suppress(OSError):  # closed: the test is over
        while True:
            inner, outer = listening.accept()[0], socket.create_connection(target)
            for source, sink, name in ((inner, outer, "sent"), (outer, inner, "received")):
                threading.Thread(target=_pass_on, args=(source, sink, door, name), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket, door: Counted, name: str) -> None:
    with source, suppress(OSError):
        while block := source.recv(1 << 16):
            setattr(door, name, getattr(door, name) + len(block))
            if name == "sent":
                door.seen.extend(block)
            sink.sendall(block)
        sink.shutdown(socket.SHUT_WR)
