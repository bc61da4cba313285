"""The table of metrics: each figure against another source, where it is not defined, and what it decides."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics
from tests.support.projects import ONE_CANDIDATE, Project

from tabtrail.data.dataset import scan_dataset
from tabtrail.data.ingest import ingest
from tabtrail.errors import ConfigError, DataError
from tabtrail.modeling.benchmark import require_metric, run_benchmark
from tabtrail.modeling.bootstrap import Resampling, compare
from tabtrail.modeling.metrics import METRICS, Array, Scores, evaluate, headline, mean_of, others, rounded, score, score_strata
from tabtrail.modeling.split import Fold, Split
from tabtrail.modeling.table import load_table

GOLDEN = {
    "rmse": sklearn_metrics.root_mean_squared_error,
    "mae": sklearn_metrics.mean_absolute_error,
    "r2": sklearn_metrics.r2_score,
    "mape": sklearn_metrics.mean_absolute_percentage_error,
    "medae": sklearn_metrics.median_absolute_error,
    "rmsle": sklearn_metrics.root_mean_squared_log_error,
}


def rows(seed: int = 0, size: int = 500) -> tuple[Array, Array]:
    random = np.random.default_rng(seed)
    actual = random.lognormal(7, 1, size)
    return actual, actual * random.lognormal(0.05, 0.2, size)


@pytest.mark.parametrize("name", GOLDEN)
def test_a_metric_that_scikit_learn_has_is_scikit_learns(name: str) -> None:
    actual, predicted = rows()
    assert score(actual, predicted)[name] == pytest.approx(GOLDEN[name](actual, predicted), rel=1e-6)


def test_wape_and_bias_by_hand() -> None:
    """Errors 1, -2 and 4: absolute 7 of 10 in all, and 1 too much on average."""
    scores = score(np.array([1.0, 4.0, -5.0]), np.array([2.0, 2.0, -1.0]))
    assert scores["wape"] == pytest.approx(7 / 10)
    assert scores["bias"] == 1


def test_bias_has_the_sign_of_predictions_that_are_too_high() -> None:
    assert score(np.array([10.0, 20.0]), np.array([11.0, 25.0]))["bias"] == 3
    assert score(np.array([10.0, 20.0]), np.array([9.0, 15.0]))["bias"] == -3


def test_figures_are_shown_with_their_unit_and_come_back_from_json() -> None:
    rmse, wape, r2, bias = (METRICS[name] for name in ("rmse", "wape", "r2", "bias"))
    assert [metric.is_percent for metric in (rmse, wape)] == [False, True]
    assert (rmse.text(1234.5), wape.text(0.125)) == ("1,234.5", "12.5 %")
    assert [rmse.unit_text("USD"), rmse.unit_text(""), wape.unit_text("USD"), r2.unit_text("USD")] == [", USD", "", ", %", ""]
    assert replace(rmse, unit="squared").unit_text("USD") == ", USD²"
    assert rmse.best_mean == "smallest mean RMSE"
    assert r2.best_mean == "largest mean R²"
    assert bias.best_mean == "mean mean bias nearest to zero"
    assert (rmse.loss(2.0), r2.loss(0.5), bias.loss(-3.0), rmse.loss(None)) == (2.0, -0.5, 3.0, float("inf"))
    scores = score(np.array([1.0, 2.0]), np.array([1.5, 2.0]))
    assert Scores.from_dict(scores.to_dict()) == scores


def test_a_mean_over_folds_needs_every_fold() -> None:
    assert mean_of([1.0, 2.0, 6.0]) == 3
    assert mean_of([1.0, None]) is None
    assert mean_of([]) is None
    assert rounded(1234.56789) == 1234.568


def test_strata_without_rows_have_no_scores() -> None:
    found = score_strata(
        np.array([1.0, 5.0]), np.array([2.0, 5.0]), {"first": np.array([True, False]), "none": np.zeros(2, bool)}
    )
    assert set(found) == {"first"}
    assert (found["first"].rows, found["first"]["mae"]) == (1, 1.0)


def test_every_metric_is_checked_against_another_source() -> None:
    assert set(METRICS) == {*GOLDEN, "wape", "bias"}


def test_names_are_mlflows_own_and_say_which_metric_they_are() -> None:
    assert all(metric.name == name for name, metric in METRICS.items())
    named = {name: metric.mlflow_name for name, metric in METRICS.items()}
    assert named == {
        "rmse": "root_mean_squared_error",
        "mae": "mean_absolute_error",
        "r2": "r2_score",
        "mape": "mean_absolute_percentage_error",
        "wape": "weighted_absolute_percentage_error",
        "medae": "median_absolute_error",
        "rmsle": "root_mean_squared_log_error",
        "bias": "mean_bias",
    }


def test_mape_leaves_out_rows_without_an_actual_value_and_is_undefined_without_any() -> None:
    actual, predicted = np.array([0.0, 2.0, -4.0]), np.array([9.0, 3.0, -5.0])
    assert score(actual, predicted)["mape"] == pytest.approx((0.5 + 0.25) / 2)
    nothing = score(np.zeros(3), predicted)
    assert (nothing["mape"], nothing["wape"]) == (None, None)


@pytest.mark.parametrize(("actual", "predicted"), [(-1.0, 1.0), (1.0, -1.0), (-3.0, -3.0)])
def test_rmsle_is_undefined_unless_all_values_are_above_minus_one(actual: float, predicted: float) -> None:
    assert score(np.array([2.0, actual]), np.array([2.0, predicted]))["rmsle"] is None
    assert score(np.array([2.0, -0.5]), np.array([2.0, -0.5]))["rmsle"] == 0


def test_a_target_that_does_not_vary_has_no_r2_and_wild_predictions_no_score() -> None:
    assert score(np.ones(3), np.zeros(3))["r2"] is None
    assert score(np.ones(2), np.array([1.0, 1e300]))["rmse"] is None  # its square is infinite
    with pytest.raises(DataError, match="not finite"):
        score(np.ones(2), np.array([1.0, np.inf]))


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), min_size=1, max_size=30))
def test_what_resampling_takes_for_a_metric_is_the_metric(pairs: list[tuple[float, float]]) -> None:
    actual, predicted = (np.array(each) for each in zip(*pairs, strict=True))
    quick = {name: metric for name, metric in METRICS.items() if metric.of_mean is not None}
    assert set(quick) == {"rmse", "mae"}
    for metric in quick.values():
        row_part, of_mean = metric.of_mean or (lambda a, p: a, float)
        assert of_mean(float(np.mean(row_part(actual, predicted)))) == pytest.approx(metric.compute(actual, predicted))


def test_the_first_table_has_the_metric_of_the_choice_first_and_no_metric_is_lost() -> None:
    for metric in METRICS.values():
        assert headline(metric)[0] is metric
        assert sorted(each.name for each in (*headline(metric), *others(metric))) == sorted(METRICS)


@pytest.mark.parametrize(("name", "better", "worse"), [("rmse", 1.0, 2.0), ("r2", 0.9, 0.8), ("bias", -1.0, 2.0)])
def test_a_loss_is_smaller_for_what_is_better(name: str, better: float, worse: float) -> None:
    metric = METRICS[name]
    assert metric.loss(better) < metric.loss(worse) < metric.loss(None)


@pytest.mark.parametrize("name", METRICS)
def test_any_metric_orders_the_candidates_and_chooses(project: Project, name: str) -> None:
    problem = project.problem(*ONE_CANDIDATE, f"choice.metric={name}", "split.folds=3")
    ingest(project.config())
    benchmark = run_benchmark(problem, load_table(problem, scan_dataset(project.config().dataset).collect()))
    found = [np.mean([METRICS[name].loss(value) for value in each.values(name)]) for each in benchmark.results]
    assert found == sorted(found)
    assert benchmark.chosen == benchmark.results[0].candidate.name


def test_a_candidate_without_the_metric_stands_last_and_is_not_chosen(project: Project) -> None:
    """Shifted down, the target is above -1 in all rows, and a line through it is not."""
    problem = project.problem(*ONE_CANDIDATE, "choice.metric=rmsle", "split.folds=3", "model.clip=off")
    ingest(project.config())
    table = load_table(problem, scan_dataset(project.config().dataset).collect())
    table = replace(table, y=table.y - table.y.min())
    benchmark = run_benchmark(problem, table)
    last = benchmark.results[-1]
    assert (last.candidate.name, last.mean("rmsle")) == ("LinearRegression", None)
    assert last.mean("rmse") is not None
    assert benchmark.chosen != "LinearRegression"


def test_a_metric_that_the_target_does_not_have_is_refused_before_anything_is_fitted() -> None:
    y = np.array([0.0, 0.0, 1.0, 2.0, -5.0, 3.0])
    mask = np.array([True, True, False, False, False, False])
    split = Split(np.ones(6, bool), np.zeros(6, bool), (Fold(mask, ~mask), Fold(~mask, mask)))
    require_metric(METRICS["rmse"], y, split)
    with pytest.raises(ConfigError, match=r"choice\.metric: MAPE is not defined for the target in the 2 rows that fold 2 scores"):
        require_metric(METRICS["mape"], y, split)
    with pytest.raises(ConfigError, match=r"RMSLE is not defined for the target in the 4 rows that fold 1 scores"):
        require_metric(METRICS["rmsle"], y, split)


# --- the gate ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rmse", "mae", "r2", "mape", "wape", "medae", "rmsle"])
def test_the_gate_compares_by_the_metric_of_the_choice(name: str) -> None:
    actual, champion = rows()
    challenger = champion + 0.1 * actual
    metric = METRICS[name]
    found = compare(actual, champion, challenger, metric, Resampling(None, None, 0.95, 1))
    first, second = (evaluate(metric, actual, model) for model in (champion, challenger))
    assert (found.metric, found.champion_value, found.challenger_value, found.instead_of) == (name, first, second, None)
    assert found.difference == pytest.approx(metric.loss(second) - metric.loss(first), rel=1e-5)
    assert 0 < found.low < found.difference < found.high
    assert str(found).startswith(f"{metric.label} ")
    assert found.champion_rmse == score(actual, champion)["rmse"]


def test_a_metric_that_the_gate_cannot_compare_by_gives_way_to_rmse() -> None:
    actual, champion = rows()
    how = Resampling(None, None, 0.95, 1)
    by_bias = compare(actual, champion, champion, METRICS["bias"], how)
    assert (by_bias.metric, by_bias.instead_of) == ("rmse", "bias")
    below = compare(actual, champion, champion - 2 * actual, METRICS["rmsle"], how)
    assert (below.metric, below.instead_of) == ("rmse", "rmsle")
