"""Shapley values of trees by their definition, over every set of columns: slow, and independent of every library.

Path-dependent (Lundberg et al., Nature Machine Intelligence 2, 2020, algorithm 1): a split on a column outside the set passes a
row on to both branches, in the proportion of the training rows that took each.
"""

from dataclasses import dataclass
from itertools import combinations
from math import factorial

import numpy as np

from tabtrail.modeling.trees import LEAF, MEMBER, Trees

Array = np.ndarray


@dataclass
class Node:
    """A node with its branches (None: a leaf), and the share of the training rows in it that the first branch takes."""

    index: int
    true: "Node | None" = None
    false: "Node | None" = None
    share: float = 0.0


def predict(trees: Trees, matrix: Array) -> Array:
    """Return the sum of the leaves and the base [rows], before the link."""
    every = frozenset(range(matrix.shape[1]))
    return trees.base + sum(_expected(trees, root, matrix, every) for root in _roots(trees, matrix[:0]))


def shapley_values(trees: Trees, fitted: Array, rows: Array) -> tuple[Array, float]:
    """Return Shapley values [rows, columns] and base value of trees that were fitted on the matrix `fitted`, all rows alike."""
    roots, count = _roots(trees, fitted), rows.shape[1]
    sets = [frozenset(known) for size in range(count + 1) for known in combinations(range(count), size)]
    values = {known: trees.base + sum(_expected(trees, root, rows, known) for root in roots) for known in sets}
    found = np.zeros(rows.shape)
    for known in sets:
        for column in set(range(count)) - known:
            weight = factorial(len(known)) * factorial(count - len(known) - 1) / factorial(count)
            found[:, column] += weight * (values[known | {column}] - values[known])
    return found, float(values[frozenset()][0])


def _roots(trees: Trees, fitted: Array) -> list[Node]:
    places = {place: index for index, place in enumerate(zip(trees.tree, trees.node, strict=True))}

    def grown(index: int, rows: Array) -> Node:
        if trees.modes[index] == LEAF:
            return Node(index)
        goes_true = _goes_true(trees, index, rows)
        true, false = (places[trees.tree[index], to[index]] for to in (trees.true_id, trees.false_id))
        share = float(goes_true.mean()) if len(rows) else 0.0
        return Node(index, grown(true, rows[goes_true]), grown(false, rows[~goes_true]), share)

    return [grown(index, fitted) for index, node in enumerate(trees.node) if node == 0]


def _goes_true(trees: Trees, index: int, matrix: Array) -> Array:
    column = matrix[:, trees.feature[index]]
    if trees.modes[index] == MEMBER:
        holds = np.isin(column, trees.codes[index])
    else:
        compared = column.astype(np.float32).astype(np.float64) if trees.float32_inputs else column
        threshold = trees.threshold[index]
        holds = compared < threshold if trees.mode == "BRANCH_LT" else compared <= threshold
    return np.where(np.isnan(column), bool(trees.missing_true[index]), holds)


def _expected(trees: Trees, node: Node, rows: Array, known: frozenset[int]) -> Array:
    if node.true is None or node.false is None:
        return np.full(len(rows), trees.value[node.index])
    true, false = _expected(trees, node.true, rows, known), _expected(trees, node.false, rows, known)
    if trees.feature[node.index] in known:
        return np.where(_goes_true(trees, node.index, rows), true, false)
    return node.share * true + (1 - node.share) * false
