"""A fitted model exported and proven."""

from typing import Any

import pandas as pd

from tabtrail.config.model import Model
from tabtrail.export.graph import export_onnx
from tabtrail.export.kept import keeping
from tabtrail.export.parity import check_parity
from tabtrail.modeling.families import reading_once
from tabtrail.modeling.proof import Parity

_REFUSALS = (TypeError, ValueError, RuntimeError, NotImplementedError)


def graph_bytes(model: Model, fitted: Any) -> bytes:
    """Return the ONNX graph of a fitted model with the inputs of the config's model."""
    return export_onnx(fitted, model.number_inputs, model.text_features, model.name)


def graph_of(model: Model, fitted: Any) -> bytes | None:
    """Return the ONNX graph of a fitted model, None where it cannot be exported."""
    try:
        return graph_bytes(model, fitted)
    except _REFUSALS:
        return None


def prove(model: Model, fitted: Any, x: pd.DataFrame, *, scale: float, tolerance: float) -> tuple[bytes | None, Parity]:
    """Return the ONNX graph of a fitted model and the proof of it on every row of `x` and on made ones.

    `scale` is the standard deviation of the target, `tolerance` the largest allowed difference in units of it. A model that
    cannot be exported has no graph; the proof says why.
    """
    with reading_once(), keeping():
        try:
            graph = graph_bytes(model, fitted)
        except _REFUSALS as error:
            return None, Parity(tolerance, {}, error=f"{type(error).__name__}: {str(error)[:200]}")
        texts, seed = model.text_features, model.random_state
        return graph, check_parity(graph, fitted, x, texts=texts, scale=scale, tolerance=tolerance, seed=seed)
