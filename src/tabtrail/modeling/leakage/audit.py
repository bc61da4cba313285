"""What the columns and the split give away about the target, looked for before anything is fitted."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabtrail.modeling.leakage.columns import Codes, Column, count_distinct, number_values, read_numbers, read_texts, with_numbers
from tabtrail.modeling.leakage.findings import GIVES_TARGET_AWAY, Evidence, Finding
from tabtrail.modeling.leakage.giveaways import find_target_leak
from tabtrail.modeling.leakage.keys import find_key
from tabtrail.modeling.leakage.together import find_together
from tabtrail.modeling.metrics import Array, rounded
from tabtrail.modeling.split import Mask

Folds = Sequence[tuple[Mask, Mask]]
_MAX_ROWS = 20_000  # more rows make a finding no surer, and the audit slower than the first fit
_ROUNDS = 100  # of the quick model that says what a column is worth: enough for the order of sizes
_MIN_COPIES = 0.005  # share of test rows that also stand in training; fewer move no metric
_SATURATED = 0.3  # with fewer different rows than this share, the columns are too coarse to tell


def audit(
    x: pd.DataFrame,
    y: Array,
    *,
    numeric: Sequence[str],
    categorical: Sequence[str],
    train: Mask,
    test: Mask,
    folds: Folds,
    groups: Sequence[str] | None = None,
    dates: Array | None = None,
    random_split: bool = False,
    seed: int = 42,
) -> tuple[Finding, ...]:
    """Return what gives the target away: at most one finding for each column, in the columns' order, then the split's.

    `x` has the numeric columns (float64, NaN for missing) and the categorical ones (text, "" for missing); the masks, `groups`
    (text of the group key) and `dates` (days since 1970-01-01) are over its rows. Columns are judged by training rows alone:
    their relation to the target, and what they are worth to a quick model, by a seeded sample of at most 20,000 of them,
    uniqueness by all. `random_split` says that rows are placed without regard to their date.
    """
    sample = sample_of(train, seed)
    columns = {name: read_numbers(x[name].to_numpy()) for name in numeric}
    columns |= {name: read_texts(x[name].to_numpy()) for name in categorical}
    key = None if groups is None else number_values(np.asarray(groups, dtype=object))
    days = None if dates is None else dates[train]
    found: list[Finding] = []
    seen: dict[str, Column] = {}
    with np.errstate(all="ignore"):
        for name, column in columns.items():
            seen[name] = with_numbers(column.take(sample), x[name].to_numpy()[sample])
            evidence = find_target_leak(seen[name], y[sample], seed)
            evidence = evidence or find_key(name, column.take(train), None if key is None else key[train], days)
            if evidence is not None:
                found.append(Finding(name, *evidence, None, None))
    found = _with_joint(found, seen, y[sample], seed)
    keys = {finding.column for finding in found if finding.kind in ("identifier", "nearly_unique")}
    across = (
        _duplicates([column.codes for name, column in columns.items() if name not in keys], y, train, test, seed),
        _groups(key, train, test, folds),
        _dates(dates, train, test) if random_split else None,
    )
    inputs = {name: column.inputs[sample] for name, column in columns.items()}
    parts = [(fit[sample], valid[sample]) for fit, valid in folds]
    return (
        *_with_worth(found, inputs, y[sample], parts, seed),
        *(Finding(None, *evidence, None, None) for evidence in across if evidence is not None),
    )


def _with_joint(found: Sequence[Finding], columns: Mapping[str, Column], y: Array, seed: int) -> list[Finding]:
    """Return the findings, in the columns' order, with those of columns that give the target away together.

    A column that is the target has no partners; one that nearly predicts it is not repeated, and can be a partner.
    """
    by_column = {finding.column: finding for finding in found}
    alone = frozenset(name for name in columns if name in by_column and by_column[name].kind == "predicts_alone")
    others = {name: each for name, each in columns.items() if name in alone or not _gives_away(by_column.get(name))}
    for joint in find_together(others, y, alone=alone, seed=seed):
        for name in joint.columns:
            if not _gives_away(by_column.get(name)):
                partners = tuple(each for each in joint.columns if each != name)
                by_column[name] = Finding(name, joint.kind, joint.evidence, None, None, partners)
    return [by_column[name] for name in columns if name in by_column]


def _gives_away(finding: Finding | None) -> bool:
    return finding is not None and finding.kind in GIVES_TARGET_AWAY


def sample_of(train: Mask, seed: int) -> NDArray[np.int64]:
    """Return the places of the training rows that columns are judged by: all, or a seeded sample of 20,000."""
    rows = np.flatnonzero(train)
    if len(rows) <= _MAX_ROWS:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, _MAX_ROWS, replace=False))


def _duplicates(features: Sequence[Codes], y: Array, train: Mask, test: Mask, seed: int) -> Evidence | None:
    """Find test rows that equal a training row in all columns and the target, more than chance gives a coarse table.

    Chance is judged by the pairs of rows that agree in all but one column: where that column varies freely, its own
    probability p of agreeing would make N·p/(1-p) of N such pairs agree in full.
    """
    rng = np.random.default_rng(seed)
    hashes = [
        rng.integers(0, 2**64, size=int(codes.max(initial=0)) + 1, dtype=np.uint64)[codes]
        for codes in (*features, number_values(y))
    ]
    inputs = np.zeros(len(y), dtype=np.uint64)
    for each in hashes[:-1]:
        inputs += each
    rows = inputs + hashes[-1]
    copies = int(np.isin(rows[test], rows[train]).sum())  # three at least: one or two are an accident
    if not features or copies < max(3, _MIN_COPIES * test.sum()):
        return None
    once = np.unique(rows, return_index=True)[1]
    if len(once) < _SATURATED * len(rows):
        return None
    equal, alike = _pairs(rows, train, test), _pairs(inputs, train, test)
    chance = max(_by_chance(_pairs(inputs - each, train, test) - alike, each[once]) for each in hashes[:-1])
    # Coarse features, a fine target that they do not determine (a quarter as many pairs agree in the features alone, and nearly
    # every target is different): then it is the target that hardly agrees by chance.
    if alike - equal >= 0.25 * equal and count_distinct(hashes[-1]) >= 0.95 * len(once):
        chance = min(chance, _by_chance(alike - equal, hashes[-1][once]))
    # Three times what chance makes, as that is an estimate, and three of its standard deviations (Poisson) on top.
    if equal < 3 * chance + 3 * np.sqrt(chance):
        return None
    text = f"{copies:,} of {int(test.sum()):,} test rows equal a training row in every column and the target"
    return "duplicates_across_split", text


def _pairs(values: NDArray[np.uint64], train: Mask, test: Mask) -> float:
    """Return how many pairs of a training and a test row have the same value."""
    one, one_rows = np.unique(values[train], return_counts=True)
    other, other_rows = np.unique(values[test], return_counts=True)
    _, at, at_other = np.intersect1d(one, other, assume_unique=True, return_indices=True)
    return float(one_rows[at] @ other_rows[at_other].astype(np.float64))


def _by_chance(near_pairs: float, values: NDArray[np.uint64]) -> float:
    counts = np.unique(values, return_counts=True)[1].astype(np.float64)
    agree = min(float(np.sum(counts * (counts - 1)) / max(1, len(values) * (len(values) - 1))), 0.9)  # 1 would divide by zero
    return near_pairs * agree / (1 - agree)


def _groups(key: Codes | None, train: Mask, test: Mask, folds: Folds) -> Evidence | None:
    if key is None:
        return None
    shared = [len(np.intersect1d(key[fit], key[held])) for fit, held in [(train, test), *folds]]
    if not any(shared):
        return None
    text = (
        f"{shared[0]:,} of {count_distinct(key):,} groups have rows in both the training and the test part, "
        f"and up to {max(shared[1:], default=0):,} on both sides of a fold"
    )
    return "groups_across_split", text


def _dates(dates: Array | None, train: Mask, test: Mask) -> Evidence | None:
    if dates is None or not np.isfinite(dates[train]).any() or not np.isfinite(dates[test]).any():
        return None
    latest, tested = float(np.nanmax(dates[train])), dates[test][np.isfinite(dates[test])]
    earlier = int((tested < latest).sum())
    if not earlier:
        return None
    text = f"{earlier:,} of {len(tested):,} dated test rows are older than the newest training row"
    return "dates_across_split", text


def _with_worth(found: list[Finding], inputs: dict[str, Array], y: Array, parts: Folds, seed: int) -> list[Finding]:
    """Return the findings with the mean RMSE over the folds of a quick model, with all columns and without each."""
    parts = [(fit, valid) for fit, valid in parts if fit.any() and valid.any()]
    if not found or not parts:
        return found
    every = quick_rmse(list(inputs.values()), y, parts, seed)
    without: dict[frozenset[str | None], float] = {}  # columns that give it away together are left out together, once
    for finding in found:
        left_out = frozenset((finding.column, *finding.partners))
        if left_out not in without:
            kept = [values for name, values in inputs.items() if name not in left_out]
            without[left_out] = quick_rmse(kept, y, parts, seed)
    return [
        replace(finding, cv_rmse_with=every, cv_rmse_without=without[frozenset((finding.column, *finding.partners))])
        for finding in found
    ]


def quick_rmse(columns: list[Array], y: Array, parts: Folds, seed: int) -> float:
    """Return the mean RMSE over the folds of a quick model of some columns, in units of the target."""
    matrix = np.column_stack(columns) if columns else np.empty((len(y), 0))
    errors = [_predict(matrix[fit], y[fit], matrix[valid], seed) - y[valid] for fit, valid in parts]
    return rounded(float(np.mean([np.sqrt(np.mean(error**2)) for error in errors])))


def _predict(x: Array, y: Array, x_valid: Array, seed: int) -> Array:
    if not x.shape[1] or len(y) < 2:
        return np.full(len(x_valid), y.mean())
    params = {
        "objective": "regression",
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "seed": seed,
        "verbose": -1,
        "num_leaves": 15,
        "min_data_in_leaf": min(20, max(2, len(y) // 10)),
    }
    model = lightgbm.train(params, lightgbm.Dataset(x, y), num_boost_round=_ROUNDS)
    return np.asarray(model.predict(x_valid), dtype=np.float64)
