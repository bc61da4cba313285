"""What a prediction costs next to looking one up in a cache: why the service has no Redis.

In one process and in turn, each for `--calls` calls:

- `predict`: a row checked and predicted from the bundle;
- `look_up`: a `GET` of an answer of its size from a `redis-server` on loopback over one open connection, written and read by
  hand, which no client library undercuts;
- `client`, `async_client`: the same by redis-py, and by its asyncio client, as a FastAPI service would.

Counted are CPU microseconds a call, Redis' own included, so that the figures hold on a noisy machine; rounds go in turn, the
median counts. The look-ups leave out what a cache has to do besides: make a key of the row, and write the answers that it lacks.

Needs Debian's redis-server, `pip install redis` and a trained bundle. From the repository root:

    python benchmarks/cache.py [--config config_v2.yaml] [--calls 5000] [--rounds 7] [--output benchmarks/results/cache.json]
"""

import argparse
import asyncio
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median

import psutil
import redis
import redis.asyncio
from measure import report

from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.cli.place import locate_bundle
from tabtrail.errors import report_errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=Path("config_v2.yaml"))
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the JSON there")
    options = parser.parse_args()
    with report_errors():
        place = locate_bundle(options.config)
        predictor = Predictor(load_bundle(place.folder, place.name))
    row = predictor.schema.example
    answer = json.dumps({"prediction": predictor.predict([row])[0].value, "inputs": row}, default=str).encode()
    with tempfile.TemporaryDirectory() as folder:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        words = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
        server = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        try:
            result = measure(predictor, row, answer, port, server.pid, options.calls, options.rounds)
        finally:
            server.terminate()
            server.wait()
    report({"subject": "a prediction and a look-up", "unit": "CPU µs a call", **result}, options.output)


def measure(predictor: Predictor, row: dict, answer: bytes, port: int, pid: int, calls: int, rounds: int) -> dict[str, float]:
    with closing(connected(port)) as connection:
        connection.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%b\r\n" % (len(answer), answer))
        assert connection.recv(64) == b"+OK\r\n"
        size = len(b"$%d\r\n\r\n" % len(answer)) + len(answer)

        def look_up() -> None:
            connection.sendall(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n")
            left = size
            while left:
                left -= len(connection.recv(left))

        client = redis.Redis(port=port)
        loop = asyncio.new_event_loop()
        async_client = redis.asyncio.Redis(port=port)

        async def look_up_async() -> None:
            for _ in range(calls):
                await async_client.get("k")

        contenders: dict[str, Callable[[], object]] = {
            "predict": lambda: repeat(lambda: predictor.predict([row]), calls),
            "look_up": lambda: repeat(look_up, calls),
            "client": lambda: repeat(lambda: client.get("k"), calls),
            "async_client": lambda: loop.run_until_complete(look_up_async()),
        }
        costs: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(rounds):
            for name, work in contenders.items():
                costs[name].append(cpu_of(work, pid) / calls)
        loop.run_until_complete(async_client.aclose())
        loop.close()
    medians = {name: round(median(each), 1) for name, each in costs.items()}
    ratios = {f"predict / {name}": round(medians["predict"] / medians[name], 2) for name in list(medians)[1:]}
    return {**medians, **ratios, "answer_bytes": len(answer)}


def repeat(call: Callable[[], object], calls: int) -> None:
    for _ in range(calls):
        call()


def connected(port: int) -> socket.socket:
    for _ in range(100):
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            time.sleep(0.1)
    raise SystemExit("redis-server does not answer")


def cpu_of(work: Callable[[], object], pid: int) -> float:
    """CPU microseconds of this process and of the other, whose accounting has steps of 10 ms."""
    other = psutil.Process(pid)
    start, theirs = time.process_time(), sum(other.cpu_times()[:2])
    work()
    return (time.process_time() - start + sum(other.cpu_times()[:2]) - theirs) * 1e6


if __name__ == "__main__":
    main()
