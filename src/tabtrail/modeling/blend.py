"""The blend: a weighted average of the other candidates, with weights chosen on their out-of-fold predictions."""

import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tabtrail.errors import ConfigError
from tabtrail.modeling.baselines import BASELINES, BLEND
from tabtrail.modeling.candidates import Candidate
from tabtrail.modeling.estimators import Blend, average, choose_weights, clip, clipped, unclipped
from tabtrail.modeling.families.linear import LINEAR_REGRESSION
from tabtrail.modeling.metrics import Array, score, score_strata
from tabtrail.modeling.problem import Problem
from tabtrail.modeling.racing import Fitted
from tabtrail.modeling.results import FULL, Fit, Result, out_of_fold
from tabtrail.modeling.split import Mask, Split
from tabtrail.modeling.table import Table
from tabtrail.modeling.worth import complaint_of, joined_cost


def served_blend(
    candidate: Candidate,
    members: Sequence[Result],
    table: Table,
    split: Split,
    problem: Problem,
    *,
    row_us: Callable[[Any], float | None],
) -> tuple[tuple[Fit, ...], Fit, Sequence[Set[str]]]:
    """Return the blend whose graph takes a row no longer than the choice allows, and the members that are too slow together.

    `row_us` measures a row (None: unknown). Where no members are left to leave out, the blend is the last one tried.

    Members that fit into the processor's cache one by one need not fit in together: two bags of 8 MB took 448 µs and 151 and 157
    by themselves. Members that turn out too slow together are not taken together again.
    """
    refused = list[frozenset[str]]()
    while True:
        folds, final = blend(candidate, members, table, split, problem, refused=refused)
        names = frozenset(unclipped(final.model).names)
        if len(names) == 1 or names in refused:  # nothing to measure, or nothing else left
            return folds, final, refused
        took = row_us(final.model)
        if took is None or took <= problem.choice.max_row_us:
            return folds, final, refused
        refused.append(names)


def blend(
    candidate: Candidate,
    members: Sequence[Result],
    table: Table,
    split: Split,
    problem: Problem,
    *,
    refused: Sequence[Set[str]] = (),
) -> tuple[tuple[Fit, ...], Fit]:
    """Return the greedy blend of fitted candidates, baselines aside: its fits on the folds, and on the whole training part.

    Its score on a fold uses weights chosen on the other folds of the repeat (the earlier ones, where folds follow one another in
    time; all members alike on the first of those). The weights of the final blend are chosen on all out-of-fold predictions.
    Members join as long as all together stay within size and time of the choice, and are not among those `refused`. Like its
    members it predicts inside the bounds. Raises `ConfigError` where there is nothing to blend.
    """
    joining = _joining([each.candidate for each in members], problem)
    among, members = members, [each for each in members if each.candidate.name in joining]
    if not members:
        raise ConfigError(f"candidates.{candidate.name} blends the other candidates, and there are none but baselines")
    start = time.perf_counter()
    known = (tuple(members), tuple(among), tuple(refused))
    blending = _Blending(candidate.name, _rounds(candidate), *known, table, split, start, problem)
    return tuple(blending.on_fold(index) for index in range(len(split.folds))), blending.on_all()


def _joining(candidates: Sequence[Candidate], problem: Problem) -> Set[str]:
    """Return what a blend is made of: no baselines, and where folds follow in time no lines beside other models.

    A line goes on beyond all that it has seen, and one fold in which it errs little says nothing of the next: on flights it had
    four tenths of the weight, and the blend erred 23 % more than the best of its members.
    """
    own = [each for each in candidates if each.family not in (BLEND, *BASELINES)]
    bounded = [each for each in own if each.family != LINEAR_REGRESSION.name]
    return {each.name for each in ((bounded or own) if problem.split.by_time else own)}


