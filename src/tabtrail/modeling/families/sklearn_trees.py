"""What scikit-learn's tree ensembles have in common: the arrays of a tree, and Shapley values."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from tabtrail.modeling.families.family import Contributions
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.tree_shap import Grown, tree_shap
from tabtrail.modeling.trees import Trees


def add_tree(trees: Trees, index: int, tree: Any, scale: float) -> None:
    """Add a fitted `sklearn.tree._tree.Tree` to `trees`, its leaves times `scale`."""
    missing_left = tree.missing_go_to_left
    for node in range(tree.node_count):
        left, right = int(tree.children_left[node]), int(tree.children_right[node])
        if left == right:
            trees.leaf((index, node), float(tree.value[node, 0, 0]) * scale)
        else:
            feature, threshold = int(tree.feature[node]), float(tree.threshold[node])
            trees.split((index, node), feature, threshold, (left, right), missing_true=bool(missing_left[node]))


def tree_contributions(trees: Iterable[Any], scale: float, base: float, matrix: Array) -> Contributions:
    """Return path-dependent TreeSHAP values [rows, columns] and base value of fitted trees, which compare float32 numbers."""
    values, found = tree_shap((_grown(tree, scale) for tree in trees), matrix.astype(np.float32).astype(np.float64))
    return values, base + found


def _grown(tree: Any, scale: float) -> Grown:
    return Grown(
        left=tree.children_left,
        right=tree.children_right,
        feature=tree.feature,
        threshold=tree.threshold,
        missing_left=tree.missing_go_to_left,
        cover=tree.weighted_n_node_samples,
        value=tree.value[:, 0, 0] * scale,
    )
