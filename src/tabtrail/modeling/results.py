"""What a benchmark leaves: fits, the results of each candidate, and which candidate was chosen."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tabtrail.modeling.baselines import BASELINE, BASELINES
from tabtrail.modeling.candidates import Candidate
from tabtrail.modeling.metrics import Array, Metric, Scores, mean_of, rounded
from tabtrail.modeling.problem import Problem
from tabtrail.modeling.proof import Cost, Parity, Proof
from tabtrail.modeling.split import Split
from tabtrail.modeling.table import Table

FULL = -1
"""The `fold` of the fit on the whole training part, scored on the test part."""


@dataclass(frozen=True)
class Fit:
    """One fitted and scored candidate: on one fold, or (`fold` is -1) on the whole training part, scored on the test part.

    `predicted` are the predictions of the scored rows, in units of the target. Seconds are wall time of one thread.
    `iterations` is the number of boosting rounds that early stopping chose. Only the fit on the whole training part keeps its
    `model` (and of a bag, until it is made of them, those on the folds), and the `proof` of its export where that was made on
    the worker that fitted it.
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
    proof: Proof | None = None


@dataclass(frozen=True)
class Result:
    """A candidate's fits on the folds, and its fit on the whole training part, scored on the test part.

    `model_bytes` is the size of what would be deployed, the cost by which the choice prefers one of equally good candidates;
    `parity` the proof that it predicts what `final.model` predicts, None where no proof was asked for; `cost` what its graph
    takes for a row, None where that was not measured.
    """

    candidate: Candidate
    folds: tuple[Fit, ...]
    final: Fit
    model_bytes: int
    parity: Parity | None = None
    cost: Cost | None = None

    @property
    def deployable(self) -> bool:
        return self.parity is None or self.parity.passed

    @property
    def is_baseline(self) -> bool:
        """Whether this is what others are held against, and is never deployed."""
        return self.candidate.family in BASELINES

    @property
    def model(self) -> Any:
        """The model fitted on the whole training part."""
        return self.final.model

    def values(self, metric: str) -> list[float | None]:
        """Return a metric on every fold."""
        return [fit.scores[metric] for fit in self.folds]

    def mean(self, metric: str) -> float | None:
        """Return the mean of a metric over the folds, None where a fold does not have it."""
        return mean_of(self.values(metric))

    def std(self, metric: str) -> float | None:
        """Return the standard deviation of a metric over the folds (ddof 1), None where a fold does not have it."""
        values = [value for value in self.values(metric) if value is not None]
        return rounded(float(np.std(values, ddof=1))) if len(values) == len(self.folds) else None

    def stratum_mean(self, name: str, metric: str) -> float | None:
        """Return the mean of a metric over the folds that have it within a stratum, None where none has."""
        return mean_of([value for fit in self.folds if name in fit.strata and (value := fit.strata[name][metric]) is not None])

    def losses(self, metric: Metric) -> list[float]:
        """Return what the choice minimises, on every fold; infinite where the metric is not defined."""
        return [metric.loss(value) for value in self.values(metric.name)]

    def loss(self, metric: Metric) -> float:
        """Return the mean over the folds of what the choice minimises."""
        return rounded(float(np.mean(self.losses(metric))))

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
    """All results, the best by the chosen metric over the folds first, and the name of the one that was chosen.

    That is a baseline where no other candidate is worth deploying: then nothing is deployed. `dropped` says by name of those that
    were given up on the way why.
    """

    problem: Problem
    table: Table
    split: Split
    results: tuple[Result, ...]
    chosen: str
    dropped: Mapping[str, str] = field(default_factory=dict)

    @property
    def champion(self) -> Result:
        return self.result(self.chosen)

    @property
    def baseline(self) -> Result:
        return self.result(BASELINE)

    def result(self, name: str) -> Result:
        """Return the result of a candidate."""
        return next(result for result in self.results if result.candidate.name == name)


def out_of_fold(split: Split, predicted: list[Array], *, repeat: int) -> Array:
    """Return for each row [rows] its out-of-fold prediction in one repeat, NaN for rows that no fold of it scored."""
    values = np.full(len(split.train), np.nan)
    for fold, scored in zip(split.folds, predicted, strict=True):
        if fold.repeat == repeat:
            values[fold.valid] = scored
    return values
