"""The Python API, documented in docs/python.md; what a name needs is imported when the name is first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tabtrail.version import __version__ as __version__

if TYPE_CHECKING:
    from tabtrail.api.fitting import fit as fit
    from tabtrail.api.model import Explanation as Explanation
    from tabtrail.api.model import Model as Model
    from tabtrail.api.model import Prediction as Prediction
    from tabtrail.api.model import Schema as Schema
    from tabtrail.api.places import load_model as load_model
    from tabtrail.api.regressor import Regressor as Regressor
    from tabtrail.api.result import Champion as Champion
    from tabtrail.api.result import Result as Result
    from tabtrail.api.result import run as run
    from tabtrail.errors import TabtrailError as TabtrailError

_PREDICTS = {
    "Explanation": "tabtrail.api.model",
    "Model": "tabtrail.api.model",
    "Prediction": "tabtrail.api.model",
    "Schema": "tabtrail.api.model",
    "TabtrailError": "tabtrail.errors",
    "load_model": "tabtrail.api.places",
}
_TRAINS = {
    "Champion": "tabtrail.api.result",
    "Regressor": "tabtrail.api.regressor",
    "Result": "tabtrail.api.result",
    "fit": "tabtrail.api.fitting",
    "run": "tabtrail.api.result",
}
_NEEDED = (
    "polars",
    "pandas",
    "pyarrow",
    "duckdb",
    "sklearn",
    "lightgbm",
    "catboost",
    "xgboost",
    "mlflow",
    "skl2onnx",
    "matplotlib",
)


def __getattr__(name: str) -> Any:
    place = _PREDICTS.get(name) or _TRAINS.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _TRAINS:
        import_module("tabtrail.errors").require_extra("train", *_NEEDED)
    found = globals()[name] = getattr(import_module(place), name)
    return found


def __dir__() -> list[str]:
    return sorted([*_PREDICTS, *_TRAINS, "__version__"])
