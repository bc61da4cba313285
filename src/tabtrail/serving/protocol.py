"""Bounds that uvicorn's HTTP protocol lacks: on connections, on the size of headers, and on the time that a client takes.

uvicorn 0.54 with httptools keeps a connection that sends nothing, and takes headers of any size.
"""

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from tabtrail.config.operation import Serve
from tabtrail.serving.edge import COMPLETE, UNDER_WAY
from tabtrail.serving.problems import MEDIA_TYPE
from tabtrail.serving.whole_answer import CYCLE

_MOST_HEADER_BYTES = 65_536
_MOST_HEADERS = 200  # Apache allows 100
_REQUEST_LINE = 16  # bytes of a request line besides its path: a method, `HTTP/1.1` and the ends of the line
_FIELD_LINE = 4  # bytes of a header besides its name and value: a colon, a blank and the end of the line
_MOST_WASTE = 16  # bytes on the wire for one byte of body: a chunk of one byte takes six
_QUIET_SECONDS = 1.0  # how long a connection without a request is still listened to once the worker ends


class BoundedProtocol(HttpToolsProtocol):
    """One connection. It is closed with 431 past 64 KB (or 200) of headers, with 408 when a request takes too long to arrive,
    with 503 when there are too many connections.

    The clock runs only while a request arrives, never while its answer is worked on.
    """

    def __init__(self, *words: Any, settings: Serve, **named: Any) -> None:
        super().__init__(*words, **named)
        self._settings = settings
        self._spent = self._delivered = 0
        self._too_large = self._ending = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._settings.max_connections:
            self._close_with(503, "too many connections; try again")
        else:
            self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._spent += len(data)
        super().data_received(data)
        if self._spent > _MOST_HEADER_BYTES + _MOST_WASTE * self._delivered:
            self._refuse_headers()
        elif self._timer is None and self._spent and not self._answering() and not self.transport.is_closing():
            self._start_timer()

    def on_headers_complete(self) -> None:
        size = _REQUEST_LINE + len(self.url) + sum([len(name) + len(value) + _FIELD_LINE for name, value in self.headers])
        if size > _MOST_HEADER_BYTES or len(self.headers) > _MOST_HEADERS:
            self._too_large = True
            raise ValueError("the headers are too large")  # ends the parser; `send_400_response` then answers 431
        self._restart()
        super().on_headers_complete()
        self.scope[CYCLE] = self.cycle  # type: ignore[literal-required]
        self.scope[UNDER_WAY] = self.tasks  # type: ignore[literal-required]
        if self._ending:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._delivered += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._restart()
        self.scope[COMPLETE] = True  # type: ignore[literal-required]
        super().on_message_complete()
        if not self.pipeline:
            self.flow.resume_reading()  # a large body pauses it; a client that goes away meanwhile would not be noticed

    def send_400_response(self, msg: str) -> None:
        if self._too_large:
            self._refuse_headers()
        else:
            super().send_400_response(msg)

    def shutdown(self) -> None:
        """Answer what came in and close. A request may be on its way on a connection that looks idle: closing that one at
        once would reset it, so it is listened to for a moment and closed by its next answer, or then.
        """
        self._ending = True
        if self._answering():
            self.cycle.keep_alive = False
        else:
            self.loop.call_later(min(_QUIET_SECONDS, self._settings.drain_seconds), self._close_if_quiet)

    def _close_if_quiet(self) -> None:
        if not self._answering() and not self._spent and not self.transport.is_closing():
            self.transport.close()

    def _answering(self) -> bool:
        """Tell whether an answer is worked on or being sent."""
        return self.cycle is not None and not self.cycle.response_complete

    def _restart(self) -> None:
        self._stop_timer()
        self._spent = self._delivered = 0

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(self._settings.body_timeout_seconds, self._too_slow)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if not self._answering():
            self._close_with(408, "the request took too long")

    def _refuse_headers(self) -> None:
        self._close_with(431, f"the headers are larger than 64 KB, or more than {_MOST_HEADERS}")

    def _close_with(self, status: int, detail: str) -> None:
        """Answer where no answer is under way, and close."""
        if self.transport.is_closing():
            return
        if not self._answering() and self._spent + (status == 503):
            body = json.dumps({"type": "about:blank", "title": detail, "status": status, "detail": detail, "errors": []}).encode()
            head = f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nretry-after: 1\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[status] + head.encode() + body)
        self.transport.close()
