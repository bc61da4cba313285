"""Trees whose levels split alike: found, and written as a comparison, a weighted sum and a gather."""

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from tests.support.fitting import CATEGORICAL, NUMERIC, fit, make_rows
from tests.support.tree_shap import predict

from tabtrail.export.graph import export_onnx
from tabtrail.export.outputs import open_graph, without_clip
from tabtrail.export.parity import check_parity
from tabtrail.export.symmetric import Symmetric, find_symmetric
from tabtrail.modeling.estimators import Blend, clipped
from tabtrail.modeling.families import read_trees
from tabtrail.modeling.trees import Trees

pytestmark = pytest.mark.usefixtures("one_thread")


def grown(*depths: int, missing: bool = True) -> Trees:
    """Trees of these depths on three features, each level with a split of its own."""
    random, trees = np.random.default_rng(sum(depths)), Trees("BRANCH_LEQ", float32_inputs=True, base=3.0)
    for tree, depth in enumerate(depths):
        inner = (1 << depth) - 1
        levels = [(int(random.integers(3)), float(np.float32(random.normal()))) for _ in range(depth)]
        for node in range(inner):
            feature, threshold = levels[(node + 1).bit_length() - 1]
            below = missing or feature != 1
            trees.split((tree, node), feature, threshold, (2 * node + 1, 2 * node + 2), missing_true=below)
        for leaf in range(inner, 2 * inner + 1):
            trees.leaf((tree, leaf), float(random.normal()))
    return trees


def grown_on_categories(*depths: int, numbers: bool) -> Trees:
    """Trees of these depths, their levels split on the codes of two categories, and on a number at every other level."""
    random, trees = np.random.default_rng(sum(depths)), Trees("BRANCH_LEQ", float32_inputs=True, base=3.0)
    for tree, depth in enumerate(depths):
        inner = (1 << depth) - 1
        codes = [tuple(np.flatnonzero(random.random(5) < 0.5).tolist()) for _ in range(depth)]
        for node in range(inner):
            level, branches = (node + 1).bit_length() - 1, (2 * node + 1, 2 * node + 2)
            if numbers and level % 2:
                trees.split((tree, node), 0, float(level) / 4, branches, missing_true=False)
            else:
                trees.member((tree, node), 1 + level % 2, codes[level], branches, missing_true=len(codes[level]) > 2)
        for leaf in range(inner, 2 * inner + 1):
            trees.leaf((tree, leaf), float(random.normal()))
    return trees


def summed(found: Symmetric, rows: Any) -> Any:
    """What the operators compute, row by row."""
    total = np.zeros(len(rows))
    for index, row in enumerate(rows.astype(np.float32).astype(np.float64)):
        # No number that is missing is beyond infinity, with which shallower trees are filled up.
        numbers = [np.inf if np.isnan(row[feature]) and not below else row[feature] for feature, _, below in found.splits]
        answers = [number > split.threshold for number, split in zip(numbers, found.splits, strict=True)]
        answers += [
            inside == 0 if np.isnan(row[feature]) else row[feature] not in codes for feature, codes, inside in found.members
        ]
        for levels, leaves in zip(found.levels, found.leaves, strict=True):
            total[index] += leaves[sum(int(answers[split]) << bit for bit, split in enumerate(levels))]
    return total


@pytest.mark.parametrize("depths", [(3,), (1, 4, 2), (0, 2, 0), (8, 8)])
@pytest.mark.parametrize("missing", [True, False])
def test_the_number_of_a_leaf_is_what_a_row_answers_to_the_splits_of_its_levels(depths: tuple[int, ...], missing: bool) -> None:
    trees = grown(*depths, missing=missing)
    rows = np.random.default_rng(5).normal(size=(60, 3))
    rows[::4, 1] = np.nan
    found = find_symmetric(trees)
    assert found is not None
    assert found.leaves.shape == (len(depths), 1 << max(depths))
    assert 3.0 + summed(found, rows) == pytest.approx(predict(trees, rows), abs=1e-12)


@pytest.mark.parametrize("numbers", [True, False])
def test_splits_on_categories_are_looked_up_by_code(numbers: bool) -> None:
    trees = grown_on_categories(1, 4, 3, numbers=numbers)
    # Codes that no split names, and missing ones, among them.
    rows = np.array([[number, a, b] for number in (-1.0, 0.3, np.nan) for a in (*range(7), np.nan) for b in (*range(7), np.nan)])
    found = find_symmetric(trees)
    assert found is not None
    assert len(found.members) > 1
    assert 3.0 + summed(found, rows) == pytest.approx(predict(trees, rows), abs=1e-12)


