"""Every family exports, and the graph predicts what the pipeline predicts, on rows it was not made for too."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skl2onnx._supported_operators import sklearn_operator_name_map
from skl2onnx.common._registration import _converter_pool, _shape_calculator_pool
from tests.support.fitting import (
    CANDIDATES,
    CATEGORICAL,
    DERIVED,
    LINKED,
    NUMERIC,
    PLAIN,
    SHARES,
    TRANSFORMS,
    WITH_TREES,
    candidate_model,
    fit,
    make_rows,
)

from tabtrail.export import parity
from tabtrail.export.graph import export_onnx
from tabtrail.export.outputs import run_onnx, without_clip
from tabtrail.export.parity import check_parity
from tabtrail.export.probes import threshold_neighbours
from tabtrail.modeling.estimators import Blend, Bounds, FormulaRegressor, clip, clipped
from tabtrail.modeling.families import read_trees
from tabtrail.modeling.fit import regressor_of
from tabtrail.modeling.preprocess import DIRECTIONS, build_preprocessor
from tabtrail.modeling.proof import Parity

pytestmark = pytest.mark.usefixtures("one_thread")


def prove(graph: bytes, model: Any, x: pd.DataFrame, scale: float, tolerance: float = 1e-5) -> Parity:
    return check_parity(graph, model, x, texts=("c", "code"), scale=scale, tolerance=tolerance, seed=7)


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
    assert prove(graph, model, x, float(np.std(y))).passed


@pytest.mark.parametrize(
    "written", [{"target_transform": "log1p", "smearing": True}, {"target_transform": "log", "categories": "native"}]
)
@pytest.mark.parametrize("name", ["HistGradientBoosting", "XGBoost", "LightGBM", "CatBoost"])
def test_missing_numbers_stay_missing_in_the_graph_where_the_trees_route_them(name: str, written: dict[str, Any]) -> None:
    """In columns that had gaps in training and in columns that had none; the factor of a learned logarithm is a constant."""
    x, y = make_rows(500, seed=1)
    x.loc[::6, "a"] = np.nan
    recipe = replace(PLAIN, numbers=("a", "b", "d"), numeric=("a", "b", "d"))
    model = candidate_model(
        {name: {"max_iter" if name.startswith("Hist") else "n_estimators": 30, "missing": "native", **written}}, recipe
    )
    model.fit(x, y)
    assert np.isnan(model.pipeline.named_steps["preprocess"].transform(x)[:, 0]).sum() == x["a"].isna().sum()
    assert (model.factor_ != 1.0) == ("smearing" in written)
    unseen, _ = make_rows(800, seed=2)
    unseen.loc[::3, "a"] = unseen.loc[::4, "b"] = np.nan
    graph = export_onnx(model, recipe.numbers, recipe.texts, "model")
    assert check_parity(graph, model, unseen, texts=("c",), scale=float(np.std(y)), tolerance=1e-5, seed=7).passed
    assert not np.array_equal(run_onnx(graph, unseen), run_onnx(graph, unseen.fillna({"a": x["a"].median()})))


def test_a_proof_of_a_wide_table_predicts_fewer_rows_at_once_and_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model = fit("LightGBM", DERIVED)
    graph = export_onnx(model, DERIVED.numbers, DERIVED.texts, "model")
    (x, y), sizes = make_rows(300, seed=2), []
    whole = prove(graph, model, x, float(np.std(y)))

    def counted(model: Any, x: pd.DataFrame) -> Any:
        sizes.append(len(x))
        return expected(model, x)

    expected = parity._expected
    monkeypatch.setattr(parity, "_expected", counted)
    monkeypatch.setattr(parity, "_CELLS", 50 * x.shape[1])
    assert prove(graph, model, x, float(np.std(y))) == whole
    assert max(sizes) == 50


@pytest.mark.parametrize("how", ["target", "frequency"])
def test_the_encoding_of_many_texts_is_in_the_graph(how: str) -> None:
    x, y = make_rows(500, seed=1)
    recipe = replace(DERIVED, formulas={}, frequency=(), target=(), many=("code",))
    model = candidate_model({"LightGBM": {"n_estimators": 30, "categories": "native", "many_texts": how}}, recipe).fit(x, y)
    assert [name for name, _, _ in model.named_steps["preprocess"].transformers_] == ["numeric", "native", how, "remainder"]
    unseen, _ = make_rows(300, seed=2)
    unseen.loc[::4, "code"] = "never seen"
    graph = export_onnx(model, recipe.numbers, recipe.texts, "model")
    assert prove(graph, model, unseen, float(np.std(y))).passed


@pytest.mark.parametrize("written", [{}, {"missing": "native", "target_transform": "log1p"}])
@pytest.mark.parametrize("name", ["LightGBM", "CatBoost", "LinearRegression"])
def test_rotated_coordinates_are_in_the_graph_and_thresholds_on_them_are_probed(name: str, written: dict[str, Any]) -> None:
    x, y = make_rows(500, seed=1)
    recipe = replace(DERIVED, coordinates=(("a", "b"), ("b", "d")), numbers=("a", "b", "d"), numeric=("a", "b", "d"))
    own = {} if name == "LinearRegression" else {"n_estimators": 30, **written}
    model = candidate_model({name: {"coordinates": "rotated", **own}}, recipe).fit(x, y)
    unseen, _ = make_rows(300, seed=2)
    unseen.loc[::4, "a"] = np.nan
    graph = export_onnx(model, recipe.numbers, recipe.texts, "model")
    assert prove(graph, model, unseen, float(np.std(y))).passed
    if own:
        probes, _, _ = threshold_neighbours(model, x, seed=1)
        told = " ".join(probes.changed)
        assert any(f"a and b at {degrees:g}° beside a threshold" in told for degrees in DIRECTIONS)


@pytest.mark.parametrize("bounds", [(1000.0, None), (None, 2500.0), (1000.0, 2500.0)])
@pytest.mark.parametrize("name", ["LinearRegression", "XGBoost", "LightGBM_native"])
def test_the_bounds_of_the_predictions_are_in_the_graph_and_can_be_taken_out(name: str, bounds: Bounds) -> None:
    inner = fit(name, DERIVED)
    graph = export_onnx(clipped(inner, bounds), DERIVED.numbers, DERIVED.texts, "model")
    x, y = make_rows(600, seed=2)
    x.loc[::7, "a"] = np.nan
    assert prove(graph, clipped(inner, bounds), x, float(np.std(y))).passed
    assert prove(without_clip(graph), inner, x, float(np.std(y))).passed
    low, high = bounds
    found, free = run_onnx(graph, x), run_onnx(without_clip(graph), x)
    assert (found == clip(free, bounds)).all()
    assert ((free < (low or free)) | (free > (high or free))).any(), "the bounds act on some of the rows"


@pytest.mark.parametrize("bounds", [(0.0, None), (None, 100.0), (0.0, 100.0)])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_no_finite_number_is_made_of_one_that_is_not_but_a_bound(value: float, bounds: Bounds) -> None:
    """The graph does as Python does: the service refuses what is not finite."""
    model = clipped(fit("LinearRegression"), bounds)
    model.model.named_steps["model"].intercept_ = np.float64(value)
    x, _ = make_rows(20, seed=2)
    expected = model.predict(x)
    assert (np.isnan(expected) | np.isinf(expected) | np.isin(expected, [each for each in bounds if each is not None])).all()
    assert np.isnan(expected).all() == np.isnan(value)
    np.testing.assert_array_equal(run_onnx(export_onnx(model, NUMERIC, CATEGORICAL, "model"), x), expected)


def test_a_blend_is_bounded_as_its_members_are() -> None:
    members = tuple(clipped(fit(name), (0.0, 2500.0)) for name in ("LinearRegression", "XGBoost", "MeanBaseline"))
    model = clipped(Blend(("one", "two", "three"), (0.1, 0.2, 0.7), members), (0.0, 2500.0))
    x, y = make_rows(300, seed=2)
    assert prove(export_onnx(model, NUMERIC, CATEGORICAL, "model"), model, x, float(np.std(y))).passed


@pytest.mark.parametrize("name", [*LINKED, *SHARES])
def test_the_link_of_an_objective_is_in_the_graph(name: str) -> None:
    model = fit(name, DERIVED)
    x, y = make_rows(1500, seed=2)
    x.loc[::5, "code"] = "never seen"
    scale = float(np.std(y / y.max() if name in SHARES else y))
    assert prove(export_onnx(model, DERIVED.numbers, DERIVED.texts, "m"), model, x, scale).passed


def test_a_blend_of_models_with_native_categories_and_others_is_one_graph() -> None:
    names = ("XGBoost_native", "LinearRegression", "CatBoost", "XGBoost_gamma", "RandomForest_shallow", "MeanBaseline")
    model = Blend(names, (0.25, 0.25, 0.125, 0.125, 0.125, 0.125), tuple(fit(name, DERIVED) for name in names))
    x, y = make_rows(1000, seed=2)
    assert prove(export_onnx(model, DERIVED.numbers, DERIVED.texts, "m"), model, x, float(np.std(y))).passed


@pytest.mark.parametrize("name", [name for name in CANDIDATES if name.endswith("_native")])
def test_a_wrong_set_of_categories_is_found_out(name: str) -> None:
    model = fit(name)
    proto = onnx.load_from_string(export_onnx(model, NUMERIC, CATEGORICAL, "m"))
    tables = [each for each in proto.graph.initializer if each.name.endswith("/members")]  # of symmetric trees
    codes = [each.t for node in proto.graph.node for each in node.attribute if each.name == "membership_values"]
    (sets,) = tables + codes
    values = onnx.numpy_helper.to_array(sets)
    wrong = np.roll(values, 1) if tables else np.where(np.isnan(values), values, (values + 1) % 4)
    sets.CopyFrom(onnx.numpy_helper.from_array(wrong, sets.name))
    x, y = make_rows(300, seed=2)
    assert not prove(proto.SerializeToString(), model, x, float(np.std(y))).passed


def test_rare_and_unseen_texts_share_a_native_category_where_there_are_rare_ones() -> None:
    recipe = replace(DERIVED, max_categories=5)
    x, y = make_rows(600, seed=1)
    codes = build_preprocessor(recipe, scaled=False, native=True).fit(x, y).named_transformers_["native"]
    seen = codes.transform(
        pd.DataFrame({"c": ["red", "never seen"], "code": [codes.categories_[1][0], "never seen"]}, dtype=object)
    )
    assert np.isnan(seen[1, 0])
    assert seen[1, 1] == 4
    assert sorted(set(codes.encodings_[1])) == [0, 1, 2, 3, 4]
    assert np.sum(codes.encodings_[1] == 4) == len(codes.categories_[1]) - 4


def test_a_blend_is_one_graph() -> None:
    members = (fit("XGBoost", DERIVED, "log_ratio"), fit("LinearRegression", DERIVED), fit("CatBoost", DERIVED, "log1p"))
    model = Blend(("XGBoost", "LinearRegression", "CatBoost"), (0.5, 0.25, 0.25), members)
    x, y = make_rows(1000, seed=2)
    assert prove(export_onnx(model, DERIVED.numbers, DERIVED.texts, "m"), model, x, float(np.std(y))).passed


def test_a_blend_of_trees_that_keep_gaps_and_a_line_that_fills_them_is_proven() -> None:
    """CatBoost parts missing numbers from all others by the least float32, and below it lies none."""
    x, y = make_rows(500, seed=1)
    x["b"] = 7.0
    x.loc[::6, "b"] = np.nan
    y[::6] += 900
    trees = candidate_model({"CatBoost": {"n_estimators": 30, "missing": "native"}}).fit(x, y)
    line = candidate_model({"LinearRegression": {}}).fit(x, y)
    model = Blend(("CatBoost", "LinearRegression"), (0.5, 0.5), (trees, line))
    assert prove(export_onnx(model, PLAIN.numbers, PLAIN.texts, "m"), model, x, float(np.std(y))).passed


def test_a_formula_is_a_graph_too() -> None:
    x, y = make_rows(300, seed=2)
    model = FormulaRegressor(dict(DERIVED.formulas)).fit(x, y)
    assert model.chosen_ == "product"
    x.loc[::3, "a"] = np.nan
    assert prove(export_onnx(model, DERIVED.numbers, DERIVED.texts, "m"), model, x, float(np.std(y)), 1e-12).passed


@pytest.fixture(scope="module", params=CANDIDATES)
def exported(request: pytest.FixtureRequest) -> tuple[Any, bytes]:
    pipeline = fit(request.param)
    return pipeline, export_onnx(pipeline, NUMERIC, CATEGORICAL, "model")


def test_the_proof_says_what_was_tried(exported: tuple[Any, bytes]) -> None:
    pipeline, graph = exported
    x, y = make_rows(3000, seed=2)
    parity = prove(graph, pipeline, x, float(np.std(y)))
    assert parity.passed
    assert parity.classes["data"].rows == 3000
    assert {name: each.rows for name, each in parity.classes.items() if name in ("missing", "unseen", "extremes")} == {
        "missing": 6 * 20,
        "unseen": 2 * 10 * 20,
        "extremes": 4 * 11 * 3,
    }
    assert parity.rows == sum(each.rows for each in parity.classes.values())
    assert Parity.from_dict(parity.to_dict()) == parity


@pytest.mark.parametrize("name", [name for name in WITH_TREES if name in CANDIDATES])
def test_thresholds_on_raw_and_derived_columns_are_tried(name: str) -> None:
    model = fit(name, DERIVED)
    x, y = make_rows(600, seed=2)
    parity = prove(export_onnx(model, DERIVED.numbers, DERIVED.texts, "m"), model, x, float(np.std(y)))
    assert parity.passed
    assert parity.thresholds >= parity.thresholds_tried >= min(parity.thresholds, 1000) / 2
    assert parity.classes["thresholds"].rows > parity.thresholds_tried


def shift_thresholds(graph: bytes) -> bytes:
    """Move every threshold of a graph's trees by one float32: what a conversion in the wrong precision does."""
    proto = onnx.load_from_string(graph)
    moved = 0
    for node in proto.graph.node:
        for attribute in node.attribute:
            if attribute.name == "nodes_values_as_tensor":
                values = onnx.numpy_helper.to_array(attribute.t).copy()
                near = np.nextafter(values.astype(np.float32), np.float32(np.inf)).astype(values.dtype)
                attribute.t.CopyFrom(onnx.numpy_helper.from_array(near, attribute.t.name))
                moved += 1
    assert moved
    return bytes(proto.SerializeToString())


