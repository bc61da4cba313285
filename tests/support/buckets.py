"""An S3 on loopback, started once a session by the fixture `moto_server`, and a server before it that answers as bad ones do."""

import http.client
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from tabtrail.storage.address import Address
from tabtrail.storage.bucket import Bucket

KEY, SECRET = "AKIAXTESTXKEY", "s3-secret-of-the-tests"


@dataclass(frozen=True)
class Buckets:
    """The server: buckets are made through it, and read and written past the product."""

    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which a process reaches it."""
        return reach(self.endpoint)

    def new(self) -> str:
        """Create a bucket and return its name."""
        name = f"b-{secrets.token_hex(4)}"
        where = urlsplit(self.endpoint)
        connection = http.client.HTTPConnection(where.hostname or "", where.port or 80, timeout=30)
        connection.request(
            "PUT", f"/{name}", headers={"Authorization": f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/us-east-1/s3/aws4_request"}
        )
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        connection.close()
        return name

    def put(self, bucket: str, name: str, data: bytes) -> None:
        self._bucket(bucket).put(name, data)

    def read(self, bucket: str, name: str) -> bytes:
        found = self._bucket(bucket).read(name)
        assert found is not None
        return found[0]

    def names(self, bucket: str, prefix: str = "") -> list[str]:
        """The names of the objects below a prefix."""
        return [each.name for each in self._bucket(bucket).list(prefix)]

    def _bucket(self, name: str) -> Bucket:
        with pytest.MonkeyPatch.context() as patch:
            for variable, value in self.environment.items():
                patch.setenv(variable, value)
            return Bucket.of(Address(name, "x"), patience=5)


def reach(endpoint: str) -> dict[str, str]:
    """The variables by which a process reaches an endpoint, and no file of AWS's of whoever runs the tests."""
    nowhere = os.devnull
    return {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": nowhere,
        "AWS_SHARED_CREDENTIALS_FILE": nowhere,
    }


@contextmanager
def running_buckets() -> Iterator[Buckets]:
    """Start moto's server in a process of its own on a free port, and end it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    # `python -m moto.server` as the command moto_server does it; what it logs of requests goes nowhere.
    command = [sys.executable, "-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port, server)
        yield Buckets(f"http://127.0.0.1:{port}")
    finally:
        server.kill()
        server.wait(timeout=30)


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, "moto's server ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("moto's server does not answer")


Answer = tuple[int, str] | None
"""A status and a code of S3 to answer with, None to pass a request on, `LOST` to pass it on and answer with the status alone."""
LOST = "lost"


@dataclass
class Between:
    """A server that passes requests on, or answers them itself as `judge` (method, path) says; `seen` are those that came in."""

    target: str
    judge: Callable[[str, str], Answer] = lambda method, path: None
    seen: list[tuple[str, str]] = field(default_factory=list)
    endpoint: str = ""

    @property
    def environment(self) -> dict[str, str]:
        return reach(self.endpoint)


@contextmanager
def between(target: str) -> Iterator[Between]:
    """Start a server that stands before another one."""
    place = Between(target)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(place))
    server.daemon_threads = True
    place.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield place
    finally:
        server.shutdown()
        server.server_close()


def _handler(place: Between) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            place.seen.append((self.command, self.path))
            verdict = place.judge(self.command, self.path)
            if verdict is not None and verdict[1] != LOST:
                status, code = verdict
                self._send(status, {}, f"<Error><Code>{code}</Code><Message>{SECRET}</Message></Error>".encode())
                return
            where = urlsplit(place.target)
            connection = http.client.HTTPConnection(where.hostname or "", where.port or 80, timeout=60)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            connection.request(self.command, self.path, body, {**headers, "Host": where.netloc})
            answer = connection.getresponse()
            data = answer.read()
            connection.close()
            if verdict is None:
                self._send(answer.status, dict(answer.getheaders()), data)
            else:
                self._send(verdict[0], {}, b"")

        def _send(self, status: int, headers: dict[str, str], data: bytes) -> None:
            self.send_response(status)
            skipped = ("transfer-encoding", "connection", "date", "server") + (
                () if self.command == "HEAD" else ("content-length",)
            )
            for name, value in headers.items():
                if name.lower() not in skipped:
                    self.send_header(name, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
