"""What `tabtrail serve --workers 2` loses under load: large batches, a killed worker, a rolling restart and its own end.

The command that users start runs on loopback and serves the bundle of `--config`. In turn: so many batches of the largest size at
once; then connections that send one row after another while a worker is killed (`kill -9`), while the workers are replaced one by
one (SIGHUP), and while the service is told to end (SIGTERM). A request is lost that was sent over an accepted connection and got
no whole answer 200; those on connections of the killed worker are counted apart. JSON on stdout; exit code 1 where any was lost.

    python benchmarks/service_under_load.py --config config_v2.yaml
"""

import argparse
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tabtrail.bundle.load import read_metadata
from tabtrail.config.load import load_config
from tabtrail.contract.schema import ModelSchema
from tabtrail.errors import report_errors

ROOT = Path(__file__).resolve().parent.parent
JSON = {"Content-Type": "application/json"}
GONE = (OSError, http.client.HTTPException)


@dataclass
class Seen:
    """What the connections saw. `lost` names what happened, with the client's port."""

    answered: int = 0
    lost: list[tuple[int, str]] = field(default_factory=list)
    refused: int = 0
    seconds: list[float] = field(default_factory=list)

    def of(self, ports: set[int]) -> int:
        """Return how many requests were lost on these ports."""
        return sum(port in ports for port, _ in self.lost)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=ROOT / "config_v2.yaml")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batches", type=int, default=40, help="at once")
    parser.add_argument("--rows", type=int, help="of a batch (default: serve.max_batch_rows)")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5, help="of load before and after each event")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="passed to `tabtrail serve`")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the JSON there")
    options = parser.parse_args()
    with report_errors():
        config = load_config(options.config)
        schema = ModelSchema.from_dict(read_metadata(config.paths.models_dir, config.model.name)["schema"])
        rows = options.rows or config.serve.max_batch_rows
    settings = [word for each in options.set for word in ("--set", each)]
    with tempfile.TemporaryFile() as log:
        report = measure(options, settings, schema.example, rows, log)
    text = json.dumps(report, indent=2)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    print(text)
    raise SystemExit(0 if report["kept"] else 1)


def measure(options: argparse.Namespace, settings: Sequence[str], example: dict[str, Any], rows: int, log: Any) -> dict[str, Any]:
    """Serve, load, disturb; return the figures."""
    port = free_port()
    words = ["serve", "--config", str(options.config.resolve()), "--port", str(port), "--workers", str(options.workers)]
    server = subprocess.Popen([sys.executable, "-m", "tabtrail", *words, *settings], cwd=ROOT, stdout=log, stderr=log)
    row = json.dumps(example).encode()
    steps: dict[str, dict[str, Any]] = {}
    try:
        wait_until_served(port, server)
        steps["batches"] = batches(port, json.dumps([example] * rows).encode(), options.batches, rows)
        load = Load(port, row, options.connections, options.seconds)
        steps["killed worker"] = load.during(lambda: kill_worker(server, port))
        wait_until_whole(server, options.workers)
        steps["rolling restart"] = load.during(lambda: renew(server, options.workers))
        steps["end"] = load.during(lambda: end(server))
    finally:
        server.terminate()
        server.wait(60)
    log.seek(0)
    logged = sum(b'"message": "request"' in line for line in log)
    lost = sum(step["lost"] for step in steps.values())
    sent = sum(step["answered"] for step in steps.values())
    return {
        "steps": steps,
        "workers": options.workers,
        "answered": sent,
        "lines_of_the_log": logged,
        "lost": lost,
        "kept": lost == 0,
    }


