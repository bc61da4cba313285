"""Trees in their plain form as nodes of a graph: of ai.onnx.ml 3, or of 5 where there are splits on categories."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import onnx

from tabtrail.export.steps import ML, Step
from tabtrail.modeling.trees import LEAF, MEMBER, Trees

_LINKS = {"exp": "Exp", "sigmoid": "Sigmoid"}
_MODES = {"BRANCH_LEQ": 0, "BRANCH_LT": 1, MEMBER: 6}
_SUM = 1
_NONE = (-1,)  # a set must not be empty; no code is below zero


def write_trees(step: Step, trees: Trees) -> None:
    """Write a TreeEnsembleRegressor with double thresholds.

    Its output is float32 by its definition, so it sums deviations from the middle leaf. That is far enough from rounding for all
    but a library that itself rounds every sum to float32.
    """
    leaves = _leaves(trees)
    count = max(trees.tree) + 1 if trees.tree else 0
    center = sum(trees.value[index] for index in leaves) / len(leaves) if leaves and not trees.float32_sums else 0.0
    deviation = step.emit(
        "TreeEnsembleRegressor",
        [_source(step, trees)],
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
        target_weights_as_tensor=_doubles("leaves", [value - center for value in _values(trees)]),
    )
    _write_prediction(step, trees, deviation, trees.base + center * count)


def write_trees_with_categories(step: Step, trees: Trees) -> None:
    """Write a TreeEnsemble, which also splits on categories; its sum is a double."""
    total = step.emit("TreeEnsemble", [_source(step, trees)], domain=ML, label="sum", **_ensemble(trees))
    _write_prediction(step, trees, total, trees.base)


def _source(step: Step, trees: Trees) -> str:
    source = step.matrix()
    return step.cast(step.cast(source, onnx.TensorProto.FLOAT), onnx.TensorProto.DOUBLE) if trees.float32_inputs else source


def _leaves(trees: Trees) -> list[int]:
    return [index for index, mode in enumerate(trees.modes) if mode == LEAF]


def _targets(trees: Trees) -> list[int]:
    """Number of the output that each leaf is added to: one for all, or its tree's own."""
    return [trees.tree[index] if trees.float32_sums else 0 for index in _leaves(trees)]


def _values(trees: Trees) -> list[float]:
    """Values of the leaves. Where sums are in float32, the leaves of the first tree already have the base added to them."""
    base = np.float32(trees.base)
    added = [trees.float32_sums and tree == 0 for tree in trees.tree]
    return [float(base + np.float32(trees.value[i])) if added[i] else trees.value[i] for i in _leaves(trees)]


def _write_prediction(step: Step, trees: Trees, leaves: str, base: float) -> None:
    """Add the base to the sum of the leaves, and put the sum through the link."""
    if trees.float32_sums:
        total = _float32_sum(step, leaves)
    else:
        addend = step.constant(np.array([[base]], dtype=np.float64), "base")
        output = step.output if trees.link == "identity" else None
        total = step.emit("Add", [step.cast(leaves, onnx.TensorProto.DOUBLE), addend], output)
    if trees.link != "identity":
        step.emit(_LINKS[trees.link], [total], step.output)


def _float32_sum(step: Step, leaves: str) -> str:
    """Sum of the columns, from the first to the last, each rounded to float32. CumSum adds in that order; a sum need not."""
    sums = step.emit("CumSum", [step.cast(leaves, onnx.TensorProto.FLOAT), step.constant(np.array(1, dtype=np.int64))])
    last = step.emit("Gather", [sums, step.constant(np.array([-1], dtype=np.int64))], axis=1)
    return step.cast(last, onnx.TensorProto.DOUBLE)


def _ensemble(trees: Trees) -> dict[str, Any]:
    """Attributes of a TreeEnsemble: inner nodes and leaves are numbered apart, through all trees."""
    inner = [position for position, mode in enumerate(trees.modes) if mode != LEAF]
    leaves = _leaves(trees)
    places = list(zip(trees.tree, trees.node, strict=True))
    numbers = {places[position]: (number, 0) for number, position in enumerate(inner)}
    numbers |= {places[position]: (number, 1) for number, position in enumerate(leaves)}
    nodes = [_node(trees, position, numbers) for position in inner]
    roots = []
    for number, is_leaf in (numbers[place] for place in places if place[1] == 0):
        if is_leaf:  # a tree without a split: a node both of whose branches are the leaf
            nodes.append(_Node(0, 0, 0.0, 0, (number, 1), (number, 1)))
        roots.append(len(nodes) - 1 if is_leaf else number)
    attributes: dict[str, Any] = {
        "n_targets": len(roots) if trees.float32_sums else 1,
        "aggregate_function": _SUM,
        "tree_roots": roots,
        "nodes_featureids": [node.feature for node in nodes],
        "nodes_modes": onnx.helper.make_tensor("modes", onnx.TensorProto.UINT8, [len(nodes)], [node.mode for node in nodes]),
        "nodes_splits": _doubles("thresholds", [node.threshold for node in nodes]),
        "nodes_missing_value_tracks_true": [node.missing_true for node in nodes],
        "nodes_truenodeids": [node.true[0] for node in nodes],
        "nodes_trueleafs": [node.true[1] for node in nodes],
        "nodes_falsenodeids": [node.false[0] for node in nodes],
        "nodes_falseleafs": [node.false[1] for node in nodes],
        "leaf_targetids": _targets(trees),
        "leaf_weights": _doubles("leaves", _values(trees)),
    }
    sets = [trees.codes[position] or _NONE for position in inner if trees.modes[position] == MEMBER]
    if sets:
        attributes["membership_values"] = _doubles("codes", [code for codes in sets for code in (*codes, math.nan)])
    return attributes


class _Node(NamedTuple):
    """An inner node of a TreeEnsemble; a branch is a number and whether it is that of a leaf."""

    mode: int
    feature: int
    threshold: float
    missing_true: int
    true: tuple[int, int]
    false: tuple[int, int]


def _node(trees: Trees, position: int, numbers: Mapping[tuple[int, int], tuple[int, int]]) -> _Node:
    tree = trees.tree[position]
    return _Node(
        _MODES[trees.modes[position]],
        trees.feature[position],
        trees.threshold[position],
        trees.missing_true[position],
        numbers[tree, trees.true_id[position]],
        numbers[tree, trees.false_id[position]],
    )


def _doubles(name: str, values: list[float]) -> onnx.TensorProto:
    return onnx.helper.make_tensor(name, onnx.TensorProto.DOUBLE, [len(values)], values)
