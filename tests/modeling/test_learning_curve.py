"""What more rows are worth: the folds with the most rows are looked at, and more rows are recommended by a stated rule."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tabtrail.bundle.intervals import Intervals
from tabtrail.config.load import load_config
from tabtrail.modeling.benchmark import candidates_of, run_benchmark
from tabtrail.modeling.intervals import calibrate_all
from tabtrail.modeling.learning_curve import LearningCurve, learning_curve
from tabtrail.modeling.problem import problem_of
from tabtrail.modeling.results import Benchmark
from tabtrail.modeling.table import load_table
from tabtrail.report.model_pictures import curve_note

YAML = """
version: 2
paths: {raw_csv: x.csv}
cleaning: {date_column: day, date_formats: ['%Y-%m-%d']}
model: {target: y, numeric_features: [a]}
split: {kind: time, folds: 5, repeats: 1}
candidates:
  LinearRegression: {}
  LinearRegression_log: {target_transform: log}
engine: {kind: serial}
"""
LINE = "LinearRegression"
CURVE = LearningCurve("Line", 3, "rmse", (70, 100), (5.0, 4.0), (4.0, 3.0), (6.0, 5.0), (0.2, 0.1, 0.3), 120)


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    folder: Path = tmp_path_factory.mktemp("curve")
    (folder / "x.yaml").write_text(YAML)
    random, days = np.random.default_rng(0), pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 10, 26), eager=True)
    a = random.uniform(0, 3, len(days)).round(3)
    rows = pl.DataFrame({"day": days, "a": a, "y": np.exp(a + random.normal(0, 0.7, len(days)))})
    problem = problem_of(load_config(folder / "x.yaml"))
    return run_benchmark(problem, load_table(problem, rows))


def test_in_time_the_folds_with_the_most_rows_are_looked_at(benchmark: Benchmark) -> None:
    candidate = next(each for each in candidates_of(benchmark.problem) if each.name == LINE)
    known = [fit.scores["rmse"] for fit in benchmark.result(LINE).folds]
    curve = learning_curve(benchmark.problem, candidate, benchmark.table, benchmark.split, known=known, most=2)
    assert curve is not None
    sizes = sorted(int(fold.train.sum()) for fold in benchmark.split.folds)
    assert curve.rows[-1] == round(np.mean(sizes[-2:])) > np.mean(sizes)
    assert curve.training_rows == int(benchmark.split.train.sum())
    assert (curve.low[-1], curve.high[-1]) == (min(known[-2:]), max(known[-2:]))
    assert len(curve.last_gains) == 2
    assert LearningCurve.from_dict(curve.to_dict()) == curve


def test_more_rows_are_recommended_only_where_each_fold_and_the_mean_gained_by_the_last_ones() -> None:
    assert "changed by \N{MINUS SIGN}20.0 %, and fell on every fold: more rows would help." in curve_note(CURVE)
    assert "It ends at 100 of the 120 rows of the training part" in curve_note(CURVE)
    flat = curve_note(replace(CURVE, last_gains=(0.004, 0.002, 0.003)))
    assert "fell on 3 of 3 folds: these rows do not show that more would help" in flat
    assert "fell on 2 of 3 folds, which do not agree: more rows may help" in curve_note(
        replace(CURVE, last_gains=(0.4, -0.1, 0.2))
    )
    assert "fell on 1 of 3 folds: these rows do not show" in curve_note(replace(CURVE, last_gains=(-0.4, -0.1, 0.2)))


def test_bounds_of_what_a_logarithm_learned_are_not_below_zero(benchmark: Benchmark) -> None:
    found = calibrate_all(benchmark)
    logged, plain = found["LinearRegression_log"], found[LINE]
    assert isinstance(logged, Intervals)
    assert isinstance(plain, Intervals)
    assert logged.floor == 0.0
    assert logged.bounds(0.1)[0] == 0.0
    assert plain.floor is None
