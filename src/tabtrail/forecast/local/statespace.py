"""The models of statsmodels, imported when one is fitted."""

from importlib import import_module
from typing import Any

_MODULES = {"ETSModel": "statsmodels.tsa.exponential_smoothing.ets", "SARIMAX": "statsmodels.tsa.statespace.sarimax"}


def model_class(name: str) -> Any:
    """Return the class of a model. Importing adds to the warning filters of the process: call it inside `catch_warnings`."""
    return getattr(import_module(_MODULES[name]), name)  # an optional extra that takes a second
