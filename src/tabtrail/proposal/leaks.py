"""Columns that give the target away, as the audit of a training finds them, and whether others are left to learn from."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import polars as pl

from tabtrail.modeling.leakage.audit import quick_rmse
from tabtrail.modeling.leakage.columns import Column, read_numbers, read_texts, with_numbers
from tabtrail.modeling.leakage.giveaways import determines, find_target_leak
from tabtrail.modeling.leakage.keys import find_key
from tabtrail.modeling.leakage.together import Joint, find_together
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.split import Mask
from tabtrail.proposal.columns import Guess

_ROWS = 20_000  # as the audit itself takes
_SEED = 42
_FOLDS = 5
_FEW_ROWS = 1_000  # beyond it trees learn whatever a line does, well enough to tell it from nothing
# Of the error of the mean: without the suspects a quick model is hardly better, so that nothing would be left to deploy.
_NOTHING = 0.97


_EARLIER = frozenset(["last", "previous", "prev", "prior", "lag", "before", "old", "initial", "vorjahr", "vormonat", "alt"])
# What is known once the target is. Of a column that explains it well the name tells more than the figure.
_AFTERWARDS = frozenset(["final", "actual", "paid", "billed", "invoiced", "settled", "sold", "closing", "realized", "realised"])
_SAME_SIZE = 2.0  # factor of the medians: gross for net, not square metres for euros
_ROUNDS = 3  # of leaving out: what a formula of few columns hides may be another one
_PART_ROWS = 0.9  # share of the rows in which parts add up to a total


@dataclass(frozen=True)
class Suspects:
    """Columns that give the target away, with the evidence: `alone`, or `together` with others. `spared` are columns of which
    another was left out, so that they give it away no more, with the reason. `learnable` says whether a quick model learns from
    the other columns, `known` whether it does from all. `strong` are columns that explain the target very well, with the figures:
    no relation shows that they are made of it, as the area of a flat is not of its rent, and they are not left out.
    """

    alone: Mapping[str, str]
    together: Mapping[str, str]
    learnable: bool
    known: bool
    spared: Mapping[str, str] = field(default_factory=dict)
    strong: Mapping[str, str] = field(default_factory=dict)


def find_suspects(target: Guess, features: Sequence[Guess]) -> Suspects:
    """Look at the features of a sample of the rows."""
    y, rows = _sample(target)
    columns = {each.name: _column(each, rows) for each in features}
    with np.errstate(all="ignore"):
        leaks = {name: leak for name, each in columns.items() if (leak := find_target_leak(each, y, _SEED))}
        nearly = frozenset(name for name, (kind, _) in leaks.items() if kind == "predicts_alone")
        strong = {name: leaks[name][1] for name in nearly if not _is_made_of(target.name, name, columns[name], y)}
        alone = {name: f"{kind.replace('_', ' ')}: {text}" for name, (kind, text) in leaks.items() if name not in strong}
        looked_at = {name: each for name, each in columns.items() if name not in alone or name in nearly}
        dates = frozenset(each.name for each in features if each.kind == "date")
        together, spared = _parted(_Aim(target.name, y, dates), looked_at, alone=alone, nearly=nearly)
    rest = [each.inputs for name, each in columns.items() if name not in alone and name not in together]
    learnable = _beats_the_mean(rest, y)
    if (
        not learnable
        and together
        and (back := _one_back(columns, y, {**together, **{name: alone[name] for name in nearly & alone.keys()}}))
    ):
        alone, together, learnable = _without(alone, back), _without(together, back), True
        others = " and ".join((*alone, *together))
        spared[back] = f"{others} stays out, with which it gives {target.name} away; nothing is learned without it"
    known = _beats_the_mean([each.inputs for each in columns.values()], y) if alone or together else learnable
    kept = {name: strong[name] for name in columns if name in strong and name not in together}
    return Suspects(alone, together, learnable, known, spared, kept)


def _is_made_of(target: str, name: str, column: Column, y: Array) -> bool:
    """Whether a column that explains the target very well is an almost exact function of it, or by its name is known afterwards.

    Anything less may as well be an honest cause, without which a model is worth little.
    """
    return determines(column, y, _SEED) or _is_named_after(name, target) or bool(_AFTERWARDS & {*_words(name)})


@dataclass(frozen=True)
class _Aim:
    """The name of the target and its values [rows], and the names of columns of dates, which are days as numbers."""

    name: str
    y: Array
    dates: frozenset[str]


def _parted(
    aim: _Aim, columns: Mapping[str, Column], *, alone: Mapping[str, str], nearly: frozenset[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the columns to leave out so that no formula of the others is the target, and those that may stay for it.

    All parts of a total go, as they are known when it is; of other formulas the column goes without which most is learned.
    """
    out, spared = _later_dates(aim, columns)
    left = {name: each for name, each in columns.items() if name not in out}
    for _ in range(_ROUNDS):
        joints = find_together(left, aim.y, alone=nearly & left.keys(), seed=_SEED)
        for joint in joints:
            if out.keys() & {*joint.columns}:
                continue
            if _is_total(joint, left, aim.y):
                parts = f"; parts of a total are known when it is: take one in, not all, if you know it before {aim.name}"
                out |= {name: _with_others(joint, name) + parts for name in joint.columns if name not in alone}
                continue
            if alone.keys() & {*joint.columns}:
                continue  # that one is left out already
            gone, reason = _least_needed(aim, joint, left, nearly)
            out[gone] = _with_others(joint, gone)
            spared |= {
                name: f"{gone} is left out, with which it gives {aim.name} away; {reason}"
                for name in joint.columns
                if name != gone
            }
        if not joints:
            break
        left = {name: each for name, each in left.items() if name not in out and name not in alone}
    return out, {name: text for name, text in spared.items() if name not in out}


