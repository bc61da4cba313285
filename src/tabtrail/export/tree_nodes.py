"""Trees in their plain form as nodes of a graph: of ai.onnx.ml 3, or of 5 where there are splits on categories; symmetric ones,
as CatBoost's are, as a few operators over all of them.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from tabtrail.export.steps import ML, Step
from tabtrail.export.symmetric import find_symmetric, write_symmetric
from tabtrail.modeling.trees import LEAF, MEMBER, Trees

_LINKS = {"exp": "Exp", "sigmoid": "Sigmoid"}
_MODES = {"BRANCH_LEQ": 0, "BRANCH_LT": 1, MEMBER: 6}
_SUM = 1
_NONE = (-1,)  # a set must not be empty; no code is below zero
_GROUP = 32  # trees whose leaves are held one by one; more take memory for each row, fewer take nodes
Numbers = NDArray[np.int64]
# Writes trees as one node: the name of the sum of the leaves reached (or of each tree's own), and what is missing from it.
Write = Callable[[Step, str, Trees], tuple[str, float]]


def write_trees(step: Step, trees: Trees) -> None:
    """Write trees without splits on categories, and their link, to the step's output."""
    _write(step, trees, _tree_ensemble_regressor)


def write_trees_with_categories(step: Step, trees: Trees) -> None:
    """Write trees with or without splits on categories, and their link, to the step's output."""
    _write(step, trees, _tree_ensemble)


def _write(step: Step, trees: Trees, write: Write) -> None:
    source = step.matrix()
    if trees.float32_inputs:
        source = step.cast(step.cast(source, onnx.TensorProto.FLOAT), onnx.TensorProto.DOUBLE)
    output = step.output if trees.link == "identity" else None
    total = (_float32_sum if trees.float32_sums else _sum)(step, source, trees, write, output)
    if trees.link != "identity":
        step.emit(_LINKS[trees.link], [total], step.output)


def _sum(step: Step, source: str, trees: Trees, write: Write, output: str | None) -> str:
    symmetric = find_symmetric(trees)
    leaves, missing = write(step, source, trees) if symmetric is None else (write_symmetric(step, source, symmetric), 0.0)
    leaves = step.cast(leaves, onnx.TensorProto.DOUBLE)
    base = step.constant(np.array([[trees.base + missing]], dtype=np.float64), "base")
    return step.emit("Add", [leaves, base], output)


def _float32_sum(step: Step, source: str, trees: Trees, write: Write, output: str | None) -> str:
    """Sum of base and leaves, tree after tree, each sum rounded to float32. CumSum adds in that order; a sum need not."""
    one, last = step.constant(np.array(1, dtype=np.int64)), step.constant(np.array([-1], dtype=np.int64))
    total = ""
    for group in _groups(trees):
        leaves = step.cast(write(step, source, group)[0], onnx.TensorProto.FLOAT)
        terms = step.emit("Concat", [total, leaves], axis=1) if total else leaves
        total = step.emit("Gather", [step.emit("CumSum", [terms, one]), last], axis=1)
    return step.emit("Cast", [total], output, to=onnx.TensorProto.DOUBLE)


def _groups(trees: Trees) -> Iterator[Trees]:
    """Cut trees into groups. The base is added to the leaves of the very first tree, since it is the first term of the sum."""
    base = np.float32(trees.base)
    for start in range(0, max(trees.tree) + 1, _GROUP):
        group = trees.between(start, start + _GROUP)
        if start == 0:
            first = [tree == 0 for tree in group.tree]
            group.value = [float(base + np.float32(v)) if f else v for v, f in zip(group.value, first, strict=True)]
        yield group


def _tree_ensemble_regressor(step: Step, source: str, trees: Trees) -> tuple[str, float]:
    """A node of ai.onnx.ml 3, with double thresholds.

    Its output is float32 by its definition, so it sums deviations from the middle leaf.
    """
    leaves = _leaves(trees)
    count = max(trees.tree) + 1 if trees.tree else 0
    center = sum(trees.value[index] for index in leaves) / len(leaves) if leaves and not trees.float32_sums else 0.0
    name = step.emit(
        "TreeEnsembleRegressor",
        [source],
        domain=ML,
        label="deviation",
        n_targets=count if trees.float32_sums else 1,
        nodes_treeids=trees.tree,
        nodes_nodeids=trees.node,
        nodes_modes=trees.modes,
        nodes_featureids=trees.feature,
        nodes_values_as_tensor=_doubles("thresholds", trees.threshold),
        nodes_truenodeids=trees.true_id,
        nodes_falsenodeids=trees.false_id,
        nodes_missing_value_tracks_true=trees.missing_true,
        target_treeids=[trees.tree[index] for index in leaves],
        target_nodeids=[trees.node[index] for index in leaves],
        target_ids=_targets(trees),
        target_weights_as_tensor=_doubles("leaves", [trees.value[index] - center for index in leaves]),
    )
    return name, center * count


