"""Answers that leave the service in one write, and single rows that are predicted at once: HTTP stays what it was."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.responses import Response
from tests.support.projects import Project, serving

from tabtrail.serving.whole_answer import CYCLE, write_whole

GET = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"


def received(connection: socket.socket, answers: int) -> list[bytes]:
    """The answers of a connection, each with its head; ends early where it is closed."""
    data = b""
    while data.count(b"HTTP/1.1 ") < answers or not data.endswith(b"}"):
        block = connection.recv(65_536)
        if not block:
            break
        data += block
    return [b"HTTP/1.1 " + each for each in data.split(b"HTTP/1.1 ")[1:]]


def test_answers_of_any_form_of_http_are_whole(small: Project) -> None:
    with serving(small, door=False) as client:
        address = ("127.0.0.1", client.base_url.port)
        row = json.dumps(client.get("/schema").json()["example"]).encode()
        post = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % len(row)
        with socket.create_connection(address, timeout=20) as one:
            one.sendall(GET)
            assert one.recv(65_536).endswith(b'\r\n\r\n{"status":"ok","live":true}')  # head and body in one packet
            one.sendall(GET + post + b"\r\n" + row + GET)  # without waiting for answers
            first, second, third = received(one, 3)
            assert b'"live"' in first
            assert b'"prediction"' in second
            assert b'"live"' in third
            one.sendall(post + b"Expect: 100-continue\r\n\r\n")
            assert one.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
            one.sendall(row)
            assert b'"prediction"' in received(one, 1)[0]
            one.sendall(b"HEAD /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            assert one.recv(65_536).startswith(b"HTTP/1.1 405")
            one.sendall(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            assert b"connection: close\r\n" in received(one, 2)[0]
            assert one.recv(100) == b""
        with ThreadPoolExecutor(16) as threads:  # together and alone, a row has the same answer
            answers = set(threads.map(lambda _: client.post("/predict", content=row, headers=JSON).text, range(64)))
        assert answers == {client.post("/predict", content=row, headers=JSON).text}


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "state",
    [
        {"flow": SimpleNamespace(write_paused=True)},
        {"disconnected": True},
        {"response_started": True},
        {"scope": {"method": "HEAD"}},
        {"default_headers": [(b"date", b"today\r\nx-other: 1")]},
    ],
)
def test_an_answer_that_cannot_be_written_at_once_is_left_to_uvicorn(state: dict[str, Any]) -> None:
    cycle = SimpleNamespace(
        flow=SimpleNamespace(write_paused=False), disconnected=False, response_started=False, scope={"method": "GET"},
        default_headers=[], keep_alive=True,
    )  # fmt: skip
    vars(cycle).update(state)
    assert write_whole({CYCLE: cycle}, Response(b"{}"), b"id") is False
    assert write_whole({}, Response(b"{}"), b"id") is False
