"""The pages for a browser: `GET /` with a form that predicts, and `GET /docs`. Nothing in them comes from another server.

They hold nothing of the model: their scripts ask the service for it, with the API key that the person types where there is one.
So the pages and their files are open, as health is.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.types import Scope

_SWAGGER = "fastapi_offline"  # only its files are used; it is not imported
_OWN = Path(__file__).with_name("web")
_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_OWN_FILES = ("page.css", "page.js", "ask.js", "form.js", "answer.js", "segments.js", "docs.js", "icon.svg")
_SWAGGER_FILES = ("swagger-ui-bundle.js", "swagger-ui.css")
# A script of somebody else's has no way in, whatever a name or a value of the data holds, and nothing can be sent elsewhere.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'none';"
    " base-uri 'none'; frame-ancestors 'none'"
)
# Swagger UI builds its elements from texts, and writes styles into them.
_STRICTEST, _SWAGGER_POLICY = (
    f"{_POLICY}; require-trusted-types-for 'script'",
    _POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'"),
)
_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache"}
FILE_PATHS = tuple([f"/page/{name}" for name in _OWN_FILES] + [f"/docs/{name}" for name in _SWAGGER_FILES])
PAGE_PATHS = frozenset({"/docs", *FILE_PATHS})


def wants_page(scope: Scope) -> bool:
    """Tell whether a request of `/` is a browser's: HTML is accepted, and named before JSON where that is too."""
    accepted = next((value for name, value in scope["headers"] if name == b"accept"), b"")
    html, json = accepted.find(b"text/html"), accepted.find(b"application/json")
    return bool(html >= 0 and (json < 0 or html < json))


def page() -> Response:
    """Return the page of `/`."""
    return Response(
        _read("page.html"), headers={**_HEADERS, "Content-Security-Policy": _STRICTEST, "Vary": "Accept"}, media_type="text/html"
    )


async def docs(_: Request) -> Response:
    """Return Swagger UI."""
    return Response(_read("docs.html"), headers={**_HEADERS, "Content-Security-Policy": _SWAGGER_POLICY}, media_type="text/html")


async def file(request: Request) -> Response:
    """Return one of the files that the pages need."""
    name = request.url.path.rpartition("/")[2]
    media = _TYPES[Path(name).suffix]
    if name in _SWAGGER_FILES:  # 1.7 MB that change with an installation alone
        return FileResponse(_swagger_folder() / name, media_type=media, headers={**_HEADERS, "Cache-Control": "max-age=86400"})
    return FileResponse(_OWN / name, media_type=media, headers=_HEADERS)


@cache
def _read(name: str) -> bytes:
    return (_OWN / name).read_bytes()


@cache
def _swagger_folder() -> Path:
    spec = find_spec(_SWAGGER)
    assert spec is not None  # noqa: S101 - a dependency of the base install
    assert spec.origin is not None  # noqa: S101 - it is a package with an __init__.py
    return Path(spec.origin).parent / "static"
