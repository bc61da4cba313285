"""One candidate fitted on the rows of one fold and scored on the others."""

import pickle
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from tabtrail.contract.expressions import ColumnRef
from tabtrail.errors import ConfigError, DataError
from tabtrail.modeling.baselines import FORMULA
from tabtrail.modeling.candidates import Candidate
from tabtrail.modeling.estimators import FormulaRegressor, TransformedRegressor, clipped, pipelines_of, unclipped
from tabtrail.modeling.families import FAMILIES, Sample, family_of
from tabtrail.modeling.fold_matrices import SharedPreprocessor, key_of
from tabtrail.modeling.metrics import score, score_strata
from tabtrail.modeling.preprocess import Recipe, build_pipeline, build_preprocessor, native_layout
from tabtrail.modeling.problem import Problem
from tabtrail.modeling.proof import Prove
from tabtrail.modeling.results import FULL, Fit
from tabtrail.modeling.split import Fold, Mask, Split, hold_out
from tabtrail.modeling.table import Examples, Table

# Of the training rows, held back to see when more rounds stop helping: enough rows for that error not to be noise, and few
# enough that the number of rounds found is still right for a fit on all of them.
_WATCHED_SHARE = 0.15

Shared = Callable[[Any, Any], SharedPreprocessor]
"""Makes of a preprocessor, and the frame that it learns from, one that shares its matrices."""


@dataclass(frozen=True)
class Rows:
    """What one fit learns from and is scored on [rows of the table]; `watched` are those training rows [training rows] that
    early stopping looks at, None where nothing stops early or they are too few.
    """

    train: Mask
    valid: Mask
    watched: Mask | None = None


def rows_of(problem: Problem, table: Table, split: Split, fold: int, *, early: bool) -> Rows:
    """Return the rows of a fold (-1: training and test part); watched are whole groups, or the latest, 15 %."""
    rows = Fold(split.train, split.test) if fold == FULL else split.folds[fold]
    watched = None
    if early:
        with suppress(DataError):  # too few keys or dates to hold some out
            keys = table.keys.take(rows.train)
            watched = hold_out(keys, problem.split, problem.seed + 1, share=_WATCHED_SHARE)[1]
    return Rows(rows.train, rows.valid, watched)


def fit_and_score(
    candidate: Candidate, fold: int, rows: Rows, examples: Examples, recipe: Recipe, *, prove: Prove | None = None
) -> Fit:
    """Fit a candidate on the training rows of a fold and score it on the others; the model, if kept, is a pickle of its own.

    With `prove`, a model that is kept is exported and proven here, on all rows.

    Raises `ConfigError` for parameters that the library refuses, `DataError` for rows that the candidate cannot learn from.
    """
    train, valid = examples.take(rows.train), examples.take(rows.valid)
    keep, valid_x = fold == FULL or candidate.bag, valid.x
    start = time.perf_counter()
    if stops_by_its_fold(candidate):
        model, iterations = _fit_member(candidate, recipe, train, valid)
    else:
        # What is kept has a preprocessing of its own.
        key = None if keep else key_of(candidate, recipe, examples, rows.train, rows.valid)
        shared = None if key is None else partial(SharedPreprocessor, key, valid_x)
        model, iterations = _fitted(candidate, recipe, train, rows.watched, shared)
    fitted = time.perf_counter()
    predicted = np.asarray(model.predict(valid_x), dtype=np.float64).ravel()
    done = time.perf_counter()
    kept = pickle.dumps(model) if keep else None
    scores, strata = score(valid.y, predicted), score_strata(valid.y, predicted, valid.strata)
    del model, train, valid, valid_x  # a proof takes all rows: where they are many, there is no room for these copies beside it
    return Fit(
        candidate=candidate.name,
        fold=fold,
        scores=scores,
        strata=strata,
        predicted=predicted,
        fit_seconds=round(fitted - start, 4),
        predict_seconds=round(done - fitted, 4),
        iterations=iterations,
        model=kept,
        # What is proven is what the driver will have: the model as it comes out of its pickle.
        proof=None if fold != FULL or kept is None or prove is None else prove(pickle.loads(kept), examples.x),  # noqa: S301 - our own
    )


