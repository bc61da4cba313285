"""Fit, score and choose: every candidate on the same folds, the choice by cross-validation alone."""

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import pandas as pd
import polars as pl
from catboost import CatBoostError
from lightgbm.basic import LightGBMError
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from tabtrail.config import Config, Engine
from tabtrail.data.contract import to_polars
from tabtrail.errors import ConfigError, DataError
from tabtrail.expressions import columns_of, parse_expression
from tabtrail.modeling.candidates import BASELINE, FAMILIES, Candidate, list_candidates
from tabtrail.modeling.metrics import Array, Scores, rounded, score, score_strata
from tabtrail.modeling.preprocess import build_pipeline, build_preprocessor, feature_frame
from tabtrail.modeling.split import Split, split_rows

_INNER_SHARE = 0.15
FULL = -1


@dataclass(frozen=True)
class Table:
    """The rows of a benchmark in canonical order (sorted by their values, so that the file's order is of no account).

    `x` has the raw feature columns, `y` the target, `keys` the text by which rows stay together in a split, `strata` the
    rows of each named condition.
    """

    x: pd.DataFrame
    y: Array
    keys: list[str]
    strata: dict[str, NDArray[np.bool_]]

    def take(self, rows: NDArray[np.bool_]) -> "Table":
        """Return the chosen rows."""
        keys = [key for key, kept in zip(self.keys, rows, strict=True) if kept]
        return Table(self.x[rows], self.y[rows], keys, {name: mask[rows] for name, mask in self.strata.items()})


@dataclass(frozen=True)
class Fit:
    """One fitted and scored candidate: on one fold, or (`fold` is -1) on the whole training part, scored on the test part.

    Seconds are wall time of one thread. `iterations` is the number of boosting rounds that early stopping chose.
    """

    candidate: str
    fold: int
    scores: Scores
    strata: dict[str, Scores]
    fit_seconds: float
    predict_seconds: float
    iterations: int | None
    pipeline: Pipeline | None


@dataclass(frozen=True)
class Result:
    """A candidate's fold scores and the scores of its fit on the whole training part, on the test part."""

    candidate: Candidate
    folds: tuple[Fit, ...]
    final: Fit

    def mean(self, metric: str) -> float:
        """Return the mean of a score over the folds."""
        return rounded(float(np.mean([getattr(fit.scores, metric) for fit in self.folds])))

    def std(self, metric: str) -> float:
        """Return the standard deviation of a score over the folds (ddof 1)."""
        return rounded(float(np.std([getattr(fit.scores, metric) for fit in self.folds], ddof=1)))

    def stratum_mean(self, name: str, metric: str) -> float | None:
        """Return the mean of a score over the folds that have rows of a stratum, None where none gives that score."""
        values = [getattr(fit.strata[name], metric) for fit in self.folds if name in fit.strata]
        known = [value for value in values if value is not None]
        return rounded(float(np.mean(known))) if known else None

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline fitted on the whole training part."""
        return self.final.pipeline


@dataclass(frozen=True)
class Benchmark:
    """All results, best cross-validated RMSE first."""

    results: tuple[Result, ...]
    split: Split
    table: Table

    @property
    def champion(self) -> Result:
        return self.results[0]

    @property
    def baseline(self) -> Result:
        return next(result for result in self.results if result.candidate.family == BASELINE)


def needed_columns(config: Config) -> list[str]:
    """Return the columns that a benchmark reads: features, target, group key, and what the strata look at."""
    strata = sorted(frozenset[str]().union(*(columns_of(parse_expression(text)) for text in config.model.strata.values())))
    key = [config.split.group_key] if config.split.group_key else []
    return list(dict.fromkeys([*config.model.features, config.model.target, *key, *strata]))


def load_table(config: Config, data: pl.DataFrame) -> Table:
    """Return the benchmark's rows from the kept rows of the dataset."""
    model = config.model
    key = config.split.group_key if config.split.kind == "group" else None
    names = list(dict.fromkeys([*model.features, model.target, *([key] if key else [])]))
    strata = {
        name: to_polars(parse_expression(text)).fill_null(False).alias(f"_stratum_{name}") for name, text in model.strata.items()
    }
    rows = data.with_columns(*strata.values()).sort(names, nulls_last=True)
    if rows.get_column(model.target).n_unique() == 1:
        raise DataError(f"the target {model.target} has the same value in all {rows.height:,} rows; there is nothing to learn")
    keys = [str(index) for index in range(rows.height)] if key is None else [str(value) for value in rows.get_column(key)]
    return Table(
        x=feature_frame(rows, model.numeric_features, model.categorical_features),
        y=rows.get_column(model.target).cast(pl.Float64).to_numpy().copy(),
        keys=keys,
        strata={name: rows.get_column(f"_stratum_{name}").to_numpy().astype(bool) for name in strata},
    )


