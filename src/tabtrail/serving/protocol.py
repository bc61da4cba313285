"""Bounds that uvicorn's HTTP protocol lacks: on connections, on the size of headers, and on the time that a client takes.

uvicorn 0.54 with httptools keeps a connection that sends nothing, and takes headers of any size.
"""

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from tabtrail.config.operation import Serve
from tabtrail.serving.edge import COMPLETE
from tabtrail.serving.problems import MEDIA_TYPE

_MOST_HEADER_BYTES = 65_536
_MOST_HEADERS = 200  # Apache allows 100
_MOST_WASTE = 16  # bytes on the wire for one byte of body: a chunk of one byte takes six


class BoundedProtocol(HttpToolsProtocol):
    """One connection. It is closed with 431 past 64 KB (or 200) of headers, with 408 when they take too long, with 503 when
    there are too many connections.
    """

    def __init__(self, *words: Any, settings: Serve, **named: Any) -> None:
        super().__init__(*words, **named)
        self._settings = settings
        self._spent = self._delivered = 0
        self._between = True
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
            self._close_with(431, "the headers are larger than 64 KB")
        elif self._timer is None and (self._between or self.cycle.response_complete) and not self.transport.is_closing():
            self._start_timer()

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) >= _MOST_HEADERS:
            raise ValueError("too many headers")  # answered 400 by uvicorn
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._restart(between=False)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._delivered += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._restart(between=True)
        self.scope[COMPLETE] = True  # type: ignore[literal-required]
        super().on_message_complete()

    def _restart(self, *, between: bool) -> None:
        self._stop_timer()
        self._spent = self._delivered = 0
        self._between = between

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(self._settings.body_timeout_seconds, self._too_slow)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        self._close_with(408, "the request took too long")

    def _close_with(self, status: int, detail: str) -> None:
        """Answer where no answer is under way, and close."""
        if self.transport.is_closing():
            return
        if (self.cycle is None or self.cycle.response_complete) and self._spent + (status == 503):
            body = json.dumps({"type": "about:blank", "title": detail, "status": status, "detail": detail, "errors": []}).encode()
            head = f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nretry-after: 1\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[status] + head.encode() + body)
        self.transport.close()