def stops_by_its_fold(candidate: Candidate) -> bool:
    """Whether the models of a bag watch the rows that their fold scores, and keep the rounds after the best.

    `bag` then scores each with the rounds that the other folds chose.
    """
    return candidate.bag and candidate.early_stopping_rounds is not None and FAMILIES[candidate.family].first_rounds is not None


def _fit_member(candidate: Candidate, recipe: Recipe, train: Examples, valid: Examples) -> tuple[Any, int | None]:
    model = build_model(candidate, recipe)
    inner = unclipped(model)
    transformed = inner if isinstance(inner, TransformedRegressor) else None
    watching = _Watching(transformed.pipeline if transformed else inner, candidate, transformed, valid)
    with _named(candidate):
        if transformed is None:
            watching.fit(train.x, train.y)
        else:
            transformed.pipeline, transformed.factor_ = watching, 1.0  # `bag` learns the factor, on the rows of the fold
            transformed.fit(train.x, train.y)
            transformed.pipeline = watching.pipeline
        _make_canonical(regressor_of(model))
    return model, watching.rounds


class _Watching:
    """A pipeline that stops early by rows that are held out; `rounds` did best on them."""

    def __init__(self, pipeline: Any, candidate: Candidate, transformed: TransformedRegressor | None, held: Examples) -> None:
        self.pipeline, self.candidate, self.transformed, self.held = pipeline, candidate, transformed, held
        self.rounds = 0

    def fit(self, x: Any, y: Any, model__sample_weight: Any = None) -> None:
        best, patience = FAMILIES[self.candidate.family].best_iterations, self.candidate.early_stopping_rounds
        assert best is not None  # noqa: S101 - `stops_by_its_fold` was asked
        assert patience is not None  # noqa: S101 - likewise
        preprocessor, regressor = self.pipeline.named_steps["preprocess"], self.pipeline.named_steps["model"]
        learned = Sample(preprocessor.fit_transform(x, y), y, model__sample_weight)
        self.rounds = best(regressor, learned, self._watched(preprocessor), patience)

    def _watched(self, preprocessor: Any) -> Sample:
        x, y, of = self.held.x, self.held.y, self.transformed
        if of is None:
            return Sample(preprocessor.transform(x), y)
        known, weights = of.usable(x), of.weights(x)
        learned = of.transform(x, y)[known] - of.center_
        return Sample(preprocessor.transform(x[known]), learned, None if weights is None else weights[known])


def _fitted(
    candidate: Candidate, recipe: Recipe, train: Examples, watched: Mask | None, shared: Shared | None
) -> tuple[Any, int | None]:
    with _named(candidate):
        iterations, factor = watch_rounds(candidate, recipe, train, watched)
    return fit_with(candidate, recipe, train, iterations, factor, shared=shared), iterations


def fit_with(
    candidate: Candidate,
    recipe: Recipe,
    train: Examples,
    iterations: int | None,
    factor: float | None,
    *,
    shared: Shared | None = None,
) -> Any:
    """Return a candidate's model fitted on rows with so many boosting rounds (None: as many as are configured), and with a factor
    of `smearing` that other rows gave (None: it is learned here). A model that is not kept takes matrices that others have made
    (`shared`).

    Raises `ConfigError` for parameters that the library refuses, `DataError` for rows that it cannot learn from.
    """
    with _named(candidate):
        changed = {} if iterations is None else {str(FAMILIES[candidate.family].iterations): iterations}
        model = build_model(candidate, recipe, **changed)
        if factor is not None:
            unclipped(model).factor_ = factor
        x = train.x
        if shared is not None:
            pipeline = next(pipelines_of(model))
            pipeline.steps[0] = ("preprocess", shared(pipeline.named_steps["preprocess"], x))
        model.fit(x, train.y)
        _make_canonical(regressor_of(model))
    return model


@contextmanager
def _named(candidate: Candidate) -> Iterator[None]:
    """Say in an error which candidate it is about."""
    try:
        yield
    except candidate.errors as error:
        raise ConfigError(f"candidates.{candidate.name} cannot be fitted: {str(error).strip().splitlines()[0][:300]}") from None
    except DataError as error:
        raise DataError(f"candidates.{candidate.name}: {error}") from None


