"""Bodies: read within limits of size and time, and turned into rows (raw column → value) that are not checked yet."""

import asyncio
from typing import Any

from starlette.requests import ClientDisconnect, Request

from tabtrail.bundle.rows import Row
from tabtrail.reading.strict_json import parse_json
from tabtrail.serving.edge import COMPLETE
from tabtrail.serving.problems import Refused
from tabtrail.serving.state import MOST_BUFFERED, Service

JSON = "application/json"
NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
COLUMNAR = (ARROW, PARQUET)
_LEAST_RATE = 100_000  # bytes a second: a body that comes so fast is not slow, however busy this worker is reading others
BIG = 16_384  # bytes of JSON whose decoding would hold other requests up


def media_type(request: Request) -> str:
    """Return the media type of a body, lower case, without parameters."""
    return _header(request, b"content-type").partition(";")[0].strip().lower()


def _header(request: Request, wanted: bytes, otherwise: str = "") -> str:
    """Return the first header of this name, as `request.headers.get` does in a third of its time."""
    for name, value in request.scope["headers"]:
        if name == wanted:
            return str(value, "latin-1")
    return otherwise


def require_media_type(request: Request, *allowed: str) -> str:
    """Return the media type of a body. Raises `Refused` (415) for one that is not allowed, and for a compressed body."""
    found = media_type(request)
    if found not in allowed:
        raise Refused(415, f"send Content-Type: {', or '.join(allowed)}", headers={"Accept-Post": ", ".join(allowed)})
    if _header(request, b"content-encoding", "identity").strip().lower() != "identity":
        raise Refused(415, "send the body as it is, without Content-Encoding", headers={"Accept-Encoding": "identity"})
    return found


async def read_body(request: Request, service: Service, most: int) -> bytes:
    """Return the body. Raises `Refused` for one that is too large (413), too slow (408), or for too many at once (503)."""
    stated = _header(request, b"content-length")
    if stated.isdecimal() and (len(stated) > 18 or int(stated) > most):
        raise _too_large(most)
    if COMPLETE in request.scope:  # nothing to wait for
        message = await request.receive()
        if message["type"] == "http.request" and not message.get("more_body", False) and len(message["body"]) <= most:
            whole: bytes = message["body"]
            return whole
        raise _too_large(most) if message["type"] == "http.request" else ClientDisconnect
    body = await _read_slowly(request, service, most)
    if refused := service.overload():
        raise refused
    return body


async def _read_slowly(request: Request, service: Service, most: int) -> bytes:
    body = bytearray()
    service.in_flight -= 1  # waiting for a slow client is not work: other requests may take the place
    try:
        async with asyncio.timeout(service.settings.body_timeout_seconds) as limit:
            while True:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                block: bytes = message.get("body", b"")
                if len(body) + len(block) > most:
                    raise _too_large(most)
                if not message.get("more_body", False):
                    return bytes(body) + block if body else block
                body += block
                limit.reschedule((limit.when() or 0) + len(block) / _LEAST_RATE)
                service.buffered += len(block)
                if service.buffered > MOST_BUFFERED:
                    raise Refused(503, "too many bodies are being sent; try again", headers={"Retry-After": "1"})
    except TimeoutError:
        most_seconds = service.settings.body_timeout_seconds
        raise Refused(408, f"the body took longer than {most_seconds:g} s and a second for every {_LEAST_RATE:,} bytes") from None
    finally:
        service.buffered -= len(body)
        service.in_flight += 1


def _too_large(most: int) -> Refused:
    return Refused(413, f"the body is larger than {most:,} bytes")


async def read_json(request: Request, service: Service, most: int) -> Any:
    """Return the JSON value of a body. Raises `Refused` (422) where it is not JSON."""
    body = await read_body(request, service, most)
    return decode_json(body) if len(body) < BIG else await service.aside(lambda: decode_json(body))


def decode_json(body: bytes) -> Any:
    """Return a JSON value. Raises `Refused` (422) where the body is not JSON."""
    try:
        return parse_json(body)
    except ValueError as error:
        raise Refused(422, f"the body is not JSON that is taken: {error}") from None


def decode_lines(body: bytes) -> list[Any]:
    """Return the values of a body with one JSON text a line. Raises `Refused` (422) naming the first line that is not JSON."""
    rows = []
    for number, line in enumerate(body.split(b"\n"), 1):
        if line.strip():
            try:
                rows.append(parse_json(line))
            except ValueError as error:
                raise Refused(422, f"line {number} is not JSON that is taken: {error}") from None
    return rows


def require_rows(rows: Any, most: int) -> list[Row]:
    """Return the rows of a batch. Raises `Refused` for what is not a list or empty (422), or too long (413)."""
    if not isinstance(rows, list):
        raise Refused(422, "the body is not a list of rows")
    if not rows:
        raise Refused(422, "the list is empty; give at least one row")
    if len(rows) > most:
        raise Refused(413, f"there are more than {most:,} rows")
    return rows
