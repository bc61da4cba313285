"""Whether a model can tell two samples apart, and by which columns: it sees what no test of single columns does.

A classifier two-sample test (Lopez-Paz & Oquab, Revisiting Classifier Two-Sample Tests, ICLR 2017). Its p-value comes from
permuted labels, each fitted again (Kim, Ramdas, Singh & Wasserman, Ann. Stat. 49, 2021), as cross-fitted scores of one fit depend
on each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabtrail.modeling.families.family import Layout, Params
from tabtrail.modeling.families.lightgbm import LIGHTGBM
from tabtrail.modeling.metrics import Array

MOST_ROWS = 4000  # of each sample: an AUC is then known to about 0.007, and a hundred fits take seconds
_FOLDS = 3
_PERMUTATIONS = 99
_ENOUGH = (
    10  # permuted fits that are no worse: after as many the p-value is known well enough (Besag & Clifford, Biometrika 78, 1991)
)
_MOST_CATEGORIES = 8  # rarer texts are one: a text of few rows only teaches by heart, which costs power
_PARAMS: Params = {"n_estimators": 40, "num_leaves": 8, "learning_rate": 0.1, "min_child_samples": 20, "subsample_freq": 0}


@dataclass(frozen=True)
class ClassifierTest:
    """The result: `auc` is 0.5 for samples that cannot be told apart and 1 for those that always can.

    `p_value` is the share of permutations (of `permutations` that were fitted) which did no worse. `columns` is the share of the
    mean absolute Shapley value of each column, largest first; they name what differs only where the p-value is small.
    """

    auc: float
    p_value: float
    permutations: int
    rows: tuple[int, int]
    columns: Mapping[str, float]


@dataclass(frozen=True)
class _Samples:
    """Both samples, one below the other: the matrix, which rows are the window's, and the unit of each row that is permuted."""

    x: Array
    names: tuple[str, ...]
    layout: Layout
    units: NDArray[np.int64]
    labels: NDArray[np.int64]


def tell_apart(
    reference: Mapping[str, NDArray[Any]],
    window: Mapping[str, NDArray[Any]],
    *,
    seed: int,
    groups: tuple[NDArray[Any], NDArray[Any]] | None = None,
) -> ClassifierTest | None:
    """Fit a model that tells the rows of the window from those of the reference; None for fewer than 50 rows in either.

    The columns that both have are float64 with NaN, or objects (texts or None). `groups` [rows] of both name what belongs
    together, such as an order: groups are kept whole in folds and permutations, as their rows are alike.
    """
    rng = np.random.default_rng(seed)
    names = [name for name in reference if name in window]
    sizes = tuple(len(next(iter(each.values()))) if each else 0 for each in (reference, window))
    if min(sizes) < 50 or not names:
        return None
    chosen = tuple(np.sort(rng.choice(size, min(size, MOST_ROWS), replace=False)) for size in sizes)
    parts = [[each[name][rows] for name in names] for each, rows in zip((reference, window), chosen, strict=True)]
    samples = _samples(names, parts, groups and (groups[0][chosen[0]], groups[1][chosen[1]]))
    folds = rng.integers(0, _FOLDS, samples.units.max() + 1)[samples.units]
    auc, shares = _cross_fitted(samples, samples.labels, folds, seed, explained=True)
    p_value, tried = _permuted(samples, folds, auc, rng)
    columns = dict(sorted(zip(names, shares.tolist(), strict=True), key=lambda pair: -pair[1]))
    return ClassifierTest(auc, p_value, tried, (len(chosen[0]), len(chosen[1])), columns)


def _samples(names: list[str], parts: list[list[NDArray[Any]]], groups: tuple[NDArray[Any], NDArray[Any]] | None) -> _Samples:
    columns = [np.concatenate(pair) for pair in zip(*parts, strict=True)]
    texts = tuple(place for place, column in enumerate(columns) if column.dtype == object)
    x = np.column_stack([_codes(column) if column.dtype == object else column.astype(np.float64) for column in columns])
    labels = np.repeat([0, 1], [len(part[0]) for part in parts])
    units = np.arange(len(labels))
    if groups is not None:
        # A group that has rows in both samples is two units: labels belong to units.
        named = np.array([f"{label}\0{group}" for label, group in zip(labels, np.concatenate(groups), strict=True)])
        units = np.unique(named, return_inverse=True)[1]
    return _Samples(x, tuple(names), Layout(len(columns), texts), units, labels)


def _codes(texts: NDArray[Any]) -> Array:
    values, place, counts = np.unique(texts.astype(str), return_inverse=True, return_counts=True)
    ranks = np.empty(len(values), np.int64)
    ranks[np.argsort(-counts, kind="stable")] = np.arange(len(values))
    codes = np.minimum(ranks, _MOST_CATEGORIES)[place].astype(np.float64)
    codes[np.array([text is None for text in texts.tolist()])] = np.nan
    return codes


def _cross_fitted(
    samples: _Samples, labels: NDArray[np.int64], folds: NDArray[np.int64], seed: int, *, explained: bool = False
) -> tuple[float, Array]:
    """The mean AUC of the folds, and, if `explained`, each column's share in the Shapley values of rows not learned from."""
    found, shares = [], np.zeros(samples.x.shape[1])
    for fold in range(_FOLDS):
        own = folds == fold
        if len(np.unique(labels[own])) < 2 or len(np.unique(labels[~own])) < 2:
            continue
        model = LIGHTGBM.build(dict(_PARAMS), seed)
        if LIGHTGBM.with_categories is not None and samples.layout.categories:
            model = LIGHTGBM.with_categories(model, samples.layout)
        # Both samples weigh the same, however many rows they have.
        weights = np.where(labels == 1, 1 / (labels == 1).sum(), 1 / (labels == 0).sum()) * len(labels) / 2
        model.fit(samples.x[~own], labels[~own].astype(np.float64), sample_weight=weights[~own])
        found.append(auc_of(labels[own], np.asarray(model.predict(samples.x[own]), np.float64)))
        if explained:
            shares += np.abs(np.asarray(model.predict(samples.x[own], pred_contrib=True))[:, :-1]).mean(axis=0)
    total = shares.sum()
    return float(np.mean(found)) if found else 0.5, shares / total if total else shares


def _permuted(samples: _Samples, folds: NDArray[np.int64], auc: float, rng: np.random.Generator) -> tuple[float, int]:
    """The p-value of the AUC and how many permutations it took: labels of units are permuted, and all folds fitted again."""
    first = np.unique(samples.units, return_index=True)[1]
    of_units = samples.labels[first]
    no_worse = 0
    for tried in range(1, _PERMUTATIONS + 1):
        labels = rng.permutation(of_units)[samples.units]
        no_worse += _cross_fitted(samples, labels, folds, tried)[0] >= auc
        if no_worse == _ENOUGH:
            return _ENOUGH / tried, tried
    return (no_worse + 1) / (_PERMUTATIONS + 1), _PERMUTATIONS


def auc_of(labels: NDArray[np.int64], scores: Array) -> float:
    """Area under the ROC curve: the chance that a row of label 1 scores above one of label 0, ties counted by half."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    ones = int(labels.sum())
    zeros = len(labels) - ones
    return float((ranks[labels == 1].sum() - ones * (ones + 1) / 2) / (ones * zeros))
