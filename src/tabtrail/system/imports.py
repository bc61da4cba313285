"""Modules imported when they are first needed, without a search for garbage on the way."""

import gc
import importlib
import sys
import threading
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


_KEEPING = threading.Event()


def keep_imports() -> None:
    """Leave what is imported from here on out of every later search for garbage.

    For a program of its own: a search of all that a training has imported takes 0.2 seconds, and finds nothing. In a process of
    somebody else, what lives there at that moment would never be searched again.
    """
    _KEEPING.set()


def import_module(name: str) -> ModuleType:
    """Import a module by its whole name, as importlib does.

    What an import makes stays: while MLflow and what trains are imported, Python would look through it for garbage a thousand
    times, which is an eighth of the time that they take.
    """
    known = name in sys.modules
    collecting = gc.isenabled()
    gc.disable()
    try:
        return importlib.import_module(name)  # when it is needed, which whoever asks says
    finally:
        if _KEEPING.is_set() and not known:
            gc.freeze()
        if collecting:
            gc.enable()
