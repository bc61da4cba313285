"""The models of statsmodels and arch, imported when one is fitted."""

from importlib import import_module
from typing import Any

_MODULES = {
    "ETSModel": "statsmodels.tsa.exponential_smoothing.ets",
    "SARIMAX": "statsmodels.tsa.statespace.sarimax",
    "arch_model": "arch",
}


def model_class(name: str) -> Any:
    """Return the class of a model, or what makes one. Importing adds to the warning filters of the process: call it inside
    `catch_warnings`.
    """
    return getattr(import_module(_MODULES[name]), name)  # optional extras that take a second or two
