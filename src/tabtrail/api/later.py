"""The modules that need more than the base install, or take long to import, each imported when it is first used."""

from typing import TYPE_CHECKING, Any

from tabtrail.system.imports import import_module

if TYPE_CHECKING:
    from tabtrail.api import arrow_frames as arrow_frames
    from tabtrail.api import background as background
    from tabtrail.bundle import arrow_arrays as arrow_arrays
    from tabtrail.bundle import score_frame as score_frame
    from tabtrail.config import operation as operation
    from tabtrail.storage import copies as copies
    from tabtrail.tracking import registered as registered
    from tabtrail.workflows import explain as explain
    from tabtrail.workflows import explain_demand as explain_demand
    from tabtrail.workflows import explained_rows as explained_rows

_MODULES = {
    "arrow_arrays": "tabtrail.bundle.arrow_arrays",
    "arrow_frames": "tabtrail.api.arrow_frames",
    "background": "tabtrail.api.background",
    "copies": "tabtrail.storage.copies",
    "explain": "tabtrail.workflows.explain",
    "explain_demand": "tabtrail.workflows.explain_demand",
    "explained_rows": "tabtrail.workflows.explained_rows",
    "operation": "tabtrail.config.operation",
    "registered": "tabtrail.tracking.registered",
    "score_frame": "tabtrail.bundle.score_frame",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(_MODULES[name])
