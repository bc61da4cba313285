"""CatBoost: trees of equal splits at each level, float32 comparisons, right above a threshold."""

import json
from copy import copy
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from catboost import CatBoostError, CatBoostRegressor, Pool
from sklearn.base import BaseEstimator, RegressorMixin

from tabtrail.modeling.families.family import Contributions, Device, Family, Layout, Objectives, Params, Sample, Trial
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.trees import LEAF, MEMBER, Trees
from tabtrail.system.temporary import scratch_folder

_IDENTITY = ("RMSE", "MAE", "Quantile", "MAPE", "Huber", "Expectile", "Lq", "LogCosh")
_OBJECTIVES = Objectives(
    parameters=("loss_function", "objective"),
    default="RMSE",
    links={**dict.fromkeys(_IDENTITY, "identity"), "Poisson": "exp", "Tweedie": "exp"},
    absolute=("MAE", "Quantile"),
)
_ROUNDS = ("n_estimators", "num_boost_round", "num_trees")
_UNSEEN = -1


class CatBoostOnCodes(RegressorMixin, BaseEstimator):
    """A CatBoost regressor that takes some columns of a float64 matrix as categories.

    CatBoost refuses categories that are floats. Codes become integers, and NaN, a text that training has not seen, a code of its
    own. `categories` are the columns; `known_` counts the codes of each, `columns_` the columns.
    """

    def __init__(self, model: Any, categories: tuple[int, ...]) -> None:
        self.model = model
        self.categories = categories

    def fit(self, x: Array, y: Array, sample_weight: Array | None = None, **watching: Any) -> Self:
        """Fit on rows [rows, columns]."""
        self.columns_ = x.shape[1]
        self.known_ = tuple(int(np.nanmax(x[:, column])) + 1 for column in self.categories)
        self.model.fit(self.pool(x, Sample(x, y, sample_weight)), **watching)
        return self

    def predict(self, x: Array) -> Array:
        """Return predictions [rows]."""
        return np.asarray(self.model.predict(self.pool(x)), dtype=np.float64)

    def pool(self, x: Array, sample: Sample | None = None) -> Any:
        """Return rows as CatBoost takes them, with targets and weights where there are any."""
        columns = {column: x[:, column] for column in range(x.shape[1])}
        codes = {column: np.nan_to_num(x[:, column], nan=_UNSEEN).astype(np.int64) for column in self.categories}
        y, weights = (None, None) if sample is None else (sample.y, sample.weights)
        return Pool(pd.DataFrame(columns | codes), y, cat_features=list(self.categories), weight=weights)


def _build(params: Params, seed: int) -> Any:
    """CatBoost has several names for the number of rounds, and refuses two of them at once: early stopping sets the first."""
    named = {"iterations" if key in _ROUNDS else key: value for key, value in params.items()}
    return CatBoostRegressor(random_seed=seed, thread_count=1, verbose=False, allow_writing_files=False, **named)


def _with_categories(model: Any, layout: Layout) -> Any:
    """One-hot splits and target statistics of single columns; those of combined columns cannot be written as splits on one."""
    if model.get_params().get("max_ctr_complexity", 1) != 1:
        raise ValueError("only max_ctr_complexity 1 can be exported to ONNX with categories: native")
    return CatBoostOnCodes(model.set_params(max_ctr_complexity=1), layout.categories)


def _own(model: Any) -> Any:
    """The regressor of the library."""
    return model.model if isinstance(model, CatBoostOnCodes) else model


def _pool(model: Any, matrix: Array) -> Any:
    return model.pool(matrix) if isinstance(model, CatBoostOnCodes) else Pool(matrix)


def _best_iterations(model: Any, fitted: Sample, watched: Sample, patience: int) -> int:
    if isinstance(model, CatBoostOnCodes):
        pool = model.pool(watched.x, watched)
    else:
        pool = Pool(watched.x, watched.y, weight=watched.weights)
    stopping = {"eval_set": pool, "early_stopping_rounds": patience, "use_best_model": False}
    model.fit(fitted.x, fitted.y, sample_weight=fitted.weights, **stopping)
    return int(_own(model).get_best_iteration()) + 1


def _first_rounds(model: Any, rounds: int) -> Any:
    if isinstance(model, CatBoostOnCodes):
        kept = copy(model)
        kept.model = _first_rounds(model.model, rounds)
        return kept
    own = model.copy()
    own.shrink(ntree_end=min(rounds, own.tree_count_))  # beyond it, CatBoost 1.2 ends the process when the model predicts
    return own


def _read_trees(model: Any) -> Trees:
    dump, own = _dumped(_own(model)), _own(model)
    scale, bias = dump["scale_and_bias"]
    trees = Trees("BRANCH_LEQ", float32_inputs=True, base=float(np.ravel(bias)[0]), link=_OBJECTIVES.link_of(own))
    numbers = {feature["feature_index"]: feature for feature in dump["features_info"].get("float_features", [])}
    depths = [len(tree["splits"] or []) for tree in dump["oblivious_trees"]]
    members = _members(model, depths) if isinstance(model, CatBoostOnCodes) else {}
    for index, tree in enumerate(dump["oblivious_trees"]):
        levels = list[tuple[str, int, float, tuple[int, ...], int]]()
        for place, split in reversed([*enumerate(tree["splits"] or [])]):  # the last split is the root's
            if split.get("split_type", "FloatFeature") == "FloatFeature":
                feature = numbers[split["float_feature_index"]]
                border, missing_left = float(np.float32(split["border"])), feature["nan_value_treatment"] != "AsTrue"
                levels.append((trees.mode, feature["flat_feature_index"], border, (), int(missing_left)))
            else:
                column, codes, unseen_left = members[index, place]
                levels.append((MEMBER, column, 0.0, tuple(sorted(codes)), int(unseen_left)))
        _add_tree(trees, index, levels, [value * scale for value in tree["leaf_values"]])
    return trees


