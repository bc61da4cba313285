"""scikit-learn's forests: of the best thresholds (random forest), and of random ones (extra trees)."""

from typing import Any

from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

from tabtrail.modeling.families.family import Contributions, Family, Params, Trial
from tabtrail.modeling.families.sklearn_trees import add_tree, tree_contributions
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.trees import Trees

_FIXED = ("random_state", "n_jobs", "verbose")


def _read_trees(model: Any) -> Trees:
    trees = Trees("BRANCH_LEQ", float32_inputs=True)
    for index, estimator in enumerate(model.estimators_):
        add_tree(trees, index, estimator.tree_, 1.0 / len(model.estimators_))
    return trees


def _contributions(model: Any, matrix: Array, background: Array) -> Contributions:  # noqa: ARG001 - the family's signature
    return tree_contributions((each.tree_ for each in model.estimators_), 1.0 / len(model.estimators_), 0.0, matrix)


def _search(trial: Trial) -> Params:
    return {
        "n_estimators": 100,
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 20),
        "max_features": trial.suggest_float("max_features", 0.2, 1.0),
    }


RANDOM_FOREST = Family(
    name="RandomForest",
    regressors=(RandomForestRegressor,),
    build=lambda params, seed: RandomForestRegressor(random_state=seed, n_jobs=1, **params),
    libraries=("scikit-learn",),
    fixed=_FIXED,
    slow=True,
    search=_search,
    read_trees=_read_trees,
    contributions=_contributions,
)
EXTRA_TREES = Family(
    name="ExtraTrees",
    regressors=(ExtraTreesRegressor,),
    build=lambda params, seed: ExtraTreesRegressor(random_state=seed, n_jobs=1, **params),
    libraries=("scikit-learn",),
    fixed=_FIXED,
    slow=True,
    search=_search,
    read_trees=_read_trees,
    contributions=_contributions,
)