def test_a_graph_whose_thresholds_are_off_by_one_float32_is_found_out() -> None:
    """The rows of the data do not show it: none of them lies between a threshold and its neighbour."""
    model = fit("LightGBM")
    x, y = make_rows(600, seed=2)
    wrong = shift_thresholds(export_onnx(model, NUMERIC, CATEGORICAL, "m"))
    parity = prove(wrong, model, x, float(np.std(y)))
    assert parity.classes["data"].max_difference < 1e-5
    assert not parity.passed
    assert "beside a threshold" in parity.complaint


@pytest.mark.parametrize("name", [name for name in WITH_TREES if name in CANDIDATES])
def test_it_equals_python_beside_every_threshold(name: str) -> None:
    """A float32 step to either side of a threshold takes the branch that the library takes."""
    pipeline = fit(name)
    graph, model = export_onnx(pipeline, NUMERIC, CATEGORICAL, "model"), regressor_of(pipeline)
    trees = read_trees(model)
    assert trees is not None
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
    x = pd.DataFrame(rows, columns=NUMERIC).assign(c="red", code="S1", d=0.0).astype({"c": object, "code": object})
    assert prove(graph, pipeline, x, 1500.0).passed


def test_it_equals_python_on_missing_numbers_and_unseen_texts(exported: tuple[Any, bytes]) -> None:
    pipeline, graph = exported
    x, _ = make_rows(200, seed=3)
    x.loc[::2, "a"] = np.nan
    x.loc[::3, "b"] = np.nan
    x["c"] = np.array(["never seen", "", "RED", "x" * 10_000, "red "] * 40, dtype=object)
    assert prove(graph, pipeline, x, 1500.0).passed


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


def test_a_graph_of_another_model_fails_the_proof_and_names_the_worst_row() -> None:
    x, y = make_rows(100, seed=4)
    wrong = export_onnx(fit("MeanBaseline"), NUMERIC, CATEGORICAL, "m")
    parity = prove(wrong, fit("LinearRegression"), x, float(np.std(y)))
    assert not parity.passed
    assert re.search(r"differs from the Python model by .* on data row \d+ with .* = ", parity.complaint)
    assert re.fullmatch(r"data row \d+", parity.classes["data"].worst)


def test_an_export_leaves_the_converters_of_the_process_as_they_are() -> None:
    before = dict(sklearn_operator_name_map), dict(_converter_pool), dict(_shape_calculator_pool)
    export_onnx(fit("XGBoost", DERIVED), DERIVED.numbers, DERIVED.texts, "m")
    assert (dict(sklearn_operator_name_map), dict(_converter_pool), dict(_shape_calculator_pool)) == before
