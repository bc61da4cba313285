"""LightGBM: compares doubles, goes left at or below a threshold."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from lightgbm import LGBMRegressor, early_stopping
from lightgbm.basic import LightGBMError

from tabtrail.modeling.families.family import Contributions, Family, Params, Sample
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.trees import Trees

if TYPE_CHECKING:
    from optuna.trial import Trial


def _build(params: Params, seed: int) -> Any:
    return LGBMRegressor(random_state=seed, n_jobs=1, verbose=-1, deterministic=True, force_row_wise=True, **params)


def _best_iterations(model: Any, fitted: Sample, watched: Sample, patience: int) -> int:
    model.fit(
        fitted.x,
        fitted.y,
        sample_weight=fitted.weights,
        eval_X=watched.x,
        eval_y=watched.y,
        eval_sample_weight=None if watched.weights is None else [watched.weights],
        callbacks=[early_stopping(patience, verbose=False)],
    )
    return int(model.best_iteration_ or model.n_estimators)


def _read_trees(model: Any) -> Trees:
    trees = Trees("BRANCH_LEQ", float32_inputs=False)
    for index, tree in enumerate(model.booster_.dump_model()["tree_info"]):
        _add_node(trees, index, tree["tree_structure"], iter(range(1 << 31)))
    return trees


def _add_node(trees: Trees, index: int, node: dict[str, Any], ids: Iterator[int]) -> int:
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
    trees.true_id[position] = _add_node(trees, index, node["left_child"], ids)
    trees.false_id[position] = _add_node(trees, index, node["right_child"], ids)
    return own


def _contributions(model: Any, matrix: Array, background: Array) -> Contributions:  # noqa: ARG001 - the family's signature
    """LightGBM's own TreeSHAP: the same numbers as the shap package's, without importing it."""
    found = np.asarray(model.predict(matrix, pred_contrib=True), dtype=np.float64)
    return found[:, :-1], float(found[0, -1])


def _search(trial: "Trial") -> Params:
    return {
        "n_estimators": trial.suggest_int("n_estimators", 50, 1000, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.2, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 4, 64, log=True),
        "subsample": trial.suggest_float("subsample", 0.4, 1.0),
        "subsample_freq": 1,
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.4, 1.0),
        "min_child_samples": trial.suggest_int("min_child_samples", 2, 60, log=True),
        "reg_lambda": trial.suggest_float("reg_lambda", 0.01, 30, log=True),
    }


LIGHTGBM = Family(
    name="LightGBM",
    regressor=LGBMRegressor,
    build=_build,
    libraries=("lightgbm",),
    fixed=("random_state", "n_jobs", "verbose", "deterministic", "force_row_wise"),
    exportable={"boosting_type": ("gbdt", "goss")},
    iterations="n_estimators",
    best_iterations=_best_iterations,
    read_trees=_read_trees,
    contributions=_contributions,
    errors=(LightGBMError,),
    search=_search,
)
