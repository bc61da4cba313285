"""`GET /docs`: Swagger UI with its script and style from an installed package, so that it works without the internet."""

from importlib.util import find_spec
from pathlib import Path

from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import FileResponse, Response

_PACKAGE = "fastapi_offline"  # only its files are used; it is not imported
_FILES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css", "favicon.png": "image/png"}


async def docs(request: Request) -> Response:
    """Return the page. It asks no other server for anything: no CDN, and no validator of the document."""
    root = request.scope.get("root_path", "")
    return get_swagger_ui_html(
        openapi_url=f"{root}/openapi.json",
        title="tabtrail",
        swagger_js_url=f"{root}/docs/swagger-ui-bundle.js",
        swagger_css_url=f"{root}/docs/swagger-ui.css",
        swagger_favicon_url=f"{root}/docs/favicon.png",
        swagger_ui_parameters={"validatorUrl": None},
    )


def asset_paths() -> list[str]:
    """Return the paths of the files that the page needs."""
    return [f"/docs/{name}" for name in _FILES]


async def asset(request: Request) -> Response:
    """Return one of the page's files."""
    spec = find_spec(_PACKAGE)
    assert spec is not None  # noqa: S101 - a dependency of the base install
    assert spec.origin is not None  # noqa: S101 - it is a package with an __init__.py
    name = request.url.path.rpartition("/")[2]
    return FileResponse(Path(spec.origin).parent / "static" / name, media_type=_FILES[name])
