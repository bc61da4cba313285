"""scikit-learn's gradient boosting."""

from typing import Any

import numpy as np
from sklearn.ensemble import GradientBoostingRegressor

from tabtrail.modeling.families.family import Contributions, Family, Params, Sample, Trial
from tabtrail.modeling.families.sklearn_trees import add_tree, tree_contributions
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.trees import Trees


def best_stage(model: Any, fitted: Sample, watched: Sample, patience: int) -> int:
    """Fit all rounds and return the one with the least squared error on the watched rows.

    The search ends `patience` rounds after the best so far, as that of a booster that stops by itself does.
    """
    model.fit(fitted.x, fitted.y, sample_weight=fitted.weights)
    errors = [float(np.average((stage - watched.y) ** 2, weights=watched.weights)) for stage in model.staged_predict(watched.x)]
    best = 0
    for index, error in enumerate(errors):
        if error < errors[best]:
            best = index
        elif index - best >= patience:
            break
    return best + 1


def _read_trees(model: Any) -> Trees:
    trees = Trees("BRANCH_LEQ", float32_inputs=True, base=_base(model))
    for index, estimator in enumerate(model.estimators_[:, 0]):
        add_tree(trees, index, estimator.tree_, model.learning_rate)
    return trees


def _base(model: Any) -> float:
    return float(np.ravel(model.init_.constant_)[0]) if model.init_ != "zero" else 0.0


def _contributions(model: Any, matrix: Array, background: Array) -> Contributions:  # noqa: ARG001 - the family's signature
    return tree_contributions((each.tree_ for each in model.estimators_[:, 0]), model.learning_rate, _base(model), matrix)


def _search(trial: Trial) -> Params:
    return {
        "n_estimators": trial.suggest_int("n_estimators", 50, 500, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.2, log=True),
        "max_depth": trial.suggest_int("max_depth", 2, 6),
        "subsample": trial.suggest_float("subsample", 0.4, 1.0),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 30),
    }


GRADIENT_BOOSTING = Family(
    name="GradientBoosting",
    regressors=(GradientBoostingRegressor,),
    build=lambda params, seed: GradientBoostingRegressor(random_state=seed, **params),
    libraries=("scikit-learn",),
    fixed=("random_state", "verbose"),
    exportable={"init": (None,)},
    iterations="n_estimators",
    best_iterations=best_stage,
    read_trees=_read_trees,
    contributions=_contributions,
    search=_search,
)