def _add_tree(trees: Trees, index: int, levels: list[tuple[str, int, float, tuple[int, ...], int]], leaves: list[float]) -> None:
    """Add a tree, its nodes numbered level by level; `levels` are mode, feature, threshold, codes and missing_true of each."""
    inner = (1 << len(levels)) - 1
    mode, feature, threshold, codes, missing = (
        [level[at] for place, level in enumerate(levels) for _ in range(1 << place)] for at in range(5)
    )
    none = [0] * len(leaves)
    trees.extend(
        tree=[index] * (inner + len(leaves)),
        node=range(inner + len(leaves)),
        modes=mode + [LEAF] * len(leaves),
        feature=feature + none,
        threshold=threshold + [0.0] * len(leaves),
        codes=codes + [()] * len(leaves),
        true_id=[*range(1, 2 * inner + 1, 2), *none],
        false_id=[*range(2, 2 * inner + 2, 2), *none],
        missing_true=missing + none,
        value=[0.0] * inner + leaves,
    )


def _members(model: CatBoostOnCodes, depths: list[int]) -> dict[tuple[int, int], tuple[int, list[int], bool]]:
    """For each tree and split the category's column, the codes that go left, and whether an unseen one does.

    The model is asked: rows that differ in one category alone reach leaves whose numbers differ in the bits of its splits. So
    neither CatBoost's hashes nor its target statistics have to be computed again. A split that no code changes sends all rows
    one way; any column stands for it.
    """
    found: dict[tuple[int, int], tuple[int, list[int], bool]] = {}
    for column, known in zip(model.categories, model.known_, strict=True):
        rows = np.zeros((known + 1, model.columns_))
        rows[:, column] = [*range(known), np.nan]
        leaves = np.asarray(model.model.calc_leaf_indexes(model.pool(rows)))
        for tree, depth in enumerate(depths):
            for split in range(depth):
                left = (leaves[:, tree] >> split & 1) == 0
                if left.any() != left.all() or (tree, split) not in found:
                    found[tree, split] = (column, [int(code) for code in np.flatnonzero(left[:-1])], bool(left[-1]))
    return found


def _dumped(model: Any) -> Any:
    """The model's JSON form, which CatBoost writes to files alone."""
    with scratch_folder() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        return json.loads(path.read_text(encoding="utf-8"))


def _contributions(model: Any, matrix: Array, background: Array) -> Contributions | None:  # noqa: ARG001 - as families have it
    """CatBoost's own TreeSHAP: the same numbers as the shap package's, without importing it. They add up before a link."""
    if _OBJECTIVES.link_of(_own(model)) != "identity":
        return None
    found = np.asarray(_own(model).get_feature_importance(_pool(model, matrix), type="ShapValues"), dtype=np.float64)
    return found[:, :-1], float(found[0, -1])


def _forget_time(model: Any) -> None:
    """Take out when the model was fitted and its random id: equal fits are then equal to the byte."""
    metadata = _own(model).get_metadata()
    metadata["train_finish_time"] = metadata["model_guid"] = ""


def _search(trial: Trial) -> Params:
    """The space of TabArena (Erickson et al., arXiv 2506.16791, appendix) for symmetric trees, with rates up to 0.2 for fewer
    rounds; without what only a CPU takes.
    """
    return {
        "iterations": trial.suggest_int("iterations", 100, 1000, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.005, 0.2, log=True),
        "depth": trial.suggest_int("depth", 4, 8),
        "l2_leaf_reg": trial.suggest_float("l2_leaf_reg", 1e-4, 5.0, log=True),
        "leaf_estimation_iterations": trial.suggest_int("leaf_estimation_iterations", 1, 20, log=True),
        "one_hot_max_size": trial.suggest_int("one_hot_max_size", 8, 100, log=True),
        "bootstrap_type": "Bernoulli",
        "subsample": trial.suggest_float("subsample", 0.7, 1.0),
    }


_DEVICE = Device(
    keys=("task_type",),
    values=("GPU", "CPU"),
    on_cpu=("CPU",),
    more=("devices", "gpu_ram_part"),
    needs="CatBoost's own package is built for CUDA and takes an NVIDIA driver that is new enough for it",
)


CATBOOST = Family(
    name="CatBoost",
    regressors=(CatBoostRegressor, CatBoostOnCodes),
    build=_build,
    libraries=("catboost",),
    fixed=("random_seed", "random_state", "thread_count", "verbose", "allow_writing_files", "cat_features"),
    with_categories=_with_categories,
    takes_missing=True,
    iterations="iterations",
    best_iterations=_best_iterations,
    first_rounds=_first_rounds,
    errors=(CatBoostError,),
    make_canonical=_forget_time,
    search=_search,
    exportable={"grow_policy": ("SymmetricTree",)},
    objectives=_OBJECTIVES,
    read_trees=_read_trees,
    contributions=_contributions,
    device=_DEVICE,
)
