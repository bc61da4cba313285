"""A race: who cannot win any more is fitted no further, and it is said after which repeat, by whom and by how much."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tabtrail.config.load import load_config
from tabtrail.modeling.benchmark import candidates_of, run_benchmark
from tabtrail.modeling.blend import wanted_by_blends
from tabtrail.modeling.candidates import list_candidates
from tabtrail.modeling.metrics import METRICS, score
from tabtrail.modeling.notes import notes
from tabtrail.modeling.problem import problem_of
from tabtrail.modeling.racing import Ended, finalists, heats, race
from tabtrail.modeling.results import Benchmark, Fit, Result
from tabtrail.modeling.split import Split
from tabtrail.modeling.table import load_table, split_table

YAML = """
version: 2
paths: {raw_csv: x.csv}
model: {target: y, numeric_features: [a, b]}
split: {kind: random, folds: 3, repeats: 3}
candidates:
  LinearRegression: {}
  ExtraTrees_good: {n_estimators: 10}
  ExtraTrees_bad: {n_estimators: 10, max_depth: 1}
engine: {kind: serial}
"""


def benchmark_with(folder: Path, *overrides: str) -> Benchmark:
    (folder / "x.yaml").write_text(YAML)
    problem = problem_of(load_config(folder / "x.yaml", overrides))
    random = np.random.default_rng(0)
    a, b = random.uniform(0, 10, 240).round(2), random.uniform(0, 10, 240).round(2)
    rows = pl.DataFrame({"a": a, "b": b, "y": np.floor(a) * np.floor(b) + random.normal(0, 1, 240)})
    return run_benchmark(problem, load_table(problem, rows))


def test_who_cannot_win_any_more_leaves_and_the_others_come_to_what_they_do_without_a_race(tmp_path: Path) -> None:
    free, raced = benchmark_with(tmp_path), benchmark_with(tmp_path, "choice.racing=true")
    assert set(raced.dropped) == {"LinearRegression", "ExtraTrees_bad"}
    assert raced.dropped["ExtraTrees_bad"].startswith("dropped after repeat 1 of 3: RMSE ")
    assert "worse than ExtraTrees_good (95 %:" in raced.dropped["ExtraTrees_bad"]
    assert [each.candidate.name for each in raced.results] == ["ExtraTrees_good", "MeanBaseline"], "baselines stay"
    for each in raced.results:
        assert each.predictions_sha256 == free.result(each.candidate.name).predictions_sha256
    assert raced.chosen == free.chosen
    assert not any("dropped" in each for each in notes(raced, None)), "who is not in the table is no warning about its figures"
    assert free.dropped == {}


@pytest.mark.parametrize(("gap", "left_after"), [(1.0, 1), (0.12, None)])
def test_who_is_dropped_is_fitted_on_no_later_repeat(tmp_path: Path, gap: float, left_after: int | None) -> None:
    """Scores as told: a gap that the first repeat tells apart, and one that no repeat does."""
    (tmp_path / "x.yaml").write_text(YAML)
    problem = problem_of(load_config(tmp_path / "x.yaml"))
    random = np.random.default_rng(0)
    table = load_table(
        problem, pl.DataFrame({"a": random.normal(size=90), "b": random.normal(size=90), "y": random.normal(size=90)})
    )
    split: Split = split_table(problem, table)
    asked: dict[str, list[int]] = {}

    def fit(tasks):  # type: ignore[no-untyped-def]
        for candidate, fold in tasks:
            asked.setdefault(candidate.name, []).append(fold)
            error = 1 + (gap + 0.1 * (fold % 3 - 1) if candidate.name == "ExtraTrees_bad" else 0.02 * (fold % 2))
            y = np.zeros(4)
            yield Fit(candidate.name, fold, score(y, y + error), {}, y, 0.0, 0.0)

    found = race(candidates_of(problem), split, METRICS["rmse"], fit, {})
    assert asked["ExtraTrees_good"] == list(range(9))
    assert asked["ExtraTrees_bad"] == list(range(9 if left_after is None else 3 * left_after))
    assert ("ExtraTrees_bad" in found.dropped) == (left_after is not None)
    assert set(found.fits) == {each.name for each in candidates_of(problem)} - set(found.dropped)


def fitted_with(**errors: float) -> list[Any]:
    """Candidates with their fits on five folds, whose errors are as told, a little different on each."""
    y = np.zeros(4)
    candidates = {each.name: each for each in list_candidates({name: {} for name in errors})}
    return [
        (candidates[name], tuple(Fit(name, fold, score(y, y + error + 0.01 * fold), {}, y, 0.0, 0.0) for fold in range(5)), None)
        for name, error in errors.items()
    ]


def test_of_bags_only_those_that_the_folds_do_not_tell_from_the_best_are_proven() -> None:
    dropped: dict[str, str] = {}
    ended = Ended(METRICS["rmse"], 0.25, lambda name: True)
    made = fitted_with(LightGBM_bag=1.0, CatBoost_bag=1.0, LightGBM_log_bag=2.0, MeanBaseline=9.0)
    beaten: list[Any] = []
    found = [each.name for each, _, _ in finalists(made, {}, ended, dropped, beaten)]
    assert found == ["LightGBM_bag", "CatBoost_bag", "MeanBaseline"]
    assert set(dropped) == {each.name for each, _, _ in beaten} == {"LightGBM_log_bag"}
    assert dropped["LightGBM_log_bag"].startswith("dropped before its proof: RMSE 1 worse than CatBoost_bag (95 %:")


def test_where_the_best_turns_out_not_to_be_servable_the_others_come_back() -> None:
    dropped: dict[str, str] = {}
    proven: list[str] = []
    ended = Ended(METRICS["rmse"], 0.25, lambda name: name != "LightGBM_bag" and name in proven)
    beaten: list[Any] = []
    for each, _, _ in finalists(fitted_with(LightGBM_bag=1.0, CatBoost_bag=2.0), {}, ended, dropped, beaten):
        proven.append(each.name)
    assert proven == ["LightGBM_bag", "CatBoost_bag"]
    assert dropped == {}
    assert beaten == []


def test_a_bag_that_cannot_win_is_dropped_with_its_reason_and_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    bags = (
        "candidates.LightGBM_good={bag: true, n_estimators: 200, early_stopping_rounds: 20, min_child_samples: 3}",
        "candidates.LightGBM_bad={bag: true, n_estimators: 200, early_stopping_rounds: 20, max_depth: 1, learning_rate: 0.01}",
    )
    free, raced = benchmark_with(tmp_path, *bags), benchmark_with(tmp_path, "choice.racing=true", *bags)
    assert "LightGBM_bad" in raced.dropped
    assert "LightGBM_bad" not in {each.candidate.name for each in raced.results}
    for each in raced.results:
        assert each.predictions_sha256 == free.result(each.candidate.name).predictions_sha256


def test_the_beaten_one_that_makes_a_blend_err_less_is_wanted_after_all(tmp_path: Path) -> None:
    """Errors of 1, of 1.3 independent of the former, and of 1.3 that are the former's and more."""
    (tmp_path / "x.yaml").write_text(YAML)
    problem = problem_of(load_config(tmp_path / "x.yaml"))
    random = np.random.default_rng(0)
    table = load_table(problem, pl.DataFrame({name: random.normal(size=300) for name in "aby"}))
    split = split_table(problem, table)
    errors = random.normal(size=(2, len(table.y)))
    predicted = {
        "LightGBM": table.y + errors[0],
        "CatBoost": table.y + 1.3 * errors[1],
        "LightGBM_alike": table.y + 1.3 * errors[0],
        "MeanBaseline": 0 * table.y,
    }
    listed = {each.name: each for each in list_candidates({**{name: {} for name in predicted}, "Blend": {}})}

    def fitted(name: str) -> Any:
        folds = (Fit(name, index, {}, {}, predicted[name][fold.valid], 0.0, 0.0) for index, fold in enumerate(split.folds))
        return listed[name], tuple(folds), Fit(name, -1, {}, {}, table.y[split.test], 0.0, 0.0)

    best, baseline = (Result(*fitted(name), 1) for name in ("LightGBM", "MeanBaseline"))
    beaten = [fitted("CatBoost"), fitted("LightGBM_alike")]
    found = wanted_by_blends([listed["Blend"]], beaten, [baseline, best], table, split, problem)
    assert [each.name for each, _, _ in found] == ["CatBoost"]
    assert wanted_by_blends([], beaten, [baseline, best], table, split, problem) == []


