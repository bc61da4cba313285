"""What proofs have in common is made once, and nothing of a proof changes by it."""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from tests.support.fitting import PLAIN, candidate_model, make_rows

from tabtrail.export import graph as graph_module
from tabtrail.export.graph import export_onnx
from tabtrail.export.kept import keeping, kept, remembering
from tabtrail.export.parity import check_parity
from tabtrail.modeling.estimators import Blend, clipped
from tabtrail.modeling.proof import Parity

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def models() -> tuple[Any, Any]:
    """Two models of the same preprocessing, of which one learns a logarithm and keeps to bounds."""
    x, y = make_rows(400, seed=1)
    trees = {"n_estimators": 5, "categories": "native"}
    one, other = candidate_model({"LightGBM": trees}), candidate_model({"LightGBM": {**trees, "target_transform": "log1p"}})
    return one.fit(x, y), clipped(other.fit(x, y), (0.0, None))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many matrices were made and pipelines converted."""
    count, transform, convert = Counter[str](), ColumnTransformer.transform, graph_module.convert_sklearn

    def counting(self: Any, x: Any, **options: Any) -> Any:
        count["matrices"] += 1
        return transform(self, x, **options)

    def converting(*arguments: Any, **options: Any) -> Any:
        count["conversions"] += 1
        return convert(*arguments, **options)

    monkeypatch.setattr(ColumnTransformer, "transform", counting)
    monkeypatch.setattr(graph_module, "convert_sklearn", converting)
    return count


def proof_of(model: Any, x: pd.DataFrame) -> tuple[bytes, Parity]:
    graph = export_onnx(model, PLAIN.numbers, PLAIN.texts, "model")
    return graph, check_parity(graph, model, x, texts=PLAIN.texts, scale=1.0, tolerance=1e-5, seed=7)


def test_a_blend_of_models_that_were_proven_has_the_same_proof_with_next_to_nothing_made_again(
    models: tuple[Any, Any], made: Counter[str]
) -> None:
    x, _ = make_rows(300, seed=2)
    blend = Blend(("one", "other"), (0.5, 0.5), models)
    by_itself = proof_of(blend, x)
    assert made == {"matrices": 5, "conversions": 2}, "a matrix for each class of rows, of two equal preprocessors"
    with keeping():
        for each in models:
            proof_of(each, x)
        made.clear()
        assert proof_of(blend, x) == by_itself
        assert made == {"matrices": 1}, "beside its own thresholds"
    assert by_itself[1].passed


def test_what_is_remembered_is_what_the_model_predicts_of_each_frame(models: tuple[Any, Any]) -> None:
    x, y = make_rows(100, seed=3)
    other = candidate_model({"LightGBM": {"n_estimators": 3}}).fit(x, y)  # of another preprocessing
    blend = Blend(("one", "other"), (0.25, 0.75), (models[1], other))
    frames = [x, x.iloc[:40], x.iloc[40:].copy()]
    with keeping():
        for frame in [*frames, *reversed(frames)]:
            assert remembering(blend).predict(frame).tolist() == blend.predict(frame).tolist()
    assert remembering(blend).predict(x).tolist() == blend.predict(x).tolist(), "where nothing is kept, too"


def test_nothing_is_kept_beyond_its_time_and_large_things_push_out_what_was_not_asked_for() -> None:
    asked, large = list[str](), 40 * 2**20

    def make(name: str) -> np.ndarray[Any, Any]:
        asked.append(name)
        return np.zeros(large, dtype=np.uint8)

    def ask(*names: str) -> None:
        for name in names:
            kept(name, (), lambda name=name: make(name))

    with keeping():
        ask("a", "a", "b", "b", "a")
        with keeping(apart=True):
            ask("a")
        ask("a")
    ask("a")
    assert asked == ["a", "b", "a", "a", "a"]
