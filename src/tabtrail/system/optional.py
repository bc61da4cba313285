"""Packages of an extra, imported when they are first needed."""

from typing import Any

from tabtrail.errors import require_extra
from tabtrail.system.imports import import_module


def load_optional(module: str, extra: str, package: str | None = None) -> Any:
    """Import a module of an extra, or one of our own that imports its package, and return it. Raises `MissingExtraError` where
    the package is not installed.
    """
    require_extra(extra, package or module.partition(".")[0])
    return import_module(module)  # not before it is needed: it takes long, or may not be there
