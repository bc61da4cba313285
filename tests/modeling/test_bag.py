"""A bag: the average of the models that a candidate's folds left, scored as they were and refitted fold by fold."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tabtrail.config.load import load_config
from tabtrail.errors import ConfigError
from tabtrail.export.prove import prove
from tabtrail.forecast.panel.candidates import demand_problems
from tabtrail.modeling.benchmark import run_benchmark
from tabtrail.modeling.candidates import candidate_problems
from tabtrail.modeling.estimators import Bag, Blend, pipelines_of
from tabtrail.modeling.fit import build_model, regressor_of
from tabtrail.modeling.notes import notes
from tabtrail.modeling.preprocess import Recipe
from tabtrail.modeling.problem import problem_of
from tabtrail.modeling.refit import refit
from tabtrail.modeling.results import Benchmark
from tabtrail.modeling.table import cut_folds, load_table

pytestmark = pytest.mark.usefixtures("one_thread")
YAML = """
version: 2
paths: {raw_csv: x.csv}
model: {target: y, numeric_features: [a, b]}
cleaning: {date_column: day}
split: {kind: random, allow_leaky: true, folds: 3, repeats: 2}
candidates:
  LightGBM: {n_estimators: 60, min_child_samples: 3, early_stopping_rounds: 5}
  LightGBM_bag: {n_estimators: 60, min_child_samples: 3, early_stopping_rounds: 5, bag: true}
  Blend: {}
engine: {kind: serial}
"""


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    problem = problem_of(load_config(written(tmp_path_factory.mktemp("bag"))))
    random = np.random.default_rng(0)
    a, b = random.uniform(0, 10, 240).round(2), random.uniform(0, 10, 240).round(2)
    rows = pl.DataFrame({"a": a, "b": b, "y": a * b + random.normal(0, 3, 240), "day": pl.Series([None] * 240, dtype=pl.Date)})
    return run_benchmark(problem, load_table(problem, rows))


def written(folder: Path) -> Path:
    (folder / "x.yaml").write_text(YAML)
    return folder / "x.yaml"


def test_folds_are_scored_as_without_it_and_their_models_are_averaged(benchmark: Benchmark) -> None:
    bagged, alone = benchmark.result("LightGBM_bag"), benchmark.result("LightGBM")
    assert [fit.scores for fit in bagged.folds] == [fit.scores for fit in alone.folds]
    assert isinstance(bagged.model, Bag)
    assert bagged.model.names == ("fold 1", "fold 2", "fold 3"), "the members of the first repeat"
    test = benchmark.table.take(benchmark.split.test).x
    for fit, fold, member in zip(bagged.folds, benchmark.split.folds, bagged.model.models, strict=False):
        np.testing.assert_array_equal(member.predict(benchmark.table.take(fold.valid).x), fit.predicted)
    np.testing.assert_allclose(bagged.final.predicted, np.mean([each.predict(test) for each in bagged.model.models], axis=0))
    assert bagged.final.scores["rmse"] != alone.final.scores["rmse"]
    assert all(fit.model is None for fit in bagged.folds)


def test_a_bag_is_one_graph_that_is_proven(benchmark: Benchmark) -> None:
    graph, parity = prove(
        benchmark.problem.model, benchmark.result("LightGBM_bag").model, benchmark.table.x, scale=20.0, tolerance=1e-5
    )
    assert graph is not None
    assert parity.passed


def test_refitted_each_member_learns_from_its_fold_of_all_rows_with_the_rounds_that_it_had(benchmark: Benchmark) -> None:
    problem, table, split = benchmark.problem, benchmark.table, benchmark.split
    result = benchmark.result("LightGBM_bag")
    again = refit(problem, table, split, result.candidate, result.model)
    everything = np.ones(len(table.y), dtype=bool)
    folds = cut_folds(problem, table, everything, ~everything, problem.seed).folds[:3]
    for fold, twin, model in zip(folds, result.model.models, again.model.models, strict=True):
        rounds = regressor_of(twin).n_estimators
        rows = table.take(fold.train)
        expected = build_model(result.candidate, Recipe.of(problem.model), n_estimators=rounds).fit(rows.x, rows.y)
        np.testing.assert_array_equal(model.predict(table.x), expected.predict(table.x))
    assert list(again.rounds) == ["LightGBM_bag fold 1", "LightGBM_bag fold 2", "LightGBM_bag fold 3"]


def test_a_blend_of_bags_is_refitted_member_by_member(benchmark: Benchmark) -> None:
    bagged, alone = benchmark.result("LightGBM_bag"), benchmark.result("LightGBM")
    twin = Blend(("LightGBM", "LightGBM_bag"), (0.25, 0.75), (alone.model, bagged.model))
    blend = benchmark.result("Blend").candidate
    made = refit(benchmark.problem, benchmark.table, benchmark.split, blend, twin).model
    assert (made.names, made.weights) == (twin.names, twin.weights)
    assert len(list(pipelines_of(made))) == 4
    assert isinstance(made.models[1], Bag)


def test_a_reader_of_a_champion_that_is_a_bag_is_told_what_its_figures_are_of(benchmark: Benchmark) -> None:
    told = {
        name: " ".join(notes(Benchmark(benchmark.problem, benchmark.table, benchmark.split, benchmark.results, name), None))
        for name in ("LightGBM", "LightGBM_bag")
    }
    assert "each on rows that it has not seen" in told["LightGBM_bag"]
    assert "each on rows that it has not seen" not in told["LightGBM"]


def test_a_bag_of_folds_that_follow_one_another_in_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"candidates.LightGBM_bag.bag: with a time split .* leave bag out"):
        load_config(written(tmp_path), ["split={kind: time}"])


def test_a_bag_is_said_yes_or_no_to_and_is_none_of_series() -> None:
    assert [problem for _, problem in candidate_problems("LightGBM", {"bag": 5})] == ["write true or false"]
    assert [key for key, _ in demand_problems("LightGBM", {"bag": True})] == [("bag",)]
