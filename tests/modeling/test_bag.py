"""A bag: the average of the models that a candidate's folds left, scored without flattery and refitted fold by fold."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tabtrail.config.load import load_config
from tabtrail.errors import ConfigError
from tabtrail.export.prove import prove
from tabtrail.forecast.panel.candidates import demand_problems
from tabtrail.modeling.benchmark import run_benchmark
from tabtrail.modeling.calibration import Members, calibrate
from tabtrail.modeling.candidates import candidate_problems
from tabtrail.modeling.estimators import Bag, Blend, pipelines_of, unclipped
from tabtrail.modeling.fit import build_model, regressor_of
from tabtrail.modeling.intervals import calibrate_all
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
  LightGBM: {n_estimators: 60, min_child_samples: 3, early_stopping_rounds: 30}
  LightGBM_bag: {n_estimators: 60, min_child_samples: 3, early_stopping_rounds: 30, bag: true}
  Blend: {}
engine: {kind: serial}
"""


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    problem = problem_of(load_config(written(tmp_path_factory.mktemp("bag"))))
    random = np.random.default_rng(0)
    a, b = random.uniform(0, 10, 240).round(2), random.uniform(0, 10, 240).round(2)
    rows = pl.DataFrame(
        {"a": a, "b": b, "y": 20 + a * b + random.normal(0, 3, 240), "day": pl.Series([None] * 240, dtype=pl.Date)}
    )
    return run_benchmark(problem, load_table(problem, rows))


def written(folder: Path) -> Path:
    (folder / "x.yaml").write_text(YAML)
    return folder / "x.yaml"


def test_a_fold_is_scored_with_the_rounds_that_the_other_folds_of_its_repeat_chose(benchmark: Benchmark) -> None:
    """Its own rows stop its model, so that their choice would flatter their score."""
    result, split = benchmark.result("LightGBM_bag"), benchmark.split
    assert len({fit.iterations for fit in result.folds}) > 1
    for index, fold in enumerate(split.folds):
        others = [
            result.folds[each].iterations
            for each in range(len(split.folds))
            if split.folds[each].repeat == fold.repeat and each != index
        ]
        train, valid = benchmark.table.take(fold.train), benchmark.table.take(fold.valid)
        expected = build_model(result.candidate, Recipe.of(benchmark.problem.model), n_estimators=round(np.mean(others)))
        np.testing.assert_array_equal(result.folds[index].predicted, expected.fit(train.x, train.y).predict(valid.x))


