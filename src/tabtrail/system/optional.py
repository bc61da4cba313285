"""Packages of an extra, imported when they are first needed."""

from typing import Any

from tabtrail.errors import require_extra
from tabtrail.system.imports import import_module


def load_optional(module: str, extra: str) -> Any:
    """Import a module of an extra and return it. Raises `MissingExtraError` where its package is not installed."""
    require_extra(extra, module.partition(".")[0])
    return import_module(module)  # not before it is needed: it takes long, or may not be there
