"""XGBoost: compares float32 numbers, goes left below a threshold, sums in float32."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from xgboost import DMatrix, XGBRegressor

from tabtrail.modeling.families.family import Contributions, Family, Params, Sample
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.trees import Trees

if TYPE_CHECKING:
    from optuna.trial import Trial


def _best_iterations(model: Any, fitted: Sample, watched: Sample, patience: int) -> int:
    model.set_params(early_stopping_rounds=patience).fit(
        fitted.x,
        fitted.y,
        sample_weight=fitted.weights,
        eval_set=[(watched.x, watched.y)],
        sample_weight_eval_set=None if watched.weights is None else [watched.weights],
        verbose=False,
    )
    return int(model.best_iteration) + 1


def _read_trees(model: Any) -> Trees:
    learner = json.loads(bytes(model.get_booster().save_raw("json")))["learner"]
    base = float(np.float32(learner["learner_model_param"]["base_score"].strip("[]")))
    trees = Trees("BRANCH_LT", float32_inputs=True, base=base)
    for index, tree in enumerate(learner["gradient_booster"]["model"]["trees"]):
        for node, (left, right) in enumerate(zip(tree["left_children"], tree["right_children"], strict=True)):
            number = float(np.float32(tree["split_conditions"][node]))
            if left == -1:
                trees.leaf(index, node, number)
            else:
                missing_left = bool(tree["default_left"][node])
                trees.split(index, node, tree["split_indices"][node], number, left, right, missing_true=missing_left)
    return trees


def _contributions(model: Any, matrix: Array, background: Array) -> Contributions:  # noqa: ARG001 - the family's signature
    """XGBoost's own TreeSHAP: the same numbers as the shap package's, without importing it."""
    found = np.asarray(model.get_booster().predict(DMatrix(matrix), pred_contribs=True), dtype=np.float64)
    return found[:, :-1], float(found[0, -1])


def _search(trial: "Trial") -> Params:
    return {
        "n_estimators": trial.suggest_int("n_estimators", 50, 1000, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.2, log=True),
        "max_depth": trial.suggest_int("max_depth", 2, 8),
        "subsample": trial.suggest_float("subsample", 0.4, 1.0),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.4, 1.0),
        "min_child_weight": trial.suggest_float("min_child_weight", 1, 30, log=True),
        "reg_lambda": trial.suggest_float("reg_lambda", 0.1, 30, log=True),
    }


XGBOOST = Family(
    name="XGBoost",
    regressor=XGBRegressor,
    build=lambda params, seed: XGBRegressor(random_state=seed, n_jobs=1, **params),
    libraries=("xgboost-cpu", "xgboost"),  # the same module; the first is built without CUDA's NCCL
    fixed=("random_state", "n_jobs", "verbose"),
    exportable={"booster": ("gbtree",), "enable_categorical": (False,)},
    iterations="n_estimators",
    best_iterations=_best_iterations,
    read_trees=_read_trees,
    contributions=_contributions,
    search=_search,
)
