"""The chosen candidate fitted again on all rows, once it is chosen and measured: what is deployed, where `split.refit` is `all`.

Nothing is chosen again: the parameters, the number of rounds of every part that stops early (and its factor of `smearing`, which
rows held out gave) and the weights of a blend are those of its twin, which learned from the training part and has the figures.
The two differ in the rows that they learned from alone. A bag's folds are cut again, from all rows.
"""

import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tabtrail.jobs.run import run
from tabtrail.modeling.benchmark import candidates_of, fitting_libraries
from tabtrail.modeling.candidates import Candidate
from tabtrail.modeling.devices import one_at_a_time
from tabtrail.modeling.elsewhere import shared_examples
from tabtrail.modeling.estimators import Bag, Blend, ClippedRegressor, unclipped
from tabtrail.modeling.families import FAMILIES
from tabtrail.modeling.fit import fit_with, regressor_of
from tabtrail.modeling.preprocess import Recipe
from tabtrail.modeling.problem import Problem
from tabtrail.modeling.split import Mask, Split
from tabtrail.modeling.table import Examples, Table, cut_folds


@dataclass(frozen=True)
class Part:
    """One fit of those that a model is made of: of which candidate, with how many boosting rounds (None: as configured), and with
    which factor of `smearing` (None: it is learned with the rest), on which rows (None: all), as which fold of a bag.
    """

    candidate: Candidate
    rounds: int | None = None
    factor: float | None = None
    rows: Mask | None = None
    member: str = ""

    @property
    def name(self) -> str:
        return f"{self.candidate.name} {self.member}".strip()


@dataclass(frozen=True)
class Refitted:
    """A model that learned from all rows, and the rounds of each part of it that stops early, by candidate."""

    model: Any
    rounds: dict[str, int]


def learned_rows(problem: Problem, split: Split) -> Mask:
    """Return the rows that the deployed model learns from: all, or the training part, as `split.refit` says."""
    return np.ones_like(split.train) if problem.split.refit == "all" else split.train


def refit(problem: Problem, table: Table, split: Split, candidate: Candidate, twin: Any) -> Refitted:
    """Return a candidate fitted on all rows of a table, given the model of it that learned from the training part.

    A blend keeps its weights, and its members are fitted again, a bag's each on the rows of its fold of all rows. Raises
    `ConfigError` or `DataError` where the candidate cannot be fitted on all rows.
    """
    named = {each.name: each for each in candidates_of(problem)} | {candidate.name: candidate}
    everything = np.ones_like(split.train)
    bagged = any(each.bag for each in named.values())
    cut = cut_folds(problem, table, everything, ~everything, problem.seed).folds if bagged else ()
    parts = list(_parts(named, candidate.name, twin, [fold.train for fold in cut if fold.repeat == 0]))
    models = _fit_all(problem, table, split, parts)
    rounds = {part.name: part.rounds for part in parts if part.rounds is not None}
    return Refitted(_assembled(twin, iter(models)), rounds)


def _parts(named: Mapping[str, Candidate], name: str, twin: Any, folds: Sequence[Mask]) -> Iterator[Part]:
    """Yield the fits that a model is made of, in their order: the members of a blend or of a bag, else itself."""
    inner = unclipped(twin)
    if isinstance(inner, Bag):
        for member, model, rounds, rows in zip(inner.names, inner.models, inner.rounds, folds, strict=True):
            held_out = named[name].smearing and rounds is not None
            yield Part(named[name], rounds, unclipped(model).factor_ if held_out else None, rows, member)
    elif isinstance(inner, Blend):
        for own, model in zip(inner.names, inner.models, strict=True):
            yield from _parts(named, own, model, folds)
    else:
        yield _part(named[name], twin)


def _part(candidate: Candidate, twin: Any) -> Part:
    if candidate.early_stopping_rounds is None:
        return Part(candidate)
    # Early stopping leaves its number of rounds in the parameters of the model that was then fitted with it.
    rounds = regressor_of(twin).get_params().get(str(FAMILIES[candidate.family].iterations))
    return Part(candidate, rounds, unclipped(twin).factor_ if candidate.smearing else None)


def _fit_all(problem: Problem, table: Table, split: Split, parts: Sequence[Part]) -> list[Any]:
    """Return the fitted model of each part; no more of them are fitted at once than memory was found for."""
    at_once = problem.engine.workers if problem.final_workers is None else min(problem.final_workers, problem.engine.workers)
    engine = problem.engine.model_copy(update={"workers": max(1, min(at_once, len(parts)))})
    engine = one_at_a_time(engine, [part.candidate for part in parts])
    examples, recipe = shared_examples(problem, table, split), Recipe.of(problem.model, problem.clip, table.distinct)
    jobs = [(part, recipe, examples) for part in parts]
    # As in the benchmark: a model pickles to the same bytes wherever it was fitted once it has come out of its pickle.
    return [pickle.loads(each) for each in run(_fit, jobs, engine, in_order=True, libraries=fitting_libraries())]  # noqa: S301


def _fit(part: Part, recipe: Recipe, examples: Examples) -> bytes:
    rows = examples.all if part.rows is None else examples.take(part.rows)
    return pickle.dumps(fit_with(part.candidate, recipe, rows, part.rounds, part.factor))


def _assembled(twin: Any, models: Iterator[Any]) -> Any:
    inner = unclipped(twin)
    if not isinstance(inner, Blend):
        return next(models)
    again = tuple(_assembled(each, models) for each in inner.models)
    bagged = isinstance(inner, Bag)
    made = Bag(inner.names, inner.weights, again, inner.rounds) if bagged else Blend(inner.names, inner.weights, again)
    return ClippedRegressor(made, twin.low, twin.high) if isinstance(twin, ClippedRegressor) else made
