"""CatBoost: trees of equal splits at each level, float32 comparisons, right above a threshold."""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from catboost import CatBoostError, CatBoostRegressor, Pool

from tabtrail.modeling.families.family import Contributions, Family, Params, Sample
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.trees import Trees

if TYPE_CHECKING:
    from optuna.trial import Trial


def _build(params: Params, seed: int) -> Any:
    return CatBoostRegressor(random_seed=seed, thread_count=1, verbose=False, allow_writing_files=False, **params)


def _best_iterations(model: Any, fitted: Sample, watched: Sample, patience: int) -> int:
    watched_pool = Pool(watched.x, watched.y, weight=watched.weights)
    model.fit(
        fitted.x,
        fitted.y,
        sample_weight=fitted.weights,
        eval_set=watched_pool,
        early_stopping_rounds=patience,
        use_best_model=True,
    )
    return int(model.tree_count_)


def _read_trees(model: Any) -> Trees:
    dump = _dumped(model)
    scale, bias = dump["scale_and_bias"]
    trees = Trees("BRANCH_LEQ", float32_inputs=True, base=float(np.ravel(bias)[0]))
    features = dump["features_info"]["float_features"]
    column = {feature["feature_index"]: feature["flat_feature_index"] for feature in features}
    nan_right = {feature["feature_index"] for feature in features if feature["nan_value_treatment"] == "AsTrue"}
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


def _dumped(model: Any) -> Any:
    """The model's JSON form, which CatBoost writes to files alone."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        return json.loads(path.read_text(encoding="utf-8"))


def _contributions(model: Any, matrix: Array, background: Array) -> Contributions:  # noqa: ARG001 - the family's signature
    """CatBoost's own TreeSHAP: the same numbers as the shap package's, without importing it."""
    found = np.asarray(model.get_feature_importance(Pool(matrix), type="ShapValues"), dtype=np.float64)
    return found[:, :-1], float(found[0, -1])


def _forget_time(model: Any) -> None:
    """Take out when the model was fitted and its random id: equal fits are then equal to the byte."""
    metadata = model.get_metadata()
    metadata["train_finish_time"] = metadata["model_guid"] = ""


def _search(trial: "Trial") -> Params:
    return {
        "iterations": trial.suggest_int("iterations", 100, 1000, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.2, log=True),
        "depth": trial.suggest_int("depth", 3, 8),
        "l2_leaf_reg": trial.suggest_float("l2_leaf_reg", 0.5, 30, log=True),
        "bootstrap_type": "Bernoulli",
        "subsample": trial.suggest_float("subsample", 0.4, 1.0),
    }


CATBOOST = Family(
    name="CatBoost",
    regressor=CatBoostRegressor,
    build=_build,
    libraries=("catboost",),
    fixed=("random_seed", "random_state", "thread_count", "verbose", "allow_writing_files"),
    exportable={"grow_policy": ("SymmetricTree",)},
    iterations="iterations",
    best_iterations=_best_iterations,
    read_trees=_read_trees,
    contributions=_contributions,
    make_canonical=_forget_time,
    errors=(CatBoostError,),
    search=_search,
)
