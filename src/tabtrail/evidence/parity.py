"""The proof that an ONNX graph predicts what the Python model predicts."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd

from tabtrail.errors import ParityError
from tabtrail.evidence.graph import OUTPUT
from tabtrail.modeling.metrics import Array

_SHOWN = 5


@dataclass(frozen=True)
class Parity:
    """The differences of graph and pipeline over `rows` rows, in standard deviations of the target."""

    rows: int
    max_difference: float
    p999_difference: float
    worst_row: int
    tolerance: float

    @property
    def passed(self) -> bool:
        return self.max_difference <= self.tolerance

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "passed": self.passed}


def prove_parity(graph: bytes, model: Any, x: pd.DataFrame, scale: float, tolerance: float) -> Parity:
    """Compare graph and model on every row of `x` and return the proof.

    `scale` is the standard deviation of the target. Raises `ParityError`, which names the worst rows (counted from 0 in the
    order of `x`), when a difference is above `tolerance` or not a number.
    """
    expected = np.asarray(model.predict(x), dtype=np.float64).ravel()
    difference = np.abs(run_onnx(graph, x) - expected) / scale
    difference = np.where(np.isfinite(difference), difference, np.inf)
    worst = np.argsort(difference)[::-1]
    parity = Parity(
        rows=len(x),
        max_difference=float(difference[worst[0]]),
        p999_difference=float(np.quantile(difference, 0.999, method="higher")),
        worst_row=int(worst[0]),
        tolerance=tolerance,
    )
    if not parity.passed:
        beyond = int(np.sum(difference > tolerance))
        shown = ", ".join(f"row {row} by {difference[row]:.2g}" for row in worst[: min(beyond, _SHOWN)])
        raise ParityError(
            f"the ONNX graph differs from the Python model on {beyond:,} of {len(x):,} rows by more than {tolerance:g} standard"
            f" deviations of the target ({shown}); it is not deployed, the previous bundle stays"
        )
    return parity


def run_onnx(graph: bytes, x: pd.DataFrame) -> Array:
    """Return the graph's predictions for raw columns, in one thread."""
    return open_graph(graph)(x)


def open_graph(graph: bytes) -> Callable[[pd.DataFrame], Array]:
    """Return the graph as a function from raw columns to predictions [rows], in one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    kinds = {i.name: object if i.type == "tensor(string)" else np.float64 for i in session.get_inputs()}

    def predict(x: pd.DataFrame) -> Array:
        feed = {name: x[name].to_numpy(dtype=kind)[:, None] for name, kind in kinds.items()}
        return np.asarray(session.run([OUTPUT], feed)[0]).ravel()

    return predict
