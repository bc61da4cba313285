"""Fit, score and choose: every candidate on the same folds, the choice by cross-validation alone."""

import hashlib
import pickle
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from tabtrail.config.tree import Config
from tabtrail.contract.expressions import ColumnRef
from tabtrail.errors import ConfigError, DataError, ParityError
from tabtrail.jobs.job import Shared
from tabtrail.jobs.run import run
from tabtrail.modeling.candidates import BASELINE, BLEND, FORMULA, Candidate, list_candidates
from tabtrail.modeling.choice import choose
from tabtrail.modeling.estimators import Blend, FormulaRegressor, TransformedRegressor, average, choose_weights
from tabtrail.modeling.families import FAMILIES, Sample, family_of, model_libraries
from tabtrail.modeling.metrics import Array, Scores, rounded, score, score_strata
from tabtrail.modeling.preprocess import Recipe, build_pipeline, build_preprocessor, native_layout
from tabtrail.modeling.proof import Parity
from tabtrail.modeling.split import Fold, Mask, Split, hold_out
from tabtrail.modeling.table import Examples, Table, split_table

_INNER_SHARE = 0.15
FULL = -1


@dataclass(frozen=True)
class Fit:
    """One fitted and scored candidate: on one fold, or (`fold` is -1) on the whole training part, scored on the test part.

    `predicted` are the predictions of the scored rows, in units of the target. Seconds are wall time of one thread.
    `iterations` is the number of boosting rounds that early stopping chose. Only the fit on the whole training part keeps
    its `model`.
    """

    candidate: str
    fold: int
    scores: Scores
    strata: dict[str, Scores]
    predicted: Array
    fit_seconds: float
    predict_seconds: float
    iterations: int | None = None
    model: Any = None


