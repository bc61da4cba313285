"""The model of a demand is the best within the bias, and the baseline that it has to beat is held to the same."""

import numpy as np
import pytest

from tabtrail.errors import DataError
from tabtrail.forecast.panel.evaluate import Evaluated, best_baseline, choose


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
