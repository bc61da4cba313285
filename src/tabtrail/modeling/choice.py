"""Which candidate is chosen, and how sure the difference of two candidates is.

Folds share training rows, so their scores are not independent and a plain paired t test finds differences where there are
none. The correction of Nadeau & Bengio (Inference for the generalization error, Machine Learning 52, 2003, section 3) is used
throughout.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from tabtrail.errors import DataError
from tabtrail.modeling.metrics import rounded

Rule = Literal["best", "one_standard_error"]


@dataclass(frozen=True)
class Difference:
    """Candidate minus reference, in units of the score: mean over the folds, its standard error and interval."""

    mean: float
    standard_error: float
    low: float
    high: float


def corrected_difference(
    scores: Sequence[float], reference: Sequence[float], *, valid_share: float, level: float = 0.95
) -> Difference:
    """Return the corrected resampled t interval of the mean paired difference over J folds.

    variance = (1 / J + n_valid / n_train) · s², s² with ddof 1, t with J - 1 degrees of freedom; `valid_share` is
    n_valid / n_train, 1 / (folds - 1) for K-fold, repeated or not. Raises `DataError` for fewer than two folds.
    """
    differences = np.subtract(scores, reference)
    folds = len(differences)
    if folds < 2:
        raise DataError("a difference of scores has no standard error on fewer than two folds")
    mean = float(differences.mean())
    error = float(np.sqrt((1 / folds + valid_share) * differences.var(ddof=1)))
    reach = float(stdtrit(folds - 1, (1 + level) / 2)) * error
    return Difference(mean, error, mean - reach, mean + reach)


def choose(scores: Mapping[str, Sequence[float]], costs: Mapping[str, float], *, rule: Rule, valid_share: float) -> str:
    """Return the name of the chosen candidate, given the error of each on every fold (the same folds for all).

    `best`: the smallest mean. `one_standard_error`: the cheapest of those whose mean is within one corrected standard error
    of their paired difference to the best (after Breiman et al., Classification and Regression Trees, 1984, section 3.4.3).
    Equal costs are decided by the mean, equal means by the name.
    """
    means = {name: rounded(float(np.mean(each))) for name, each in scores.items()}
    best = min(means, key=lambda name: (means[name], name))
    if rule == "best":
        return best
    differences = {name: corrected_difference(each, scores[best], valid_share=valid_share) for name, each in scores.items()}
    near = [name for name, difference in differences.items() if difference.mean <= difference.standard_error]
    return min(near, key=lambda name: (costs[name], means[name], name))
