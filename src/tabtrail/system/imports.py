"""Modules imported when they are first needed, without a search for garbage on the way."""

import gc
import importlib
from types import ModuleType
from typing import Any


class Late:
    """A module that is imported when something of it is first used: `filelock = Late("filelock")`, then `filelock.FileLock(…)`.

    For what takes long to import where most uses of a file do without it. It stands with the imports, with its reason.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self._name), attribute)


def import_module(name: str) -> ModuleType:
    """Import a module by its whole name, as importlib does.

    What an import makes stays: while MLflow and what trains are imported, Python would look through it for garbage a thousand
    times, which is an eighth of the time that they take.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        return importlib.import_module(name)  # when it is needed, which whoever asks says
    finally:
        if collecting:
            gc.enable()
