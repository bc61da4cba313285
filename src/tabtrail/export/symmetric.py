"""Symmetric trees, whose nodes of one level all split alike, as a comparison, a weighted sum and a gather.

Which leaf of such a tree a row reaches is a number whose bits are what the row answers to the splits of its levels. Each distinct
split is compared once for all trees; every other step is one operator over all trees too. 400 trees of depth 6 take about 1 µs
a row so, and 9 as nodes that rows walk through one by one; a single row alone takes 22 µs for 12. Splits on categories are looked
up in a table: five times 400 trees of depth 7 with target statistics of categories take 7 µs a row, and 100 as nodes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from tabtrail.export.steps import Step
from tabtrail.modeling.trees import LEAF, MEMBER, Trees

_MOST_DEPTH = 8  # the number of a leaf is a weighted sum of bytes


class Split(NamedTuple):
    """A row is beyond a split of numbers where its one is above `threshold`; `missing_below` says whether NaN is not."""

    feature: int
    threshold: float
    missing_below: int


class Member(NamedTuple):
    """A row is beyond a split of categories where its code is none of `codes`; `missing_in`: NaN is as one of them."""

    feature: int
    codes: tuple[int, ...]
    missing_in: int


@dataclass(frozen=True)
class Symmetric:
    """`splits` are the distinct ones of numbers, the last of which no row is beyond, `members` those of categories, whose places
    come after; `levels` [trees, depth] are places, that of the lowest bit first; `leaves` [trees, 2 ** depth].
    """

    splits: tuple[Split, ...]
    members: tuple[Member, ...]
    levels: NDArray[np.int64]
    leaves: NDArray[np.float64]


def find_symmetric(trees: Trees) -> Symmetric | None:
    """Return trees as symmetric ones, None where one is not, is too deep, or is summed up in float32."""
    if trees.mode != "BRANCH_LEQ" or trees.float32_sums or all(mode == LEAF for mode in trees.modes):
        return None
    found = [_levels(trees, nodes) for nodes in _by_tree(trees)]
    known = [each for each in found if each is not None]
    depth = max((len(levels) for levels, _ in known), default=0)
    if len(known) < len(found) or depth > _MOST_DEPTH:
        return None
    every = {split for levels, _ in known for split in levels}
    splits = sorted(each for each in every if isinstance(each, Split))
    members = sorted(each for each in every if isinstance(each, Member))
    missing = {feature: below for feature, _, below in splits}
    if any(missing[feature] != below for feature, _, below in splits):
        return None
    never = splits[0]._replace(threshold=np.inf) if splits else Split(0, np.inf, 1)
    ordered: list[Split | Member] = [*splits, never, *members]
    places = {split: place for place, split in enumerate(ordered)}
    levels = np.full((len(known), depth), places[never], dtype=np.int64)
    leaves = np.zeros((len(known), 1 << depth))
    for tree, (own, values) in enumerate(known):
        levels[tree, : len(own)] = [places[split] for split in own]
        leaves[tree, : len(values)] = values
    return Symmetric((*splits, never), tuple(members), levels, leaves)


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
    if trees.members:
        beyond = step.emit("Concat", [beyond, _beyond_members(step, values, trees.members)], axis=0)
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


def _beyond_members(step: Step, values: str, members: tuple[Member, ...]) -> str:
    """Write which rows are in none of the categories of each split, [splits, N] bytes: looked up in a table by split and code.

    Codes above those that any split names are one more entry of the table, missing ones the last.
    """
    width = max(code for _, codes, _ in members for code in (*codes, 0)) + 3
    table = np.ones((len(members), width), dtype=np.uint8)
    for place, split in enumerate(members):
        table[place, list(split.codes)] = 0
        table[place, -1] = 1 - split.missing_in
    features = step.constant(np.array([feature for feature, _, _ in members], dtype=np.int64))
    code = step.emit("Gather", [values, features], axis=0)
    known = step.emit("Min", [code, step.constant(np.array([[width - 2.0]]))])
    entry = step.emit("Where", [step.emit("IsNaN", [code]), step.constant(np.array([[width - 1.0]])), known])
    starts = step.constant(np.arange(len(members), dtype=np.int64)[:, None] * width)
    places = step.emit("Add", [step.cast(entry, onnx.TensorProto.INT64), starts])
    return step.emit("Gather", [step.constant(table.ravel(), "members"), places], axis=0)


def _with_missing(step: Step, source: str, trees: Symmetric) -> str:
    """NaN is beyond nothing, as it has to be where it goes with what is at or below; else infinity takes its place."""
    beyond = sorted({feature for feature, _, below in trees.splits if not below})
    if not beyond:
        return source
    width = max(feature for feature, _, _ in (*trees.splits, *trees.members)) + 1
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


def _levels(trees: Trees, nodes: dict[int, int]) -> tuple[list[Split | Member], list[float]] | None:
    """Return the splits of a tree, that of the deepest level first, and its leaves; None where a level has several splits or the
    nodes are not numbered level by level, 2n + 1 and 2n + 2 being below n.
    """
    depth = (len(nodes) + 1).bit_length() - 2
    inner = (1 << depth) - 1
    if set(nodes) != set(range(2 * inner + 1)):
        return None
    levels: list[Split | Member] = []
    for level in range(depth):
        own = {_split(trees, node, nodes[node]) for node in range((1 << level) - 1, (2 << level) - 1)}
        split = own.pop()
        if own or split is None:
            return None
        levels.insert(0, split)
    leaves = [nodes[node] for node in range(inner, 2 * inner + 1)]
    return (levels, [trees.value[leaf] for leaf in leaves]) if all(trees.modes[leaf] == LEAF for leaf in leaves) else None


def _split(trees: Trees, node: int, entry: int) -> Split | Member | None:
    branches = trees.true_id[entry], trees.false_id[entry]
    if trees.modes[entry] == LEAF or branches != (2 * node + 1, 2 * node + 2):
        return None
    if trees.modes[entry] == MEMBER:
        return Member(trees.feature[entry], trees.codes[entry], trees.missing_true[entry])
    return Split(trees.feature[entry], trees.threshold[entry], trees.missing_true[entry])
