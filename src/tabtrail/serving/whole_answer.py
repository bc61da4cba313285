"""An answer in one write: uvicorn writes head and body apart and looks through each header, a third of a small answer's cost."""

from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

CYCLE = (
    "tabtrail.cycle"  # in the scope under `tabtrail serve`: uvicorn's object of an answer, which knows whether all was written
)
_WHOLE = (Response, JSONResponse, HTMLResponse)  # not their subclasses, which may have no body yet
_MOST_JOINED = 65_536  # bytes of a body that are cheaper to copy behind the head than to write by themselves


def write_whole(scope: Scope, response: Response, request_id: bytes) -> bool:
    """Write an answer where that can be done at once; return whether it was. Otherwise it is to be sent as ASGI has it.

    It does what `RequestResponseCycle.send` of uvicorn 0.54 does for an answer with a content-length.
    """
    cycle = scope.get(CYCLE)
    if cycle is None or type(response) not in _WHOLE or not _ready(cycle):
        return False
    head = _head(cycle, response, request_id)
    if head is None:
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    body = response.body
    if len(body) > _MOST_JOINED:
        cycle.transport.write(head)
        cycle.transport.write(body)
    else:
        cycle.transport.write(head + body)
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True


def _ready(cycle: Any) -> bool:
    """Tell whether the connection takes an answer with a body now."""
    return not (cycle.flow.write_paused or cycle.disconnected or cycle.response_started or cycle.scope["method"] == "HEAD")


def _head(cycle: Any, response: Response, request_id: bytes) -> bytes | None:
    """Return the status line and the headers; None where one of them holds the end of a line."""
    headers = [*cycle.default_headers, *response.raw_headers, (b"x-request-id", request_id)]
    if not cycle.keep_alive:
        headers.append((b"connection", b"close"))
    lines = b"".join([b"%b: %b\r\n" % header for header in headers])
    if lines.count(b"\n") != len(headers):
        return None
    return STATUS_LINE[response.status_code] + lines + b"\r\n"
