"""Forecasts of finished candidates in the store: what a resumed training on series takes up instead of fitting again."""

import hashlib
import io

import numpy as np
from numpy.typing import NDArray

from tabtrail.errors import StoreError
from tabtrail.tracking.artifacts import read_artifact
from tabtrail.tracking.runs import Run
from tabtrail.tracking.store import Store
from tabtrail.tracking.tags import PREDICTIONS

FORECASTS = "forecasts.npz"
Forecasts = NDArray[np.float64]


def forecasts_to_bytes(forecast: Forecasts) -> bytes:
    """Return forecasts [series, origins × horizon] as an npz file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, forecast=forecast)
    return buffer.getvalue()


def forecasts_sha256(forecast: Forecasts) -> str:
    """Return the sha256 of forecasts, of their values alone."""
    return hashlib.sha256(np.ascontiguousarray(forecast).tobytes()).hexdigest()


def read_forecasts(store: Store, run: Run, shape: tuple[int, int]) -> Forecasts:
    """Return the forecasts [series, origins × horizon] that a finished run holds.

    Raises `StoreError` for those that are not the run's, or not of this shape.
    """
    with np.load(io.BytesIO(read_artifact(store, run.run_id, FORECASTS)), allow_pickle=False) as arrays:
        found: Forecasts = arrays["forecast"]
    if found.shape != shape or forecasts_sha256(found) != run.tags.get(PREDICTIONS):
        raise StoreError(f"the forecasts of run {run.run_id} in the MLflow store were altered; run `tabtrail train --force`")
    return found
