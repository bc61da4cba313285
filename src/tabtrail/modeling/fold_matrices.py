"""The matrices of a fold, made once in a process for all candidates whose preprocessing is the same.

On small tables the preprocessing takes as long as a small booster's fit. What is kept is the very matrix that each candidate
would make from the same rows, so that no bit of any score depends on which candidate came first, or in which process.
"""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from tabtrail.modeling.candidates import Candidate
from tabtrail.modeling.families import FAMILIES
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.preprocess import Recipe
from tabtrail.modeling.split import Mask
from tabtrail.modeling.table import Examples

# All folds of some thousand rows fit in. Beside the 300 MB of a worker that is little, and where matrices are larger, fits take
# so much longer than they do that sharing them gains nothing.
_MOST_BYTES = 48 * 2**20
_LARGEST_TABLE = 4 * 2**20


@dataclass(frozen=True)
class Matrices:
    """What a preprocessing makes of the rows of a fold: those learned from, and those scored."""

    train: Array
    valid: Array

    @property
    def nbytes(self) -> int:
        return self.train.nbytes + self.valid.nbytes


_KEPT: OrderedDict[str, Matrices] = OrderedDict()
_LOCK = threading.Lock()  # a worker of a cluster fits in several threads


def key_of(candidate: Candidate, recipe: Recipe, examples: Examples, train: Mask, valid: Mask) -> str | None:
    """Return what two fits with the same matrices have in common; None where they are not shared: the table is large, or the
    preprocessing looks at the target, which each candidate transforms in its own way.
    """
    recipe = recipe.entering(candidate.many_texts, rotated=candidate.rotated)
    if recipe.target or candidate.family not in FAMILIES or examples.nbytes > _LARGEST_TABLE:
        return None
    settings = (recipe, FAMILIES[candidate.family].scaled, candidate.native, candidate.missing_native)
    found = hashlib.sha256(repr(settings).encode() + np.packbits(train).tobytes() + np.packbits(valid).tobytes())
    for name, values in examples.numbers.items():
        found.update(f"{name} {values.dtype}".encode() + values.tobytes())
    for name, texts in examples.texts.items():
        found.update(f"{name} {texts.codes.dtype} {texts.values.tolist()}".encode() + texts.codes.tobytes())
    return found.hexdigest()


class SharedPreprocessor(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A preprocessor that takes what is kept for the two frames that it was made for, and keeps what it makes of them.

    Other rows, such as those with a known reference alone, it transforms as always.
    """

    def __init__(self, key: str, valid: pd.DataFrame, inner: Any, train: pd.DataFrame) -> None:
        self.key, self.valid, self.inner, self.train = key, valid, inner, train

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, x: pd.DataFrame, y: Any = None) -> "SharedPreprocessor":
        """Fit the preprocessor."""
        self.inner.fit(x, y)
        return self

    def fit_transform(self, x: pd.DataFrame, y: Any = None, **_: Any) -> Array:
        """Return the matrix of the rows learned from; read-only, since others learn from it too."""
        if x is not self.train:
            return np.asarray(self.inner.fit_transform(x, y))
        if (kept := _kept(self.key)) is None:
            made = self.inner.fit_transform(x, y)
            kept = _keep(self.key, Matrices(_frozen(made), _frozen(self.inner.transform(self.valid))))
        self.matrices_ = kept
        return kept.train

    def transform(self, x: pd.DataFrame) -> Array:
        """Return the matrix of other rows."""
        shared = self.__dict__.get("matrices_")
        if shared is not None and x is self.valid:
            return np.asarray(shared.valid)
        if shared is not None and x is self.train:
            return np.asarray(shared.train)
        return np.asarray(self.inner.transform(x))


def _kept(key: str) -> Matrices | None:
    with _LOCK:
        if key in _KEPT:
            _KEPT.move_to_end(key)
        return _KEPT.get(key)


def _keep(key: str, made: Matrices) -> Matrices:
    """Keep matrices, without those that were not asked for the longest where they are too many."""
    with _LOCK:
        _KEPT[key] = made
        while sum(each.nbytes for each in _KEPT.values()) > _MOST_BYTES:
            _KEPT.popitem(last=False)
    return made


def _frozen(values: Any) -> Array:
    matrix = np.asarray(values)
    matrix.flags.writeable = False
    return matrix
