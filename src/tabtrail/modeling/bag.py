"""A bag: the average of the models that a candidate's folds left, which costs no fit beyond theirs.

Breiman, "Stacked Regressions" and "Bagging Predictors" (Machine Learning 24, 1996); with folds instead of bootstrap samples, the
cross-validation committees of Parmanto, Munro & Doyle (1996).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tabtrail.modeling.candidates import Candidate
from tabtrail.modeling.estimators import Bag
from tabtrail.modeling.metrics import score, score_strata
from tabtrail.modeling.results import FULL, Fit
from tabtrail.modeling.split import Split
from tabtrail.modeling.table import Table


def bag(candidate: Candidate, folds: Sequence[Fit], table: Table, split: Split) -> tuple[tuple[Fit, ...], Fit]:
    """Return the fits of a bagged candidate on the folds, without their models, and the average of those of the first repeat.

    A fold's score is that of its own model, on rows that it has not seen: the average, of which every member but one has seen
    such a row, errs less on new ones.
    """
    members = [fit for fit, fold in zip(folds, split.folds, strict=True) if fold.repeat == 0]
    names = tuple(f"fold {fit.fold + 1}" for fit in members)
    model = Bag(names, (1 / len(members),) * len(members), tuple(fit.model for fit in members))
    test = table.take(split.test)
    predicted = model.predict(test.x) if len(test.y) else np.zeros(0)
    rounds = [fit.iterations for fit in members if fit.iterations is not None]
    final = Fit(
        candidate=candidate.name,
        fold=FULL,
        scores=score(test.y, predicted),
        strata=score_strata(test.y, predicted, test.strata),
        predicted=predicted,
        fit_seconds=round(sum(fit.fit_seconds for fit in members), 4),
        predict_seconds=round(sum(fit.predict_seconds for fit in members), 4),
        iterations=round(float(np.mean(rounds))) if rounds else None,
        model=model,
    )
    return tuple(replace(fit, model=None) for fit in folds), final