def test_a_blend_has_what_it_wants_of_the_beaten_in_the_leaderboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bags = "{LightGBM: {bag: true, n_estimators: 20}, LightGBM_bad: {bag: true, n_estimators: 2, max_depth: 1}, Blend: {}}"
    settings = (f"candidates={bags}", "split.folds=5", "split.repeats=1", "choice.racing=true")
    stopping = [f"candidates.{name}.early_stopping_rounds=5" for name in ("LightGBM", "LightGBM_bad")]
    asked: list[str] = []

    def wanted(blends: Any, beaten: Any, *rest: Any) -> Any:
        asked.extend(each.name for each, _, _ in beaten)
        return beaten

    assert set(benchmark_with(tmp_path, *settings, *stopping).dropped) == {"LightGBM_bad", "Blend"}
    monkeypatch.setattr("tabtrail.modeling.benchmark.wanted_by_blends", wanted)
    found = benchmark_with(tmp_path, *settings, *stopping)
    assert asked == ["LightGBM_bad"]
    assert "LightGBM_bad" in {each.candidate.name for each in found.results}
    assert "LightGBM_bad" not in found.dropped


LISTED = {
    "LinearRegression": {},
    "LightGBM": {"num_leaves": 9},
    "LightGBM_log": {"num_leaves": 9, "target_transform": "log", "smearing": True},
    "CatBoost": {"depth": 4},
    "CatBoost_log": {"depth": 4, "target_transform": "log"},
    "CatBoost_deep_log": {"depth": 9, "target_transform": "log"},
}


