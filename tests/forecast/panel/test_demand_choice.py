"""The model of a demand is the best within the bias, and the baseline that it has to beat is held to the same."""

import numpy as np
import pytest

from tabtrail.contract.periods import Calendar
from tabtrail.errors import DataError
from tabtrail.forecast.panel.blend import best_blend, blend
from tabtrail.forecast.panel.evaluate import Evaluated, Origins, best_baseline, choose, observed
from tabtrail.forecast.panel.evaluate import scored as score_forecast
from tabtrail.forecast.panel.panel import Panel


def scored(name: str, mae: float, bias: float, *, baseline: bool = False) -> Evaluated:
    return Evaluated(name, np.zeros((1, 1)), {"mae": mae, "bias": bias}, baseline)


MODELS = [scored("absolute", 2.2, -0.25), scored("tweedie", 2.4, -0.03), scored("blend", 2.3, -0.09)]


def test_the_best_within_the_bias_is_chosen_and_what_it_cost_is_said() -> None:
    chosen, reason = choose(MODELS, "mae", 0.1)
    assert chosen.name == "blend"
    assert "absolute has 2.2 instead of 2.3, and would order 25.0% too little" in reason


def test_without_a_bound_the_best_is_chosen() -> None:
    assert choose(MODELS, "mae", None)[0].name == "absolute"


def test_where_no_model_is_within_the_bias_the_least_is_chosen_and_said_so() -> None:
    chosen, reason = choose(MODELS, "mae", 0.01)
    assert chosen.name == "tweedie"
    assert "no model's |bias| is within 1%" in reason


def test_no_baseline_is_chosen() -> None:
    with pytest.raises(DataError, match="MAE"):
        choose([scored("naive", 1.0, 0.0, baseline=True)], "mae", None)


def test_a_baseline_that_forecasts_far_too_little_is_no_rival() -> None:
    rivals = [scored("median", 1.0, -0.9, baseline=True), scored("mean", 3.0, 0.05, baseline=True), *MODELS]
    assert best_baseline(rivals, "mae", 0.1) == rivals[1]
    assert best_baseline(rivals, "mae", None) == rivals[0]
    assert best_baseline(rivals, "mae", 0.001) == rivals[0]
    assert best_baseline(MODELS, "mae", 0.1) is None


def test_a_blend_joins_models_that_read_alike_and_the_better_of_two_blends_is_taken() -> None:
    actual = np.tile([[4.0, 6.0, 8.0, 10.0]], (3, 6)) + np.arange(3)[:, None]
    panel = Panel(Calendar("D"), 0, ("item",), np.concatenate([actual, actual], axis=1))
    origins = Origins((23, 31), 4)
    seen = observed(panel, origins)
    models = {"a": seen - 2, "b": seen + 1, "c": seen - 1, "d": seen + 1.2, "window": seen}
    members = [score_forecast(name, forecast, panel, origins) for name, forecast in models.items()]
    reads = {"a": "level", "b": "level", "c": "units", "d": "units", "window": None}
    found = best_blend(members, reads, panel, origins, metric="mae", max_bias=0.1)
    assert found is not None
    assert set(found[1]) == {"c", "d"}, "those over the level are further off, and a window is read by itself"
    level = blend(members[:2], panel, origins, metric="mae", max_bias=0.1)[0]
    assert (found[0].scores["mae"] or 0.0) < (level.scores["mae"] or 0.0)
    assert best_blend(members[3:], {"d": "units", "window": None}, panel, origins, metric="mae", max_bias=None) is None
