"""The gate by itself: what it refuses, and that its interval is one."""

from dataclasses import replace

import numpy as np
import pytest
from tests.support.bundles import metadata

from tabtrail.config.operation import Promotion
from tabtrail.errors import DataError
from tabtrail.modeling.bootstrap import Comparison, CoverageCheck, Resampling, check_coverage, compare
from tabtrail.modeling.gate import Measured, Verdict, judge
from tabtrail.modeling.metrics import METRICS

RULES = Promotion()
RMSE = METRICS["rmse"]
ROWS = Resampling(None, None, level=0.95, seed=1)
LEAK = {"column": "X", "kind": "binned", "evidence": "", "cv_rmse_with": 1.0, "cv_rmse_without": 2.0}


def comparison(low: float, difference: float, high: float) -> Comparison:
    return Comparison(100, 100, None, "rmse", 10.0, 10.0 + difference, difference, low, high, 0.95, 10.0, 10.0 + difference)


def verdict(
    compared: Comparison | None, *, rules: Promotion = RULES, policy: str = "warn", held: float = 0.9, **changes: object
) -> Verdict:
    coverage = CoverageCheck(0.9, held, held - 0.02, held + 0.02)
    champion = metadata(test_sha256="t")
    return judge(
        rules,
        {**champion, **changes},
        champion,
        policy=policy,
        parity_tolerance=1e-5,
        measured=Measured(compared, coverage, "on all rows"),
    )


def simulate(seed: int, *, worse: float, groups: int, rows: int) -> tuple[np.ndarray, ...]:
    """Errors of both models with a part that all rows of a group share, the challenger's larger by the factor 1 + worse."""
    rng = np.random.default_rng(seed)
    names = np.repeat(np.arange(groups), rows).astype(str).astype(object)
    shared = np.repeat(rng.normal(size=groups), rows)
    common = rng.normal(size=groups * rows)
    champion = shared + common + 0.5 * rng.normal(size=groups * rows)
    challenger = (1 + worse) * (shared + common + 0.5 * rng.normal(size=groups * rows))
    return np.zeros(groups * rows), champion, challenger, names


@pytest.mark.parametrize("grouped", [True, False])
def test_a_model_that_is_clearly_worse_has_an_interval_above_zero_and_an_equal_one_holds_zero(grouped: bool) -> None:
    for worse, surely in ((0.3, True), (0.0, False)):
        actual, champion, challenger, names = simulate(1, worse=worse, groups=200, rows=4)
        how = Resampling(names if grouped else None, "ORDER" if grouped else None, level=0.95, seed=1)
        found = compare(actual, champion, challenger, RMSE, how)
        assert (found.low > 0) is surely
        assert found.low < found.difference < found.high
        assert (found.units, found.by) == ((200, "ORDER") if grouped else (800, None))


def test_the_interval_holds_the_true_difference_about_as_often_as_it_says() -> None:
    """Both models err alike in distribution, so that the true difference is 0; 95 % of 60 intervals, less 4 standard errors."""
    held = 0
    for seed in range(60):
        actual, champion, challenger, names = simulate(seed, worse=0.0, groups=60, rows=4)
        found = compare(actual, champion, challenger, RMSE, Resampling(names, "ORDER", 0.95, seed))
        held += found.low <= 0 <= found.high
    assert held >= 50


def test_whole_groups_give_a_wider_interval_where_their_rows_err_alike() -> None:
    rng = np.random.default_rng(3)
    names = np.repeat(np.arange(50), 10).astype(str).astype(object)
    champion, challenger = (np.repeat(rng.normal(size=50), 10) for _ in range(2))
    both = [compare(np.zeros(500), champion, challenger, RMSE, Resampling(groups, "G", 0.95, 1)) for groups in (names, None)]
    widths = [each.high - each.low for each in both]
    assert widths[0] > 2 * widths[1]


def test_the_same_model_differs_by_nothing() -> None:
    actual, champion, _, names = simulate(1, worse=0, groups=30, rows=2)
    found = compare(actual, champion, champion, RMSE, Resampling(names, "G", 0.95, 1))
    assert (found.difference, found.low, found.high) == (0, 0, 0)
    assert verdict(found).accepted


def test_no_rows_cannot_be_compared() -> None:
    with pytest.raises(DataError, match="no test rows"):
        compare(np.zeros(0), np.zeros(0), np.zeros(0), RMSE, ROWS)