@dataclass(frozen=True)
class Result:
    """A candidate's fits on the folds, and its fit on the whole training part, scored on the test part.

    `model_bytes` is the size of what would be deployed, the cost by which equally good candidates are told apart; `parity`
    the proof that it predicts what `final.model` predicts, None where none was asked for.
    """

    candidate: Candidate
    folds: tuple[Fit, ...]
    final: Fit
    model_bytes: int
    parity: Parity | None = None

    @property
    def deployable(self) -> bool:
        return self.parity is None or self.parity.passed

    def values(self, metric: str) -> list[float]:
        """Return a score on every fold."""
        return [getattr(fit.scores, metric) for fit in self.folds]

    def mean(self, metric: str) -> float:
        """Return the mean of a score over the folds."""
        return rounded(float(np.mean(self.values(metric))))

    def std(self, metric: str) -> float:
        """Return the standard deviation of a score over the folds (ddof 1)."""
        return rounded(float(np.std(self.values(metric), ddof=1)))

    def stratum_mean(self, name: str, metric: str) -> float | None:
        """Return the mean of a score over the folds that have rows of a stratum, None where none gives that score."""
        values = [getattr(fit.strata[name], metric) for fit in self.folds if name in fit.strata]
        known = [value for value in values if value is not None]
        return rounded(float(np.mean(known))) if known else None

    @property
    def model(self) -> Any:
        """The model fitted on the whole training part."""
        return self.final.model

    def out_of_fold(self, split: Split) -> Array:
        """Return for each row [rows] its out-of-fold prediction in the first repeat, NaN for rows that no fold of it scored."""
        return out_of_fold(split, [fit.predicted for fit in self.folds], repeat=0)

    @property
    def predictions_sha256(self) -> str:
        """The sha256 of every prediction that was scored, fold by fold and then on the test part, to the last bit."""
        digest = hashlib.sha256()
        for fit in (*self.folds, self.final):
            digest.update(np.ascontiguousarray(fit.predicted, dtype=np.float64).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Benchmark:
    """All results, best cross-validated RMSE first, and the name of the one that was chosen."""

    results: tuple[Result, ...]
    split: Split
    table: Table
    chosen: str

    @property
    def champion(self) -> Result:
        return self.result(self.chosen)

    @property
    def baseline(self) -> Result:
        return self.result(BASELINE)

    def result(self, name: str) -> Result:
        """Return the result of a candidate."""
        return next(result for result in self.results if result.candidate.name == name)


def run_benchmark(
    config: Config,
    table: Table,
    *,
    export: Callable[[Any], tuple[int, Parity | None]] | None = None,
    split: Split | None = None,
    finished: Mapping[str, Result] | None = None,
    final_workers: int | None = None,
    on_result: Callable[[Result], None] = lambda result: None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Benchmark:
    """Fit every candidate on every fold and on the training part; choose by the folds, with the rule of the config.

    The test part is scored once for each candidate and decides nothing. `export` returns the size in bytes of what would be
    deployed of a model (its pickle, where none is given) and its proof; a candidate that fails the proof is not chosen.
    `split` is that of the config where none is given.
    Fits on the whole training part come last, `final_workers` at once, where that is fewer than the engine has.
    Candidates in `finished` are not fitted again; `on_result` is called with every other one as soon as it is done,
    `progress` with fits done and fits in all. Raises `ConfigError` for candidates that cannot be built or fitted as
    configured, `DataError` for too few rows, groups or dates, `ParityError` where no candidate is deployable.
    """
    candidates = list_candidates(config.candidates, with_formulas=bool(config.model.formulas))
    split = split or split_table(config, table)
    results = dict(finished or {})
    export = export or _pickled_size
    fitted = [each for each in candidates if each.family != BLEND and each.name not in results]
    for candidate, folds, final in _fit_all(config, table, split, fitted, final_workers, progress):
        result = Result(candidate, folds, final, *export(final.model))
        results[result.candidate.name] = result
        on_result(result)
    models = [results[each.name] for each in candidates if each.family not in (BLEND, BASELINE, FORMULA)]
    for candidate in candidates:
        if candidate.family == BLEND and candidate.name not in results:
            folds, final = _blend(candidate, models, table, split)
            results[candidate.name] = Result(candidate, folds, final, *export(final.model))
            on_result(results[candidate.name])
    ordered = sorted((results[each.name] for each in candidates), key=lambda each: (each.mean("rmse"), each.candidate.name))
    deployable = [each for each in ordered if each.deployable]
    if not deployable:
        raise ParityError(
            f"no candidate is deployable; {ordered[0].candidate.name}: {ordered[0].parity and ordered[0].parity.complaint}"
        )
    chosen = choose(
        {each.candidate.name: each.values("rmse") for each in deployable},
        {each.candidate.name: each.model_bytes for each in deployable},
        rule=config.choice.rule,
        valid_share=split.valid_share,
    )
    return Benchmark(tuple(ordered), split, table, chosen)


def _pickled_size(model: Any) -> tuple[int, None]:
    return len(pickle.dumps(model)), None


def _fit_all(
    config: Config,
    table: Table,
    split: Split,
    candidates: Iterable[Candidate],
    final_workers: int | None,
    progress: Callable[[int, int], None],
) -> Iterator[tuple[Candidate, tuple[Fit, ...], Fit]]:
    """Yield each candidate with its fits on the folds and on the whole training part when the last of them is done."""
    # What takes longest is started first, so that the other workers are not idle at the end.
    ordered = sorted(candidates, key=lambda each: not each.slow)
    tasks = [(each, fold) for each in ordered for fold in range(FULL, len(split.folds))]
    fits: dict[str, dict[int, Fit]] = {each.name: {} for each in ordered}
    by_name = {each.name: each for each in ordered}
    if final_workers is None or final_workers >= config.engine.workers:
        found: Iterable[Fit] = run_tasks(config, table, split, tasks)
    else:
        fewer = config.model_copy(update={"engine": config.engine.model_copy(update={"workers": final_workers})})
        on_folds, on_all = [each for each in tasks if each[1] != FULL], [each for each in tasks if each[1] == FULL]
        found = chain(run_tasks(config, table, split, on_folds), run_tasks(fewer, table, split, on_all))
    for done, fit in enumerate(found, 1):
        own = fits[fit.candidate]
        own[fit.fold] = canonical(fit)
        progress(done, len(tasks))
        if len(own) == len(split.folds) + 1:
            yield by_name[fit.candidate], tuple(own[fold] for fold in range(len(split.folds))), own[FULL]


@dataclass(frozen=True)
class Rows:
    """What one fit learns from and is scored on [rows of the table]; `watched` are those training rows [training rows] that
    early stopping looks at, None where nothing stops early or they are too few.
    """

    train: Mask
    valid: Mask
    watched: Mask | None = None


def run_tasks(
    config: Config, table: Table, split: Split, tasks: list[tuple[Candidate, int]], *, in_order: bool = False
) -> Generator[Fit]:
    """Yield the fit of each candidate and fold as it is done, or in the order of the tasks. Closed early, the rest is dropped."""
    early = any(candidate.early_stopping_rounds is not None for candidate, _ in tasks)
    rows = {fold: Shared(rows_of(config, table, split, fold, early=early)) for fold in sorted({fold for _, fold in tasks})}
    examples, recipe = Shared(table.examples()), Recipe.of(config.model)
    jobs = [(candidate, fold, rows[fold], examples, recipe) for candidate, fold in tasks]
    yield from run(fit_and_score, jobs, config.engine, in_order=in_order, libraries=fitting_libraries())


def fitting_libraries() -> tuple[str, ...]:
    """Return the distributions that the result of a fit depends on: every machine that fits must have the same versions."""
    return (*model_libraries(), "numpy", "scipy", "pandas")


def rows_of(config: Config, table: Table, split: Split, fold: int, *, early: bool) -> Rows:
    """Return the rows of a fold (-1: training and test part); watched are whole groups, or the latest, 15 %."""
    rows = Fold(split.train, split.test) if fold == FULL else split.folds[fold]
    watched = None
    if early:
        with suppress(DataError):
            keys = table.keys.take(rows.train)
            watched = hold_out(keys, config.split, config.model.random_state + 1, share=_INNER_SHARE)[1]
    return Rows(rows.train, rows.valid, watched)


def fit_and_score(candidate: Candidate, fold: int, rows: Rows, examples: Examples, recipe: Recipe) -> Fit:
    """Fit a candidate on the training rows of a fold and score it on the others; the model, if kept, is a pickle of its own."""
    train, valid = examples.take(rows.train), examples.take(rows.valid)
    x = train.x
    start = time.perf_counter()
    try:
        iterations = choose_iterations(candidate, recipe, train, rows.watched)
        changed = {} if iterations is None else {str(FAMILIES[candidate.family].iterations): iterations}
        model = build_model(candidate, recipe, **changed).fit(x, train.y)
        _make_canonical(regressor_of(model))
    except candidate.errors as error:
        raise ConfigError(f"candidates.{candidate.name} cannot be fitted: {str(error).strip().splitlines()[0][:300]}") from None
    except DataError as error:
        raise DataError(f"candidates.{candidate.name}: {error}") from None
    fitted = time.perf_counter()
    predicted = np.asarray(model.predict(valid.x), dtype=np.float64).ravel()
    done = time.perf_counter()
    return Fit(
        candidate=candidate.name,
        fold=fold,
        scores=score(valid.y, predicted),
        strata=score_strata(valid.y, predicted, valid.strata),
        predicted=predicted,
        fit_seconds=round(fitted - start, 4),
        predict_seconds=round(done - fitted, 4),
        iterations=iterations,
        model=pickle.dumps(model) if fold == FULL else None,
    )


def _make_canonical(regressor: Any) -> None:
    if (family := family_of(regressor)) is not None:
        family.make_canonical(regressor)


def canonical(fit: Fit) -> Fit:
    """Return a fit with its model instead of the pickle of it: such a model pickles to the same bytes wherever it was fitted."""
    return fit if fit.model is None else replace(fit, model=pickle.loads(fit.model))  # noqa: S301 - our own


def build_model(candidate: Candidate, recipe: Recipe, **changed: Any) -> Any:
    """Return the unfitted model of a candidate, from raw columns to the target."""
    if candidate.family == FORMULA:
        return FormulaRegressor(recipe.formulas)
    preprocessor = build_preprocessor(recipe, scaled=FAMILIES[candidate.family].scaled, native=candidate.native)
    layout = native_layout(recipe) if candidate.native else None
    pipeline = build_pipeline(preprocessor, candidate.build(recipe.seed, layout, **changed))
    if candidate.transform == "none":
        return pipeline
    name = candidate.reference
    reference = None if name is None else recipe.formulas.get(name, ColumnRef(name))
    return TransformedRegressor(pipeline, candidate.transform, reference)


def regressor_of(model: Any) -> Any:
    """Return the last step of a model's pipeline, None where it has none."""
    pipeline = model.pipeline if isinstance(model, TransformedRegressor) else model
    return pipeline.named_steps["model"] if isinstance(pipeline, Pipeline) else None


def choose_iterations(candidate: Candidate, recipe: Recipe, train: Examples, watched_rows: Mask | None) -> int | None:
    """Return how many boosting rounds do best on the watched ones of the training rows.

    None, and so all configured rounds, without early stopping, or where the training rows are too few to hold some out.
    """
    if candidate.early_stopping_rounds is None or watched_rows is None:
        return None
    rounds = FAMILIES[candidate.family].best_iterations
    if rounds is None:
        return None
    fitted, watched = train.take(~watched_rows), train.take(watched_rows)
    model = build_model(candidate, recipe)
    fitted_x, watched_x = fitted.x, watched.x
    pipeline, weights, watched_weights, y, watched_y = model, None, None, fitted.y, watched.y
    if isinstance(model, TransformedRegressor):
        model.learn_reference(fitted_x)
        pipeline, weights, watched_weights = model.pipeline, model.weights(fitted_x), model.weights(watched_x)
        y, watched_y = model.transform(fitted_x, fitted.y), model.transform(watched_x, watched.y)
    preprocessor = pipeline.named_steps["preprocess"]
    learned = Sample(preprocessor.fit_transform(fitted_x, y), y, weights)
    held = Sample(preprocessor.transform(watched_x), watched_y, watched_weights)
    return rounds(pipeline.named_steps["model"], learned, held, candidate.early_stopping_rounds)


def out_of_fold(split: Split, predicted: list[Array], *, repeat: int) -> Array:
    """Return for each row [rows] its out-of-fold prediction in one repeat, NaN for rows that no fold of it scored."""
    values = np.full(len(split.train), np.nan)
    for fold, scored in zip(split.folds, predicted, strict=True):
        if fold.repeat == repeat:
            values[fold.valid] = scored
    return values


def _blend(candidate: Candidate, members: list[Result], table: Table, split: Split) -> tuple[tuple[Fit, ...], Fit]:
    """Return the greedy blend of fitted candidates.

    Its score on a fold uses weights chosen on the other folds of the repeat (the earlier ones, where folds follow one another
    in time; all members alike on the first of those). The weights of the final blend are chosen on all out-of-fold predictions.
    """
    if not members:
        raise ConfigError(f"candidates.{candidate.name} blends the other candidates, and there are none but baselines")
    rounds = int(candidate.params["rounds"] or 1)
    start = time.perf_counter()
    oof = {
        repeat: {each.candidate.name: out_of_fold(split, [f.predicted for f in each.folds], repeat=repeat) for each in members}
        for repeat in sorted({fold.repeat for fold in split.folds})
    }
    folds = []
    for index, fold in enumerate(split.folds):
        scored = next(iter(oof[fold.repeat].values()))
        others = ~np.isnan(scored) & fold.train
        chosen = _weights(oof[fold.repeat], table.y, others, rounds)
        blended = average([oof[fold.repeat][name][fold.valid] for name in chosen], tuple(chosen.values()))
        fits = [each.folds[index] for each in members]
        folds.append(_combined(candidate.name, index, table.take(fold.valid), blended, fits, start))
    pooled = {name: np.concatenate([each[name] for each in oof.values()]) for name in oof[0]}
    target = np.tile(table.y, len(oof))
    weights = _weights(pooled, target, ~np.isnan(next(iter(pooled.values()))), rounds)
    used = {each.candidate.name: each for each in members if each.candidate.name in weights}
    model = Blend(tuple(weights), tuple(weights.values()), tuple(used[name].model for name in weights))
    blended = average([used[name].final.predicted for name in weights], tuple(weights.values()))
    fits = [each.final for each in members]
    final = _combined(candidate.name, FULL, table.take(split.test), blended, fits, start, model)
    return tuple(folds), final


def _weights(predictions: Mapping[str, Array], y: Array, rows: Mask, rounds: int) -> dict[str, float]:
    if not rows.any():
        return dict.fromkeys(sorted(predictions), 1 / len(predictions))
    return choose_weights({name: values[rows] for name, values in predictions.items()}, y[rows], rounds)


def _combined(name: str, fold: int, valid: Table, predicted: Array, members: list[Fit], start: float, model: Any = None) -> Fit:
    """Return the fit of a blend; its seconds are those of all that it was chosen from, and of choosing."""
    return Fit(
        candidate=name,
        fold=fold,
        scores=score(valid.y, predicted),
        strata=score_strata(valid.y, predicted, valid.strata),
        predicted=predicted,
        fit_seconds=round(sum(fit.fit_seconds for fit in members) + time.perf_counter() - start, 4),
        predict_seconds=round(sum(fit.predict_seconds for fit in members), 4),
        model=model,
    )
