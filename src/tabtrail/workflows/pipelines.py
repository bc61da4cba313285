"""The fitted pipeline of a deployed bundle, for what needs the Python model itself."""

import hashlib
from pathlib import Path
from typing import Any

from tabtrail.errors import BundleError
from tabtrail.export.pickles import ForeignPickleError, unpickled


def load_pipeline(folder: Path, metadata: dict[str, Any]) -> Any:
    """Return the fitted pipeline of a bundle.

    Raises `BundleError` for a joblib file that is not the one of the metadata, without opening it, and for one that was
    written by code whose classes have moved since.
    """
    entry = metadata["files"]["joblib"]
    data = (folder / entry["name"]).read_bytes()
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise BundleError(f"{folder / entry['name']} was altered; run `tabtrail train --force` to write the bundle again")
    try:
        return unpickled(data)
    except ForeignPickleError as error:
        raise BundleError(f"{folder / entry['name']} cannot be opened: {error}; run `tabtrail train --force`") from None
