"""How long one prediction takes: in this process, and over HTTP from the service as users start it, one request after another."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException

import numpy as np

from tabtrail.bundle.load import Bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.config.operation import Serve
from tabtrail.errors import TabtrailError
from tabtrail.serving.state import read_key

_WARM, _COUNTED = 50, 500  # of 500, five lie beyond the 99th percentile, so that it is not one request's bad luck
_START_SECONDS = 60


def measure_latency(bundle: Bundle, settings: Serve, words: Sequence[str]) -> dict[str, float]:
    """Return `predict_p50`, `_p95`, `_p99` and `http_p50`, `_p95`, `_p99` in milliseconds, of the example of the contract.

    `words` tell `tabtrail serve` which project is meant. Raises `TabtrailError` where the service does not start or answer.
    """
    predictor, row = Predictor(bundle), bundle.schema.example
    found = _percentiles("predict", lambda: predictor.predict([row]))
    key = read_key(settings)
    headers = {"Content-Type": "application/json"} | ({} if key is None else {"X-API-Key": key.decode()})
    body = json.dumps(row)
    with _service(words) as connection:

        def ask() -> None:
            connection.request("POST", "/predict", body, headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                raise TabtrailError(
                    f"the service answered {answer.status} to its own example: {text[:200].decode(errors='replace')}"
                )

        return found | _percentiles("http", ask)


def _percentiles(name: str, ask: Callable[[], object]) -> dict[str, float]:
    for _ in range(_WARM):
        ask()
    seconds = []
    for _ in range(_COUNTED):
        started = time.perf_counter()
        ask()
        seconds.append(time.perf_counter() - started)
    return {f"{name}_p{share}": round(float(np.percentile(seconds, share)) * 1e3, 4) for share in (50, 95, 99)}


@contextmanager
def _service(words: Sequence[str]) -> Iterator[HTTPConnection]:
    """Start `tabtrail serve` on a free port of loopback, and end it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--set", "serve.access_log=false"]
    command = [sys.executable, "-m", "tabtrail", "serve", *words, *own]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # noqa: S603 - our own service
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        _wait(process, connection)
        yield connection
    except (OSError, HTTPException) as error:
        raise TabtrailError(f"the service stopped answering ({type(error).__name__})") from None
    finally:
        connection.close()
        process.terminate()
        process.communicate(timeout=30)


def _wait(process: subprocess.Popen[bytes], connection: HTTPConnection) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        try:
            connection.request("GET", "/health")
            connection.getresponse().read()
            return
        except (OSError, HTTPException):
            connection.close()
        if process.poll() is not None:
            said = process.communicate()[1].decode(errors="replace").strip().splitlines()
            raise TabtrailError(f"the service does not start: {said[-1] if said else 'it says nothing'}")
        time.sleep(0.05)
    raise TabtrailError(f"the service did not answer within {_START_SECONDS} s of its start")