def _make_canonical(regressor: Any) -> None:
    if (family := family_of(regressor)) is not None:
        family.make_canonical(regressor)


def unpickled(fit: Fit) -> Fit:
    """Return a fit with its model instead of the pickle of it: such a model pickles to the same bytes wherever it was fitted."""
    return fit if fit.model is None else replace(fit, model=pickle.loads(fit.model))  # noqa: S301 - our own


def build_model(candidate: Candidate, recipe: Recipe, **changed: Any) -> Any:
    """Return the unfitted model of a candidate, from raw columns to the target inside its bounds."""
    return clipped(_build_unclipped(candidate, recipe, **changed), recipe.clip)


def _build_unclipped(candidate: Candidate, recipe: Recipe, **changed: Any) -> Any:
    if candidate.family == FORMULA:
        return FormulaRegressor(recipe.formulas)
    family, recipe = FAMILIES[candidate.family], recipe.entering(candidate.many_texts, rotated=candidate.rotated)
    preprocessor = build_preprocessor(
        recipe, scaled=family.scaled, native=candidate.native, missing_native=candidate.missing_native
    )
    layout = native_layout(recipe) if candidate.native else None
    pipeline = build_pipeline(preprocessor, candidate.build(recipe.seed, layout, **changed))
    if candidate.transform == "none":
        return pipeline
    name = candidate.reference
    reference = None if name is None else recipe.formulas.get(name, ColumnRef(name))
    return TransformedRegressor(
        pipeline,
        candidate.transform,
        reference,
        power=candidate.weight_power,
        centred=not candidate.has_link,
        smearing=candidate.smearing,
    )


def regressor_of(model: Any) -> Any:
    """Return the last step of a model's pipeline, None where it has none."""
    model = unclipped(model)
    pipeline = model.pipeline if isinstance(model, TransformedRegressor) else model
    return pipeline.named_steps["model"] if isinstance(pipeline, Pipeline) else None


def watch_rounds(
    candidate: Candidate, recipe: Recipe, train: Examples, watched_rows: Mask | None
) -> tuple[int | None, float | None]:
    """Return how many boosting rounds do best on the watched ones of the training rows, and the factor of `smearing` there.

    None, and so all configured rounds, without early stopping, or where the training rows are too few to hold some out; no factor
    without `smearing`.
    """
    if candidate.early_stopping_rounds is None or watched_rows is None:
        return None, None
    rounds = FAMILIES[candidate.family].best_iterations
    if rounds is None:
        return None, None
    model, fitted, watched = _build_unclipped(candidate, recipe), train.take(~watched_rows), train.take(watched_rows)
    pipeline = model.pipeline if isinstance(model, TransformedRegressor) else model
    learned, held = _samples(model, pipeline.named_steps["preprocess"], fitted, watched)
    regressor = pipeline.named_steps["model"]
    best = rounds(regressor, learned, held, candidate.early_stopping_rounds)
    if not candidate.smearing:
        return best, None
    cut = FAMILIES[candidate.family].first_rounds
    regressor = regressor if cut is None else cut(regressor, best)
    model.learn_factor(watched.x, watched.y, np.asarray(regressor.predict(held.x), dtype=np.float64).ravel())
    return best, model.factor_


def _samples(model: Any, preprocessor: Any, fitted: Examples, watched: Examples) -> tuple[Sample, Sample]:
    """Return what the regressor inside a model learns from and is watched on."""
    fitted_x, watched_x, y, watched_y = fitted.x, watched.x, fitted.y, watched.y
    weights = watched_weights = None
    if isinstance(model, TransformedRegressor):
        model.learn_reference(fitted_x)
        weights, watched_weights = model.weights(fitted_x), model.weights(watched_x)
        y, watched_y = model.transform(fitted_x, fitted.y), model.transform(watched_x, watched.y)
    learned = Sample(preprocessor.fit_transform(fitted_x, y), y, weights)
    return learned, Sample(preprocessor.transform(watched_x), watched_y, watched_weights)
