"""A bag: the average of the models that a candidate's folds left, which costs no fit beyond theirs.

Breiman, "Bagging Predictors" (Machine Learning 24, 1996); with folds instead of bootstrap samples, the cross-validation
committees of Parmanto, Munro & Doyle (1996).
"""

import pickle
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tabtrail.modeling.candidates import Candidate
from tabtrail.modeling.estimators import Bag, unclipped, with_regressor
from tabtrail.modeling.families import FAMILIES
from tabtrail.modeling.fit import regressor_of, stops_by_its_fold
from tabtrail.modeling.metrics import Array, score, score_strata
from tabtrail.modeling.results import FULL, Fit
from tabtrail.modeling.split import Split
from tabtrail.modeling.table import Table


def bag(candidate: Candidate, folds: Sequence[Fit], table: Table, split: Split) -> tuple[tuple[Fit, ...], Fit]:
    """Return the fits of a bagged candidate on the folds, without their models, and the average of those of the first repeat.

    A fold's score is that of its own model, on rows that it has not seen: the average, of which every member but one has seen
    such a row, errs less on new ones.
    """
    if stops_by_its_fold(candidate):
        folds = _stopped(candidate, folds, table, split)
    members = [fit for fit, fold in zip(folds, split.folds, strict=True) if fold.repeat == 0]
    names, rounds = tuple(f"fold {fit.fold + 1}" for fit in members), [fit.iterations for fit in members]
    made = Bag(names, (1 / len(members),) * len(members), tuple(fit.model for fit in members), tuple(rounds))
    model = pickle.loads(pickle.dumps(made))  # noqa: S301 - our own; as it comes out of its pickle it is the same wherever it was made
    test = table.take(split.test)
    predicted = _predict(model, test)
    known = [each for each in rounds if each is not None]
    final = Fit(
        candidate=candidate.name,
        fold=FULL,
        scores=score(test.y, predicted),
        strata=score_strata(test.y, predicted, test.strata),
        predicted=predicted,
        fit_seconds=round(sum(fit.fit_seconds for fit in members), 4),
        predict_seconds=round(sum(fit.predict_seconds for fit in members), 4),
        iterations=round(float(np.mean(known))) if known else None,
        model=model,
    )
    return tuple(replace(fit, model=None) for fit in folds), final


def _stopped(candidate: Candidate, folds: Sequence[Fit], table: Table, split: Split) -> list[Fit]:
    """Return each fold's model with the rounds that did best on its own rows, scored with those of the other folds of the repeat.

    What a fold's rows said of the rounds (and of the factor of `smearing`) would flatter its score. The other folds said it of
    rows that this model has learned from, as they would of any new row.
    """
    own, valid = [], [table.take(fold.valid) for fold in split.folds]
    for fit, rows in zip(folds, valid, strict=True):
        model = _cut(candidate, fit.model, fit.iterations or 1, 1.0)
        if candidate.smearing:
            inner = unclipped(model)
            inner.learn_factor(
                rows.x, rows.y, np.asarray(inner.pipeline.predict(rows.x), dtype=np.float64).ravel() + inner.center_
            )
        own.append(model)
    scored = []
    for index, (fit, rows) in enumerate(zip(folds, valid, strict=True)):
        repeat = split.folds[index].repeat
        others = [each for each, fold in enumerate(split.folds) if fold.repeat == repeat and each != index]
        rounds = round(float(np.mean([folds[each].iterations or 1 for each in others])))
        factor = float(np.mean([getattr(unclipped(own[each]), "factor_", 1.0) for each in others]))
        predicted = _predict(_cut(candidate, fit.model, rounds, factor), rows)
        scores, strata = score(rows.y, predicted), score_strata(rows.y, predicted, rows.strata)
        scored.append(replace(fit, model=own[index], predicted=predicted, scores=scores, strata=strata))
    return scored


def _cut(candidate: Candidate, model: Any, rounds: int, factor: float) -> Any:
    """Return a model with its first rounds (all, where it has fewer) and a factor of `smearing`."""
    family = FAMILIES[candidate.family]
    assert family.first_rounds is not None  # noqa: S101 - `stops_by_its_fold` was asked
    regressor = family.first_rounds(regressor_of(model), rounds)
    family.make_canonical(regressor)
    made = with_regressor(model, regressor)
    if candidate.smearing:
        unclipped(made).factor_ = factor
    return made


def _predict(model: Any, rows: Table) -> Array:
    return np.asarray(model.predict(rows.x), dtype=np.float64).ravel() if len(rows.y) else np.zeros(0)