def run_benchmark(config: Config, table: Table, *, progress: Callable[[int, int], None] = lambda done, of: None) -> Benchmark:
    """Fit every candidate on every fold and on the training part; choose by the mean RMSE over the folds.

    The test part is scored once for each candidate and decides nothing. `progress` is called with fits done and fits in all.
    Raises `ConfigError` for candidates that cannot be built or fitted as configured, `DataError` for too few rows or groups.
    """
    candidates = list_candidates(config.candidates)
    split = split_rows(table.keys, test_size=config.split.test_size, folds=config.split.folds, seed=config.model.random_state)
    tasks = [(candidate, fold) for candidate in candidates for fold in range(FULL, config.split.folds)]
    # The forests take longest: started first, they do not leave the other workers idle at the end.
    tasks.sort(key=lambda task: (task[0].family != "RandomForest", task[1]))
    fits: dict[tuple[str, int], Fit] = {}
    for fit in _run_tasks(config, table, split, tasks):
        fits[fit.candidate, fit.fold] = fit
        progress(len(fits), len(tasks))
    results = [
        Result(each, tuple(fits[each.name, fold] for fold in range(config.split.folds)), fits[each.name, FULL])
        for each in candidates
    ]
    return Benchmark(tuple(sorted(results, key=lambda result: (result.mean("rmse"), result.candidate.name))), split, table)


def _run_tasks(config: Config, table: Table, split: Split, tasks: list[tuple[Candidate, int]]) -> Iterator[Fit]:
    engine: Engine = config.engine
    numeric, categorical, seed = config.model.numeric_features, config.model.categorical_features, config.model.random_state
    jobs = (joblib.delayed(fit_and_score)(candidate, fold, table, split, numeric, categorical, seed) for candidate, fold in tasks)
    if engine.kind == "serial" or engine.workers == 1:
        yield from (function(*args, **kwargs) for function, args, kwargs in jobs)
        return
    with joblib.parallel_config(backend="loky", n_jobs=engine.workers, inner_max_num_threads=1, initializer=_ignore_interrupts):
        yield from joblib.Parallel(return_as="generator_unordered", batch_size=1)(jobs)


def _ignore_interrupts() -> None:
    """A terminal sends Ctrl-C to the workers too; the driver ends them, without a traceback from each."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def fit_and_score(
    candidate: Candidate,
    fold: int,
    table: Table,
    split: Split,
    numeric: tuple[str, ...],
    categorical: tuple[str, ...],
    seed: int,
) -> Fit:
    """Fit a candidate without the rows of one fold and score it on them; fold -1 is the test part."""
    train, valid = table.take(split.train & (split.fold != fold)), table.take(split.fold == fold)
    start = time.perf_counter()
    preprocessor = build_preprocessor(numeric, categorical, scaled=FAMILIES[candidate.family].scaled)
    try:
        iterations = choose_iterations(candidate, preprocessor, train, seed)
        changed = {} if iterations is None else {str(FAMILIES[candidate.family].iterations): iterations}
        pipeline = build_pipeline(preprocessor, candidate.build(seed, **changed)).fit(train.x, train.y)
    except (ValueError, CatBoostError, LightGBMError) as error:
        reason = str(error).strip().splitlines()[0][:300]
        raise ConfigError(f"candidates.{candidate.name} cannot be fitted: {reason}") from None
    fitted = time.perf_counter()
    predicted = np.asarray(pipeline.predict(valid.x), dtype=np.float64).ravel()
    done = time.perf_counter()
    return Fit(
        candidate=candidate.name,
        fold=fold,
        scores=score(valid.y, predicted),
        strata=score_strata(valid.y, predicted, valid.strata),
        fit_seconds=round(fitted - start, 4),
        predict_seconds=round(done - fitted, 4),
        iterations=iterations,
        pipeline=pipeline if fold == FULL else None,
    )


def choose_iterations(candidate: Candidate, preprocessor: Any, train: Table, seed: int) -> int | None:
    """Return how many boosting rounds do best on a part of the training rows (whole groups, 15 %).

    None, and so all configured rounds, without early stopping, or where the training rows are all of one group.
    """
    family = FAMILIES[candidate.family]
    if candidate.early_stopping_rounds is None or family.best_iterations is None or len(set(train.keys)) == 1:
        return None
    inner = split_rows(train.keys, test_size=_INNER_SHARE, folds=1, seed=seed + 1)
    fitted, watched = train.take(inner.train), train.take(inner.test)
    x = preprocessor.fit_transform(fitted.x)
    x_watched = preprocessor.transform(watched.x)
    return family.best_iterations(candidate.build(seed), x, fitted.y, x_watched, watched.y, candidate.early_stopping_rounds)
