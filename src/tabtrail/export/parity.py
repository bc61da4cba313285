"""The proof that an ONNX graph predicts what the Python model predicts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabtrail.export.kept import keeping, kept, remembering
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
    with keeping():
        # The same frames for every model that is proven on these rows, so that what is made of them is the same.
        data = kept("data", (x,), lambda: Probes(x.reset_index(drop=True), []))
        x = data.x
        beside, thresholds, tried = threshold_neighbours(model, x, seed)
        numbers = [str(name) for name in x.columns if name not in texts]
        made: dict[str, Callable[[], Probes]] = {  # each when its turn comes: those of a wide table are large
            "missing": lambda: missing_values(x, texts, seed),
            "unseen": lambda: strange_texts(x, texts, seed),
            "extremes": lambda: extremes(x, numbers, seed),
        }
        model = remembering(model)
        known = [_expected(model, chunk) for chunk in _chunks(x)]
        largest = max(float(np.abs(each[:, 0]).max()) for each in known)
        pair = _Pair(open_outputs(graph), model, scale, largest or 1.0)
        classes = {"data": pair.compare(data, known)}
        if len(beside.x):
            with keeping(apart=True):  # rows of this model alone
                classes["thresholds"] = pair.compare(beside)
        for name, make in made.items():
            probes = kept((name, tuple(texts), seed), (x,), make)
            if len(probes.x):
                classes[name] = pair.compare(probes)
    return Parity(tolerance, classes, thresholds, tried)


def compare_data(graph: bytes, model: Any, x: pd.DataFrame, scale: float) -> Tried:
    """Compare graph and model on some of the rows of the data, whose predictions are the largest by definition."""
    with keeping():
        return _Pair(open_outputs(graph), remembering(model), scale, np.inf).compare(Probes(x.reset_index(drop=True), []))


def joined(tried: Sequence[Tried]) -> Tried:
    """Return what was tried of all parts of the data; the 99.9th percentile is that of the part where it is largest."""
    worst = max(tried, key=lambda each: each.max_difference)
    return replace(
        worst,
        rows=sum(each.rows for each in tried),
        left_out=sum(each.left_out for each in tried),
        p999_difference=max(each.p999_difference for each in tried),
    )


def _chunks(x: pd.DataFrame) -> list[pd.DataFrame]:
    """Cut rows into parts whose matrix is small beside the rows themselves."""
    step = _rows_at_once(x)
    return [x] if len(x) <= step else kept("chunks", (x,), lambda: [x.iloc[at : at + step] for at in range(0, len(x), step)])


def _rows_at_once(x: pd.DataFrame) -> int:
    return max(1, min(_CHUNK, _CELLS // max(1, x.shape[1])))


@dataclass(frozen=True)
class _Pair:
    """A graph's predictions and a model's; `largest` is the largest of the data, beyond which they are compared relatively."""

    predict: Callable[[pd.DataFrame], Array]
    model: Any
    scale: float
    largest: float

    def compare(self, probes: Probes, known: Sequence[Array] | None = None) -> Tried:
        """Compare on the rows that the model takes; `known` is what it says of all of them, where that was asked before."""
        found, taken = list[Array](), list[NDArray[np.bool_]]()
        # Some of the data one by one, as requests send them: for a row by itself a graph may take another way.
        alone = 0 if known is None else _ALONE
        for place, chunk in enumerate(_chunks(probes.x)):
            taken.append(own := within_float32(self.model, chunk))
            if not own.any():
                continue
            rows = chunk if own.all() else chunk[own]
            expected = _expected(self.model, rows) if known is None else known[place][own]
            parts = [slice(at, at + 1) for at in range(min(alone, len(rows)))]
            alone -= len(parts)
            if len(parts) < len(rows):
                parts.append(slice(len(parts), None))
            found += [self._differences(rows.iloc[part], expected[part]) for part in parts]
        accepted = np.concatenate(taken)
        rows_taken = np.flatnonzero(accepted)
        if not found:
            return Tried(0, len(accepted), 0.0, 0.0, "no row")
        difference = np.concatenate(found)
        worst = int(np.argmax(difference))
        index = int(rows_taken[worst])
        return Tried(
            rows=len(rows_taken),
            left_out=int((~accepted).sum()),
            max_difference=float(difference[worst]),
            p999_difference=float(np.quantile(difference, 0.999, method="higher")),
            worst=probes.changed[index] if probes.changed else f"data row {index}",
        )

    def _differences(self, x: pd.DataFrame, expected: Array) -> Array:
        """Doubles have 16 digits: a prediction beyond `largest` is compared relative to itself."""
        with np.errstate(all="ignore"):
            found = self.predict(x)
            unit = np.where(np.abs(expected) > self.largest, np.abs(expected), self.scale)
            difference = np.abs(found - expected) / unit
        same = (found == expected) | (np.isnan(found) & np.isnan(expected))
        return np.asarray(np.where(same, 0.0, np.where(np.isfinite(difference), difference, _NO_NUMBER)).max(axis=1))


def _expected(model: Any, x: pd.DataFrame) -> Array:
    """Return what the graph should put out [rows, outputs]."""
    predictions = np.asarray(model.predict(x), dtype=np.float64).reshape(-1, 1)
    return np.concatenate([predictions, model.predict_quantiles(x)], axis=1) if isinstance(model, WithQuantiles) else predictions
