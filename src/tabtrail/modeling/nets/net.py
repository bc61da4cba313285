"""A fitted net over the columns of a matrix as plain arrays, computed in double by numpy and, with the same steps, by ONNX."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tabtrail.modeling.metrics import Array

Places = NDArray[np.int64]
FARTHEST = 1e6  # a number farther from the median is as if it were there: its square must stay a number
SMOOTH = 3.0  # no scaled number is beyond
MOST_EXPONENT = 20.0  # of e in the activation, which beyond it is the identity in double
_CHUNK = 1024  # rows at once: the cosines of 1,000 numbers take 131 MB for them


@dataclass(frozen=True)
class Scaling:
    """Numbers as a net takes them: `columns` of the matrix, each less its median over an inner range, smoothly clipped at 3
    either side; a missing one is 0. `flags` are the places among them that also enter as 1 where they are missing, else 0.

    With the factors 1 / (q75 - q25), or 2 / (max - min) where those are equal, and x / √(1 + (x/3)²): Holzmüller, Grinsztajn &
    Steinwart, "Better by Default" (NeurIPS 2024), section 3.
    """

    columns: Places
    center: Array
    factor: Array
    flags: Places

    def apply(self, matrix: Array) -> Array:
        """Return the numbers [rows, columns] and their flags beside them."""
        raw = matrix[:, self.columns]
        with np.errstate(over="ignore", invalid="ignore"):
            near = np.clip((raw - self.center) * self.factor, -FARTHEST, FARTHEST)
        missing = np.isnan(near)
        part = np.where(missing, 0.0, near) / SMOOTH
        return np.concatenate([part / np.sqrt(part * part + 1.0) * SMOOTH, missing[:, self.flags].astype(np.float64)], axis=1)


@dataclass(frozen=True)
class Periodic:
    """Features of single numbers, those at `places`: sums of cosines of `frequencies` and `phases` [places, cosines], weighed by
    `weights` [places, cosines, features], plus `biases` [places, features].
    """

    places: Places
    frequencies: Array
    phases: Array
    weights: Array
    biases: Array

    def apply(self, numbers: Array) -> Array:
        """Return the features [rows, places × features]."""
        waves = np.cos(numbers[:, self.places, None] * self.frequencies + self.phases)
        return np.asarray((np.einsum("npc,pcf->npf", waves, self.weights) + self.biases).reshape(len(numbers), -1))


@dataclass(frozen=True)
class Table:
    """What stands for the codes of a category: a row for each, and a last one for a code that training has not seen (NaN)."""

    column: int
    rows: Array

    def places(self, matrix: Array) -> Places:
        """Return the row of the table for each row of the matrix."""
        codes, unseen = matrix[:, self.column], len(self.rows) - 1
        known = (codes >= 0) & (codes < unseen)
        return np.where(known, codes, unseen).astype(np.int64)


@dataclass(frozen=True)
class Layer:
    """A linear map, and how far an activation bends it: x + (mish(x) - x) · `bend` [outputs]; None: not at all.

    mish(x) = x · tanh(log(1 + eˣ)) (Misra, "Mish", BMVC 2020).
    """

    weight: Array
    bias: Array
    bend: Array | None = None

    def apply(self, values: Array) -> Array:
        """Return the outputs [rows, outputs]."""
        found = values @ self.weight + self.bias
        if self.bend is None:
            return np.asarray(found)
        grown = np.exp(np.minimum(found, MOST_EXPONENT)) + 1.0
        return np.asarray(found * (1.0 - 2.0 * self.bend / (grown * grown + 1.0)))


@dataclass(frozen=True)
class Net:
    """Scaled numbers, their flags, 0/1 columns of categories, periodic features and embeddings of larger categories, in this
    order, through layers; the result, in standard deviations of the target, is put back into its units and kept between the least
    and the largest target of the training.
    """

    scaling: Scaling
    one_hot: tuple[Table, ...]
    periodic: Periodic
    embedded: tuple[Table, ...]
    layers: tuple[Layer, ...]
    mean: float
    spread: float
    low: float
    high: float

    def plain(self, matrix: Array) -> Array:
        """Return the inputs that are not learned: numbers, flags, 0/1 columns [rows, inputs]."""
        return np.concatenate([self.scaling.apply(matrix), *(table.rows[table.places(matrix)] for table in self.one_hot)], axis=1)

    def run(self, matrix: Array) -> Array:
        """Return predictions [rows]."""
        parts = [self._run(matrix[at : at + _CHUNK]) for at in range(0, len(matrix), _CHUNK)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _run(self, matrix: Array) -> Array:
        plain = self.plain(matrix)
        embedded = (table.rows[table.places(matrix)] for table in self.embedded)
        values = np.concatenate([plain, self.periodic.apply(plain), *embedded], axis=1)
        for layer in self.layers:
            values = layer.apply(values)
        return np.asarray(np.clip(values[:, 0] * self.spread + self.mean, self.low, self.high))
