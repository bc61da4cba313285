"""Libraries that take a second or more to import, and are imported when something is fitted with them."""

from typing import Any

from tabtrail.system.imports import import_module

_MODELS = {
    "ETSModel": "statsmodels.tsa.exponential_smoothing.ets",
    "SARIMAX": "statsmodels.tsa.statespace.sarimax",
    "arch_model": "arch",
}


def model_class(name: str) -> Any:
    """Return the class of a model of statsmodels or arch, or what makes one.

    Importing adds to the warning filters of the process: call it inside `catch_warnings`.
    """
    return getattr(_library(_MODELS[name]), name)


def _library(module: str) -> Any:
    return import_module(module)  # seconds, of optional extras or with compiled code
