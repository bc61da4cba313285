"""What the runs of a training on many series say first."""

import numpy as np
import pytest

from tabtrail.forecast.panel.candidates import DirectCandidate
from tabtrail.forecast.panel.evaluate import Evaluated
from tabtrail.modeling.candidates import Candidate
from tabtrail.tracking import demand_items
from tabtrail.tracking.demand_card import demand_card
from tabtrail.tracking.demand_items import candidate_items

SCORES = {"mae": 2.0, "rmsse": 0.5, "wape": 0.25, "bias": -0.05, "rmse": 3.0}


def model(name: str, *, baseline: bool = False) -> dict[str, object]:
    by_class = {"smooth": {**SCORES, "series": 3}}
    return {"model": name, "baseline": baseline, **SCORES, "skill": {"value": 0.4}, "by_class": by_class}


@pytest.mark.parametrize(("gap", "steps"), [(0, {1, 2}), (3, {4, 5})])
def test_errors_by_horizon_have_the_number_of_periods_ahead_as_steps_also_after_a_gap(gap: int, steps: set[int]) -> None:
    own = Evaluated("LightGBM", np.zeros((1, 2)), SCORES, by_horizon=(SCORES, SCORES))
    items = candidate_items(DirectCandidate(Candidate("LightGBM", "LightGBM", {}), True), own, seconds=1.0, gap=gap)
    assert {each.step for each in items.metrics if each.key == "horizon_mae"} == steps
    assert {each.step for each in items.metrics if each.key == "origins_mae"} == {0}


def test_the_description_of_a_training_names_every_model_baseline_interval_and_note() -> None:
    found = {
        "name": "shop", "target": "a|b", "currency": "", "frequency": "D", "metric": "mae", "champion": "LightGBM",
        "reason": "the least MAE", "best_baseline": "Theta", "origins": ["2024-01-01", "2024-01-15"], "horizon": 14, "gap": 2,
        "series": 32, "synthetic": True, "data_sha256": "0123456789abcdef", "notes": ["5 days closed"],
        "leakage": [{"column": "price", "kind": "known_too_late", "evidence": "it knows the day"}],
        "intervals": {"levels": [{"level": 0.9, "coverage": 0.893}]},
        "models": [model("LightGBM"), model("Theta", baseline=True), *(model(f"Tree_{place}") for place in range(30))],
    }  # fmt: skip
    text = demand_card(found)
    assert "| **LightGBM** |  | 2 | 0.5 | 25.0 % | -5.0 % | 3 | 40.0 % |" in text
    assert "| Theta | baseline |" in text
    assert "| Tree_17 |" in text
    assert "| Tree_18 |" not in text, "twenty are enough"
    for part in ("32 series up to 16 days ahead", "synthetic", "5 days closed", "`price`", "`a/b`", "90 % intervals held 89.3 %"):
        assert part in text
    assert "smooth series (3): MAE 2 units of a|b" in text


def test_charts_by_horizon_and_the_scores_over_all_come_before_those_of_classes_and_levels() -> None:
    own = {"skill": {"value": 0.4, "low": None, "high": None}, "by_class": {"smooth": SCORES}, "by_level": {"total": SCORES}}
    names = [each.key for each in demand_items._details(own)]
    assert names == [
        "skill",
        *(f"origins_by_class_smooth_{metric}" for metric in ("mae", "rmsse", "bias")),
        *(f"origins_by_level_total_{metric}" for metric in ("mae", "rmsse", "bias")),
    ]
    assert sorted([*names, "horizon_mae"])[0] == "horizon_mae"
