"""LightGBM: compares doubles, goes left at or below a threshold."""

from copy import copy
from typing import Any

import numpy as np
from lightgbm import Booster, LGBMRegressor, early_stopping
from lightgbm.basic import LightGBMError
from lightgbm.callback import EarlyStopException

from tabtrail.jobs.job import Arrays
from tabtrail.modeling.families.family import Contributions, Device, Family, Layout, Objectives, Params, Sample, Trial
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.trees import LEAF, MEMBER, Trees
from tabtrail.system.optional import load_optional

_IDENTITY = (
    *("regression", "regression_l2", "l2", "mean_squared_error", "mse", "l2_root", "root_mean_squared_error", "rmse"),
    *("regression_l1", "l1", "mean_absolute_error", "mae", "huber", "fair", "quantile", "mape", "mean_absolute_percentage_error"),
)
_OBJECTIVES = Objectives(
    parameters=("objective",),
    default="regression",
    links={
        **dict.fromkeys(_IDENTITY, "identity"),
        "poisson": "exp",
        "gamma": "exp",
        "tweedie": "exp",
        "cross_entropy": "sigmoid",
        "xentropy": "sigmoid",
    },
    absolute=("regression_l1", "l1", "mean_absolute_error", "mae", "quantile"),
)
# How LightGBM's text form packs a node's decision_type: two flags, and the kind of missing numbers (2: NaN) in bits 2 and 3.
_CATEGORICAL, _DEFAULTS_LEFT, _NAN = 1, 2, 2


def _build(params: Params, seed: int) -> Any:
    return LGBMRegressor(random_state=seed, n_jobs=1, verbose=-1, deterministic=True, force_row_wise=True, **params)


def _with_categories(model: Any, layout: Layout) -> Any:
    """Under the one name of the parameter that LightGBM takes with the others; under `categorical_feature` it warns."""
    return model.set_params(categorical_column=",".join(map(str, layout.categories)))


def _best_iterations(model: Any, fitted: Sample, watched: Sample, patience: int) -> int:
    model.fit(
        fitted.x,
        fitted.y,
        sample_weight=fitted.weights,
        eval_X=watched.x,
        eval_y=watched.y,
        eval_sample_weight=None if watched.weights is None else [watched.weights],
        callbacks=[stopping := _Stopping(patience)],
    )
    return stopping.best or int(model.n_estimators)


class _Stopping:
    """LightGBM's early stopping, after which a model keeps the rounds after the best too: by itself it forgets them."""

    def __init__(self, patience: int) -> None:
        self._inner = early_stopping(patience, verbose=False)
        self.order, self.before_iteration, self.best = self._inner.order, False, 0

    def __call__(self, env: Any) -> None:
        try:
            self._inner(env)
        except EarlyStopException as stop:
            self.best = stop.best_iteration + 1
            raise EarlyStopException(env.iteration, stop.best_score) from None


def _first_rounds(model: Any, rounds: int) -> Any:
    kept = copy(model)
    kept._Booster = Booster(model_str=model.booster_.model_to_string(num_iteration=rounds))
    kept._best_iteration = rounds
    return kept.set_params(n_estimators=rounds)


def _read_trees(model: Any) -> Trees:
    """Read the library's own text: its JSON form holds the same numbers, and takes four times as long."""
    trees = Trees("BRANCH_LEQ", float32_inputs=False, link=_OBJECTIVES.link_of(model))
    text: str = model.booster_.model_to_string()
    for index, block in enumerate(text.partition("\nend of trees")[0].split("\nTree=")[1:]):
        _add_tree(trees, index, dict(line.split("=", 1) for line in block.splitlines()[1:] if "=" in line))
    return trees


def _add_tree(trees: Trees, index: int, written: dict[str, str]) -> None:
    """Add a tree, its nodes numbered root first and left before right; children below zero are leaves, -1 the first of them."""
    values = [float(value) for value in written["leaf_value"].split()]
    if len(values) == 1:
        trees.leaf((index, 0), values[0])
        return
    left, right, feature, kind = (
        [int(each) for each in written[name].split()] for name in ("left_child", "right_child", "split_feature", "decision_type")
    )
    threshold = [float(each) for each in written["threshold"].split()]
    order, waiting = list[int](), [0]
    while waiting:
        order.append(node := waiting.pop())
        if node >= 0:
            waiting += (right[node], left[node])
    own = {node: place for place, node in enumerate(order)}
    codes = {node: tuple(_codes(written, int(threshold[node]))) if each & _CATEGORICAL else () for node, each in enumerate(kind)}
    trees.extend(
        tree=[index] * len(order),
        node=range(len(order)),
        modes=[LEAF if node < 0 else MEMBER if kind[node] & _CATEGORICAL else trees.mode for node in order],
        feature=[0 if node < 0 else feature[node] for node in order],
        threshold=[0.0 if node < 0 or kind[node] & _CATEGORICAL else threshold[node] for node in order],
        codes=[codes.get(node, ()) for node in order],
        true_id=[0 if node < 0 else own[left[node]] for node in order],
        false_id=[0 if node < 0 else own[right[node]] for node in order],
        missing_true=[0 if node < 0 else _missing_left(kind[node], threshold[node]) for node in order],
        value=[values[-node - 1] if node < 0 else 0.0 for node in order],
    )


