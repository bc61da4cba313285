"""Modules imported when they are first needed, without a search for garbage on the way."""

import gc
import importlib
from types import ModuleType


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
