"""XGBoost: compares float32 numbers, goes left below a threshold, sums in float32."""

import json
from copy import copy
from typing import Any

import numpy as np
from xgboost import DMatrix, XGBRegressor

from tabtrail.jobs.job import Arrays
from tabtrail.modeling.families.family import Contributions, Device, Family, Layout, Objectives, Params, Sample, Trial
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.trees import Link, Trees
from tabtrail.system.optional import load_optional

_OBJECTIVES = Objectives(
    parameters=("objective",),
    default="reg:squarederror",
    links={
        "reg:squarederror": "identity",
        "reg:squaredlogerror": "identity",
        "reg:pseudohubererror": "identity",
        "reg:absoluteerror": "identity",
        "reg:quantileerror": "identity",
        "reg:logistic": "sigmoid",
        "count:poisson": "exp",
        "reg:gamma": "exp",
        "reg:tweedie": "exp",
    },
    absolute=("reg:absoluteerror", "reg:quantileerror"),
)


def _with_categories(model: Any, layout: Layout) -> Any:
    kinds = ["c" if column in layout.categories else "q" for column in range(layout.columns)]
    return model.set_params(feature_types=kinds, enable_categorical=True)


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


def _first_rounds(model: Any, rounds: int) -> Any:
    kept, whole = copy(model), model.get_booster()
    booster = whole[: min(rounds, whole.num_boosted_rounds())]
    booster.set_attr(best_iteration=None, best_score=None)  # of rounds that are no longer there
    kept._Booster = booster
    return kept.set_params(n_estimators=rounds, early_stopping_rounds=None)


def _read_trees(model: Any) -> Trees:
    learner = json.loads(bytes(model.get_booster().save_raw("json")))["learner"]
    link = _OBJECTIVES.link_of(model)
    base = _linked(np.float32(learner["learner_model_param"]["base_score"].strip("[]")), link)
    trees = Trees("BRANCH_LT", float32_inputs=True, base=base, link=link, float32_sums=link != "identity")
    for index, tree in enumerate(learner["gradient_booster"]["model"]["trees"]):
        _add_tree(trees, index, tree)
    return trees


def _linked(base: np.float32, link: Link) -> float:
    """The base score as a term of the sum: XGBoost keeps it on the scale of the predictions."""
    one = np.float32(1)
    if link == "exp":
        return float(np.log(base))
    return float(-np.log(one / base - one) if link == "sigmoid" else base)


def _add_tree(trees: Trees, index: int, tree: dict[str, Any]) -> None:
    """Add a tree of XGBoost's JSON form; categories are listed for all of its nodes in one array, and go right."""
    listed = zip(tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True)
    codes = {node: tree["categories"][start : start + size] for node, start, size in listed}
    for node, (left, right) in enumerate(zip(tree["left_children"], tree["right_children"], strict=True)):
        number = float(np.float32(tree["split_conditions"][node]))
        feature, missing_left = tree["split_indices"][node], bool(tree["default_left"][node])
        if left == -1:
            trees.leaf((index, node), number)
        elif node in codes:
            trees.member((index, node), feature, codes[node], (right, left), missing_true=not missing_left)
        else:
            trees.split((index, node), feature, number, (left, right), missing_true=missing_left)


def _contributions(model: Any, matrix: Array, background: Array) -> Contributions | None:  # noqa: ARG001 - as families have it
    """XGBoost's own TreeSHAP: the same numbers as the shap package's, without importing it. They add up before a link."""
    if _OBJECTIVES.link_of(model) != "identity":
        return None
    rows = DMatrix(matrix, feature_types=model.feature_types, enable_categorical=model.enable_categorical)
    found = np.asarray(model.get_booster().predict(rows, pred_contribs=True), dtype=np.float64)
    return found[:, :-1], float(found[0, -1])


def _fit_on_dask(model: Any, rows: Arrays) -> Any:
    fitted = load_optional("xgboost.dask", "dask").DaskXGBRegressor(**model.get_params())
    fitted.client = rows.client
    fitted.fit(rows.x, rows.y, sample_weight=rows.weights)
    model.load_model(fitted.get_booster().save_raw("ubj"))
    return model


def _search(trial: Trial) -> Params:
    """The space of TabArena (Erickson et al., arXiv 2506.16791, appendix), with rates up to 0.2 for fewer rounds and depths
    from 2 for tables of some thousand rows.
    """
    return {
        "n_estimators": trial.suggest_int("n_estimators", 50, 1000, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.005, 0.2, log=True),
        "max_depth": trial.suggest_int("max_depth", 2, 10, log=True),
        "min_child_weight": trial.suggest_float("min_child_weight", 1e-3, 5.0, log=True),
        "subsample": trial.suggest_float("subsample", 0.6, 1.0),
        "colsample_bylevel": trial.suggest_float("colsample_bylevel", 0.6, 1.0),
        "colsample_bynode": trial.suggest_float("colsample_bynode", 0.6, 1.0),
        "reg_alpha": trial.suggest_float("reg_alpha", 1e-4, 5.0, log=True),
        "reg_lambda": trial.suggest_float("reg_lambda", 1e-4, 5.0, log=True),
    }


def _predict_on_cpu(model: Any) -> None:
    """A model that learned on a device predicts on the CPU, where it is proven and used; elsewhere each call would warn."""
    if _DEVICE.asked_by(model.get_params()):
        model.set_params(device="cpu")
        model.get_booster().set_param({"device": "cpu"})


_DEVICE = Device(
    keys=("device",),
    values=("cuda", "gpu", "cpu"),
    on_cpu=("cpu",),
    needs="It takes an NVIDIA driver and the package xgboost; xgboost-cpu is built without CUDA (pip uninstall xgboost-cpu, then"
    " pip install xgboost)",
    gone={
        "tree_method=gpu_hist": "XGBoost no longer knows gpu_hist; write tree_method: hist and device: cuda",
        "tree_method=gpu_exact": "XGBoost no longer knows gpu_exact; write tree_method: hist and device: cuda",
        "gpu_id": "XGBoost no longer knows gpu_id; write device: cuda, or device: cuda:1 for the second GPU",
        "n_gpus": "XGBoost no longer knows n_gpus; write device: cuda",
        "predictor": "XGBoost no longer knows predictor; take it out (device: cuda says where it learns)",
    },
)


XGBOOST = Family(
    name="XGBoost",
    regressors=(XGBRegressor,),
    build=lambda params, seed: XGBRegressor(random_state=seed, n_jobs=1, **params),
    libraries=("xgboost-cpu", "xgboost"),  # the same module; the first is built without CUDA's NCCL
    fixed=("random_state", "n_jobs", "verbose", "enable_categorical", "feature_types"),
    more=("tweedie_variance_power", "quantile_alpha", "huber_slope"),
    with_categories=_with_categories,
    takes_missing=True,
    exportable={"booster": ("gbtree",)},
    objectives=_OBJECTIVES,
    iterations="n_estimators",
    best_iterations=_best_iterations,
    first_rounds=_first_rounds,
    read_trees=_read_trees,
    contributions=_contributions,
    device=_DEVICE,
    make_canonical=_predict_on_cpu,
    fit_on_dask=_fit_on_dask,
    not_on_dask={"tree_method": ("exact",)},
    search=_search,
)