def _missing_left(kind: int, threshold: float) -> int:
    """Return 1 where NaN goes left: never at a split on a category; where a node knows no NaN, that counts as 0."""
    if kind & _CATEGORICAL:
        return 0
    return int(bool(kind & _DEFAULTS_LEFT) if kind >> 2 & 3 == _NAN else threshold >= 0.0)


def _codes(written: dict[str, str], split: int) -> list[int]:
    """Return the codes that go left at a split on a category: the bits that are set in its words of 32."""
    bounds = [int(each) for each in written["cat_boundaries"].split()]
    words = [int(each) for each in written["cat_threshold"].split()][bounds[split] : bounds[split + 1]]
    return [32 * place + bit for place, word in enumerate(words) for bit in range(32) if word >> bit & 1]


def _contributions(model: Any, matrix: Array, background: Array) -> Contributions | None:  # noqa: ARG001 - as families have it
    """LightGBM's own TreeSHAP: the same numbers as the shap package's, without importing it. They add up before a link."""
    if _OBJECTIVES.link_of(model) != "identity":
        return None
    found = np.asarray(model.predict(matrix, pred_contrib=True), dtype=np.float64)
    return found[:, :-1], float(found[0, -1])


def _fit_on_dask(model: Any, rows: Arrays) -> Any:
    params = {name: value for name, value in model.get_params().items() if name != "n_jobs"}  # the workers' own threads
    fitted = load_optional("lightgbm.dask", "dask").DaskLGBMRegressor(client=rows.client, **params)
    fitted.fit(rows.x, rows.y, sample_weight=rows.weights)
    return fitted.to_local().set_params(n_jobs=1, num_threads=1)


def _search(trial: Trial) -> Params:
    """The space of TabArena (Erickson et al., arXiv 2506.16791, appendix) for numbers, with rates up to 0.2 for fewer rounds."""
    return {
        "n_estimators": trial.suggest_int("n_estimators", 50, 1000, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.005, 0.2, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 2, 200, log=True),
        "subsample": trial.suggest_float("subsample", 0.7, 1.0),
        "subsample_freq": 1,
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.4, 1.0),
        "min_child_samples": trial.suggest_int("min_child_samples", 1, 64, log=True),
        "reg_alpha": trial.suggest_float("reg_alpha", 1e-4, 1.0, log=True),
        "reg_lambda": trial.suggest_float("reg_lambda", 1e-4, 2.0, log=True),
    }


_DEVICE = Device(
    keys=("device_type", "device"),
    values=("gpu", "cuda", "cpu"),
    on_cpu=("cpu",),
    more=("gpu_platform_id", "gpu_device_id", "gpu_use_dp", "num_gpu"),
    needs="gpu takes an OpenCL runtime, which comes with the driver of the card; cuda takes a LightGBM built for it (pip install"
    " --no-binary lightgbm --config-settings=cmake.define.USE_CUDA=ON lightgbm)",
)


LIGHTGBM = Family(
    name="LightGBM",
    regressors=(LGBMRegressor,),
    build=_build,
    libraries=("lightgbm",),
    fixed=("random_state", "n_jobs", "verbose", "deterministic", "force_row_wise"),
    more=("tweedie_variance_power", "alpha", "fair_c", *_DEVICE.keys, *_DEVICE.more),
    device=_DEVICE,
    with_categories=_with_categories,
    takes_missing=True,
    exportable={"boosting_type": ("gbdt", "goss")},
    objectives=_OBJECTIVES,
    iterations="n_estimators",
    best_iterations=_best_iterations,
    first_rounds=_first_rounds,
    read_trees=_read_trees,
    contributions=_contributions,
    fit_on_dask=_fit_on_dask,
    errors=(LightGBMError,),
    search=_search,
)