def test_intervals_of_an_average_are_narrower_by_how_far_its_members_lie_apart_on_the_test_part(
    benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The blend's members of a fold are those of its bags, beside what has no folds; a single model's intervals stay."""
    found = calibrate_all(benchmark)
    test, split = benchmark.table.take(benchmark.split.test), benchmark.split
    assert len(test.y) < 50, "too few rows to say how far members lie apart"
    many = replace(benchmark, split=replace(split, test=split.test | split.train))
    narrow = calibrate_all(many)
    bagged = benchmark.result("LightGBM_bag").model
    apart = np.stack([each.predict(benchmark.table.x) for each in bagged.models])
    wide, members = found["LightGBM_bag"], Members(apart)
    assert wide is not None
    known = benchmark.result("LightGBM_bag").out_of_fold(split)
    rows = ~np.isnan(known)
    expected = calibrate(benchmark.table.y[rows], known[rows], None, level=0.9, members=members)
    assert expected is not None
    assert narrow["LightGBM_bag"] == expected
    assert expected.bands[""].quantile < wide.bands[""].quantile
    assert narrow["LightGBM"] == found["LightGBM"]
    monkeypatch.setattr("tabtrail.modeling.intervals._MOST_APART", 60)
    places = np.linspace(0, len(benchmark.table.y) - 1, 60).astype(int)
    some = calibrate(benchmark.table.y[rows], known[rows], None, level=0.9, members=Members(apart[:, places]))
    assert calibrate_all(many)["LightGBM_bag"] == some, "rows from all over the table, which is sorted"


def test_the_models_of_the_first_repeat_are_averaged_each_with_its_own_rounds(benchmark: Benchmark) -> None:
    bagged = benchmark.result("LightGBM_bag")
    assert isinstance(bagged.model, Bag)
    assert bagged.model.names == ("fold 1", "fold 2", "fold 3")
    assert bagged.model.rounds == tuple(fit.iterations for fit in bagged.folds[:3])
    assert [regressor_of(each).booster_.num_trees() for each in bagged.model.models] == list(bagged.model.rounds)
    test = benchmark.table.take(benchmark.split.test).x
    np.testing.assert_allclose(bagged.final.predicted, np.mean([each.predict(test) for each in bagged.model.models], axis=0))
    assert all(fit.model is None for fit in bagged.folds)


@pytest.mark.parametrize("written", [{}, {"target_transform": "log1p", "smearing": True, "missing": "native"}])
@pytest.mark.parametrize("family", ["XGBoost", "CatBoost", "HistGradientBoosting", "LinearRegression"])
def test_every_family_is_bagged_and_proven(benchmark: Benchmark, family: str, written: dict[str, Any]) -> None:
    """Also those whose models cannot be cut to fewer rounds, or have none."""
    own = (
        {}
        if family == "LinearRegression"
        else {"max_iter" if family.startswith("Hist") else "n_estimators": 40, "early_stopping_rounds": 4}
    )
    if family == "LinearRegression" and written:
        written = {"target_transform": "log1p", "smearing": True}
    problem = replace(benchmark.problem, candidates={family: {**own, **written, "bag": True}})
    found = run_benchmark(problem, benchmark.table, benchmark.split).result(family)
    assert len(found.model.models) == 3
    assert found.mean("rmse") < 12
    assert prove(problem.model, found.model, benchmark.table.x, scale=20.0, tolerance=1e-5)[1].passed
    again = refit(problem, benchmark.table, benchmark.split, found.candidate, found.model)
    assert len(again.rounds) == (3 if own else 0)
    factors = [unclipped(each).factor_ for each in again.model.models] if written else []
    if own:
        assert factors == ([unclipped(each).factor_ for each in found.model.models] if written else [])


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
        assert rounds in result.model.rounds
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


def test_lines_join_no_trees_where_folds_follow_in_time_and_the_blend_is_taken_unless_it_errs_more(tmp_path: Path) -> None:
    """The line errs least by far here, and has the largest weight where folds do not follow in time."""
    random = np.random.default_rng(0)
    days = pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 8, 27), eager=True)
    a, b = random.uniform(0, 10, 240).round(2), random.uniform(0, 10, 240).round(2)
    rows = pl.DataFrame({"a": a, "b": b, "y": 20 + a + b + random.normal(0, 1, 240), "day": days})
    trees = "LightGBM: {n_estimators: 30}, LightGBM_few: {n_estimators: 30, num_leaves: 4}, Blend: {}"

    def chosen(split: str, *more: str) -> Benchmark:
        listed = f"candidates={{{', '.join([*more, trees])}}}"
        problem = problem_of(load_config(written(tmp_path), [f"split={split}", listed]))
        return run_benchmark(problem, load_table(problem, rows))

    in_time = chosen("{kind: time, folds: 4}", "LinearRegression: {}")
    assert in_time.chosen == "LinearRegression"
    assert {*unclipped(in_time.result("Blend").model).names} == {"LightGBM", "LightGBM_few"}
    assert chosen("{kind: time, folds: 4}").chosen == "Blend"
    at_random = chosen("{kind: random, allow_leaky: true, folds: 4}", "LinearRegression: {}")
    blends = [each for each in at_random.results if each.candidate.name == "Blend"]
    assert "LinearRegression" in (unclipped(blends[0].model).names if blends else at_random.dropped["Blend"])


def test_a_bag_is_said_yes_or_no_to_and_is_none_of_series() -> None:
    assert [problem for _, problem in candidate_problems("LightGBM", {"bag": 5})] == ["write true or false"]
    assert [key for key, _ in demand_problems("LightGBM", {"bag": True})] == [("bag",)]
