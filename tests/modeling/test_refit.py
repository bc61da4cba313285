"""After the choice a candidate learns from all rows, with what was found on the training part: rounds, weights, parameters."""

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from tabtrail.config.model import Choice, Intervals, Model, Slices, Split
from tabtrail.config.operation import Engine
from tabtrail.errors import DataError
from tabtrail.modeling.benchmark import run_benchmark
from tabtrail.modeling.estimators import Blend, unclipped
from tabtrail.modeling.problem import Problem
from tabtrail.modeling.refit import learned_rows, refit
from tabtrail.modeling.results import Benchmark
from tabtrail.modeling.table import Table, load_table, split_table

STOPPING = {"max_iter": 200, "min_samples_leaf": 3, "early_stopping_rounds": 5}


def problem(candidates: dict[str, Any], **split: Any) -> Problem:
    return Problem(
        model=Model(target="y", numeric_features=("a",), categorical_features=("b",)),
        split=Split(kind="random", folds=2, **split),
        choice=Choice(),
        intervals=Intervals(),
        slices=Slices(),
        candidates=candidates,
        engine=Engine(kind="serial"),
    )


def rows(count: int = 300) -> pl.DataFrame:
    random = np.random.default_rng(5)
    a, b = random.uniform(0, 100, count).round(3), random.choice(list("pqr"), count)
    return pl.DataFrame({"a": a, "b": b, "y": 20 + 3 * a + 20 * (b == "q") + random.normal(0, 5, count)})


def curved() -> pl.DataFrame:
    """Rows that a line and trees predict better together than either alone."""
    return rows().with_columns(pl.col("y") + 40 * (pl.col("a") / 9).sin())


def measured(asked: Problem, data: pl.DataFrame) -> tuple[Benchmark, Table]:
    table = load_table(asked, data)
    return run_benchmark(asked, table, split_table(asked, table)), table


def test_all_rows_of_a_table_are_taken_without_a_copy_of_their_columns() -> None:
    examples = load_table(problem({"LinearRegression": {}}), rows()).examples()
    taken, every = examples.take(np.ones(300, dtype=bool)), examples.all
    assert every.x.equals(taken.x)
    assert every.y.tolist() == taken.y.tolist()
    assert np.shares_memory(every.numbers["a"], examples.numbers["a"])
    assert not np.shares_memory(every.y, examples.y), "models may keep the targets that they are given"


def test_what_is_deployed_learns_from_all_rows_and_with_the_rounds_that_stopped_its_twin() -> None:
    asked = problem({"HistGradientBoosting": STOPPING})
    benchmark, table = measured(asked, rows())
    twin = benchmark.result("HistGradientBoosting")
    again = refit(asked, table, benchmark.split, twin.candidate, twin.model)
    assert again.rounds == {"HistGradientBoosting": twin.final.iterations}
    assert twin.final.iterations is not None
    assert twin.final.iterations < 200
    fresh = refit(asked, table, benchmark.split, twin.candidate, twin.model)
    assert pickle.dumps(again.model) == pickle.dumps(fresh.model), "the same rows and rounds make the same model"
    test = benchmark.split.test
    errors = [float(np.mean((np.asarray(model.predict(table.x)) - table.y)[test] ** 2)) for model in (again.model, twin.model)]
    assert errors[0] < errors[1], "it has seen the test part, its twin has not"


@pytest.mark.parametrize("more", [{}, {"target_transform": "log1p", "smearing": True}])
def test_a_refit_on_the_training_part_alone_is_the_twin_to_the_last_byte(more: dict[str, Any]) -> None:
    asked = problem({"HistGradientBoosting": {**STOPPING, **more}})
    benchmark, table = measured(asked, rows())
    twin = benchmark.result("HistGradientBoosting")
    train = table.take(benchmark.split.train)
    again = refit(asked, train, benchmark.split, twin.candidate, twin.model)
    assert pickle.dumps(again.model) == pickle.dumps(twin.model)


def test_a_blend_keeps_its_weights_and_each_of_its_members_learns_from_all_rows() -> None:
    asked = problem({"LinearRegression": {}, "HistGradientBoosting": STOPPING, "Blend": {}})
    benchmark, table = measured(asked, curved())
    twin = benchmark.result("Blend")
    before = unclipped(twin.model)
    again = refit(asked, table, benchmark.split, twin.candidate, twin.model)
    blended = unclipped(again.model)
    assert isinstance(blended, Blend)
    assert (blended.names, blended.weights) == (before.names, before.weights)
    for name, old, new in zip(before.names, before.models, blended.models, strict=True):
        alone = refit(asked, table, benchmark.split, benchmark.result(name).candidate, old)
        assert pickle.dumps(alone.model) == pickle.dumps(new)
        assert not np.array_equal(np.asarray(old.predict(table.x)), np.asarray(new.predict(table.x)))
    assert set(again.rounds) == {"HistGradientBoosting"} & set(before.names)


def test_a_refit_on_several_processes_is_the_same_model() -> None:
    asked = problem({"LinearRegression": {}, "RandomForest": {"n_estimators": 3, "max_depth": 3}, "Blend": {}})
    benchmark, table = measured(asked, curved())
    twin = benchmark.result("Blend")
    both = replace(asked, engine=Engine(kind="processes", workers=2))
    one, two = (refit(each, table, benchmark.split, twin.candidate, twin.model).model for each in (asked, both))
    assert pickle.dumps(one) == pickle.dumps(two)


def test_a_target_of_the_test_part_that_has_no_logarithm_is_named_with_the_candidate() -> None:
    data = rows()
    asked = problem({"LinearRegression": {"target_transform": "log1p"}})
    table = load_table(asked, data)
    split = split_table(asked, table)
    worse = replace(table, y=np.where(split.test, -5.0, np.abs(table.y)))
    benchmark = run_benchmark(asked, replace(table, y=np.abs(table.y)), split)
    twin = benchmark.result("LinearRegression")
    with pytest.raises(DataError, match=r"candidates.LinearRegression: the target is below zero in .* rows"):
        refit(asked, worse, split, twin.candidate, twin.model)


def test_split_refit_says_which_rows_the_deployed_model_learns_from() -> None:
    asked = problem({"LinearRegression": {}})
    table = load_table(asked, rows())
    split = split_table(asked, table)
    assert learned_rows(asked, split).all()
    assert np.array_equal(learned_rows(problem({"LinearRegression": {}}, refit="training"), split), split.train)
