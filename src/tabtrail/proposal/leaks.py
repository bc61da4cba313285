"""Columns that give the target away, as the audit of a training finds them, and whether others are left to learn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from tabtrail.modeling.leakage.audit import quick_rmse
from tabtrail.modeling.leakage.columns import Column, read_numbers, read_texts, with_numbers
from tabtrail.modeling.leakage.giveaways import find_target_leak
from tabtrail.modeling.leakage.keys import find_key
from tabtrail.modeling.leakage.together import find_together
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.split import Mask
from tabtrail.proposal.columns import Guess

_ROWS = 20_000  # as the audit itself takes
_SEED = 42
_FOLDS = 5
_FEW_ROWS = 1_000  # beyond it trees learn whatever a line does, well enough to tell it from nothing
# Of the error of the mean: without the suspects a quick model is hardly better, so that nothing would be left to deploy.
_NOTHING = 0.97


@dataclass(frozen=True)
class Suspects:
    """Columns that give the target away, with the evidence; `parts` of them are so only together with others. `learnable` says
    whether a quick model learns from the other columns, `known` whether it does from all.
    """

    alone: Mapping[str, str]
    together: Mapping[str, str]
    learnable: bool
    known: bool


def find_suspects(target: Guess, features: Sequence[Guess]) -> Suspects:
    """Look at the features of a sample of the rows."""
    y, rows = _sample(target)
    columns = {each.name: _column(each, rows) for each in features}
    with np.errstate(all="ignore"):
        leaks = {name: leak for name, each in columns.items() if (leak := find_target_leak(each, y, _SEED))}
        alone = {name: f"{kind.replace('_', ' ')}: {text}" for name, (kind, text) in leaks.items()}
        nearly = frozenset(name for name, (kind, _) in leaks.items() if kind == "predicts_alone")
        others = {name: each for name, each in columns.items() if name not in alone or name in nearly}
        joint = find_together(others, y, alone=nearly, seed=_SEED)
    together: dict[str, str] = {}
    for each in joint:
        for name in each.columns:
            partners = " and ".join(other for other in each.columns if other != name)
            together.setdefault(name, f"with {partners}: {each.evidence}")
    together = {name: text for name, text in together.items() if name not in alone}
    gone = alone.keys() | together.keys()
    rest = [each.inputs for name, each in columns.items() if name not in gone]
    learnable = _beats_the_mean(rest, y)
    known = _beats_the_mean([each.inputs for each in columns.values()], y) if gone else learnable
    return Suspects(alone, together, learnable, known)


def names_rows(guess: Guess) -> str | None:
    """Return what shows that a column names rows rather than describes them; None for one that describes."""
    column = _column(guess, np.arange(guess.seen.rows))
    found = find_key(guess.name, column, None, None)
    return None if found is None else f"{found[0].replace('_', ' ')}: {found[1]}"


def _sample(target: Guess) -> tuple[Array, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    y = target.values().to_numpy().astype(np.float64)
    known = np.flatnonzero(np.isfinite(y))
    if len(known) > _ROWS:
        known = np.sort(np.random.default_rng(_SEED).choice(known, _ROWS, replace=False))
    return y[known], known


def _column(guess: Guess, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Column:
    values = guess.values()
    if guess.kind == "number":
        return read_numbers(values.to_numpy().astype(np.float64)[rows])
    if guess.kind == "date":
        days = values.dt.epoch("s").cast(pl.Float64) / 86_400
        return read_numbers(days.to_numpy().astype(np.float64)[rows])
    texts = values.fill_null("").to_numpy().astype(object)[rows]
    return with_numbers(read_texts(texts), texts)


def _beats_the_mean(inputs: list[Array], y: Array) -> bool:
    """Whether a few trees, or a line where rows are few, err less than the mean: on the whole, and in nearly every fold."""
    fold = np.random.default_rng(_SEED).permutation(len(y)) % _FOLDS
    parts = [[(fold != index, fold == index)] for index in range(_FOLDS)]
    mean = np.array([quick_rmse([], y, part, _SEED) for part in parts])
    if not inputs:
        return False
    tried = [np.array([quick_rmse(inputs, y, part, _SEED) for part in parts])]
    if len(y) <= _FEW_ROWS:
        tried.append(np.array([_line_error(inputs, y, part[0]) for part in parts]))
    return any(each.mean() < _NOTHING * mean.mean() and (each < mean).sum() >= _FOLDS - 1 for each in tried)


def _line_error(inputs: list[Array], y: Array, part: tuple[Mask, Mask]) -> float:
    """Return the RMSE of a ridge over standardised inputs, gaps in the middle: trees learn little from some dozen rows."""
    fit, held = part
    raw = np.column_stack(inputs)
    centred = np.nan_to_num(raw - np.nanmean(raw, axis=0))
    spread = centred.std(axis=0)
    matrix = np.column_stack([np.ones(len(y)), centred / np.where(spread > 0, spread, 1.0)])
    weights = np.linalg.solve(matrix[fit].T @ matrix[fit] + 0.1 * np.eye(matrix.shape[1]), matrix[fit].T @ y[fit])
    return float(np.sqrt(np.mean((matrix[held] @ weights - y[held]) ** 2)))
