"""What several columns give away together: none of them alone is the target, and a formula or a table of them is."""

from collections.abc import Mapping
from dataclasses import dataclass

import lightgbm
import numpy as np

from tabtrail.modeling.leakage.columns import Column, count_distinct, number_values
from tabtrail.modeling.leakage.exact import MIN_ROWS, Target
from tabtrail.modeling.leakage.findings import Kind
from tabtrail.modeling.leakage.formulas import Formula, find_formulas
from tabtrail.modeling.leakage.lookups import find_lookups
from tabtrail.modeling.metrics import Array

_ROWS = 2_000  # of the audit's sample: a share of 90 % is known to ±1.3 %, and 300 columns take a fraction of a second
_LIKELY = 8  # columns that a quick model gains most from


@dataclass(frozen=True)
class Joint:
    """Columns that give the target away together, and how."""

    kind: Kind
    columns: tuple[str, ...]
    evidence: str


def find_together(columns: Mapping[str, Column], y: Array, *, alone: frozenset[str] = frozenset(), seed: int) -> list[Joint]:
    """Return the formulas and tables of two columns or more that give the target in nearly all rows.

    `columns`, over the rows of `y`, are without those that equal the target; those that nearly predict it `alone` may be there.
    """
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(y))[:_ROWS])
    if len(y) < MIN_ROWS or np.ptp(y[rows]) == 0 or len(columns) < 2:
        return []
    target, taken = Target.of(y[rows]), {name: column.take(rows) for name, column in columns.items()}
    with np.errstate(all="ignore"):
        computed = _formulas(taken, target, alone, rng)
        codes = {name: number_values(column.codes) for name, column in taken.items() if name not in alone}
        looked_up = find_lookups(codes, target, rng, known=[each.columns for each in computed])
    groups: tuple[tuple[Kind, list[Formula]], ...] = (("computed", computed), ("looked_up", looked_up))
    said = f"of {len(rows):,} rows"
    return [
        Joint(kind, tuple(name for name in columns if name in each.columns), f"{each.text}, in {each.share:.1%} {said}")
        for kind, group in groups
        for each in group
    ]


def _formulas(columns: Mapping[str, Column], target: Target, alone: frozenset[str], rng: np.random.Generator) -> list[Formula]:
    numbers = {name: column.numbers for name, column in columns.items() if column.numbers is not None}
    numbers = {name: values for name, values in numbers.items() if count_distinct(values[np.isfinite(values)]) > 1}
    if len(numbers) < 2:
        return []
    likely = _likely(np.column_stack(list(numbers.values())), target.y, int(rng.integers(2**31)))
    return find_formulas(numbers, target, likely=likely, alone=alone, rng=rng)


def _likely(matrix: Array, y: Array, seed: int) -> list[int]:
    params = {
        "objective": "regression",
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "seed": seed,
        "verbose": -1,
    }
    model = lightgbm.train({**params, "num_leaves": 15, "max_bin": 63}, lightgbm.Dataset(matrix, y), num_boost_round=30)
    gains = model.feature_importance("gain")
    return [place for place in np.argsort(-gains, kind="stable")[:_LIKELY].tolist() if gains[place] > 0]
