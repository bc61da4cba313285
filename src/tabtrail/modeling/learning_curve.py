"""What more rows are worth: a candidate fitted on growing parts of the training rows of a few folds."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from tabtrail.modeling.candidates import Candidate
from tabtrail.modeling.fit import fit_and_score, rows_of
from tabtrail.modeling.metrics import Metric, rounded
from tabtrail.modeling.preprocess import Recipe
from tabtrail.modeling.problem import Problem
from tabtrail.modeling.split import Fold, Mask, Split
from tabtrail.modeling.table import Table

# Of the training rows, beside all of them: close together where errors fall fast, further apart where they hardly change.
SHARES = (0.1, 0.2, 0.4, 0.7)
# With fewer rows the preprocessing has categories of a single row, and the point says nothing of the candidate.
_LEAST_ROWS = 20


@dataclass(frozen=True)
class LearningCurve:
    """The mean of a metric on the held-out rows of `folds` folds after learning from `rows` rows on average.

    `low` and `high` are the least and the greatest of the folds. `last_gains` says for each fold by what share of its loss the
    last step, from 70 % to all of its rows, was better; empty where that is not known. `training_rows` are those of the
    training part.
    """

    candidate: str
    folds: int
    metric: str
    rows: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    last_gains: tuple[float, ...] = ()
    training_rows: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, in which the means stand under the name of the metric."""
        value = asdict(self)
        return {**{name: each for name, each in value.items() if name != "mean"}, self.metric: value["mean"]}

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> "LearningCurve":
        """Rebuild a learning curve from its JSON form. Raises `KeyError` for that of another version."""
        metric = value["metric"]
        rows, mean, low, high = (tuple(value[name]) for name in ("rows", metric, "low", "high"))
        gains = tuple(value.get("last_gains") or ())
        return cls(value["candidate"], value["folds"], metric, rows, mean, low, high, gains, value.get("training_rows"))


def learning_curve(
    problem: Problem,
    candidate: Candidate,
    table: Table,
    split: Split,
    *,
    known: Sequence[float],
    most: int,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> LearningCurve | None:
    """Fit a candidate on 10, 20, 40, 70 and 100 % of the keys of each fold's training rows.

    `known` are the candidate's values of the problem's metric with all rows on the folds of the first repeat, which are not
    fitted again; `most` of the folds are looked at, those with the most rows (in time, the last ones). Keys are drawn with the
    seed of the problem, each part holding the ones before it; what a fold scores stays the same. None for too few rows, or where
    the metric is not defined on a fold.
    """
    scored = list(zip((fold for fold in split.folds if fold.repeat == 0), known, strict=False))
    largest = sorted(scored, key=lambda each: -int(each[0].train.sum()))[:most]
    chosen, known = [fold for fold, _ in largest], [value for _, value in largest]
    if not chosen or min(int(fold.train.sum()) for fold in chosen) < 2 * _LEAST_ROWS:
        return None
    points: list[tuple[int, list[float]]] = []
    for index, share in enumerate(SHARES):
        parts = [Fold(_part(table, fold.train, share, problem.seed), fold.valid) for fold in chosen]
        if min(int(part.train.sum()) for part in parts) < _LEAST_ROWS:
            continue
        values = []
        for place, part in enumerate(parts):
            values.append(_value(problem, candidate, table, split, part))
            progress(index * len(chosen) + place + 1, len(SHARES) * len(chosen))
        if None in values:
            return None
        points.append((_mean_rows(parts), [value for value in values if value is not None]))
    points.append((_mean_rows(chosen), list(known)))
    return LearningCurve(
        candidate.name,
        len(chosen),
        problem.metric.name,
        rows=tuple(rows for rows, _ in points),
        mean=tuple(rounded(float(np.mean(values))) for _, values in points),
        low=tuple(min(values) for _, values in points),
        high=tuple(max(values) for _, values in points),
        last_gains=_gains(problem.metric, *(values for _, values in points[-2:])) if len(points) > 1 else (),
        training_rows=int(split.train.sum()),
    )


def _gains(metric: Metric, before: Sequence[float], after: Sequence[float]) -> tuple[float, ...]:
    losses = [(metric.loss(old), metric.loss(new)) for old, new in zip(before, after, strict=True)]
    return tuple(rounded((old - new) / abs(old)) if old else 0.0 for old, new in losses)


def _value(problem: Problem, candidate: Candidate, table: Table, split: Split, part: Fold) -> float | None:
    one, alone = Split(split.train, split.test, (part,)), replace(candidate, bag=False)  # one fold is no bag
    rows = rows_of(problem, table, one, 0, early=candidate.early_stopping_rounds is not None)
    recipe = Recipe.of(problem.model, problem.clip, table.distinct)
    return fit_and_score(alone, 0, rows, table.examples(), recipe).scores[problem.metric.name]


def _mean_rows(folds: Sequence[Fold]) -> int:
    return round(float(np.mean([fold.train.sum() for fold in folds])))


def _part(table: Table, train: Mask, share: float, seed: int) -> Mask:
    """Return about a share of the training rows: whole keys."""
    keys = np.array([str(key) for key in table.keys.key], dtype=object)
    known = np.array(sorted(set(keys[train].tolist())), dtype=object)
    drawn = np.random.default_rng(seed).permutation(len(known))[: max(1, round(share * len(known)))]
    return train & np.isin(keys.astype(str), known[drawn].astype(str))
