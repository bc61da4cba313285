"""The proof that an ONNX graph predicts what the Python model predicts."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from tabtrail.export.outputs import open_outputs
from tabtrail.export.probes import Probes, extremes, missing_values, strange_texts, threshold_neighbours, within_float32
from tabtrail.modeling.estimators import WithQuantiles
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.proof import Parity, Tried

_CHUNK = 16_384  # as files are predicted
_CELLS = 1 << 22  # of a chunk: 32 MB of doubles, of which a prediction makes several copies
_ALONE = 20
_NO_NUMBER = 1e9  # where only one of the two predicts a number; infinity is not JSON


def check_parity(
    graph: bytes, model: Any, x: pd.DataFrame, *, texts: Sequence[str], scale: float, tolerance: float, seed: int
) -> Parity:
    """Compare graph and model on every row of `x` and on rows made from some of them.

    Of a model with quantiles a row differs by the largest difference of its outputs.
    Made rows: beside the split thresholds, with columns missing, with unseen texts, with extreme numbers. `texts` names the
    text columns, `scale` is the standard deviation of the target. Rows are counted from 0 in the order of `x`.
    """
    x = x.reset_index(drop=True)
    beside, thresholds, tried = threshold_neighbours(model, x, seed)
    made: dict[str, Callable[[], Probes]] = {  # each when its turn comes: those of a wide table are large
        "data": lambda: Probes(x, []),
        "thresholds": lambda: beside,
        "missing": lambda: missing_values(x, texts, seed),
        "unseen": lambda: strange_texts(x, texts, seed),
        "extremes": lambda: extremes(x, [str(name) for name in x.columns if name not in texts], seed),
    }
    expected = np.concatenate([_expected(model, chunk) for chunk in _chunks(x)])
    pair = _Pair(open_outputs(graph), model, scale, float(np.abs(expected[:, 0]).max()) or 1.0)
    known = {"data": expected}
    classes = {name: pair.compare(probes, known.get(name)) for name, make in made.items() if len((probes := make()).x)}
    return Parity(tolerance, classes, thresholds, tried)


def compare_data(graph: bytes, model: Any, x: pd.DataFrame, scale: float) -> Tried:
    """Compare graph and model on some of the rows of the data, whose predictions are the largest by definition."""
    return _Pair(open_outputs(graph), model, scale, np.inf).compare(Probes(x.reset_index(drop=True), []))


def joined(tried: Sequence[Tried]) -> Tried:
    """Return what was tried of all parts of the data; the 99.9th percentile is that of the part where it is largest."""
    worst = max(tried, key=lambda each: each.max_difference)
    return replace(
        worst,
        rows=sum(each.rows for each in tried),
        left_out=sum(each.left_out for each in tried),
        p999_difference=max(each.p999_difference for each in tried),
    )


def _chunks(x: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Cut rows into parts whose matrix is small beside the rows themselves."""
    step = _rows_at_once(x)
    return (x.iloc[at : at + step] for at in range(0, len(x), step))


def _rows_at_once(x: pd.DataFrame) -> int:
    return max(1, min(_CHUNK, _CELLS // max(1, x.shape[1])))


@dataclass(frozen=True)
class _Pair:
    """A graph's predictions and a model's; `largest` is the largest of the data, beyond which they are compared relatively."""

    predict: Callable[[pd.DataFrame], Array]
    model: Any
    scale: float
    largest: float

    def compare(self, probes: Probes, known: Array | None = None) -> Tried:
        """Compare on the rows that the model takes; `known` is what it says of all of them, where that was asked before."""
        taken = np.concatenate([within_float32(self.model, chunk) for chunk in _chunks(probes.x)])
        rows = np.flatnonzero(taken)
        step = _rows_at_once(probes.x)
        # Some of the data one by one, as requests send them: for a row by itself a graph may take another way.
        alone = 0 if known is None else min(_ALONE, len(rows))
        parts = [rows[at : at + 1] for at in range(alone)] + [rows[at : at + step] for at in range(alone, len(rows), step)]
        found = [self._differences(probes.x.iloc[part], None if known is None else known[part]) for part in parts]
        if not len(rows):
            return Tried(0, len(taken), 0.0, 0.0, "no row")
        difference = np.concatenate(found)
        worst = int(np.argmax(difference))
        index = int(rows[worst])
        return Tried(
            rows=len(rows),
            left_out=int((~taken).sum()),
            max_difference=float(difference[worst]),
            p999_difference=float(np.quantile(difference, 0.999, method="higher")),
            worst=probes.changed[index] if probes.changed else f"data row {index}",
        )

    def _differences(self, x: pd.DataFrame, known: Array | None) -> Array:
        """Doubles have 16 digits: a prediction beyond `largest` is compared relative to itself."""
        with np.errstate(all="ignore"):
            expected = _expected(self.model, x) if known is None else known
            found = self.predict(x)
            unit = np.where(np.abs(expected) > self.largest, np.abs(expected), self.scale)
            difference = np.abs(found - expected) / unit
        same = (found == expected) | (np.isnan(found) & np.isnan(expected))
        return np.asarray(np.where(same, 0.0, np.where(np.isfinite(difference), difference, _NO_NUMBER)).max(axis=1))


def _expected(model: Any, x: pd.DataFrame) -> Array:
    """Return what the graph should put out [rows, outputs]."""
    predictions = np.asarray(model.predict(x), dtype=np.float64).reshape(-1, 1)
    return np.concatenate([predictions, model.predict_quantiles(x)], axis=1) if isinstance(model, WithQuantiles) else predictions
