"""Processes that share one listening socket: started, watched, replaced one after another, and ended without losing a request."""

import asyncio
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

import uvicorn
from prometheus_client.multiprocess import mark_process_dead
from uvicorn import Config as UvicornConfig
from uvicorn.config import STARTUP_FAILURE

from tabtrail.config.operation import Serve
from tabtrail.errors import TabtrailError
from tabtrail.serving.prometheus import SHARED_FOLDER

logger = logging.getLogger("tabtrail.serve")
_BEAT_SECONDS = 0.5
_LOOK_SECONDS = 0.2
_CLOSED_SECONDS = 0.01  # uvloop closes its listening sockets in a later turn of the loop
_END_SECONDS = 30  # beyond `serve.drain_seconds`: for writing what is left of the logs


class DrainingServer(uvicorn.Server):
    """uvicorn's server, which as it ends also answers the connections that wait in the queue of the listening socket.

    uvicorn closes the socket, and the kernel resets what nobody has accepted.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take what waits, answer what came in, and end."""
        kept = [listening.dup() for listening in sockets or []]
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        await asyncio.sleep(_CLOSED_SECONDS)
        for waiting in [connection for listening in kept for connection in _take_all(listening)]:
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, waiting)
        await super().shutdown(sockets)

    def _protocol(self) -> Any:
        factory: Any = self.config.http_protocol_class
        return factory(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)


def _take_all(listening: socket.socket) -> list[socket.socket]:
    """Return the connections that wait, and close the socket at once: what comes in between would be reset."""
    found: list[socket.socket] = []
    with listening:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:  # none waits
                return found
            connection.setblocking(False)
            found.append(connection)


@dataclass
class _Worker:
    process: SpawnProcess
    beats: Connection
    heard: float = field(default_factory=time.monotonic)
    ready: bool = False

    def listen(self) -> None:
        """Note what the worker has sent."""
        with suppress(OSError, EOFError):
            while self.beats.poll():
                self.ready = self.beats.recv()
                self.heard = time.monotonic()


class Workers:
    """So many processes. One that ends, or is not heard of for `worker_timeout_seconds`, is replaced; SIGHUP replaces each in
    turn.
    """

    def __init__(self, config: UvicornConfig, listening: socket.socket, settings: Serve) -> None:
        self._config, self._listening = config, listening
        self._silent_seconds, self._drain_seconds = settings.worker_timeout_seconds, settings.drain_seconds
        self._workers: list[_Worker] = []
        self._ending, self._renewing = threading.Event(), threading.Event()

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM. Raises `TabtrailError` when a worker cannot start."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._ending.set())
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, lambda *_: self._renewing.set())
        self._workers = [self._start() for _ in range(self._config.workers)]
        try:
            while not self._ending.wait(_LOOK_SECONDS):
                self._workers = [self._keep(worker) for worker in self._workers]
                if self._renewing.is_set():
                    self._renewing.clear()
                    self._renew()
        finally:
            self._listening.close()  # before the workers end: the last of them takes what waits in its queue
            for worker in self._workers:
                self._tell_to_end(worker)
            for worker in self._workers:
                self._wait_for_end(worker)

    def _start(self) -> _Worker:
        ours, theirs = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("spawn").Process(target=_work, args=(self._config, self._listening, theirs))
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def _keep(self, worker: _Worker) -> _Worker:
        """Return the worker, or another in its place."""
        worker.listen()
        alive = worker.process.is_alive()
        if alive and time.monotonic() - worker.heard < self._silent_seconds:
            return worker
        if worker.process.exitcode == STARTUP_FAILURE:
            raise TabtrailError("a worker cannot start; the log says why")
        reason = f"was not heard of for {self._silent_seconds:g} s" if alive else "ended"
        logger.warning("worker %s %s; another takes its place", worker.process.pid, reason)
        worker.process.kill()
        self._forget(worker)
        return self._start()

    def _renew(self) -> None:
        """Replace each worker once its successor serves; end at the first that does not come to serve in time."""
        for index, old in enumerate(self._workers):
            new = self._start()
            while not new.ready and not self._ending.wait(_LOOK_SECONDS):
                new.listen()
                if not new.process.is_alive() or time.monotonic() - new.heard > self._silent_seconds:
                    break
            if not new.ready:
                logger.error("the successor of worker %s did not start; the workers stay as they are", old.process.pid)
                new.process.kill()
                self._forget(new)
                return
            self._workers[index] = new
            self._tell_to_end(old)
            self._wait_for_end(old)

    def _tell_to_end(self, worker: _Worker) -> None:
        if worker.process.is_alive():
            worker.process.terminate()

    def _wait_for_end(self, worker: _Worker) -> None:
        worker.process.join(self._drain_seconds + _END_SECONDS)
        if worker.process.is_alive():
            worker.process.kill()
        self._forget(worker)

    def _forget(self, worker: _Worker) -> None:
        worker.process.join()
        worker.beats.close()
        if worker.process.pid is not None and SHARED_FOLDER in os.environ:
            mark_process_dead(worker.process.pid)  # type: ignore[no-untyped-call]


def _work(config: UvicornConfig, listening: socket.socket, beats: Connection) -> None:
    """Serve in this process, and say twice a second that it lives; end when the parent is gone."""
    config.configure_logging()
    server = DrainingServer(config)
    threading.Thread(target=_beat, args=(server, beats), name="beat", daemon=True).start()
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # meant for the parent, but a terminal sends it to all
    try:
        server.run([listening])
    except KeyboardInterrupt:
        sys.exit(130)


def _beat(server: uvicorn.Server, beats: Connection) -> None:
    while True:
        try:
            beats.send(server.started)
        except OSError:  # the parent is gone, and with it who would end this process
            os.kill(os.getpid(), signal.SIGTERM)
            return
        time.sleep(_BEAT_SECONDS)
