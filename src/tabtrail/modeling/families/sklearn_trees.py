"""What scikit-learn's tree ensembles have in common: the arrays of a tree, and Shapley values by the shap package."""

from typing import Any

import numpy as np

from tabtrail.modeling.families.family import Contributions
from tabtrail.modeling.late_libraries import shap_library
from tabtrail.modeling.metrics import Array
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


def tree_contributions(model: Any, matrix: Array, background: Array) -> Contributions:  # noqa: ARG001 - the family's signature
    """Return path-dependent TreeSHAP values [rows, columns] and their base value."""
    explainer = shap_library().TreeExplainer(model)
    values = np.asarray(explainer.shap_values(matrix, check_additivity=False), dtype=np.float64)
    return values, float(np.ravel(explainer.expected_value)[0])
