"""Fit, score and choose: every candidate on the same folds, the choice by cross-validation alone."""

import pickle
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from tabtrail.contract.expressions import columns_of
from tabtrail.errors import ConfigError, ParityError
from tabtrail.jobs.job import Shared
from tabtrail.jobs.run import run, run_one
from tabtrail.modeling.bag import bag
from tabtrail.modeling.baselines import BASELINES, BLEND, FORMULA
from tabtrail.modeling.blend import served_blend, wanted_by_blends
from tabtrail.modeling.budget import Budgeted
from tabtrail.modeling.candidates import Candidate, list_candidates
from tabtrail.modeling.choice import blend_instead, choose
from tabtrail.modeling.devices import is_on_device, one_at_a_time
from tabtrail.modeling.elsewhere import shared_examples, shared_rows
from tabtrail.modeling.estimators import FormulaRegressor, unclipped
from tabtrail.modeling.families import model_libraries
from tabtrail.modeling.fit import fit_and_score, unpickled
from tabtrail.modeling.metrics import Array, Metric, evaluate
from tabtrail.modeling.preprocess import Recipe
from tabtrail.modeling.problem import Problem
from tabtrail.modeling.proof import Cost, Parity, Proof, Prove
from tabtrail.modeling.racing import Ended, Fitted, Race, finalists, heats, race
from tabtrail.modeling.results import FULL, Benchmark, Fit, Result
from tabtrail.modeling.split import Split
from tabtrail.modeling.table import Examples, Table, split_table
from tabtrail.modeling.worth import over_budget, worthy

RowTime = Callable[[Any], float | None]
Export = Callable[[Fit], tuple[int, Parity | None, Cost | None]]


def _unmeasured(model: Any) -> None:
    """Stand in for what measures the time of a row where nothing does."""


def candidates_of(problem: Problem) -> list[Candidate]:
    """Return the candidates of a problem, both baselines included, even where no formula predicts anything.

    Raises `ConfigError` for one that cannot be built.
    """
    return list_candidates(problem.candidates, with_formulas=bool(problem.model.formulas))