@pytest.mark.parametrize(
    ("lost", "left_out"),
    [("LightGBM_log", {"CatBoost_log"}), ("LightGBM", {"CatBoost"}), (None, set())],
)
def test_the_scale_of_the_target_that_loses_in_the_first_pair_is_not_fitted_in_others(
    lost: str | None, left_out: set[str]
) -> None:
    """A logarithm without a twin on the plain scale is no matter of the scale alone: it is fitted."""
    dropped: dict[str, str] = {}
    groups = heats(list_candidates(LISTED), dropped)
    assert [each.name for each in next(groups)] == ["MeanBaseline", "LinearRegression", "LightGBM", "LightGBM_log"]
    dropped |= {} if lost is None else {lost: "dropped"}
    assert {each.name for each in next(groups)} == {"CatBoost", "CatBoost_log", "CatBoost_deep_log"} - left_out
    assert set(dropped) - {lost} == left_out
    assert all(f"not fitted: {lost}, on the same scale" in dropped[name] for name in left_out)


@pytest.mark.parametrize("worse", ["LightGBM", "LightGBM_log"])
def test_the_scale_that_errs_more_over_the_folds_is_not_fitted_in_others_where_it_decides(worse: str) -> None:
    dropped: dict[str, str] = {}
    groups = heats(list_candidates(LISTED), dropped, lambda name: 2.0 if name == worse else 1.0)
    next(groups)
    left_out = worse.replace("LightGBM", "CatBoost")
    assert {each.name for each in next(groups)} == {"CatBoost", "CatBoost_log", "CatBoost_deep_log"} - {left_out}
    why = f"not fitted: {worse}, on the same scale of the target, errs more over the folds than its like on the other one"
    assert dropped == {left_out: why}


def test_candidates_without_a_pair_race_together() -> None:
    candidates = list_candidates({"LinearRegression": {}, "LightGBM_log": {"target_transform": "log"}})
    assert list(heats(candidates, {})) == [candidates]
