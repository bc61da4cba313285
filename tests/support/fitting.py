"""Small fitted models of every family over made-up rows, and a pickle that is out of date."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tabtrail.contract.expressions import parse_expression
from tabtrail.modeling.candidates import Candidate, list_candidates
from tabtrail.modeling.fit import build_model
from tabtrail.modeling.preprocess import Recipe

NUMERIC, CATEGORICAL = ["a", "b"], ["c"]


PLAIN = Recipe(("a", "b"), ("c",), ("a", "b"), {}, one_hot=("c",))


FORMULAS = {
    "product": "a * b",
    "ratio": "b / (a - 50)",
    "difference": "b - 2 * a",
    "log": "log1p(a - b)",
    "above": "(a >= 50) * b",
    "other": "-(a != b) * 3",
    "month": "month(d)",
    "quarter": "quarter(d)",
    "season": "season(d)",
    "weekday": "weekday(d)",
    "year": "year(d)",
    "days": "days(d)",
    "hour": "hour(d)",
    "minute": "minute(d)",
}


DERIVED = Recipe(
    ("a", "b", "d"),
    ("c", "code"),
    ("a", "b"),
    {name: parse_expression(text) for name, text in FORMULAS.items()},
    one_hot=("c", "code"),
    frequency=("code", "c"),
    target=("code", "c"),
    max_categories=20,
)


TRANSFORMS = {"none": None, "log1p": None, "ratio": "product", "log_ratio": "product"}


NATIVE = {"categories": "native"}


CANDIDATES = {
    "MeanBaseline": {},
    "LinearRegression": {},
    "RandomForest_full": {"n_estimators": 10},
    "RandomForest_shallow": {"n_estimators": 10, "max_depth": 4},
    "ExtraTrees": {"n_estimators": 10, "max_depth": 6},
    "GradientBoosting_small": {"n_estimators": 40},
    "GradientBoosting_deep": {"n_estimators": 60, "max_depth": 5, "subsample": 0.8},
    "HistGradientBoosting": {"max_iter": 40, "min_samples_leaf": 3},
    "XGBoost": {"n_estimators": 80, "learning_rate": 0.1},
    "LightGBM": {"n_estimators": 80, "min_child_samples": 3},
    "CatBoost": {"iterations": 80},
    "HistGradientBoosting_native": {"max_iter": 40, "min_samples_leaf": 3, **NATIVE},
    "XGBoost_native": {"n_estimators": 40, "learning_rate": 0.2, **NATIVE},
    "LightGBM_native": {"n_estimators": 40, "min_child_samples": 3, **NATIVE},
    "CatBoost_native": {"iterations": 40, **NATIVE},
    "CatBoost_native_one_hot": {"iterations": 40, "one_hot_max_size": 200, **NATIVE},
}


# Objectives that learn the logarithm of the target, some with native categories.
LINKED = {
    "HistGradientBoosting_gamma": {"max_iter": 30, "loss": "gamma"},
    "HistGradientBoosting_poisson": {"max_iter": 30, "loss": "poisson", **NATIVE},
    "XGBoost_gamma": {"n_estimators": 70, "objective": "reg:gamma"},
    "XGBoost_tweedie": {"n_estimators": 40, "objective": "reg:tweedie", "tweedie_variance_power": 1.3, **NATIVE},
    "XGBoost_poisson": {"n_estimators": 30, "objective": "count:poisson", "base_score": 500.0},
    "LightGBM_gamma": {"n_estimators": 30, "objective": "gamma", **NATIVE},
    "LightGBM_tweedie": {"n_estimators": 30, "objective": "tweedie", "tweedie_variance_power": 1.7},
    "LightGBM_poisson": {"n_estimators": 30, "objective": "poisson"},
    "CatBoost_poisson": {"iterations": 30, "loss_function": "Poisson", "learning_rate": 0.001},
    "CatBoost_tweedie": {"iterations": 30, "loss_function": "Tweedie:variance_power=1.5", **NATIVE},
}
# Objectives for a target from 0 to 1.
SHARES = {
    "XGBoost_logistic": {"n_estimators": 30, "objective": "reg:logistic"},
    "LightGBM_cross_entropy": {"n_estimators": 30, "objective": "cross_entropy", **NATIVE},
}
WITH_TREES = [name for name in (*CANDIDATES, *LINKED) if name not in ("MeanBaseline", "LinearRegression")]


def make_rows(count: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    random = np.random.default_rng(seed)
    x = pd.DataFrame(
        {
            "a": np.round(random.uniform(0, 100, count), 2),
            "b": random.integers(1, 60, count).astype(float),
            "c": np.array(random.choice(["red", "green", "", "blå"], count), dtype=object),
            "d": random.integers(-30_000 * 86_400, 40_000 * 86_400, count) / 86_400,  # days, the time as a fraction
            "code": np.array([f"S{number}" for number in random.integers(0, 90, count)], dtype=object),
        }
    )
    return x, np.abs(x["a"] * x["b"] + 300 * (x["c"] == "red") + random.normal(0, 50, count)).to_numpy() + 1


def fit(name: str, recipe: Recipe = PLAIN, transform: str = "none") -> Any:
    x, y = make_rows(600, seed=1)
    written = {**CANDIDATES, **LINKED, **SHARES}[name]
    params = {key: value for key, value in written.items() if key != "categories"}
    candidate = Candidate(name, name.partition("_")[0], params, None, transform, TRANSFORMS[transform], written != params)
    return build_model(candidate, recipe).fit(x, y / y.max() if name in SHARES else y)


def candidate_model(written: dict[str, dict[str, Any]], recipe: Recipe = PLAIN) -> Any:
    """The unfitted model of a candidate as the config writes it."""
    (candidate,) = [each for each in list_candidates(written) if each.name in written]
    return build_model(candidate, recipe)


def pickle_of_a_moved_class(monkeypatch: pytest.MonkeyPatch, dump: Callable[[Any], bytes]) -> bytes:
    """Return an instance of a class as it was pickled before its module moved."""
    gone = ModuleType("tabtrail.expressions")
    gone.Node = type("Node", (), {"__module__": gone.__name__})  # type: ignore[attr-defined]
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, gone.__name__, gone)
        return dump(gone.Node())