def run_benchmark(
    problem: Problem,
    table: Table,
    split: Split | None = None,
    *,
    export: Export | None = None,
    prove: Prove | None = None,
    row_us: RowTime = _unmeasured,
    finished: Mapping[str, Result] | None = None,
    on_result: Callable[[Result], None] = lambda result: None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Benchmark:
    """Fit every candidate on every fold and on the training part; choose by the folds, with metric and rule of the problem.

    The test part is scored once for each candidate and decides nothing. `split` is cut as the problem says where none is given.
    `export` returns the size in bytes of what would be deployed of a final fit (its pickle, where none is given), its proof and
    what it costs to serve; a candidate that fails the proof is not chosen, nor is one that a baseline beats; where that
    leaves none, the best baseline is.
    `row_us` returns the microseconds that the graph of a blend takes for a row, None where it cannot be exported.
    On a cluster, the worker that fits a model proves it too, with `prove`: such a fit comes to `export` with its proof.
    Candidates in `finished` are not fitted again; `on_result` is called with every other one as soon as it is done, `progress`
    with fits done and fits in all.

    Raises `ConfigError` for candidates that cannot be built or fitted as configured, or a metric that is not defined for the
    target, `DataError` for too few rows, groups or dates, `ParityError` where no candidate is deployable.
    """
    split = split or split_table(problem, table)
    candidates = benchmark_candidates(problem, table, split)
    require_metric(problem.metric, table.y, split)
    results = dict(finished or {})
    export = export or _pickled_size
    missing = [each for each in candidates if each.family != BLEND and each.name not in results]
    if problem.engine.kind == "dask":
        row_us = _unmeasured  # the driver exports nothing
    else:
        prove = None  # processes of this machine share its memory: one proof at a time
    dropped: dict[str, str] = {}

    def of_use(name: str) -> bool:
        return results[name].deployable and over_budget(results[name], problem.choice) is None

    def keep(candidate: Candidate, folds: tuple[Fit, ...], final: Fit) -> None:
        if prove is not None and (candidate.bag or candidate.family == BLEND):
            final = replace(final, proof=proven(problem, table, split, final.model, prove))
        results[candidate.name] = _result(candidate, folds, final, export)
        on_result(results[candidate.name])

    ended, beaten = Ended(problem.metric, split.valid_share, of_use), list[Fitted]()
    budgeted, done = Budgeted(problem.choice.limit), sum(name not in BASELINES for name in results)
    errs = None if problem.split.by_time else partial(_mean_loss, problem.metric, results, beaten)
    fitting = [each for each in candidates if each.family != BLEND]
    for whole in heats(fitting, dropped, errs) if problem.choice.racing else budgeted.groups(missing, done=done):
        group = [each for each in whole if each.name not in results]
        raced = _race(problem, table, split, group, results) if problem.choice.racing else Race({}, {})
        dropped |= raced.dropped
        group = [each for each in group if each.name not in dropped]
        fitted: Iterable[Fitted] = _fit_all(problem, table, split, group, progress, prove=prove, known=raced.fits)
        if problem.choice.racing:
            fitted = finalists(fitted, dict(results), ended, dropped, beaten)
        for each in fitted:
            keep(*each)
    blends = [each for each in candidates if each.family == BLEND and each.name not in results]
    for each in wanted_by_blends(blends, beaten, [results[name] for name in results], table, split, problem):
        keep(*each)
        del dropped[each[0].name]
    dropped |= budgeted.left_out
    candidates = [each for each in candidates if each.name not in dropped]
    members = [results[each.name] for each in candidates if each.family != BLEND]
    for candidate in blends:
        folds, final, slow = served_blend(candidate, members, table, split, problem, row_us=row_us)
        if len(names := unclipped(final.model).names) == 1:
            why = f"; a row takes {' and '.join(sorted(slow[0]))} together longer than choice.max_row_us allows" if slow else ""
            dropped[candidate.name] = f"left out: the folds give {names[0]} all the weight{why}"
        else:
            keep(candidate, folds, final)
    candidates = [each for each in candidates if each.name not in dropped]
    ordered = _ordered([results[each.name] for each in candidates], problem.metric)
    return Benchmark(problem, table, split, ordered, _chosen(problem, ordered, split), dropped)


def _mean_loss(metric: Metric, results: Mapping[str, Result], beaten: Iterable[Fitted], name: str) -> float:
    """Return how much a candidate errs over the folds, whether it was proven or beaten before."""
    folds = next((folds for each, folds, _ in beaten if each.name == name), None) or results[name].folds
    return float(np.mean([metric.loss(fit.scores[metric.name]) for fit in folds]))


def require_metric(metric: Metric, y: Array, split: Split) -> None:
    """Raise `ConfigError`, before anything is fitted, where a metric is not defined for the target on every fold.

    Judged with the mean of the training rows as the prediction, so that at least that baseline can be scored and chosen.
    """
    for number, fold in enumerate(split.folds, 1):
        actual = y[fold.valid]
        if evaluate(metric, actual, np.full(len(actual), y[fold.train].mean())) is None:
            raise ConfigError(
                f"choice.metric: {metric.label} is not defined for the target in the {len(actual):,} rows that fold {number}"
                " scores; choose another metric, or fewer folds"
            )


def benchmark_candidates(problem: Problem, table: Table, split: Split) -> list[Candidate]:
    """Return the candidates that a benchmark of these rows has: the formula alone only where it errs less than the mean."""
    return [each for each in candidates_of(problem) if each.family != FORMULA or _a_formula_predicts(problem, table, split)]


def _a_formula_predicts(problem: Problem, table: Table, split: Split) -> bool:
    """Whether the best derived feature errs less over the folds than the mean.

    One in another unit than the target's, such as an age where the target is a price, does not.
    """
    y, formulas = table.y, problem.model.formulas
    columns = frozenset[str]().union(*map(columns_of, formulas.values()))
    x = pd.DataFrame({name: table.numbers[name].astype(np.float64) for name in sorted(columns)})
    error = error_of_mean = 0.0
    for fold in split.folds:
        held, mean = y[fold.valid], float(np.mean(y[fold.train]))
        predicted = FormulaRegressor(formulas).fit(x[fold.train], y[fold.train]).predict(x[fold.valid])
        error += float(np.sum((predicted - held) ** 2))
        error_of_mean += float(np.sum((mean - held) ** 2))
    return error < error_of_mean


def _ordered(results: Iterable[Result], metric: Metric) -> tuple[Result, ...]:
    return tuple(sorted(results, key=lambda each: (each.loss(metric), each.candidate.name)))


def _chosen(problem: Problem, ordered: tuple[Result, ...], split: Split) -> str:
    metric = problem.metric
    deployable = [each for each in ordered if each.deployable and np.isfinite(each.loss(metric))]
    if not deployable:
        best = ordered[0]
        raise ParityError(f"no candidate is deployable; {best.candidate.name}: {best.parity and best.parity.complaint}")
    affordable = [each for each in ordered if over_budget(each, problem.choice) is None]
    among = worthy(affordable, metric) or [each for each in deployable if each.is_baseline] or deployable
    losses = {each.candidate.name: each.losses(metric) for each in among}
    costs = {each.candidate.name: each.model_bytes for each in among}
    chosen = choose(losses, costs, rule=problem.choice.rule, valid_share=split.valid_share)
    blends = [each.candidate.name for each in among if each.candidate.family == BLEND]
    if not (blends and problem.split.by_time and problem.choice.rule == "best"):
        return chosen
    return blend_instead(losses, chosen, blends[0], valid_share=split.valid_share)


def _result(candidate: Candidate, folds: tuple[Fit, ...], final: Fit, export: Export) -> Result:
    """Return a candidate's result without the graph: those of large forests would not fit into memory together."""
    return Result(candidate, folds, replace(final, proof=None), *export(final))


def _pickled_size(fit: Fit) -> tuple[int, None, None]:
    return len(pickle.dumps(fit.model)), None, None


def proven(problem: Problem, table: Table, split: Split, model: Any, prove: Prove) -> Proof:
    """Return the proof of a model on all rows, made by a worker where the engine is a cluster."""
    job = (prove, Shared(model), shared_examples(problem, table, split))
    return run_one(_prove_on, job, problem.engine, libraries=fitting_libraries())


def _prove_on(prove: Prove, model: Any, examples: Examples) -> Proof:
    return prove(model, examples.x)


def _fit_all(
    problem: Problem,
    table: Table,
    split: Split,
    candidates: Iterable[Candidate],
    progress: Callable[[int, int], None],
    *,
    prove: Prove | None,
    known: Mapping[str, Mapping[int, Fit]],
) -> Iterator[Fitted]:
    """Yield each candidate with its fits on the folds and on the whole training part when the last of them is done.

    Fits that are `known` are not made again.
    """
    # What takes longest is started first, so that the other workers are not idle at the end.
    ordered = sorted(candidates, key=lambda each: not each.slow)
    fits: dict[str, dict[int, Fit]] = {each.name: dict(known.get(each.name, {})) for each in ordered}
    wanted = {each.name: range(0 if each.bag else FULL, len(split.folds)) for each in ordered}
    tasks = [(each, fold) for each in ordered for fold in wanted[each.name] if fold not in fits[each.name]]
    by_name = {each.name: each for each in ordered}
    for each in ordered:
        if len(fits[each.name]) == len(wanted[each.name]):
            yield _whole(each, fits[each.name], table, split)
    for done, fit in enumerate(_run_all(problem, table, split, tasks, prove=prove), 1):
        own = fits[fit.candidate]
        own[fit.fold] = unpickled(fit)
        progress(done, len(tasks))
        if len(own) == len(wanted[fit.candidate]):
            yield _whole(by_name[fit.candidate], own, table, split)


def _whole(candidate: Candidate, fits: Mapping[int, Fit], table: Table, split: Split) -> tuple[Candidate, tuple[Fit, ...], Fit]:
    folds = tuple(fits[fold] for fold in range(len(split.folds)))
    return (candidate, *bag(candidate, folds, table, split)) if candidate.bag else (candidate, folds, fits[FULL])


def _race(problem: Problem, table: Table, split: Split, candidates: list[Candidate], finished: Mapping[str, Result]) -> Race:
    def fit(tasks: list[tuple[Candidate, int]]) -> Iterator[Fit]:
        return map(unpickled, run_tasks(problem, table, split, tasks))

    return race(sorted(candidates, key=lambda each: not each.slow), split, problem.metric, fit, finished)


def _run_all(
    problem: Problem, table: Table, split: Split, tasks: list[tuple[Candidate, int]], *, prove: Prove | None
) -> Iterator[Fit]:
    """Yield every fit; those on the whole training part last, where memory allows fewer of them at once."""
    on_device = [each for each in tasks if is_on_device(each[0])]
    if on_device and len(on_device) < len(tasks):
        others = [each for each in tasks if each not in on_device]
        return chain(*(_run_all(problem, table, split, own, prove=prove) for own in (others, on_device)))
    at_once = problem.final_workers
    if at_once is None or at_once >= problem.engine.workers:
        return run_tasks(problem, table, split, tasks, prove=prove)
    fewer = replace(problem, engine=problem.engine.model_copy(update={"workers": at_once}))
    on_folds, on_all = [each for each in tasks if each[1] != FULL], [each for each in tasks if each[1] == FULL]
    return chain(run_tasks(problem, table, split, on_folds), run_tasks(fewer, table, split, on_all))


def run_tasks(
    problem: Problem,
    table: Table,
    split: Split,
    tasks: list[tuple[Candidate, int]],
    *,
    in_order: bool = False,
    prove: Prove | None = None,
) -> Generator[Fit]:
    """Yield the fit of each candidate and fold as it is done, or in the order of the tasks. Closed early, the rest is dropped."""
    early = any(candidate.early_stopping_rounds is not None for candidate, _ in tasks)
    rows = {fold: shared_rows(problem, table, split, fold, early=early) for fold in sorted({fold for _, fold in tasks})}
    examples, recipe = shared_examples(problem, table, split), Recipe.of(problem.model, problem.clip, table.distinct)
    jobs = [(candidate, fold, rows[fold], examples, recipe) for candidate, fold in tasks]
    engine = one_at_a_time(problem.engine, [candidate for candidate, _ in tasks])
    yield from run(partial(fit_and_score, prove=prove), jobs, engine, in_order=in_order, libraries=fitting_libraries())


def fitting_libraries() -> tuple[str, ...]:
    """Return the distributions that a fit, its proof and its explanation depend on: workers must have the same versions."""
    return (*model_libraries(), "numpy", "scipy", "pandas", "polars", "onnx", "skl2onnx", "onnxruntime")
