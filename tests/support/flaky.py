"""A proxy on loopback that answers for a server, delays or cuts connections as a test wants it."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

CUT = "cut"
Fate = int | float | str | None
"""Of a request: a status (int) to answer with, seconds (float) to wait before passing it on, CUT, or None: pass it on."""
_NOT_PASSED = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


@dataclass
class Flaky:
    """`fate` is asked for each request with its number, from 1, and its path; `seen` are the paths."""

    uri: str
    target: str
    fate: Callable[[int, str], Fate] = lambda number, path: None
    seen: list[str] = field(default_factory=list)


@contextmanager
def flaky(target: str) -> Iterator[Flaky]:
    """Start a proxy for a server at an address, and end it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65_537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            made.seen.append(self.path)
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            fate = made.fate(len(made.seen), self.path)
            if fate == CUT:
                self.close_connection = True
            elif isinstance(fate, int):
                self._answer(fate, {}, b"not now")
            else:
                time.sleep(fate if isinstance(fate, float) else 0)
                self._answer(*self._passed_on(body))

        def _passed_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            there = http.client.HTTPConnection(urlsplit(made.target).netloc, timeout=60)
            try:
                there.request(self.command, self.path, body, dict(self.headers))
                answer = there.getresponse()
                return answer.status, dict(answer.getheaders()), answer.read()
            finally:
                there.close()

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in _NOT_PASSED:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
            self.wfile.flush()

        def log_message(self, *words: Any) -> None:
            """Print nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that goes away is what some tests want."""

    with Server(("127.0.0.1", 0), Handler) as server:
        made = Flaky(f"http://127.0.0.1:{server.server_port}", target)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join(10)
