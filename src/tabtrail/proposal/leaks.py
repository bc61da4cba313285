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
from tabtrail.proposal.columns import Guess

_ROWS = 20_000  # as the audit itself takes
_SEED = 42
_FOLDS = 5
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
    mean = float(np.std(y))
    rest = [each.inputs for name, each in columns.items() if name not in gone]
    error = _error(rest, y) if gone or rest else mean
    all_error = _error([each.inputs for each in columns.values()], y) if gone else error
    return Suspects(alone, together, error < _NOTHING * mean, all_error < _NOTHING * mean)


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


def _error(inputs: list[Array], y: Array) -> float:
    fold = np.random.default_rng(_SEED).permutation(len(y)) % _FOLDS
    return quick_rmse(inputs, y, [(fold != index, fold == index) for index in range(_FOLDS)], _SEED)