def wanted_by_blends(
    blends: Sequence[Candidate],
    beaten: Sequence[Fitted],
    members: Sequence[Result],
    table: Table,
    split: Split,
    problem: Problem,
) -> list[Fitted]:
    """Return those of the `beaten` that a blend of them and the members gives a weight.

    One that errs more than the best by itself errs on other rows, too, and the average of both may err less than either
    (California, bags of LightGBM and CatBoost: 2 %). What each costs to serve is not known before its proof, and decides nothing.
    """
    joining = _joining([*(each.candidate for each in members), *(each for each, _, _ in beaten)], problem)
    known = {each.candidate.name: each.folds for each in members} | {each.name: folds for each, folds, _ in beaten}
    pooled = _pooled(_predictions({name: known[name] for name in known if name in joining}, split))
    wanted = set[str]()
    for candidate in blends if beaten else ():
        rows = ~np.isnan(next(iter(pooled.values())))
        target = np.tile(table.y, len(rows) // len(table.y))
        wanted |= set(choose_weights({name: each[rows] for name, each in pooled.items()}, target[rows], _rounds(candidate)))
    return [each for each in beaten if each[0].name in wanted]


def _rounds(candidate: Candidate) -> int:
    return int(candidate.params["rounds"] or 1)


def _predictions(folds: Mapping[str, Sequence[Fit]], split: Split) -> dict[int, dict[str, Array]]:
    """Return the out-of-fold predictions [rows] of every candidate, by repeat."""
    return {
        repeat: {name: out_of_fold(split, [fit.predicted for fit in fits], repeat=repeat) for name, fits in folds.items()}
        for repeat in sorted({fold.repeat for fold in split.folds})
    }


def _pooled(predictions: Mapping[int, Mapping[str, Array]]) -> dict[str, Array]:
    """Return the out-of-fold predictions [repeats × rows] of every candidate."""
    return {name: np.concatenate([each[name] for each in predictions.values()]) for name in predictions[0]}


@dataclass(frozen=True)
class _Blending:
    name: str
    rounds: int
    members: tuple[Result, ...]
    among: tuple[Result, ...]
    refused: tuple[Set[str], ...]
    table: Table
    split: Split
    start: float
    problem: Problem

    @cached_property
    def predictions(self) -> dict[int, dict[str, Array]]:
        return _predictions({each.candidate.name: each.folds for each in self.members}, self.split)

    def on_fold(self, index: int) -> Fit:
        fold = self.split.folds[index]
        known = self.predictions[fold.repeat]
        others = ~np.isnan(next(iter(known.values()))) & fold.train
        chosen = self._weights(known, self.table.y, others)
        blended = average([known[name][fold.valid] for name in chosen], tuple(chosen.values()))
        return self._fit(index, self.table.take(fold.valid), blended, [each.folds[index] for each in self.members])

    def on_all(self) -> Fit:
        pooled = _pooled(self.predictions)
        target = np.tile(self.table.y, len(self.predictions))
        weights = self._weights(pooled, target, ~np.isnan(next(iter(pooled.values()))))
        used = {each.candidate.name: each for each in self.members if each.candidate.name in weights}
        model = Blend(tuple(weights), tuple(weights.values()), tuple(used[name].model for name in weights))
        blended = average([used[name].final.predicted for name in weights], tuple(weights.values()))
        return self._fit(FULL, self.table.take(self.split.test), blended, [each.final for each in self.members], model)

    def _weights(self, predictions: Mapping[str, Array], y: Array, rows: Mask) -> dict[str, float]:
        if not rows.any():
            return dict.fromkeys(sorted(predictions), 1 / len(predictions))
        return choose_weights({name: each[rows] for name, each in predictions.items()}, y[rows], self.rounds, self._affordable)

    def _affordable(self, names: Set[str]) -> bool:
        used = [each for each in self.members if each.candidate.name in names]
        if any(together <= names for together in self.refused):
            return False
        return complaint_of(sum(each.model_bytes for each in used), joined_cost(used, self.among), self.problem.choice) is None

    def _fit(self, fold: int, valid: Table, predicted: Array, members: list[Fit], model: Any = None) -> Fit:
        """Return the fit of the blend, its predictions clipped; its seconds are those of all that it was chosen from, and of
        choosing.
        """
        predicted = clip(predicted, self.problem.clip)
        return Fit(
            candidate=self.name,
            fold=fold,
            scores=score(valid.y, predicted),
            strata=score_strata(valid.y, predicted, valid.strata),
            predicted=predicted,
            fit_seconds=round(sum(fit.fit_seconds for fit in members) + time.perf_counter() - self.start, 4),
            predict_seconds=round(sum(fit.predict_seconds for fit in members), 4),
            model=None if model is None else clipped(model, self.problem.clip),
        )
