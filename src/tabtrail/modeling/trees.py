"""Fitted tree ensembles of every library as one plain form, exact to the bit.

Each library compares in its own way: scikit-learn, XGBoost and CatBoost cast inputs to float32 first, LightGBM compares
doubles; XGBoost goes left below the threshold, scikit-learn and LightGBM at or below it, CatBoost right above it. The form
keeps thresholds as doubles, so that a graph that casts and compares the same way takes the same branch in every row.
"""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

Mode = Literal["BRANCH_LEQ", "BRANCH_LT"]


@dataclass
class Trees:
    """Trees as parallel lists, one entry a node; the sum of the leaves reached plus `base` is the prediction.

    A node sends a row to `true_id` where `feature mode threshold` holds (`BRANCH_LEQ` or `BRANCH_LT`), else to `false_id`.
    Leaves have the mode `LEAF` and their `value`. `missing_true` says where NaN goes. `float32_inputs`: the library casts.
    """

    mode: Mode
    float32_inputs: bool
    base: float = 0.0
    tree: list[int] = field(default_factory=list)
    node: list[int] = field(default_factory=list)
    modes: list[str] = field(default_factory=list)
    feature: list[int] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)
    true_id: list[int] = field(default_factory=list)
    false_id: list[int] = field(default_factory=list)
    missing_true: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)

    def split(
        self, tree: int, node: int, feature: int, threshold: float, true_id: int, false_id: int, *, missing_true: bool
    ) -> None:
        """Add an inner node."""
        self._add(tree, node, self.mode, feature, threshold, true_id, false_id, int(missing_true), 0.0)

    def leaf(self, tree: int, node: int, value: float) -> None:
        """Add a leaf."""
        self._add(tree, node, "LEAF", 0, 0.0, 0, 0, 0, value)

    def _add(self, *entry: Any) -> None:
        for name, item in zip(_ENTRY, entry, strict=True):
            getattr(self, name).append(item)


_ENTRY = ("tree", "node", "modes", "feature", "threshold", "true_id", "false_id", "missing_true", "value")


def has_trees(regressor: Any) -> bool:
    """Tell whether `read_trees` can read a regressor."""
    return type(regressor).__name__ in _READERS


def read_trees(regressor: Any) -> Trees:
    """Return the trees of a fitted forest, gradient boosting, XGBoost, LightGBM or CatBoost regressor.

    Raises `TypeError` for any other kind of model.
    """
    name = type(regressor).__name__
    if not has_trees(regressor):
        raise TypeError(f"{name} is not a tree ensemble that can be read")
    return _READERS[name](regressor)


def _forest(model: Any) -> Trees:
    trees = Trees("BRANCH_LEQ", float32_inputs=True)
    for index, estimator in enumerate(model.estimators_):
        _sklearn_tree(trees, index, estimator.tree_, 1.0 / len(model.estimators_))
    return trees


def _gradient_boosting(model: Any) -> Trees:
    trees = Trees(
        "BRANCH_LEQ", float32_inputs=True, base=float(np.ravel(model.init_.constant_)[0]) if model.init_ != "zero" else 0.0
    )
    for index, estimator in enumerate(model.estimators_[:, 0]):
        _sklearn_tree(trees, index, estimator.tree_, model.learning_rate)
    return trees


def _sklearn_tree(trees: Trees, index: int, tree: Any, scale: float) -> None:
    missing_left = tree.missing_go_to_left
    for node in range(tree.node_count):
        left, right = int(tree.children_left[node]), int(tree.children_right[node])
        if left == right:
            trees.leaf(index, node, float(tree.value[node, 0, 0]) * scale)
        else:
            threshold = float(tree.threshold[node])
            trees.split(index, node, int(tree.feature[node]), threshold, left, right, missing_true=bool(missing_left[node]))


def _xgboost(model: Any) -> Trees:
    learner = json.loads(bytes(model.get_booster().save_raw("json")))["learner"]
    base = float(np.float32(learner["learner_model_param"]["base_score"].strip("[]")))
    trees = Trees("BRANCH_LT", float32_inputs=True, base=base)
    for index, tree in enumerate(learner["gradient_booster"]["model"]["trees"]):
        for node, (left, right) in enumerate(zip(tree["left_children"], tree["right_children"], strict=True)):
            number = float(np.float32(tree["split_conditions"][node]))
            if left == -1:
                trees.leaf(index, node, number)
            else:
                trees.split(
                    index, node, tree["split_indices"][node], number, left, right, missing_true=bool(tree["default_left"][node])
                )
    return trees


def _lightgbm(model: Any) -> Trees:
    trees = Trees("BRANCH_LEQ", float32_inputs=False)
    for index, tree in enumerate(model.booster_.dump_model()["tree_info"]):
        _lightgbm_node(trees, index, tree["tree_structure"], iter(range(1 << 31)))
    return trees


def _lightgbm_node(trees: Trees, index: int, node: dict[str, Any], ids: Iterator[int]) -> int:
    own = next(ids)
    if "leaf_value" in node:
        trees.leaf(index, own, node["leaf_value"])
        return own
    if node["decision_type"] != "<=":
        raise TypeError("LightGBM's native categories cannot be exported")
    position = len(trees.node)
    zero_is_left = node["threshold"] >= 0.0
    missing_left = node["default_left"] if node["missing_type"] == "NaN" else zero_is_left
    trees.split(index, own, node["split_feature"], node["threshold"], -1, -1, missing_true=missing_left)
    trees.true_id[position] = _lightgbm_node(trees, index, node["left_child"], ids)
    trees.false_id[position] = _lightgbm_node(trees, index, node["right_child"], ids)
    return own


def _catboost(model: Any) -> Trees:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        dump = json.loads(path.read_text(encoding="utf-8"))
    scale, bias = dump["scale_and_bias"]
    trees = Trees("BRANCH_LEQ", float32_inputs=True, base=float(np.ravel(bias)[0]))
    column = {feature["feature_index"]: feature["flat_feature_index"] for feature in dump["features_info"]["float_features"]}
    nan_right = {f["feature_index"] for f in dump["features_info"]["float_features"] if f["nan_value_treatment"] == "AsTrue"}
    for index, tree in enumerate(dump["oblivious_trees"]):
        splits = tree["splits"] or []
        depth = len(splits)
        inner = (1 << depth) - 1
        for node in range(inner):
            level = (node + 1).bit_length() - 1
            split = splits[depth - 1 - level]
            if split.get("split_type", "FloatFeature") != "FloatFeature":
                raise TypeError("CatBoost's native categories cannot be exported")
            feature = split["float_feature_index"]
            border = float(np.float32(split["border"]))
            trees.split(index, node, column[feature], border, 2 * node + 1, 2 * node + 2, missing_true=feature not in nan_right)
        for leaf, value in enumerate(tree["leaf_values"]):
            trees.leaf(index, inner + leaf, value * scale)
    return trees


_READERS = {
    "RandomForestRegressor": _forest,
    "GradientBoostingRegressor": _gradient_boosting,
    "XGBRegressor": _xgboost,
    "LGBMRegressor": _lightgbm,
    "CatBoostRegressor": _catboost,
}
