"""What every request passes through: its id, the key, the limit of requests in flight, the counters and the access log."""

import logging
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tabtrail.serving.access_log import Answered
from tabtrail.serving.pages import PAGE_PATHS, wants_page
from tabtrail.serving.problems import Refused, failure
from tabtrail.serving.state import KEY, Service
from tabtrail.serving.whole_answer import CYCLE, write_whole

logger = logging.getLogger("tabtrail.serve")
OPEN_PATHS = frozenset({"/health", "/health/live", "/health/ready", "/ping", "/v2/health/live", "/v2/health/ready"})
COMPLETE = "tabtrail.complete"  # in the scope of a request whose body has come in
UNDER_WAY = "tabtrail.under_way"  # all requests of the worker that have come in and are not answered yet
Endpoint = Callable[[Request], Awaitable[Response]]
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_GONE = 499


class Edge:
    """The outermost layer of the service, as plain ASGI: creating Starlette's objects for each request would cost more.

    Fixed paths are answered from `direct` (method and path → endpoint); other paths go to the router of `app`.
    """

    def __init__(self, app: ASGIApp, direct: Mapping[tuple[str, str], Endpoint]) -> None:
        self.app = app
        self._direct = direct

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        service: Service = scope["app"].state.service
        request_id, given = b"", b""
        for name, value in scope["headers"]:
            if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
                request_id = value
            elif name == b"x-api-key":
                given = value
            elif name == b"authorization" and value[:7].lower() == b"bearer ":
                given = value[7:].strip()
        request_id = request_id or os.urandom(16).hex().encode()
        scope["request_id"] = request_id.decode()
        scope[KEY] = given
        status = _GONE

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id)]
            await send(message)

        service.in_flight += 1
        try:
            response = await self._response(service, scope, receive, given)
            if response is None:
                await self.app(scope, receive, answer)
            elif write_whole(scope, response, request_id):
                status = response.status_code
            else:
                await response(scope, receive, answer)
        except ClientDisconnect:
            pass
        except Exception as error:
            logger.exception("request failed", extra={"fields": {"request_id": scope["request_id"]}})
            if status == _GONE:
                status = 500
                await failure(error)(scope, receive, answer)
            elif status != 500:  # where the router failed, its answer says so
                raise
        finally:
            service.in_flight -= 1
            if (cycle := scope.get(CYCLE)) is not None and not cycle.response_complete:
                status = _GONE  # whatever was to be sent, the client did not get it
            seconds = time.perf_counter() - started
            route = self._route_of(scope)
            service.counters.answered(route, status, seconds)
            if service.access is not None:
                service.access.note(Answered(time.time(), scope["request_id"], scope["method"], route, status, seconds))

    async def _response(self, service: Service, scope: Scope, receive: Receive, given: bytes) -> Response | None:
        """Return what to answer; None where the router does."""
        path: str = scope["path"]
        if refused := _refusal(service, scope, given):
            return refused.response(path)
        endpoint = self._direct.get((scope["method"], path))
        if endpoint is None:
            return None
        try:
            if (pace := service.paces.get(path)) is not None:
                await pace.turn()
            return await endpoint(Request(scope, receive))
        except Refused as refusal:
            return refusal.response(path)

    def _route_of(self, scope: Scope) -> str:
        """Return the template of a routed path, `other` for any other, so that clients cannot create labels."""
        root: str = scope.get("root_path", "")
        if (scope["method"], scope["path"]) in self._direct:
            return root + str(scope["path"])
        path = getattr(scope.get("route"), "path", None)
        return "other" if path is None else root + path


def _refusal(service: Service, scope: Scope, given: bytes) -> Refused | None:
    path: str = scope["path"]
    if path in OPEN_PATHS:
        return None
    if not service.opens(given) and not (path in PAGE_PATHS or (path == "/" and wants_page(scope))):
        detail = "send the key as `X-API-Key`, or as `Authorization: Bearer`"
        return Refused(401, detail, headers={"WWW-Authenticate": "Bearer"})
    return service.overload()