def batches(port: int, body: bytes, count: int, rows: int) -> dict[str, Any]:
    """Send so many batches at once."""
    seen = Seen()

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        start = time.perf_counter()
        try:
            connection.request("POST", "/predict/batch", body, JSON)
            answer = connection.getresponse()
            found = json.loads(answer.read())
            if answer.status == 200 and len(found["predictions"]) == rows:
                seen.answered += 1
            else:
                seen.lost.append((0, f"HTTP {answer.status}"))
        except (*GONE, ValueError, KeyError) as error:
            seen.lost.append((0, type(error).__name__))
        seen.seconds.append(time.perf_counter() - start)

    threads = [threading.Thread(target=send, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {**summary(seen, set()), "rows": rows, "slowest_seconds": round(max(seen.seconds), 2)}


@dataclass
class Load:
    """Connections that send one row after another, each kept until the service closes it."""

    port: int
    body: bytes
    connections: int
    seconds: float

    def during(self, event: Callable[[], set[int]]) -> dict[str, Any]:
        """Load the service before, during and after an event, which returns the clients' ports that may be reset."""
        seen, stop = Seen(), threading.Event()
        threads = [threading.Thread(target=self._send, args=(seen, stop), daemon=True) for _ in range(self.connections)]
        for thread in threads:
            thread.start()
        time.sleep(self.seconds)
        excused = event()
        time.sleep(self.seconds)
        stop.set()
        for thread in threads:
            thread.join(60)
        return summary(seen, excused)

    def _send(self, seen: Seen, stop: threading.Event) -> None:
        while not stop.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            try:
                connection.connect()
            except OSError:
                seen.refused += 1  # it was never accepted: nothing was lost
                time.sleep(0.05)
                continue
            port = connection.sock.getsockname()[1]
            try:
                self._send_over(connection, seen, stop)
            except GONE as error:
                seen.lost.append((port, type(error).__name__))
            connection.close()

    def _send_over(self, connection: http.client.HTTPConnection, seen: Seen, stop: threading.Event) -> None:
        while not stop.is_set():
            connection.request("POST", "/predict", self.body, JSON)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                seen.lost.append((0, f"HTTP {answer.status}"))
            seen.answered += 1
            if answer.will_close:
                return


def kill_worker(server: "subprocess.Popen[bytes]", port: int) -> set[int]:
    """Kill the worker with the most connections; return their clients' ports."""
    held = {
        child.pid: {each.raddr.port for each in child.net_connections("tcp") if each.raddr and each.laddr.port == port}
        for child in workers(server)
    }
    victim = max(held, key=lambda pid: len(held[pid]))
    os.kill(victim, signal.SIGKILL)
    return held[victim]


def renew(server: "subprocess.Popen[bytes]", count: int) -> set[int]:
    """Let the service replace its workers, and wait until it has."""
    before = {child.pid for child in workers(server)}
    server.send_signal(signal.SIGHUP)
    wait_for(lambda: not before & {child.pid for child in workers(server)})
    wait_until_whole(server, count)
    return set()


def end(server: "subprocess.Popen[bytes]") -> set[int]:
    """Tell the service to end, and wait until it has."""
    server.send_signal(signal.SIGTERM)
    server.wait(120)
    return set()


def workers(server: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    """Return the workers: the children that run what multiprocessing spawns."""
    found = []
    for child in psutil.Process(server.pid).children():
        try:
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue
    return found


def wait_until_whole(server: "subprocess.Popen[bytes]", count: int) -> None:
    wait_for(lambda: len(workers(server)) == count)


def wait_for(condition: Callable[[], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("the service did not come to the expected state")
        time.sleep(0.1)


def wait_until_served(port: int, server: "subprocess.Popen[bytes]") -> None:
    def ready() -> bool:
        if server.poll() is not None:
            raise SystemExit(f"the service ended with code {server.returncode}")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    wait_for(ready)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def summary(seen: Seen, excused: set[int]) -> dict[str, Any]:
    counts = {"answered": seen.answered, "lost": len(seen.lost) - seen.of(excused), "lost_with_killed_worker": seen.of(excused)}
    return {**counts, "not_accepted": seen.refused, "what": sorted({what for _, what in seen.lost})}


if __name__ == "__main__":
    main()
