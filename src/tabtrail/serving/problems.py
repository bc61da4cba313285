"""Errors as RFC 9457 has them (`application/problem+json`); they name columns and repeat no value of a request."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "Bad request",
    401: "Key missing or wrong",
    404: "Not found",
    405: "Method not allowed",
    408: "Body too slow",
    409: "Somebody is at work",
    413: "Body too large",
    415: "Media type not taken",
    422: "Row refused",
    500: "Failure of the service",
    503: "Not now",
}
_MOST_ERRORS = 100  # of a row with thousands of unknown columns


class Refused(Exception):  # noqa: N818 - an HTTP answer, not a failure
    """A request that is answered with a problem document. `errors` are pairs of column and message."""

    def __init__(
        self, status: int, detail: str, errors: Sequence[tuple[str, str]] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, errors, dict(headers or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as an ASGI application."""
        await self.response(scope["path"])(scope, receive, send)

    def response(self, path: str = "") -> Response:
        """Return the document; clients of the Open Inference Protocol find its text under `error` too."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": TITLES.get(self.status, "Error"),
            "status": self.status,
            "detail": self.detail,
            "errors": [{"column": column, "message": message} for column, message in self.errors[:_MOST_ERRORS]],
        }
        if path.startswith("/v2"):
            body["error"] = self.detail
        return Response(json.dumps(body), self.status, self.headers, MEDIA_TYPE)


async def answer_refused(request: Request, error: Exception) -> Response:
    """Answer a `Refused`."""
    assert isinstance(error, Refused)  # noqa: S101 - it is registered for this class alone
    return error.response(request.url.path)


async def answer_http(request: Request, error: Exception) -> Response:
    """Answer where routing refuses: an unknown path, another method."""
    status: int = getattr(error, "status_code", 422)
    detail = "the request is not of the documented form" if status == 422 else str(getattr(error, "detail", ""))
    return Refused(status, detail, headers=getattr(error, "headers", None)).response(request.url.path)


async def answer_failure(request: Request, error: Exception) -> Response:
    """Answer where the service itself failed."""
    return failure(error).response(request.url.path)


def failure(error: Exception) -> Refused:
    """Return what to answer where the service itself failed."""
    return Refused(500, f"the service failed ({type(error).__name__}); its log says where")


PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "errors"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["column", "message"],
                "properties": {"column": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