def test_trees_of_which_one_is_not_symmetric_are_written_node_by_node() -> None:
    trees = grown(2, 3)
    assert find_symmetric(trees) is not None
    changed = grown(2, 3)
    changed.threshold[1] += 1.0
    assert find_symmetric(changed) is None, "the two nodes of a level differ"
    changed = grown(2, 3)
    changed.true_id[0], changed.false_id[0] = changed.false_id[0], changed.true_id[0]
    assert find_symmetric(changed) is None, "the branches are exchanged"
    changed = grown(2, 3)
    changed.missing_true[0] = 0
    assert find_symmetric(changed) is None, "a feature's missing numbers go either way"
    assert find_symmetric(grown(9)) is None, "the number of a leaf takes more than a byte"
    assert find_symmetric(replace(grown(2), mode="BRANCH_LT")) is None
    assert find_symmetric(replace(grown(2), float32_sums=True)) is None
    assert find_symmetric(grown(0, 0)) is None, "nothing is compared"


def test_catboosts_trees_are_written_so_and_those_of_others_are_not() -> None:
    for name in ("CatBoost", "CatBoost_native", "CatBoost_native_one_hot", "GradientBoosting_small", "LightGBM"):
        trees = read_trees(fit(name).named_steps["model"])
        assert trees is not None
        found = find_symmetric(trees)
        assert (found is not None) == name.startswith("CatBoost")
        assert found is None or bool(found.members) == ("native" in name)
        if found is not None:
            proto = onnx.load_from_string(export_onnx(fit(name), NUMERIC, CATEGORICAL, "model"))
            used = {node.op_type for node in proto.graph.node}
            assert {"MatMulInteger", "GatherElements"} < used
            assert not {each for each in used if each.startswith("TreeEnsemble")}


def test_categories_that_are_known_unseen_or_missing_reach_the_leaves_that_catboost_reaches() -> None:
    rows, _ = make_rows(60, seed=5)
    for name in CATEGORICAL:
        rows[name] = rows[name].astype(object)
        rows.loc[rows.index[::5], name] = "never seen"
        rows.loc[rows.index[1::5], name] = None
    for name in ("CatBoost_native", "CatBoost_native_one_hot"):
        pipeline = fit(name)
        graph = open_graph(export_onnx(pipeline, NUMERIC, CATEGORICAL, "model"))
        assert graph(rows) == pytest.approx(pipeline.predict(rows), abs=1e-9)


def test_a_row_is_predicted_alike_to_the_bit_alone_and_among_others() -> None:
    graph = open_graph(export_onnx(fit("CatBoost"), NUMERIC, CATEGORICAL, "model"))
    rows, _ = make_rows(60, seed=5)
    together = graph(rows)
    assert together.tolist() == [float(graph(rows.iloc[place : place + 1])[0]) for place in range(len(rows))]


@pytest.mark.parametrize("name", ["CatBoost", "CatBoost_native", "CatBoost_native_one_hot"])
def test_a_row_by_itself_is_predicted_to_the_bit_as_among_others(name: str) -> None:
    """Long gathers take another way for it, also where the prediction is cut out of a graph that clips it."""
    model = clipped(fit(name), (0.0, 1e9))
    graph = export_onnx(model, NUMERIC, CATEGORICAL, "model")
    x, _ = make_rows(40, seed=3)
    x.loc[::5, "a"] = np.nan
    assert "If" in {node.op_type for node in onnx.load_from_string(graph).graph.node}
    for written in (graph, without_clip(graph)):
        predict = open_graph(written)
        assert [predict(x.iloc[[row]])[0] for row in range(len(x))] == predict(x).tolist()


def test_the_proof_looks_at_rows_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    model, (x, y) = fit("CatBoost"), make_rows(300, seed=3)
    graph = onnx.load_from_string(export_onnx(model, NUMERIC, CATEGORICAL, "model"))
    branch = next(node for node in graph.graph.node if node.op_type == "If")
    then = next(attribute.g for attribute in branch.attribute if attribute.name == "then_branch")
    indices = next(each for each in graph.graph.initializer if each.name in {*then.node[1].input, *then.node[2].input})
    wrong = onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(indices)[::-1].copy(), "wrong")
    graph.graph.initializer.append(wrong)
    for node in then.node:
        node.input[:] = ["wrong" if name == indices.name else name for name in node.input]
    settings: dict[str, Any] = {"texts": CATEGORICAL, "scale": float(np.std(y)), "tolerance": 1e-5, "seed": 1}
    assert not check_parity(graph.SerializeToString(), model, x, **settings).passed
    monkeypatch.setattr("tabtrail.export.parity._ALONE", 0)
    assert check_parity(graph.SerializeToString(), model, x, **settings).passed, "rows among others do not take that way"


def test_the_models_of_a_bag_share_the_steps_that_are_alike() -> None:
    """The two take the same columns, so that all before the trees is there once, and no bit changes."""
    models, x = (fit("CatBoost_native"), fit("LightGBM_native")), make_rows(60, seed=3)[0]
    graphs = [export_onnx(each, NUMERIC, CATEGORICAL, "model") for each in (*models, Blend(("a", "b"), (0.5, 0.5), models))]
    encoders = [[node.op_type for node in onnx.load_from_string(graph).graph.node].count("LabelEncoder") for graph in graphs]
    assert encoders == [1, 1, 1]
    first, second, both = (open_graph(graph)(x) for graph in graphs)
    assert both.tolist() == (first * 0.5 + second * 0.5).tolist()
