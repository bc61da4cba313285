"""What proofs have in common, made once while it is kept.

The candidates of a benchmark are proven on the same rows, many of them preprocess alike, and a blend is made of models that were
proven before: matrices, predictions and nodes of a pipeline are the same each time.
"""

import hashlib
import pickle
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline

from tabtrail.modeling.estimators import with_pipelines

T = TypeVar("T")
# Of matrices and nodes, the ones not asked for the longest go first: ten models of some thousand rows fit in.
_MOST_BYTES = 64 * 2**20


class _Kept:
    """Values by key, each with what its key names by `id`, so that no other object takes that."""

    def __init__(self) -> None:
        self._values: OrderedDict[Any, tuple[Any, Any, int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: Any, owners: tuple[Any, ...], make: Callable[[], T]) -> T:
        """Return the value of a kind for some owners, made where it is not there."""
        key = (key, *map(id, owners))
        if key not in self._values:
            value = make()
            size = int(getattr(value, "nbytes", 0)) or (len(value) if isinstance(value, bytes) else 0)
            self._values[key] = value, owners, size
            self._bytes += size
            while self._bytes > _MOST_BYTES and len(self._values) > 1:
                self._bytes -= self._values.popitem(last=False)[1][2]
            return value
        self._values.move_to_end(key)
        found: T = self._values[key][0]
        return found


_KEPT: ContextVar[_Kept | None] = ContextVar("what is kept while models are proven", default=None)


@contextmanager
def keeping(*, apart: bool = False) -> Iterator[None]:
    """Keep what is made inside until the outermost of these ends; with `apart`, until this one does, without what is outside."""
    if _KEPT.get() is not None and not apart:
        yield
        return
    token = _KEPT.set(_Kept())
    try:
        yield
    finally:
        _KEPT.reset(token)


def kept(kind: Any, owners: tuple[Any, ...], make: Callable[[], T]) -> T:
    """Return what is kept of a kind for some objects, made where nothing is."""
    found = _KEPT.get()
    return make() if found is None else found.get(kind, owners, make)


def remembering(model: Any) -> Any:
    """Return a fitted model that predicts the same, and makes matrices and predictions of a frame once while they are kept."""
    return with_pipelines(model, _Remembering)


class _Remembering(Pipeline):  # type: ignore[misc]
    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__([("preprocess", _Once(pipeline.named_steps["preprocess"])), pipeline.steps[-1]])
        self.own = pipeline

    def predict(self, x: pd.DataFrame) -> Any:
        """Return what the pipeline predicts."""
        first, last = self.steps[0][1], self.steps[-1][1]
        return kept("predicted", (self.own, x), lambda: np.asarray(last.predict(first.transform(x))))


class _Once(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted preprocessor that takes the matrix which an equal one has made of a frame."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        # Equal pickles are equal preprocessors. Two that are equal need not pickle to the same bytes: each makes its own then.
        self.key = hashlib.sha256(pickle.dumps(inner)).hexdigest()

    def transform(self, x: pd.DataFrame) -> Any:
        """Return the matrix of a frame."""
        return kept(("matrix", self.key), (x,), lambda: self.inner.transform(x))
