"""More rows than is comfortable: kept small, sampled for the choice, refused where they do not fit."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.commands import run_in
from tests.support.projects import ONE_CANDIDATE, Project

from tabtrail import pipeline
from tabtrail.config.tree import Config
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.ingest import ingest
from tabtrail.errors import CapacityError, DataError
from tabtrail.modeling.benchmark import run_benchmark, run_tasks
from tabtrail.modeling.candidates import list_candidates
from tabtrail.modeling.capacity import GIB, _container, plan
from tabtrail.modeling.preprocess import feature_frame
from tabtrail.modeling.problem import problem_of
from tabtrail.modeling.results import FULL
from tabtrail.modeling.sampling import sample_rows
from tabtrail.modeling.table import CodedTexts, Table, load_table, needed_columns, split_table

DISTINCT = {"PRODUCTLINE": 7, "COUNTRY": 19, "DEALSIZE": 3}


def table_of(config: Config) -> Table:
    ingest(config)
    return load_table(problem_of(config), scan_dataset(config.dataset).select(needed_columns(problem_of(config))).collect())


@given(
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=60),
    most=st.integers(1, 200),
    seed=st.integers(0, 5),
    data=st.data(),
)
@settings(deadline=None, max_examples=60)
def test_a_sample_is_whole_groups_within_the_cap_whatever_the_order_of_the_rows(
    sizes: list[int], most: int, seed: int, data: st.DataObject
) -> None:
    keys = [f"g{number}" for number, size in enumerate(sizes) for _ in range(size)]
    y = np.array(data.draw(st.lists(st.integers(-5, 5), min_size=len(keys), max_size=len(keys))), dtype=np.float64)
    everything = np.ones(len(keys), dtype=bool)
    chosen = sample_rows(keys, y, everything, most, seed)
    assert chosen.sum() <= max(most, 0)
    taken = Counter(key for key, kept in zip(keys, chosen, strict=True) if kept)
    assert all(count == sizes[int(key[1:])] for key, count in taken.items())
    order = np.array(data.draw(st.permutations(range(len(keys)))))
    again = sample_rows([keys[at] for at in order], y[order], everything, most, seed)
    assert {keys[at] for at, kept in zip(order, again, strict=True) if kept} == set(taken)


def test_every_tenth_of_the_target_has_its_share_of_the_sample() -> None:
    y = np.random.default_rng(0).lognormal(size=20_000)
    among = np.ones(len(y), dtype=bool)
    among[::5] = False
    chosen = sample_rows([str(row) for row in range(len(y))], y, among, 2_000, 1)
    assert not chosen[~among].any()
    assert 1_980 <= chosen.sum() <= 2_000
    edges = np.quantile(y[among], np.linspace(0, 1, 11))
    counts, _ = np.histogram(y[chosen], edges)
    assert counts.min() >= 190
    other = sample_rows([str(row) for row in range(len(y))], y, among, 2_000, 2)
    assert 0.05 < (chosen & other).sum() / chosen.sum() < 0.2


def test_folds_are_cut_from_the_sample_and_final_fits_take_all_training_rows(project: Project) -> None:
    config = project.config(*ONE_CANDIDATE, "split.max_rows=500")
    table = table_of(config)
    split = split_table(problem_of(config), table)
    plain = split_table(project.problem(*ONE_CANDIDATE), table)
    assert 400 <= split.choosing.sum() <= 500
    assert not (split.choosing & ~split.train).any()
    np.testing.assert_array_equal(split.test, plain.test)
    np.testing.assert_array_equal(split.train, plain.train)
    capped, whole = run_benchmark(problem_of(config), table), run_benchmark(project.problem(*ONE_CANDIDATE), table)
    for name in ("LinearRegression", "MeanBaseline"):
        np.testing.assert_array_equal(capped.result(name).final.predicted, whole.result(name).final.predicted)
        assert capped.result(name).values("rmse") != whole.result(name).values("rmse")


def test_a_cap_above_the_training_rows_changes_nothing(project: Project) -> None:
    table = table_of(project.config())
    capped, plain = (split_table(project.problem(*more), table) for more in (["split.max_rows=1000000"], []))
    assert all((a.valid == b.valid).all() and (a.train == b.train).all() for a, b in zip(capped.folds, plain.folds, strict=True))


def test_a_cap_that_leaves_too_few_groups_is_said(project: Project) -> None:
    config = project.config("split={kind: group, group_key: YEAR_ID, folds: 2, max_rows: 100}")
    with pytest.raises(DataError, match=r"split\.max_rows 100 leaves 0 whole groups of rows, too few for 2 folds; raise it"):
        split_table(problem_of(config), table_of(config))


def test_a_run_with_a_cap_says_what_it_chose_on(project: Project) -> None:
    report = pipeline.run(project.config(*ONE_CANDIDATE, "split.max_rows=500"), report=False)
    assert report.leaderboard.split["max_rows"] == 500
    said = [note for note in report.leaderboard.notes if "sample" in note]
    assert len(said) == 1
    assert "training rows (split.max_rows); final fits took all of them" in said[0]


def test_models_get_the_very_values_of_the_dataset_from_the_small_table(project: Project) -> None:
    config = project.config()
    table = table_of(config)
    data = scan_dataset(config.dataset).select(needed_columns(problem_of(config))).collect()[table.row]
    assert table.x.equals(feature_frame(data, config.model.number_inputs, config.model.text_features))
    assert table.numbers["PRICEEACH"].dtype == np.float64
    assert table.numbers["QUANTITYORDERED"].dtype == np.float32
    assert table.texts["COUNTRY"].codes.dtype == np.uint8


def test_a_table_takes_at_most_half_of_what_its_columns_take_as_pandas_hands_them_out(project: Project) -> None:
    table = table_of(project.config())
    assert table.examples().nbytes <= table.x.memory_usage(deep=True).sum() / 2


def test_texts_of_any_kind_come_back_as_they_were() -> None:
    values = ["b", "", "ß日🙂", "a", "b", "A", "a "]
    assert CodedTexts.of(pl.Series(values)).plain().tolist() == values


def test_fits_on_all_rows_wait_for_the_others_where_memory_asks_for_it(project: Project) -> None:
    config = project.config("candidates={LightGBM: {n_estimators: 5}}", "split.folds=2", "engine.workers=2")
    problem, table = problem_of(config), table_of(config)
    done: list[int] = []
    benchmark = run_benchmark(replace(problem, final_workers=1), table, progress=lambda count, of: done.append(count))
    assert done == list(range(1, 10))
    candidates = list_candidates(config.candidates, with_formulas=True)
    fits = run_tasks(problem, table, benchmark.split, [(each, FULL) for each in candidates])
    assert {fit.candidate: fit.scores for fit in fits} == {each.candidate.name: each.final.scores for each in benchmark.results}


def test_the_plan_takes_fewer_fits_at_once_before_it_refuses(project: Project) -> None:
    problem = project.problem("engine={kind: processes, workers: 2}", "split.max_rows=100000")
    roomy = plan(problem, 10_000_000, DISTINCT, 64 * GIB)
    assert (roomy.fold_workers, roomy.final_workers) == (2, 2)
    tight = plan(problem, 10_000_000, DISTINCT, roomy.driver + int(1.5 * roomy.final))
    assert (tight.fold_workers, tight.final_workers) == (2, 1)
    assert tight.need <= roomy.driver + int(1.5 * roomy.final)
    with pytest.raises(CapacityError, match=r"10,000,000 rows × 40 columns take about [\d.]+ GiB at most .* there are 4\.0 GiB"):
        plan(problem, 10_000_000, DISTINCT, 4 * GIB)


def test_the_columns_of_the_plan_are_those_that_models_fit(project: Project) -> None:
    config = project.config(*ONE_CANDIDATE)
    table = table_of(config)
    distinct = {name: len(texts.values) for name, texts in table.texts.items()}
    model = run_benchmark(problem_of(config), table).result("LinearRegression").model.model
    assert plan(problem_of(config), len(table.y), distinct, 64 * GIB).columns == model[:-1].transform(table.x).shape[1]


def test_a_container_has_what_files_in_its_cache_take_too(tmp_path: Path) -> None:
    for name, text in {"memory.max": "4000", "memory.current": "3800", "memory.stat": "anon 300\ninactive_file 3400\n"}.items():
        (tmp_path / name).write_text(text)
    assert _container(tmp_path) == 3600
    (tmp_path / "memory.max").write_text("max")
    assert _container(tmp_path) is None


def test_too_little_memory_ends_the_command_before_anything_is_read(project: Project) -> None:
    ingest(project.config())
    done = run_in(project, "train", "--set", "engine.memory_limit_gib=0.5")
    assert done.returncode == 1
    assert done.stderr.count("error: ") == 1
    assert re.search(r"2,823 rows × \d+ columns take about", done.stderr)
    assert "engine.memory_limit_gib" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project.root / "output" / "metrics").exists()
