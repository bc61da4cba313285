"""Every family exports, and the graph predicts what the pipeline predicts, on rows it was not made for too."""

from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabtrail.errors import ParityError
from tabtrail.evidence.graph import export_onnx
from tabtrail.evidence.parity import prove_parity, run_onnx
from tabtrail.evidence.trees import read_trees
from tabtrail.expressions import parse_expression
from tabtrail.modeling.benchmark import build_model, regressor_of
from tabtrail.modeling.candidates import Candidate
from tabtrail.modeling.estimators import Blend, FormulaRegressor
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
CANDIDATES = {
    "MeanBaseline": {},
    "LinearRegression": {},
    "RandomForest_full": {"n_estimators": 10},
    "RandomForest_shallow": {"n_estimators": 10, "max_depth": 4},
    "GradientBoosting_small": {"n_estimators": 40},
    "GradientBoosting_deep": {"n_estimators": 60, "max_depth": 5, "subsample": 0.8},
    "XGBoost": {"n_estimators": 80, "learning_rate": 0.1},
    "LightGBM": {"n_estimators": 80, "min_child_samples": 3},
    "CatBoost": {"iterations": 80},
}


def make_rows(count: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    random = np.random.default_rng(seed)
    x = pd.DataFrame(
        {
            "a": np.round(random.uniform(0, 100, count), 2),
            "b": random.integers(1, 60, count).astype(float),
            "c": np.array(random.choice(["red", "green", "", "blå"], count), dtype=object),
            "d": random.integers(-30_000, 40_000, count).astype(float),
            "code": np.array([f"S{number}" for number in random.integers(0, 90, count)], dtype=object),
        }
    )
    return x, np.abs(x["a"] * x["b"] + 300 * (x["c"] == "red") + random.normal(0, 50, count)).to_numpy() + 1


def fit(name: str, recipe: Recipe = PLAIN, transform: str = "none") -> Any:
    x, y = make_rows(600, seed=1)
    candidate = Candidate(name, name.partition("_")[0], CANDIDATES[name], None, transform, TRANSFORMS[transform])
    return build_model(candidate, recipe).fit(x, y)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("name", CANDIDATES)
def test_derived_columns_encoders_and_target_transforms_are_in_the_graph(name: str, transform: str) -> None:
    """On new rows, on missing numbers, on a divisor of zero, on texts that training has not seen."""
    model = fit(name, DERIVED, transform)
    graph = export_onnx(model, DERIVED.numbers, DERIVED.texts, "model")
    x, y = make_rows(1500, seed=2)
    x.loc[::7, "a"] = np.nan
    x.loc[1::7, "a"] = 50.0
    x.loc[2::7, "d"] = np.nan
    x.loc[3::7, "a"] = x.loc[3::7, "b"]
    x.loc[4::7, ["code", "c"]] = "never seen"
    assert prove_parity(graph, model, x, float(np.std(y)), 1e-5).passed


def test_a_blend_is_one_graph() -> None:
    members = (fit("XGBoost", DERIVED, "log_ratio"), fit("LinearRegression", DERIVED), fit("CatBoost", DERIVED, "log1p"))
    model = Blend(("XGBoost", "LinearRegression", "CatBoost"), (0.5, 0.25, 0.25), members)
    x, y = make_rows(1000, seed=2)
    assert prove_parity(export_onnx(model, DERIVED.numbers, DERIVED.texts, "m"), model, x, float(np.std(y)), 1e-5).passed


def test_a_formula_is_a_graph_too() -> None:
    x, y = make_rows(300, seed=2)
    model = FormulaRegressor(dict(DERIVED.formulas)).fit(x, y)
    assert model.chosen_ == "product"
    x.loc[::3, "a"] = np.nan
    assert prove_parity(export_onnx(model, DERIVED.numbers, DERIVED.texts, "m"), model, x, float(np.std(y)), 1e-12).passed


@pytest.fixture(scope="module", params=CANDIDATES)
def exported(request: pytest.FixtureRequest) -> tuple[Any, bytes]:
    pipeline = fit(request.param)
    return pipeline, export_onnx(pipeline, NUMERIC, CATEGORICAL, "model")


def test_it_equals_python_on_new_rows(exported: tuple[Any, bytes]) -> None:
    pipeline, graph = exported
    x, y = make_rows(3000, seed=2)
    parity = prove_parity(graph, pipeline, x, float(np.std(y)), 1e-5)
    assert parity.passed
    assert parity.rows == 3000


@pytest.mark.parametrize("name", [name for name in CANDIDATES if name not in ("MeanBaseline", "LinearRegression")])
def test_it_equals_python_beside_every_threshold(name: str) -> None:
    """A float32 step to either side of a threshold takes the branch that the library takes."""
    pipeline = fit(name)
    graph, model = export_onnx(pipeline, NUMERIC, CATEGORICAL, "model"), regressor_of(pipeline)
    trees = read_trees(model)
    rows = []
    for feature, threshold, mode in zip(trees.feature, trees.threshold, trees.modes, strict=True):
        if mode != "LEAF" and feature < 2:
            near = np.float32(threshold)
            for value in (
                threshold,
                near,
                np.nextafter(near, np.float32(-np.inf)),
                np.nextafter(near, np.float32(np.inf)),
                np.nextafter(threshold, 1e9),
            ):
                rows.append([float(value) if feature == 0 else 50.0, float(value) if feature == 1 else 30.0])
    x = pd.DataFrame(rows, columns=NUMERIC).assign(c=np.array(["red"] * len(rows), dtype=object))
    assert prove_parity(graph, pipeline, x, 1500.0, 1e-5).passed


def test_it_equals_python_on_missing_numbers_and_unseen_texts(exported: tuple[Any, bytes]) -> None:
    pipeline, graph = exported
    x, _ = make_rows(200, seed=3)
    x.loc[::2, "a"] = np.nan
    x.loc[::3, "b"] = np.nan
    x["c"] = np.array(["never seen", "", "RED", "x" * 10_000, "red "] * 40, dtype=object)
    assert prove_parity(graph, pipeline, x, 1500.0, 1e-5).passed


@settings(max_examples=50, deadline=None)
@given(a=st.floats(-1e30, 1e30), b=st.floats(-1e6, 1e6), c=st.text(max_size=5))
@pytest.mark.parametrize("name", ["LinearRegression", "XGBoost"])
def test_it_equals_python_on_anything(name: str, a: float, b: float, c: str) -> None:
    pipeline, graph = _CACHE.setdefault(name, (p := fit(name), export_onnx(p, NUMERIC, CATEGORICAL, "m")))
    x = pd.DataFrame({"a": [a], "b": [b], "c": np.array([c.replace("\0", "")], dtype=object)})
    expected = float(np.ravel(pipeline.predict(x))[0])
    assert run_onnx(graph, x)[0] == pytest.approx(expected, rel=1e-6, abs=0.01)


_CACHE: dict[str, tuple[Any, bytes]] = {}


def test_the_graph_takes_raw_columns_by_name(exported: tuple[Any, bytes]) -> None:
    model = onnx.load_from_string(exported[1])
    types = {i.name: i.type.tensor_type.elem_type for i in model.graph.input}
    assert types == {"a": onnx.TensorProto.DOUBLE, "b": onnx.TensorProto.DOUBLE, "c": onnx.TensorProto.STRING}
    assert [o.name for o in model.graph.output] == ["prediction"]
    assert model.ir_version <= 13


def test_a_graph_of_another_model_is_refused_with_its_rows() -> None:
    x, y = make_rows(100, seed=4)
    wrong = export_onnx(fit("MeanBaseline"), NUMERIC, CATEGORICAL, "m")
    with pytest.raises(
        ParityError, match=r"differs from the Python model on \d+ of 100 rows by more than 1e-05 .*\(row \d+ by"
    ) as caught:
        prove_parity(wrong, fit("LinearRegression"), x, float(np.std(y)), 1e-5)
    assert caught.value.exit_code == 4
