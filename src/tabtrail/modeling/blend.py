"""The blend: a weighted average of the other candidates, with weights chosen on their out-of-fold predictions."""

import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tabtrail.errors import ConfigError
from tabtrail.modeling.candidates import Candidate
from tabtrail.modeling.estimators import Blend, average, choose_weights, clip, clipped
from tabtrail.modeling.metrics import Array, score, score_strata
from tabtrail.modeling.problem import Problem
from tabtrail.modeling.results import FULL, Fit, Result, out_of_fold
from tabtrail.modeling.split import Mask, Split
from tabtrail.modeling.table import Table
from tabtrail.modeling.worth import complaint_of, joined_cost


def blend(
    candidate: Candidate, members: Sequence[Result], table: Table, split: Split, problem: Problem
) -> tuple[tuple[Fit, ...], Fit]:
    """Return the greedy blend of fitted candidates: its fits on the folds, and on the whole training part.

    Its score on a fold uses weights chosen on the other folds of the repeat (the earlier ones, where folds follow one another in
    time; all members alike on the first of those). The weights of the final blend are chosen on all out-of-fold predictions.
    Members join as long as all together stay within size and time of the choice. Like its members it predicts inside the
    bounds. Raises `ConfigError` where there is nothing to blend.
    """
    if not members:
        raise ConfigError(f"candidates.{candidate.name} blends the other candidates, and there are none but baselines")
    rounds = int(candidate.params["rounds"] or 1)
    blending = _Blending(candidate.name, rounds, tuple(members), table, split, time.perf_counter(), problem)
    return tuple(blending.on_fold(index) for index in range(len(split.folds))), blending.on_all()


@dataclass(frozen=True)
class _Blending:
    name: str
    rounds: int
    members: tuple[Result, ...]
    table: Table
    split: Split
    start: float
    problem: Problem

    @cached_property
    def predictions(self) -> dict[int, dict[str, Array]]:
        """The out-of-fold predictions [rows] of every member, by repeat."""
        return {
            repeat: {
                each.candidate.name: out_of_fold(self.split, [fit.predicted for fit in each.folds], repeat=repeat)
                for each in self.members
            }
            for repeat in sorted({fold.repeat for fold in self.split.folds})
        }

    def on_fold(self, index: int) -> Fit:
        fold = self.split.folds[index]
        known = self.predictions[fold.repeat]
        others = ~np.isnan(next(iter(known.values()))) & fold.train
        chosen = self._weights(known, self.table.y, others)
        blended = average([known[name][fold.valid] for name in chosen], tuple(chosen.values()))
        return self._fit(index, self.table.take(fold.valid), blended, [each.folds[index] for each in self.members])

    def on_all(self) -> Fit:
        pooled = {name: np.concatenate([each[name] for each in self.predictions.values()]) for name in self.predictions[0]}
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
        return complaint_of(sum(each.model_bytes for each in used), joined_cost(used), self.problem.choice) is None

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
