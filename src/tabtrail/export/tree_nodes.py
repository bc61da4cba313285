"""Trees in their plain form as a node of a graph."""

import numpy as np
import onnx

from tabtrail.export.steps import ML, Step
from tabtrail.modeling.trees import LEAF, Trees


def write_trees(step: Step, trees: Trees) -> None:
    """Write a TreeEnsembleRegressor in double.

    Its output is float32 by its definition, so it sums deviations from the middle leaf.
    """
    source = step.matrix()
    if trees.float32_inputs:
        source = step.cast(step.cast(source, onnx.TensorProto.FLOAT), onnx.TensorProto.DOUBLE)
    leaves = [index for index, mode in enumerate(trees.modes) if mode == LEAF]
    count = max(trees.tree) + 1 if trees.tree else 0
    center = sum(trees.value[index] for index in leaves) / len(leaves) if leaves else 0.0
    deviation = step.emit(
        "TreeEnsembleRegressor",
        [source],
        domain=ML,
        label="deviation",
        n_targets=1,
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
        target_ids=[0] * len(leaves),
        target_weights_as_tensor=_doubles("leaves", [trees.value[index] - center for index in leaves]),
    )
    deviation = step.cast(deviation, onnx.TensorProto.DOUBLE)
    base = step.constant(np.array([[trees.base + center * count]], dtype=np.float64), "base")
    step.emit("Add", [deviation, base], step.output)


def _doubles(name: str, values: list[float]) -> onnx.TensorProto:
    return onnx.helper.make_tensor(name, onnx.TensorProto.DOUBLE, [len(values)], values)
