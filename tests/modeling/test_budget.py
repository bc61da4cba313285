"""What may be chosen at all: graphs within the size and the time of a row that the choice allows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tabtrail.config.load import load_config
from tabtrail.modeling.benchmark import run_benchmark
from tabtrail.modeling.estimators import choose_weights
from tabtrail.modeling.problem import problem_of
from tabtrail.modeling.proof import Cost
from tabtrail.modeling.results import Benchmark, Fit
from tabtrail.modeling.table import load_table

pytestmark = pytest.mark.usefixtures("one_thread")
YAML = """
version: 2
paths: {raw_csv: x.csv}
model: {target: y, numeric_features: [a, b]}
split: {kind: random, folds: 3}
candidates:
  ExtraTrees: {n_estimators: 30}
  LightGBM: {n_estimators: 60, min_child_samples: 3}
  LinearRegression: {}
  Blend: {}
engine: {kind: serial}
"""
COSTS = {"ExtraTrees": 500.0, "LightGBM": 50.0, "LinearRegression": 2.0, "Blend": 0.0, "MeanBaseline": 1.0}


def benchmark_with(folder: Path, *overrides: str, row_us: Callable[[Any], float | None] = lambda model: None) -> Benchmark:
    """Candidates of which the forest is the best and takes 500 µs a row, as far as the choice is told."""
    (folder / "x.yaml").write_text(YAML)
    problem = problem_of(load_config(folder / "x.yaml", overrides))
    random = np.random.default_rng(0)
    a, b = random.uniform(0, 10, 240).round(2), random.uniform(0, 10, 240).round(2)
    rows = pl.DataFrame({"a": a, "b": b, "y": np.floor(a) * np.floor(b) + random.normal(0, 1, 240)})

    def export(fit: Fit) -> Any:
        return 1_000, None, Cost(COSTS[fit.candidate] + 1, COSTS[fit.candidate])

    return run_benchmark(problem, load_table(problem, rows), export=export, row_us=row_us)


def test_the_best_is_not_chosen_where_it_is_over_the_budget_and_the_blend_leaves_it_out(tmp_path: Path) -> None:
    free = benchmark_with(tmp_path, "choice.max_row_us=1000")
    assert free.results[0].candidate.name == "Blend"
    assert "ExtraTrees" in free.result("Blend").model.names
    bound = benchmark_with(tmp_path)
    assert "ExtraTrees" not in bound.result("Blend").model.names
    best = [each.candidate.name for each in bound.results]
    assert best.index("ExtraTrees") < best.index(bound.chosen), "what is chosen errs more, and can be served"


def test_members_that_are_too_slow_together_are_not_blended(tmp_path: Path) -> None:
    """As measured: two forests that fit into a cache one by one need not fit in together."""
    asked = []

    def row_us(model: Any) -> float:
        asked.append({*model.names})
        return 2_000.0 if {"ExtraTrees", "LightGBM"} <= asked[-1] else 100.0

    found = benchmark_with(tmp_path, "choice.max_row_us=1000", row_us=row_us)
    assert {"ExtraTrees", "LightGBM"} <= asked[0]
    blends = [each for each in found.results if each.candidate.name == "Blend"]
    assert len(asked) <= 4
    assert blends or "together longer than choice.max_row_us allows" in found.dropped["Blend"]
    assert not any({"ExtraTrees", "LightGBM"} <= {*each.model.names} for each in blends)
    tried = list[frozenset[str]]()
    benchmark_with(tmp_path, "choice.max_row_us=1000", row_us=lambda model: tried.append(frozenset(model.names)) or 2_000.0)
    assert len(tried) == len({*tried}), "what was too slow is not measured again"


def test_where_nothing_is_within_the_budget_nothing_is_deployed(tmp_path: Path) -> None:
    assert benchmark_with(tmp_path, "choice.max_bundle_mb=0.0001").champion.is_baseline


def test_a_blend_takes_members_as_long_as_they_are_affordable_together() -> None:
    random = np.random.default_rng(1)
    y = random.normal(size=200)
    predictions = {name: y + random.normal(size=200) for name in "abc"}
    assert set(choose_weights(predictions, y, 30)) == {"a", "b", "c"}
    assert len(choose_weights(predictions, y, 30, lambda names: len(names) <= 2)) == 2
    assert len(choose_weights(predictions, y, 30, lambda names: False)) == 3, "else there would be no blend to show"
