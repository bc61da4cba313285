"""The versions that results depend on."""

from tabtrail.modeling.libraries import MODEL_LIBRARIES
from tabtrail.system.versions import installed_versions

_LIBRARIES = ("polars", "duckdb", "onnxruntime", "skl2onnx", "numpy", "pandas", "cloudpickle")


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that results depend on."""
    return installed_versions((*MODEL_LIBRARIES, *_LIBRARIES))
