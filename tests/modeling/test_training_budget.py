"""A budget of time or of candidates: what is begun, what is left out and where that is said."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tabtrail.cli.tune import limits
from tabtrail.config.budget import Budget, parse_budget
from tabtrail.config.load import load_config
from tabtrail.errors import ConfigError, UsageError
from tabtrail.modeling.benchmark import run_benchmark
from tabtrail.modeling.budget import Budgeted
from tabtrail.modeling.candidates import list_candidates
from tabtrail.modeling.problem import problem_of
from tabtrail.modeling.results import Benchmark
from tabtrail.modeling.table import load_table

pytestmark = pytest.mark.usefixtures("one_thread")
YAML = """
version: 2
paths: {raw_csv: x.csv}
model: {target: y, numeric_features: [a, b]}
split: {kind: random, folds: 2}
candidates:
  ExtraTrees: {n_estimators: 5}
  LinearRegression: {}
  LightGBM: {n_estimators: 20}
  Blend: {}
engine: {kind: serial}
"""


def benchmark_with(folder: Path, *overrides: str) -> Benchmark:
    (folder / "x.yaml").write_text(YAML)
    problem = problem_of(load_config(folder / "x.yaml", overrides))
    random = np.random.default_rng(0)
    a, b = random.uniform(0, 10, 120), random.uniform(0, 10, 120)
    rows = pl.DataFrame({"a": a, "b": b, "y": a * b})
    return run_benchmark(problem, load_table(problem, rows))


@pytest.mark.parametrize(
    ("text", "seconds", "trials"),
    [
        ("30", 1800, None),
        ("30min", 1800, None),
        ("1.5 h", 5400, None),
        ("90s", 90, None),
        ("1 trial", None, 1),
        ("12 trials", None, 12),
    ],
)
def test_a_budget_is_a_time_or_a_number_of_trials_and_a_bare_number_minutes(text, seconds, trials) -> None:
    found = parse_budget(text)
    assert (found.seconds, found.trials) == (seconds, trials)


@pytest.mark.parametrize("text", ["", "0", "-5min", "soon", "1.5 trials", "0 trials", "10 days"])
def test_what_is_no_budget_is_refused_with_what_to_write(text, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="write a time, such as 30min, 90s or 2h, or a number, such as 10 trials"):
        parse_budget(text)
    with pytest.raises(ConfigError, match=r"choice\.budget"):
        benchmark_with(tmp_path, f"choice.budget='{text}'")


def test_candidates_beyond_a_number_are_left_out_slow_ones_first_and_said_so(tmp_path: Path) -> None:
    found = benchmark_with(tmp_path, "choice.budget=2 trials")
    assert {each.candidate.name for each in found.results} == {"LinearRegression", "LightGBM", "MeanBaseline"}
    assert set(found.dropped) == {"ExtraTrees", "Blend"}, "a slow library, though it stands first"
    assert found.dropped["ExtraTrees"].startswith("left out: the budget of 2 trials was used up")
    free = benchmark_with(tmp_path)
    for name in ("LinearRegression", "LightGBM"):
        assert found.result(name).predictions_sha256 == free.result(name).predictions_sha256


def test_after_the_time_no_candidate_is_begun_but_one_is_in_any_case(tmp_path: Path) -> None:
    found = benchmark_with(tmp_path, "choice.budget=0.000001s")
    assert {each.candidate.name for each in found.results} == {"LinearRegression", "MeanBaseline"}
    assert set(found.dropped) == {"LightGBM", "ExtraTrees", "Blend"}
    assert found.dropped["Blend"] == "left out: the folds give LinearRegression all the weight", "it is that very model"
    assert found.chosen == "LinearRegression"


def test_candidates_that_an_earlier_process_finished_count() -> None:
    candidates = list_candidates({"LinearRegression": {}, "LightGBM": {}})
    budgeted = Budgeted(Budget("2 trials", trials=2))
    begun = [each.name for group in budgeted.groups(candidates, done=1) for each in group]
    assert begun == ["MeanBaseline", "LinearRegression"]
    assert set(budgeted.left_out) == {"LightGBM"}


def test_without_a_budget_all_are_fitted_together() -> None:
    candidates = list_candidates({"LinearRegression": {}, "LightGBM": {}})
    assert list(Budgeted(None).groups(candidates)) == [candidates]


def test_a_race_and_a_budget_are_not_asked_for_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"choice\.budget: a race fits all candidates side by side"):
        benchmark_with(tmp_path, "choice.budget=30min", "choice.racing=true")


def test_the_budget_of_a_search_is_a_time_without_a_number_of_trials_or_that_number() -> None:
    trials, seconds = limits("90s")
    assert (trials >= 1_000, seconds) == (True, 90.0)
    assert limits("5 trials") == (5, None)
    with pytest.raises(UsageError, match="--budget: 'soon' is no budget; write a time"):
        limits("soon")
