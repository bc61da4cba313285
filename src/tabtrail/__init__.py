"""The Python API, documented in docs/python.md; what a name needs is imported when the name is first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tabtrail.version import __version__ as __version__

if TYPE_CHECKING:
    from tabtrail.api.fitting import fit as fit
    from tabtrail.api.model import Explanation as Explanation
    from tabtrail.api.model import Model as Model
    from tabtrail.api.model import Prediction as Prediction
    from tabtrail.api.places import load_model as load_model
    from tabtrail.api.regressor import Regressor as Regressor
    from tabtrail.api.result import Result as Result
    from tabtrail.api.result import run as run
    from tabtrail.errors import TabtrailError as TabtrailError

_PLACES = {
    "Explanation": "tabtrail.api.model",
    "Model": "tabtrail.api.model",
    "Prediction": "tabtrail.api.model",
    "Regressor": "tabtrail.api.regressor",
    "Result": "tabtrail.api.result",
    "TabtrailError": "tabtrail.errors",
    "fit": "tabtrail.api.fitting",
    "load_model": "tabtrail.api.places",
    "run": "tabtrail.api.result",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_PLACES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted([*_PLACES, "__version__"])