def _later_dates(aim: _Aim, columns: Mapping[str, Column]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the later of two dates whose distance is the target, and the earlier one that may stay for it."""
    out, spared = dict[str, str](), dict[str, str]()
    days = {name: each.numbers for name, each in columns.items() if name in aim.dates and each.numbers is not None}
    for one, other in combinations(sorted(days, key=lambda name: float(np.nanmean(days[name]))), 2):
        leak = None if other in out else find_target_leak(read_numbers(days[other] - days[one]), aim.y, _SEED)
        if leak is not None and leak[0] != "binned":
            out[other] = f"with {one}: the time between them {leak[1]}"
            spared[one] = (
                f"{other} is left out, with which it gives {aim.name} away; it is the later one, known when {aim.name} is"
            )
    return out, spared


def _with_others(joint: Joint, name: str) -> str:
    return f"with {' and '.join(other for other in joint.columns if other != name)}: {joint.evidence}"


def _is_total(joint: Joint, columns: Mapping[str, Column], y: Array) -> bool:
    """Whether the target is the sum of the columns."""
    parts = [columns[name].numbers for name in joint.columns]
    total = np.sum([each for each in parts if each is not None], axis=0)
    return all(each is not None for each in parts) and bool(np.isclose(total, y, rtol=1e-3).mean() >= _PART_ROWS)


def _least_needed(aim: _Aim, joint: Joint, columns: Mapping[str, Column], nearly: frozenset[str]) -> tuple[str, str]:
    """Return the column to leave out, and why that one: the only one named after the target, or one that is nearly the target
    and of its size, as gross is of net; else by what a quick model errs.
    """
    derived = [name for name in joint.columns if _is_named_after(name, aim.name)]
    if len(derived) == 1:
        return derived[0], f"{derived[0]} is named after {aim.name}, as what is made of it"
    for name in joint.columns:
        if name in nearly and _is_same_size(columns[name], aim.y):
            return name, f"{name} is nearly {aim.name} and of its size"
    errors = {}
    for name in joint.columns:
        inputs = [each.inputs for other, each in columns.items() if other != name]
        errors[name] = quick_rmse(inputs, aim.y, _parts_of(len(aim.y)), _SEED)
    best = min(errors, key=lambda name: errors[name])
    shown = ", ".join(f"{error:,.4g} without {name}" for name, error in sorted(errors.items(), key=lambda each: each[1]))
    return best, f"a quick model errs by {shown}"


def _is_same_size(column: Column, y: Array) -> bool:
    if column.numbers is None:
        return False
    own, of_target = abs(float(np.nanmedian(column.numbers))), abs(float(np.median(y)))
    return 0 < of_target / _SAME_SIZE <= own <= of_target * _SAME_SIZE


def _is_named_after(name: str, target: str) -> bool:
    """Whether a name has that of the target as words of its own, and others: price_per_m2 of price, but not price_last_year."""
    words, own = _words(name), _words(target)
    return len(words) > len(own) and {*own} <= {*words} and not _EARLIER & {*words}


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).casefold())


def _one_back(columns: Mapping[str, Column], y: Array, suspects: Mapping[str, str]) -> str | None:
    """Return the one of several suspects from which most is learned; None where nothing is."""
    if len(suspects) < 2:
        return None
    kept = [each.inputs for name, each in columns.items() if name not in suspects]
    errors = {name: quick_rmse([*kept, columns[name].inputs], y, _parts_of(len(y)), _SEED) for name in suspects}
    best = min(errors, key=lambda name: errors[name])
    return best if _beats_the_mean([*kept, columns[best].inputs], y) else None


def _without(evidence: Mapping[str, str], name: str) -> dict[str, str]:
    return {each: text for each, text in evidence.items() if each != name}


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
    parts = [[each] for each in _parts_of(len(y))]
    mean = np.array([quick_rmse([], y, part, _SEED) for part in parts])
    if not inputs:
        return False
    tried = [np.array([quick_rmse(inputs, y, part, _SEED) for part in parts])]
    if len(y) <= _FEW_ROWS:
        tried.append(np.array([_line_error(inputs, y, part[0]) for part in parts]))
    return any(each.mean() < _NOTHING * mean.mean() and (each < mean).sum() >= _FOLDS - 1 for each in tried)


def _parts_of(rows: int) -> list[tuple[Mask, Mask]]:
    fold = np.random.default_rng(_SEED).permutation(rows) % _FOLDS
    return [(fold != index, fold == index) for index in range(_FOLDS)]


def _line_error(inputs: list[Array], y: Array, part: tuple[Mask, Mask]) -> float:
    """Return the RMSE of a ridge over standardised inputs, gaps in the middle: trees learn little from some dozen rows."""
    fit, held = part
    raw = np.column_stack(inputs)
    centred = np.nan_to_num(raw - np.nanmean(raw, axis=0))
    spread = centred.std(axis=0)
    matrix = np.column_stack([np.ones(len(y)), centred / np.where(spread > 0, spread, 1.0)])
    weights = np.linalg.solve(matrix[fit].T @ matrix[fit] + 0.1 * np.eye(matrix.shape[1]), matrix[fit].T @ y[fit])
    return float(np.sqrt(np.mean((matrix[held] @ weights - y[held]) ** 2)))
