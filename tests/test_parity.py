"""Every family exports, and the graph predicts what the pipeline predicts, on rows it was not made for too."""

import numpy as np
import onnx
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import Pipeline

from tabtrail.errors import ParityError
from tabtrail.evidence.parity import export_onnx, prove_parity, run_onnx
from tabtrail.evidence.trees import read_trees
from tabtrail.modeling.candidates import FAMILIES, Candidate
from tabtrail.modeling.preprocess import build_pipeline, build_preprocessor

NUMERIC, CATEGORICAL = ["a", "b"], ["c"]
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
        }
    )
    return x, (x["a"] * x["b"] + 300 * (x["c"] == "red") + random.normal(0, 50, count)).to_numpy()


def fit(name: str) -> Pipeline:
    x, y = make_rows(600, seed=1)
    family = name.partition("_")[0]
    preprocessor = build_preprocessor(NUMERIC, CATEGORICAL, scaled=FAMILIES[family].scaled)
    return build_pipeline(preprocessor, Candidate(name, family, CANDIDATES[name]).build(seed=0)).fit(x, y)


@pytest.fixture(scope="module", params=CANDIDATES)
def exported(request: pytest.FixtureRequest) -> tuple[Pipeline, bytes]:
    pipeline = fit(request.param)
    return pipeline, export_onnx(pipeline, NUMERIC, CATEGORICAL, "model")


def test_it_equals_python_on_new_rows(exported: tuple[Pipeline, bytes]) -> None:
    pipeline, graph = exported
    x, y = make_rows(3000, seed=2)
    parity = prove_parity(graph, pipeline, x, float(np.std(y)), 1e-5)
    assert parity.passed
    assert parity.rows == 3000


@pytest.mark.parametrize("name", [name for name in CANDIDATES if name not in ("MeanBaseline", "LinearRegression")])
def test_it_equals_python_beside_every_threshold(name: str) -> None:
    """A float32 step to either side of a threshold takes the branch that the library takes."""
    pipeline = fit(name)
    graph, model = export_onnx(pipeline, NUMERIC, CATEGORICAL, "model"), pipeline.named_steps["model"]
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


def test_it_equals_python_on_missing_numbers_and_unseen_texts(exported: tuple[Pipeline, bytes]) -> None:
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


_CACHE: dict[str, tuple[Pipeline, bytes]] = {}


def test_the_graph_takes_raw_columns_by_name(exported: tuple[Pipeline, bytes]) -> None:
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
