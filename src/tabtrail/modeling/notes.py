"""What a reader must know before believing the figures of a benchmark."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from tabtrail.bundle.intervals import Intervals
from tabtrail.config.model import Model
from tabtrail.contract.expressions import columns_of
from tabtrail.modeling.estimators import Bag, clip, unclipped
from tabtrail.modeling.preprocess import derive
from tabtrail.modeling.problem import Problem
from tabtrail.modeling.results import Benchmark
from tabtrail.modeling.split import straddling
from tabtrail.modeling.target import note_on_values
from tabtrail.modeling.worth import objections

# Below about 30 rows the normal approximation of a mean, and with it any ± that a reader has in mind, is not to be trusted.
_FEW_ROWS = 30
# Measured targets carry more noise than a thousandth of their variance; formulas and lookups of them carry none.
_NO_NOISE = 0.999
# Counts with bounds vary less than Poisson's, but not by a factor of four, unless their parts are known.
_POISSON_SHARE = 0.25


def notes(benchmark: Benchmark, intervals: Intervals | None, *, missing_explanation: str | None = None) -> tuple[str, ...]:
    """Return what was done less well than asked, and what makes the figures less certain.

    `intervals` are the champion's; `missing_explanation` says why it has none, where it has none.
    """
    split = benchmark.split
    train = benchmark.table.x[split.train]
    return (
        *_on_deployment(benchmark),
        *([f"there is no explanation of {benchmark.chosen}: {missing_explanation}"] if missing_explanation else ()),
        *_on_the_data(benchmark.problem),
        *_on_days(benchmark),
        *_on_the_target(benchmark),
        *_on_noise(benchmark),
        *_on_bags(benchmark),
        *_on_clip(benchmark),
        *_on_rows(benchmark, intervals),
        *_on_empty_columns(benchmark.problem.model, train),
        *_on_categories(benchmark.problem.model, train),
    )


def _on_deployment(benchmark: Benchmark) -> Iterator[str]:
    if benchmark.champion.is_baseline:
        name, reasons = benchmark.chosen, "; ".join(objections(benchmark)) or "there is none but the baselines"
        yield f"no candidate is worth deploying, and {name} is shown as champion but never deployed: {reasons}"


def _on_the_data(problem: Problem) -> Iterator[str]:
    if problem.split.kind == "random" and problem.split.allow_leaky:
        yield "random split although rows may belong together or span dates (split.allow_leaky): the errors may be too small"
    if dropped := problem.outliers_dropped:
        own = problem.model.target in dropped
        chosen = ", among them by the target, which no prediction knows: the errors are too small" if own else ""
        yield f"outliers of {', '.join(dropped)} are left out before anything is measured{chosen}"


def _on_days(benchmark: Benchmark) -> Iterator[str]:
    """What is on both sides of a day that cuts the rows: a group goes, whole, by the last of its days."""
    split, keys = benchmark.problem.split, benchmark.table.keys
    if split.kind != "group_time":
        return
    for name, day in (("train_before", split.train_before), ("evaluate_before", split.evaluate_before)):
        if day is not None and (found := straddling(keys, day))[0]:
            groups, rows = found
            yield (
                f"{groups:,} {'group' if groups == 1 else 'groups'} of one {split.group_key} {'has' if groups == 1 else 'have'}"
                f" rows before and from {day} on (split.{name}):"
                f" {'it counts' if groups == 1 else 'they count'}, whole, with the later part, {rows:,} earlier"
                f" {'row' if rows == 1 else 'rows'} included"
            )


def _on_the_target(benchmark: Benchmark) -> Iterator[str]:
    if (few := note_on_values(benchmark.problem.model, benchmark.table.y)) is not None:
        yield few


def _on_bags(benchmark: Benchmark) -> Iterator[str]:
    model = unclipped(benchmark.champion.model)
    if any(isinstance(each, Bag) for each in (model, *getattr(model, "models", ()))):
        yield (
            f"{benchmark.chosen} averages models of folds: its figures over the folds are those of the single models, each on"
            " rows that it has not seen; the average errs less, and its intervals are narrower by that"
        )


def _on_noise(benchmark: Benchmark) -> Iterator[str]:
    """Errors smaller than the noise that a target of its kind has, whatever is known of it."""
    champion, y = benchmark.champion, benchmark.table.y[benchmark.split.train]
    r2, rmse = champion.mean("r2"), champion.mean("rmse")
    advice = "look for columns that are computed from the target, or known only after it"
    if r2 is not None and r2 >= _NO_NOISE:
        yield f"the cross-validated R² of {benchmark.chosen} is {r2:g}: hardly anything is known so well beforehand; {advice}"
    elif rmse is not None and (y >= 0).all() and (y == np.floor(y)).all() and rmse**2 < _POISSON_SHARE * float(y.mean()):
        yield (
            f"the squared error of {benchmark.chosen}, {rmse**2:.3g}, is below a quarter of the mean of the counts,"
            f" {y.mean():.3g}, which is the variance of counts that come by chance (Poisson); {advice}"
        )


def _on_rows(benchmark: Benchmark, intervals: Intervals | None) -> Iterator[str]:
    split, most, level = benchmark.split, benchmark.problem.split.max_rows, benchmark.problem.intervals.level
    trained, tested = int(split.train.sum()), int(split.test.sum())
    if most is not None and most < trained and benchmark.problem.engine.final is None:
        sample = int(split.choosing.sum())
        yield f"chosen on a sample of {sample:,} of {trained:,} training rows (split.max_rows); final fits took all of them"
    if intervals is None:
        yield (
            f"no intervals: {trained:,} training rows are too few for a level of {level:g}, which needs level / (1 - level) of"
            " them"
        )
    if tested < _FEW_ROWS:
        yield f"the test part has {tested:,} {'row' if tested == 1 else 'rows'}: its figures are an anecdote"


def _on_clip(benchmark: Benchmark) -> Iterator[str]:
    own, (low, high) = benchmark.table.y, benchmark.problem.clip
    outside = int(np.sum(clip(own, (low, high)) != own))
    if outside:
        between = f"{'-∞' if low is None else f'{low:g}'} to {'∞' if high is None else f'{high:g}'}"
        yield f"{outside:,} rows have a target that can never be predicted: model.clip is {between}"


def _on_empty_columns(model: Model, train: pd.DataFrame) -> Iterator[str]:
    for name, formula in model.formulas.items():
        values = derive(formula, {column: train[column].to_numpy(dtype=float) for column in columns_of(formula)})
        if np.isnan(values).all():
            yield f"the derived feature {name} is null in every training row and tells nothing"
    for name in model.numeric_features:
        if train[name].isna().all():
            yield f"{name} is null in every training row and tells nothing"


def _on_categories(model: Model, train: pd.DataFrame) -> Iterator[str]:
    for name in model.text_features:
        distinct = train[name].nunique()
        if distinct == 1:
            yield f"{name} has one category only and tells nothing"
        if name in model.categorical_features and distinct > model.max_categories:
            rare = distinct - model.max_categories + 1
            yield f"{name} has {distinct:,} categories: the {rare:,} rarest share one column (model.max_categories)"
