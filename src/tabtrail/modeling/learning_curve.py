"""What more rows are worth: a candidate fitted on growing parts of the training rows of a few folds."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tabtrail.config.tree import Config
from tabtrail.modeling.benchmark import fit_and_score, rows_of
from tabtrail.modeling.candidates import Candidate
from tabtrail.modeling.metrics import rounded
from tabtrail.modeling.preprocess import Recipe
from tabtrail.modeling.split import Fold, Mask, Split
from tabtrail.modeling.table import Table

SHARES = (0.1, 0.2, 0.4, 0.7)
_LEAST_ROWS = 20


@dataclass(frozen=True)
class LearningCurve:
    """Mean RMSE (units of the target) on the held-out rows of `folds` folds after learning from `rows` rows on average.

    `low` and `high` are the least and the greatest of the folds.
    """

    candidate: str
    folds: int
    rows: tuple[int, ...]
    rmse: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> "LearningCurve":
        """Rebuild a learning curve from its JSON form."""
        lists = {name: tuple(value[name]) for name in ("rows", "rmse", "low", "high")}
        return cls(value["candidate"], value["folds"], **lists)


def learning_curve(
    config: Config,
    candidate: Candidate,
    table: Table,
    split: Split,
    *,
    known: Sequence[float],
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> LearningCurve | None:
    """Fit a candidate on 10, 20, 40, 70 and 100 % of the keys of each fold's training rows; None for too few rows.

    `known` are the candidate's RMSE with all rows on the first folds; as many are looked at, and those are not fitted again.
    Keys are drawn with the seed of the config, each part holding the ones before it; what a fold scores stays the same.
    """
    recipe, chosen = Recipe.of(config.model), [fold for fold in split.folds if fold.repeat == 0][: len(known)]
    if not chosen or min(int(fold.train.sum()) for fold in chosen) < 2 * _LEAST_ROWS:
        return None
    points: list[tuple[int, list[float]]] = []
    total = len(SHARES) * len(chosen)
    for index, share in enumerate(SHARES):
        parts = [Fold(_part(table, fold.train, share, config.model.random_state), fold.valid) for fold in chosen]
        if min(int(part.train.sum()) for part in parts) < _LEAST_ROWS:
            continue
        scores = []
        for place, part in enumerate(parts):
            one = Split(split.train, split.test, (part,))
            rows = rows_of(config, table, one, 0, early=candidate.early_stopping_rounds is not None)
            fit = fit_and_score(candidate, 0, rows, table.examples(), recipe)
            scores.append(fit.scores.rmse)
            progress(index * len(chosen) + place + 1, total)
        points.append((round(float(np.mean([part.train.sum() for part in parts]))), scores))
    points.append((round(float(np.mean([fold.train.sum() for fold in chosen]))), list(known)))
    return LearningCurve(
        candidate.name,
        len(chosen),
        rows=tuple(rows for rows, _ in points),
        rmse=tuple(rounded(float(np.mean(scores))) for _, scores in points),
        low=tuple(min(scores) for _, scores in points),
        high=tuple(max(scores) for _, scores in points),
    )


def _part(table: Table, train: Mask, share: float, seed: int) -> Mask:
    """Return about a share of the training rows: whole keys."""
    keys = np.array([str(key) for key in table.keys.key], dtype=object)
    known = np.array(sorted(set(keys[train].tolist())), dtype=object)
    drawn = np.random.default_rng(seed).permutation(len(known))[: max(1, round(share * len(known)))]
    return train & np.isin(keys.astype(str), known[drawn].astype(str))
