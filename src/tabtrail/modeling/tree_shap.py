"""Shapley values of single trees, relative to the training rows that the trees carry, by numpy alone.

Path-dependent TreeSHAP (Lundberg et al., Nature Machine Intelligence 2, 2020): a split on a column that is not known passes a row
on to both branches, in the proportion of the training rows that took each. What a leaf then adds is a product over the columns of
its path, (1 - u) × share + u × reached, and the Shapley value is an integral of such products over u from 0 to 1 (Owen,
Management Science 18, 1972). They are polynomials, so that Gauss's quadrature is exact; sums over leaves are formed once on
the way up (Yu et al., "Linear TreeShap", NeurIPS 2022).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tabtrail.modeling.metrics import Array


@dataclass(frozen=True)
class Grown:
    """A tree that rows have gone through in training: arrays with an entry a node, the root first.

    A row goes to `left` where its `feature` is at or below `threshold`, a missing one where `missing_left` says so, else to
    `right`; both are negative or equal for a leaf. `cover` is the weight of the training rows in a node, `value` what a leaf adds
    to the prediction.
    """

    left: Any
    right: Any
    feature: Any
    threshold: Array
    missing_left: Any
    cover: Array
    value: Array

    def is_leaf(self, node: int) -> bool:
        return bool(self.left[node] == self.right[node])


def tree_shap(trees: Iterable[Grown], matrix: Array) -> tuple[Array, float]:
    """Return Shapley values of a sum of trees [rows, columns] and their base value, the mean over the training rows.

    `matrix` [rows, columns] holds doubles as the trees compare them.
    """
    values, base = np.zeros(matrix.shape), 0.0
    for tree in trees:
        walk = _Walk(tree, matrix, values)
        base += float(np.sum([share * tree.value[leaf] for leaf, share in _leaf_shares(tree)]))
        if not tree.is_leaf(0):
            walk.below(0, {}, np.ones((len(walk.known), len(matrix))))
    return values, base


def _leaf_shares(tree: Grown, node: int = 0, share: float = 1.0) -> Iterator[tuple[int, float]]:
    """Yield every leaf with the share of the training rows that are in it."""
    if tree.is_leaf(node):
        yield node, share
        return
    for child in (int(tree.left[node]), int(tree.right[node])):
        yield from _leaf_shares(tree, child, share * float(tree.cover[child] / tree.cover[node]))


def _most_columns(tree: Grown, node: int = 0, seen: frozenset[int] = frozenset()) -> int:
    """Return the most different columns on a path."""
    if tree.is_leaf(node):
        return len(seen)
    seen = seen | {int(tree.feature[node])}
    return max(_most_columns(tree, int(child), seen) for child in (tree.left[node], tree.right[node]))


class _Walk:
    """The way of all rows through one tree. Arrays are [points of the quadrature, rows].

    Of each column on the path it knows the `share` of the training rows that its splits let through, and which rows they do.
    """

    def __init__(self, tree: Grown, matrix: Array, values: Array) -> None:
        self._tree, self._matrix, self._values = tree, matrix, values
        # n points integrate polynomials up to degree 2n - 1; the products of a path with m columns have degree m - 1.
        places, self._weights = _unit_interval(_most_columns(tree) // 2 + 1)
        self.known, self._unknown = places[:, None], (1 - places)[:, None]

    def below(self, node: int, path: dict[int, tuple[float, Any]], product: Array) -> Array:
        """Add what the columns split below a node are worth; return the sum of its leaves, each times its product."""
        tree = self._tree
        if tree.is_leaf(node):
            return product * float(tree.value[node])
        column = int(tree.feature[node])
        share, reached = path.get(column, (1.0, np.ones(len(self._matrix), dtype=bool)))
        old, taken = self._factor(share, reached), self._goes_left(node)
        total = np.zeros_like(product)
        for child, goes in ((int(tree.left[node]), taken), (int(tree.right[node]), ~taken)):
            own = share * float(tree.cover[child] / tree.cover[node]), reached & goes
            new = self._factor(*own)
            found = self.below(child, {**path, column: own}, product / old * new)
            slope = (own[1] - own[0]) / new - (reached - share) / old
            self._values[:, column] += self._weights @ (slope * found)
            total += found
        return total

    def _factor(self, share: float, reached: Any) -> Array:
        return np.where(reached, self._unknown * share + self.known, self._unknown * share)

    def _goes_left(self, node: int) -> Any:
        column = self._matrix[:, self._tree.feature[node]]
        return np.where(np.isnan(column), bool(self._tree.missing_left[node]), column <= self._tree.threshold[node])


def _unit_interval(points: int) -> tuple[Array, Array]:
    """Return places and weights of Gauss's quadrature from 0 to 1."""
    places, weights = np.polynomial.legendre.leggauss(points)
    return (places + 1) / 2, weights / 2
