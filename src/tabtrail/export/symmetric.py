"""Symmetric trees, whose nodes of one level all split alike, as a comparison, a weighted sum and a gather.

Which leaf of such a tree a row reaches is a number whose bits are what the row answers to the splits of its levels. Each distinct
split is compared once for all trees; every other step is one operator over all trees too. 400 trees of depth 6 take about 1 µs
a row so, and 9 as nodes that rows walk through one by one; a single row alone takes 22 µs for 12.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from tabtrail.export.steps import Step
from tabtrail.modeling.trees import LEAF, Trees

_MOST_DEPTH = 8  # the number of a leaf is a weighted sum of bytes
Split = tuple[int, float, int]  # feature, threshold, whether missing numbers go to the side of those at or below


@dataclass(frozen=True)
class Symmetric:
    """`splits` are the distinct ones, the last of which no row is beyond; `levels` [trees, depth] their places, that of the
    lowest bit first; `leaves` [trees, 2 ** depth].
    """

    splits: tuple[Split, ...]
    levels: NDArray[np.int64]
    leaves: NDArray[np.float64]


def find_symmetric(trees: Trees) -> Symmetric | None:
    """Return trees as symmetric ones, None where one is not, is too deep, or is summed up in float32."""
    if trees.mode != "BRANCH_LEQ" or trees.float32_sums or not any(mode == trees.mode for mode in trees.modes):
        return None
    found = [_levels(trees, nodes) for nodes in _by_tree(trees)]
    known = [each for each in found if each is not None]
    depth = max((len(levels) for levels, _ in known), default=0)
    if len(known) < len(found) or depth > _MOST_DEPTH:
        return None
    splits = sorted({split for levels, _ in known for split in levels})
    missing = {feature: below for feature, _, below in splits}
    if any(missing[feature] != below for feature, _, below in splits):
        return None
    never = (splits[0][0], np.inf, splits[0][2])
    places = {split: place for place, split in enumerate([*splits, never])}
    levels = np.full((len(known), depth), places[never], dtype=np.int64)
    leaves = np.zeros((len(known), 1 << depth))
    for tree, (own, values) in enumerate(known):
        levels[tree, : len(own)] = [places[split] for split in own]
        leaves[tree, : len(values)] = values
    return Symmetric(tuple(places), levels, leaves)


def write_symmetric(step: Step, source: str, trees: Symmetric) -> str:
    """Write the sum of the leaves that rows reach, [N, 1] doubles, and return its name; `source` [N, features] is what splits are
    compared with. The sum of a row is the same to the bit however many rows there are.
    """
    count, depth = trees.levels.shape
    features = np.array([feature for feature, _, _ in trees.splits], dtype=np.int64)
    thresholds = np.array([threshold for _, threshold, _ in trees.splits])[:, None]
    values = step.emit("Transpose", [_with_missing(step, source, trees)], perm=[1, 0])
    compared = step.emit("Gather", [values, step.constant(features)], axis=0)
    beyond = step.cast(step.emit("Greater", [compared, step.constant(thresholds, "thresholds")]), onnx.TensorProto.UINT8)
    # Level by level, so that one product numbers the leaves of all trees: with one a tree a single row takes twice the time.
    answers = step.emit("Gather", [beyond, step.constant(trees.levels.T.ravel(), "levels")], axis=0)
    by_level = step.emit("Reshape", [answers, step.constant(np.array([depth, -1], dtype=np.int64))])
    bits = step.constant((1 << np.arange(depth, dtype=np.uint8))[None, :], "bits")
    reached = step.emit("MatMulInteger", [bits, by_level])
    numbers = step.emit("Reshape", [reached, step.constant(np.array([count, -1], dtype=np.int64))])
    leaves = step.emit("GatherElements", [step.constant(trees.leaves, "leaves"), numbers], axis=1)
    # Not a product with ones: its order of adding, and so the last digit, depends on how many rows there are.
    total = step.emit("ReduceSum", [leaves, step.constant(np.array([0], dtype=np.int64))], keepdims=1)
    return step.emit("Transpose", [total], perm=[1, 0])


def _with_missing(step: Step, source: str, trees: Symmetric) -> str:
    """NaN is beyond nothing, as it has to be where it goes with what is at or below; else infinity takes its place."""
    beyond = sorted({feature for feature, _, below in trees.splits if not below})
    if not beyond:
        return source
    width = max(feature for feature, _, _ in trees.splits) + 1
    fill = np.full((1, width), np.nan)
    fill[0, beyond] = np.inf
    used = step.emit("Gather", [source, step.constant(np.arange(width, dtype=np.int64))], axis=1)
    return step.emit("Where", [step.emit("IsNaN", [used]), step.constant(fill, "missing"), used])


def _by_tree(trees: Trees) -> Iterator[dict[int, int]]:
    """Yield the entries of each tree by the number of the node."""
    nodes: dict[int, dict[int, int]] = {}
    for entry, (tree, node) in enumerate(zip(trees.tree, trees.node, strict=True)):
        nodes.setdefault(tree, {})[node] = entry
    yield from nodes.values()


def _levels(trees: Trees, nodes: dict[int, int]) -> tuple[list[Split], list[float]] | None:
    """Return the splits of a tree, that of the deepest level first, and its leaves; None where a level has several splits or the
    nodes are not numbered level by level, 2n + 1 and 2n + 2 being below n.
    """
    depth = (len(nodes) + 1).bit_length() - 2
    inner = (1 << depth) - 1
    if set(nodes) != set(range(2 * inner + 1)):
        return None
    levels: list[Split] = []
    for level in range(depth):
        own = {_split(trees, node, nodes[node]) for node in range((1 << level) - 1, (2 << level) - 1)}
        split = own.pop()
        if own or split is None:
            return None
        levels.insert(0, split)
    leaves = [nodes[node] for node in range(inner, 2 * inner + 1)]
    return (levels, [trees.value[leaf] for leaf in leaves]) if all(trees.modes[leaf] == LEAF for leaf in leaves) else None


def _split(trees: Trees, node: int, entry: int) -> Split | None:
    branches = trees.true_id[entry], trees.false_id[entry]
    if trees.modes[entry] != trees.mode or branches != (2 * node + 1, 2 * node + 2):
        return None
    return trees.feature[entry], trees.threshold[entry], trees.missing_true[entry]