def _tree_ensemble(step: Step, source: str, trees: Trees) -> tuple[str, float]:
    """A node of ai.onnx.ml 5, whose output is double."""
    return step.emit("TreeEnsemble", [source], domain=ML, label="sum", **_ensemble(trees)), 0.0


def _leaves(trees: Trees) -> list[int]:
    return [index for index, mode in enumerate(trees.modes) if mode == LEAF]


def _targets(trees: Trees) -> list[int]:
    """Number of the output that each leaf is added to: one for all, or its tree's own."""
    return [trees.tree[index] if trees.float32_sums else 0 for index in _leaves(trees)]


def _ensemble(trees: Trees) -> dict[str, Any]:
    """Attributes of a TreeEnsemble: inner nodes and leaves are numbered apart, through all trees."""
    is_leaf = np.array([mode == LEAF for mode in trees.modes])
    inner, leaves = np.flatnonzero(~is_leaf), np.flatnonzero(is_leaf)
    numbers = np.where(is_leaf, np.cumsum(is_leaf), np.cumsum(~is_leaf)) - 1
    true, false = (_places(trees, inner, branches) for branches in (trees.true_id, trees.false_id))
    starts = np.flatnonzero(np.array(trees.node) == 0)
    # A tree without a split is a node both of whose branches are the leaf.
    single, roots = starts[is_leaf[starts]], numbers[starts]
    roots[is_leaf[starts]] = len(inner) + np.arange(len(single))
    none = [0] * len(single)
    modes = [_MODES[trees.modes[position]] for position in inner] + none
    attributes: dict[str, Any] = {
        "n_targets": len(starts) if trees.float32_sums else 1,
        "aggregate_function": _SUM,
        "tree_roots": roots.tolist(),
        "nodes_featureids": [*np.array(trees.feature)[inner].tolist(), *none],
        "nodes_modes": onnx.helper.make_tensor("modes", onnx.TensorProto.UINT8, [len(modes)], modes),
        "nodes_splits": _doubles("thresholds", [*np.array(trees.threshold)[inner].tolist(), *[0.0] * len(single)]),
        "nodes_missing_value_tracks_true": [*np.array(trees.missing_true)[inner].tolist(), *none],
        "nodes_truenodeids": [*numbers[true].tolist(), *numbers[single].tolist()],
        "nodes_trueleafs": [*is_leaf[true].astype(int).tolist(), *[1] * len(single)],
        "nodes_falsenodeids": [*numbers[false].tolist(), *numbers[single].tolist()],
        "nodes_falseleafs": [*is_leaf[false].astype(int).tolist(), *[1] * len(single)],
        "leaf_targetids": _targets(trees),
        "leaf_weights": _doubles("leaves", np.array(trees.value)[leaves].tolist()),
    }
    sets = [trees.codes[position] or _NONE for position in inner if trees.modes[position] == MEMBER]
    if sets:
        attributes["membership_values"] = _doubles("codes", [code for codes in sets for code in (*codes, math.nan)])
    return attributes


def _places(trees: Trees, inner: Numbers, branches: list[int]) -> Numbers:
    """Return for each of the inner nodes where its branch stands among all nodes of all trees."""
    tree, node = np.array(trees.tree), np.array(trees.node)
    width = node.max() + 1
    known, wanted = tree * width + node, tree[inner] * width + np.array(branches)[inner]
    order = np.argsort(known)
    return np.asarray(order[np.searchsorted(known, wanted, sorter=order)])


def _doubles(name: str, values: list[float]) -> onnx.TensorProto:
    return onnx.helper.make_tensor(name, onnx.TensorProto.DOUBLE, [len(values)], values)
