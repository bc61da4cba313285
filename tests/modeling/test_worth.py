"""What is worth deploying: proven, and better than every baseline by what the choice goes by."""

from dataclasses import replace

import numpy as np
import pytest

from tabtrail.config.model import Choice
from tabtrail.modeling.baselines import BASELINE, FORMULA
from tabtrail.modeling.candidates import Candidate
from tabtrail.modeling.metrics import METRICS, score
from tabtrail.modeling.proof import Cost, Parity
from tabtrail.modeling.results import Fit, Result
from tabtrail.modeling.worth import _objections, complaint_of, joined_cost, over_budget, worthy

ACTUAL = np.array([1.0, 2.0, 4.0, 9.0])
UNPROVEN = Parity(1e-5, {}, error="TypeError: no converter")


def result(name: str, error: float, parity: Parity | None = None) -> Result:
    """A candidate that is wrong by as much everywhere, above and below in turn: its bias is 0 and its RMSE `error`."""
    predicted = ACTUAL + error * np.array([1, -1, 1, -1])
    fits = [Fit(name, fold, score(ACTUAL, predicted), {}, predicted, 0.0, 0.0) for fold in (0, 1, -1)]
    return Result(Candidate(name, name.partition("_")[0], {}), tuple(fits[:2]), fits[2], 1, parity)


RESULTS = [
    result("LightGBM", 0.5, UNPROVEN),
    result("XGBoost", 1.0),
    result(FORMULA, 2.0),
    result("Ridge", 2.5),
    result(BASELINE, 3),
]


def test_only_what_is_proven_and_beats_every_baseline_is_worth_deploying() -> None:
    assert [each.candidate.name for each in worthy(RESULTS, METRICS["rmse"])] == ["XGBoost"]


def test_a_baseline_is_never_worth_deploying() -> None:
    assert worthy(RESULTS[2:], METRICS["rmse"]) == []


def test_as_good_as_a_baseline_is_not_better() -> None:
    assert worthy([result("XGBoost", 2.0), result(FORMULA, 2.0)], METRICS["rmse"]) == []


def test_each_objection_names_the_best_of_the_baselines_that_are_not_beaten() -> None:
    unproven, weak = _objections(RESULTS, METRICS["mae"], Choice())
    assert unproven == "LightGBM is not deployable: it has no ONNX graph: TypeError: no converter"
    assert weak == "Ridge does not beat FormulaBaseline: MAE 2.5 over the folds against 2"


@pytest.mark.parametrize("metric", ["r2", "bias"])
def test_a_metric_that_is_larger_or_nearer_zero_when_better_tells_the_same(metric: str) -> None:
    """The mean has no bias by construction, so that nothing would ever beat it in that."""
    assert [each.candidate.name for each in worthy(RESULTS, METRICS[metric])] == ["XGBoost"]


def test_too_large_or_too_slow_a_graph_is_over_the_budget_and_says_by_which_key() -> None:
    large = replace(result("XGBoost", 1.0), model_bytes=2_000_000, cost=Cost(40.0, 5.0))
    assert over_budget(large, Choice()) is None
    assert over_budget(large, Choice(max_bundle_mb=1.5)) == "its graph has 2.0 MB, more than choice.max_bundle_mb: 1.5"
    assert over_budget(large, Choice(max_row_us=39)) == "a row takes it 40.0 µs of CPU, more than choice.max_row_us: 39"
    assert list(_objections([large, RESULTS[-1]], METRICS["rmse"], Choice(max_row_us=39))) == [
        "XGBoost is over the budget: a row takes it 40.0 µs of CPU, more than choice.max_row_us: 39"
    ]


def test_what_was_not_measured_and_a_baseline_are_over_no_budget() -> None:
    least = Choice(max_bundle_mb=1e-9, max_row_us=1e-9)
    assert over_budget(result("XGBoost", 1.0), least) is None
    assert over_budget(replace(result(BASELINE, 3.0), cost=Cost(40.0, 5.0)), least) is None
    assert complaint_of(10, joined_cost([result("XGBoost", 1.0), replace(RESULTS[1], cost=Cost(40.0, 5.0))]), least) is None


def test_what_is_served_together_costs_what_its_parts_do_and_one_call() -> None:
    measured = [replace(RESULTS[1], cost=Cost(40.0, 5.0)), replace(RESULTS[3], cost=Cost(2.0, 0.5))]
    assert joined_cost(measured) == Cost(40.5, 5.5)
    assert joined_cost([]) is None
    trees = [replace(RESULTS[1], cost=Cost(372.0, 50.0)), replace(RESULTS[1], cost=Cost(288.0, 40.0))]
    line = replace(RESULTS[3], cost=Cost(60.0, 2.0))
    assert joined_cost(trees, [*trees, line]) == Cost(602.0, 90.0), "trees take longer for a row by itself than in a batch"
