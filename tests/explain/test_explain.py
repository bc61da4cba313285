import numpy as np
import pytest
from tests.support.fitting import CANDIDATES, CATEGORICAL, DERIVED, NUMERIC, fit, make_rows
from tests.support.projects import Trained

from tabtrail.errors import TabtrailError
from tabtrail.explain.shapley import Explanation, explain, sample_rows
from tabtrail.modeling.estimators import Blend
from tabtrail.modeling.preprocess import source_columns
from tabtrail.project.paths import Artifacts
from tabtrail.system.files import read_json

INPUTS = [*NUMERIC, *CATEGORICAL]


@pytest.mark.parametrize("name", CANDIDATES)
def test_contributions_add_up_to_the_prediction_for_every_family(name: str) -> None:
    pipeline = fit(name)
    x, _ = make_rows(60, seed=5)
    explanation = explain(pipeline, x[INPUTS], x[INPUTS], seed=0)
    assert explanation.values.shape == (60, 3)
    total = explanation.base_value + explanation.values.sum(axis=1)
    assert total == pytest.approx(np.ravel(pipeline.predict(x)), rel=1e-4)


@pytest.mark.parametrize("transform", ["none", "log1p", "log_ratio"])
def test_contributions_of_derived_columns_and_transforms_are_by_raw_column_and_add_up(transform: str) -> None:
    model = fit("XGBoost", DERIVED, transform)
    blend = Blend(("one", "other"), (0.5, 0.5), (model, fit("LinearRegression", DERIVED)))
    x, _ = make_rows(60, seed=5)
    x = x[[*DERIVED.numbers, *DERIVED.texts]]
    for each in (model, blend):
        explanation = explain(each, x, x.head(20), seed=0)
        assert explanation.columns == ("a", "b", "d", "c", "code")
        total = explanation.base_value + explanation.values.sum(axis=1)
        assert total == pytest.approx(each.predict(x.head(20)), rel=1e-9)
        assert next(iter(explanation.importance)) in ("a", "b")


def test_one_hot_columns_are_collapsed_into_their_raw_column() -> None:
    pipeline = fit("LinearRegression")
    assert source_columns(pipeline.named_steps["preprocess"]) == ["a", "b", "c", "c", "c", "c"]
    explanation = explain(pipeline, *(make_rows(50, seed=6)[0][INPUTS],) * 2, seed=0)
    assert list(explanation.columns) == [*NUMERIC, *CATEGORICAL]
    assert list(explanation.importance.values()) == sorted(explanation.importance.values(), reverse=True)


def test_what_does_not_add_up_is_an_error_not_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    import shap

    wrong = shap.TreeExplainer.shap_values
    monkeypatch.setattr(shap.TreeExplainer, "shap_values", lambda self, x, **kwargs: wrong(self, x, **kwargs) * 1.01)
    x, _ = make_rows(50, seed=7)
    with pytest.raises(TabtrailError, match="Shapley values miss the predictions"):
        explain(fit("GradientBoosting_small"), x[INPUTS], x[INPUTS], seed=0)


def test_up_to_the_configured_rows_are_drawn_without_repeats() -> None:
    x, _ = make_rows(100, seed=8)
    drawn = sample_rows(x, 30, seed=1)
    assert len(drawn) == 30
    assert drawn.index.is_unique
    assert sample_rows(x, 200, seed=1) is x


def test_the_importance_of_the_run_names_its_model_rows_and_unit(trained: Trained) -> None:
    stored = read_json(Artifacts.of(trained.config).importance)
    assert stored is not None
    assert stored["rows"] == 500
    assert stored["unit"] == "USD"
    assert stored["model"] == trained.report.leaderboard.champion
    assert set(stored["mean_absolute_shap"]) == set(trained.config.inputs)


def test_importance_is_the_mean_of_absolute_values() -> None:
    explanation = Explanation(("a", "b"), 1.0, np.array([[1.0, -2.0], [-3.0, 0.0]]), np.array([0.0, -2.0]))
    assert explanation.importance == {"a": 2.0, "b": 1.0}
    assert explanation.additivity_error == 0
