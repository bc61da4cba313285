"""scikit-learn's histogram gradient boosting: compares doubles, goes left at or below a threshold, knows missing values."""

from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from tabtrail.modeling.families.family import Contributions, Family, Layout, Objectives, Params, Trial
from tabtrail.modeling.families.gradient_boosting import best_stage
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.tree_shap import Grown, tree_shap
from tabtrail.modeling.trees import Trees

_OBJECTIVES = Objectives(
    parameters=("loss",),
    default="squared_error",
    links={"squared_error": "identity", "absolute_error": "identity", "quantile": "identity", "poisson": "exp", "gamma": "exp"},
    absolute=("absolute_error", "quantile"),
)


def _build(params: Params, seed: int) -> Any:
    """Without scikit-learn's own early stopping, which above 10,000 rows is on by default and holds rows out at random."""
    return HistGradientBoostingRegressor(random_state=seed, early_stopping=False, **params)


def _with_categories(model: Any, layout: Layout) -> Any:
    return model.set_params(categorical_features=list(layout.categories))


def _read_trees(model: Any) -> Trees:
    """Read the trees. scikit-learn's node arrays are private; the version of the lock is the one that is known to have them."""
    base = float(np.ravel(model._baseline_prediction)[0])
    trees = Trees("BRANCH_LEQ", float32_inputs=False, base=base, link=_OBJECTIVES.link_of(model))
    columns = _columns(model)
    for index, (predictor,) in enumerate(model._predictors):
        for node, each in enumerate(predictor.nodes):
            at, to, missing_left = (index, node), (int(each["left"]), int(each["right"])), bool(each["missing_go_to_left"])
            feature = columns[each["feature_idx"]]
            if each["is_leaf"]:
                trees.leaf(at, float(each["value"]))
            elif each["is_categorical"]:
                codes = _members(predictor.raw_left_cat_bitsets[each["bitset_idx"]])
                trees.member(at, feature, codes, to, missing_true=missing_left)
            else:
                trees.split(at, feature, float(each["num_threshold"]), to, missing_true=missing_left)
    return trees


def _columns(model: Any) -> list[int]:
    """Column of the matrix that each feature of the trees stands for: scikit-learn puts the categories first."""
    if model.is_categorical_ is None:
        return list(range(model.n_features_in_))
    categories, numbers = (mask for _, _, mask in model._preprocessor.transformers_[:2])
    return [int(column) for column in (*np.flatnonzero(categories), *np.flatnonzero(numbers))]


def _members(bitset: Any) -> list[int]:
    """Codes that are in a bitset of eight 32-bit words."""
    return [32 * word + bit for word, bits in enumerate(bitset) for bit in range(32) if int(bits) >> bit & 1]


def _contributions(model: Any, matrix: Array, background: Array) -> Contributions | None:  # noqa: ARG001 - as families have it
    """TreeSHAP, which knows neither links nor splits on categories."""
    if model.is_categorical_ is not None or _OBJECTIVES.link_of(model) != "identity":
        return None
    values, base = tree_shap((_grown(predictor.nodes) for (predictor,) in model._predictors), matrix)
    return values, float(np.ravel(model._baseline_prediction)[0]) + base


def _grown(nodes: Any) -> Grown:
    return Grown(
        left=nodes["left"],
        right=nodes["right"],
        feature=nodes["feature_idx"],
        threshold=nodes["num_threshold"],
        missing_left=nodes["missing_go_to_left"],
        cover=nodes["count"].astype(np.float64),
        value=nodes["value"],
    )


def _search(trial: Trial) -> Params:
    return {
        "max_iter": trial.suggest_int("max_iter", 50, 500, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.2, log=True),
        "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 4, 64, log=True),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 2, 60, log=True),
        "l2_regularization": trial.suggest_float("l2_regularization", 0.01, 30, log=True),
    }


HIST_GRADIENT_BOOSTING = Family(
    name="HistGradientBoosting",
    regressors=(HistGradientBoostingRegressor,),
    build=_build,
    libraries=("scikit-learn",),
    fixed=("random_state", "early_stopping", "verbose", "categorical_features"),
    with_categories=_with_categories,
    takes_missing=True,
    iterations="max_iter",
    best_iterations=best_stage,
    search=_search,
    objectives=_OBJECTIVES,
    read_trees=_read_trees,
    contributions=_contributions,
)