def test_a_difference_that_may_be_chance_is_accepted_and_a_sure_or_large_one_refused() -> None:
    assert verdict(comparison(-0.2, 0.1, 0.4)).accepted
    assert "worse than the champion beyond chance" in verdict(comparison(0.01, 0.1, 0.4)).reasons[0]
    assert "more than promotion.max_worse (5%)" in verdict(comparison(-1, 0.6, 2)).reasons[0]
    assert verdict(comparison(-1, 0.6, 2), rules=Promotion(max_worse=0.1)).accepted


def test_worse_is_a_share_of_the_champions_value_whichever_way_the_metric_points() -> None:
    by_r2 = Comparison(100, 100, None, "r2", 0.8, 0.7, 0.1, -0.1, 0.3, 0.95, 10.0, 12.0)
    assert "its R² is worse than the champion's by more than promotion.max_worse (5%)" in verdict(by_r2).reasons[0]
    assert "R² 0.7 against 0.8 on the same 100 test rows, worse by +0.1" in verdict(by_r2).reasons[0]
    assert verdict(replace(by_r2, difference=0.03)).accepted


def test_a_comparison_by_another_metric_than_that_of_the_choice_is_noted() -> None:
    fallback = replace(comparison(-0.1, 0.0, 0.1), instead_of="bias")
    assert any(note.startswith("compared by RMSE: mean bias, the metric of the choice,") for note in verdict(fallback).notes)


def test_better_can_be_asked_for() -> None:
    strict = Promotion(require="better")
    assert "promotion.require is better" in verdict(comparison(-0.4, -0.1, 0.2), rules=strict).reasons[0]
    assert verdict(comparison(-0.4, -0.2, -0.1), rules=strict).accepted


def test_a_challenger_that_cannot_be_compared_is_refused() -> None:
    assert verdict(None).reasons == (
        "it cannot be compared with the champion on rows that neither has learned from: on all rows",
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"parity": {"passed": False, "max_difference": 1.0}}, "no proof"),
        ({"parity": {}}, "no proof"),
        ({"parity": {"passed": True, "max_difference": 0.1}}, "differs from the Python model by 0.1"),
        ({"target": "Z"}, "its target is 'Z', the champion's 'Y'"),
        ({"currency": "EUR"}, "its currency is 'EUR'"),
        ({"synthetic": True}, "synthetic data"),
        ({"intervals": None}, "gives no intervals"),
        ({"held": 0.8}, "90% intervals hold 80.0% of the test rows"),
        ({"leakage": [LEAK], "policy": "error"}, "leakage.policy is error, and X: binned"),
        ({"leakage": [LEAK], "policy": "drop"}, "leakage.policy is drop, and X: binned"),
    ],
)
def test_each_other_reason_is_one_of_its_own(changes: dict[str, object], reason: str) -> None:
    reasons = verdict(comparison(-0.1, 0.0, 0.1), **changes).reasons  # type: ignore[arg-type]
    assert len(reasons) == 1
    assert reason in reasons[0]


def test_what_is_allowed_is_only_noted() -> None:
    leak = {**LEAK, "column": "W"}
    features = metadata()["schema"]["features"]
    champion = metadata(leakage=[leak])
    champion["schema"]["features"] = [*features, {**features[0], "name": "W"}]
    challenger = metadata(test_sha256="other")
    challenger["schema"]["features"] = [*features, {**features[0], "name": "V"}]
    found = judge(
        Promotion(),
        challenger,
        champion,
        policy="warn",
        parity_tolerance=1e-5,
        measured=Measured(comparison(-1, 0, 1), None, "compared on all 100 test rows"),
    )
    assert found.accepted
    text = "\n".join(found.notes)
    for words in ("takes columns that the champion does not take, callers must send them: V", "no longer takes W"):
        assert words in text
    assert "W gives the target away, and the challenger does without" in text
    assert "compared on all 100 test rows" in text


def test_coverage_of_few_rows_is_not_held_against_a_model() -> None:
    inside = np.array([True] * 8 + [False] * 2)
    few = check_coverage(inside, 0.9, ROWS)
    many = check_coverage(np.tile(inside, 100), 0.9, ROWS)
    assert few.high > 0.9
    assert many.high < 0.85
    assert few.coverage == many.coverage == 0.8
