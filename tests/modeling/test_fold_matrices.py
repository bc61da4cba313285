import pickle
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from tests.support.projects import Project

from tabtrail.data.dataset import scan_dataset
from tabtrail.data.ingest import ingest
from tabtrail.modeling import fold_matrices
from tabtrail.modeling.candidates import list_candidates
from tabtrail.modeling.fit import fit_and_score, rows_of
from tabtrail.modeling.fold_matrices import key_of
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.preprocess import Recipe, build_preprocessor
from tabtrail.modeling.problem import Problem, problem_of
from tabtrail.modeling.results import FULL, Fit
from tabtrail.modeling.table import Table, load_table, split_table

# Each preprocesses in a way of its own, or learns from other rows than those of the fold, but for the first two.
CANDIDATES = (
    "candidates={LightGBM: {n_estimators: 5}, XGBoost: {n_estimators: 5, target_transform: log}, LinearRegression: {},"
    " LightGBM_native: {n_estimators: 5, categories: native}, LightGBM_missing: {n_estimators: 5, missing: native},"
    " LightGBM_early: {n_estimators: 30, early_stopping_rounds: 3}, CatBoost: {iterations: 5},"
    " RandomForest: {n_estimators: 3, target_transform: log_ratio(MSRP)}, GradientBoosting: {n_estimators: 3},"
    " HistGradientBoosting: {max_iter: 5, target_transform: log, smearing: true}}"
)


@pytest.fixture(autouse=True)
def _nothing_is_kept() -> Iterator[None]:
    fold_matrices._KEPT.clear()
    yield
    fold_matrices._KEPT.clear()


def opened(project: Project, *overrides: str) -> tuple[Problem, Table]:
    config = project.config(*overrides)
    ingest(config)
    return problem_of(config), load_table(problem_of(config), scan_dataset(config.dataset).collect())


def fits(problem: Problem, table: Table, fold: int = 0, *, backwards: bool = False) -> dict[str, Fit]:
    split, recipe = split_table(problem, table), Recipe.of(problem.model, problem.clip, table.distinct)
    candidates = [each for each in list_candidates(problem.candidates) if each.family != "Blend"]
    found = {}
    for each in candidates[::-1] if backwards else candidates:
        rows = rows_of(problem, table, split, fold, early=each.early_stopping_rounds is not None)
        found[each.name] = fit_and_score(each, fold, rows, table.examples(), recipe)
    return found


def predictions(found: dict[str, Fit]) -> dict[str, Array]:
    return {name: each.predicted for name, each in sorted(found.items())}


def test_a_shared_matrix_changes_no_bit_of_a_score_whoever_comes_first(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    problem, table = opened(project, CANDIDATES)
    shared = predictions(fits(problem, table))
    assert 1 < len(fold_matrices._KEPT) < len(shared) - 2
    fold_matrices._KEPT.clear()
    backwards = predictions(fits(problem, table, backwards=True))
    monkeypatch.setattr(fold_matrices, "_LARGEST_TABLE", 0)
    fold_matrices._KEPT.clear()
    alone = predictions(fits(problem, table))
    assert not fold_matrices._KEPT
    for name, expected in alone.items():
        np.testing.assert_array_equal(shared[name], expected, err_msg=name)
        np.testing.assert_array_equal(backwards[name], expected, err_msg=name)


def test_a_preprocessing_is_fitted_once_for_the_candidates_of_a_fold(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    problem, table = opened(
        project, "candidates={LightGBM: {n_estimators: 2}, XGBoost: {n_estimators: 2}, CatBoost: {iterations: 2}}"
    )
    fitted: list[int] = []
    made = type(build_preprocessor(Recipe((), (), ("A",), {}), scaled=False))
    original = made.fit_transform
    monkeypatch.setattr(
        made, "fit_transform", lambda self, x, y=None, **rest: fitted.append(len(x)) or original(self, x, y, **rest)
    )
    fits(problem, table)
    assert len(fitted) == 1
    fits(problem, table, fold=1)
    assert len(fitted) == 2


def test_a_model_that_is_kept_has_a_preprocessing_of_its_own(project: Project) -> None:
    problem, table = opened(project, "candidates={LightGBM: {n_estimators: 2}, XGBoost: {n_estimators: 2}}")
    for fit in fits(problem, table, FULL).values():
        assert fit.model is not None
        assert b"fold_matrices" not in fit.model
        np.testing.assert_array_equal(
            pickle.loads(fit.model).predict(table.take(split_table(problem, table).test).x).ravel(), fit.predicted
        )
    assert not fold_matrices._KEPT


def test_other_rows_another_table_and_other_settings_are_other_matrices(project: Project) -> None:
    problem, table = opened(project, "candidates={LightGBM: {}, XGBoost: {}, LinearRegression: {}}", "model.max_categories=9")
    split, recipe, examples = split_table(problem, table), Recipe.of(problem.model), table.examples()
    first, second = split.folds[0], split.folds[1]
    found = {each.name: each for each in list_candidates(problem.candidates)}
    boosted, alike, scaled = found["LightGBM"], found["XGBoost"], found["LinearRegression"]
    changed = replace(examples, numbers={**examples.numbers, "MSRP": examples.numbers["MSRP"] + 1})
    fewer = replace(recipe, max_categories=5)
    keys = [
        key_of(boosted, recipe, examples, first.train, first.valid),
        key_of(scaled, recipe, examples, first.train, first.valid),
        key_of(boosted, fewer, examples, first.train, first.valid),
        key_of(boosted, recipe, changed, first.train, first.valid),
        key_of(boosted, recipe, examples, second.train, first.valid),
        key_of(boosted, recipe, examples, first.train, second.valid),
    ]
    assert len(set(keys)) == len(keys)
    assert key_of(alike, recipe, examples, first.train, first.valid) == keys[0]


def test_what_looks_at_the_target_is_not_shared(project: Project) -> None:
    problem, table = opened(project, "model.target_encoded=[COUNTRY]", "candidates={LightGBM: {n_estimators: 2}}")
    fits(problem, table)
    assert not fold_matrices._KEPT


def test_no_more_is_kept_than_there_is_room_for(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    problem, table = opened(project, "candidates={LightGBM: {n_estimators: 2}}", "split.folds=5")
    fits(problem, table)
    [one] = fold_matrices._KEPT.values()
    monkeypatch.setattr(fold_matrices, "_MOST_BYTES", int(2.5 * one.nbytes))
    for fold in range(1, 5):
        fits(problem, table, fold)
    assert len(fold_matrices._KEPT) == 2
