"""Whether the target is a formula of a few columns, and in how many rows: fits that wrong rows do not move."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tabtrail.modeling.leakage.giveaways import EXACT, EXACT_FEW, FEW_VALUES, spread_of
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.split import Mask

MIN_ROWS = 20  # rows that a formula of up to four constants must hold in: fewer fit one by chance
_ROWS_EACH = 6  # rows for each constant of a formula
_FITTED = 500  # rows that constants are fitted to; a formula needs few, and holds in the others or does not
_STARTS = 24  # draws of as few rows as there are constants; with a tenth wrong, 0.9^4 of the draws hold no wrong row
_STEPS = 6  # refits to the better rows; they settle in three or four
_BETTER = 0.75  # share of the rows of a refit: fewer than are right (0.9), more than half, so that no other line is found
_FILLED = 0.3  # least share of the rows in which all columns have a value
_FEWER_MISSES = 0.3  # share of the misses that another column may leave; two old prices miss nearly as often as one
_LAST_DIGITS = 1e-3  # of the spread: a tenth of what is missing to a column that predicts the target by itself (R² of 0.98)
_SHOWN = 0.01  # constants that move no prediction by this share of the tolerance scale are left out of the text


@dataclass(frozen=True)
class Target:
    """The target [rows] and how far from a formula a row may lie: to 1 % of its spread, or to its rounding."""

    y: Array
    tolerance: Array
    least: float
    few: bool

    @classmethod
    def of(cls, y: Array) -> "Target":
        """Tolerances as for one column; a target of few values, which also agree by chance, is held to its own steps."""
        spread, step, few = spread_of(y), rounding_step(y), len(np.unique(y)) < FEW_VALUES
        if few:
            return cls(y, np.full(len(y), 0.05 * step or 1e-6 * spread), EXACT_FEW, few)
        fine = np.maximum(0.01 * spread, 0.005 * np.abs(y - np.median(y)))
        # Half a step is what rounding moves; where that is much of the spread, good models are as near in many rows, not in all.
        coarse = 0.51 * step > 0.02 * spread
        return cls(y, np.maximum(fine, 0.51 * step), EXACT_FEW if coarse else EXACT, few)

    def strict(self) -> "Target":
        """Return the target to be met to the last digits, as where a column comes near it by itself."""
        return replace(self, tolerance=np.full(len(self.y), max(_LAST_DIGITS * spread_of(self.y), 0.51 * rounding_step(self.y))))

    def take(self, rows: NDArray[np.int64] | Mask) -> "Target":
        return Target(self.y[rows], self.tolerance[rows], self.least, self.few)

    def share(self, predicted: Array) -> float:
        """Return the share of the rows that a formula gives: of all with a prediction, and of those off the commonest value."""
        known = np.isfinite(predicted)
        if known.sum() < max(MIN_ROWS, _FILLED * len(known)):
            return 0.0
        values, counts = np.unique(self.y[known], return_counts=True)
        off = self.y[known] != values[np.argmax(counts)]
        if off.sum() < MIN_ROWS // 2:
            return 0.0
        right = np.abs(predicted[known] - self.y[known]) <= self.tolerance[known]
        return min(float(right.mean()), float(right[off].mean()))

    def share_equal(self, values: Array) -> float:
        """Return the share of all rows in which a column is the target."""
        return float(np.mean(np.abs(values - self.y) <= self.tolerance))

    def holds(self, predicted: Array) -> float | None:
        """Return the share of the rows where it is large enough to be no chance, else None."""
        share = self.share(predicted)
        return share if share >= self.least else None


def adds_to(share: float, fewer: float) -> bool:
    """Whether columns give the target in clearly more rows than `fewer` of them do: with far fewer misses."""
    return fewer < 1 and 1 - share <= _FEWER_MISSES * (1 - fewer)


def rounding_step(y: Array) -> float:
    """Return the largest power of ten that 99 % of the values are multiples of, from 1,000 down; 0 where there is none."""
    for exponent in range(3, -9, -1):
        scaled = y / 10.0**exponent
        if float(np.mean(np.abs(scaled - np.round(scaled)) <= 1e-9 * np.maximum(np.abs(scaled), 100))) >= 0.99:
            return 10.0**exponent
    return 0.0


def fit_line(columns: Sequence[Array], y: Array, rng: np.random.Generator) -> Array:
    """Return the constants [columns + 1, the intercept last] of a plane that most rows lie on, if there is one.

    The best of random elemental fits, then concentration steps (Rousseeuw & Van Driessen, Computing least trimmed squares
    regression for large data sets, Data Mining and Knowledge Discovery 12, 2006). Rows with a missing value are left out.
    """
    known = np.isfinite(y) & np.all([np.isfinite(each) for each in columns], axis=0)
    width = len(columns) + 1
    if known.sum() < max(MIN_ROWS, _ROWS_EACH * width, _FILLED * len(y)):
        return np.full(width, np.nan)
    rows = np.flatnonzero(known)[:: max(1, int(known.sum()) // _FITTED)]
    parts = [each[rows] for each in columns]
    middle = np.array([float(np.median(part)) for part in parts])
    scale = np.array([float(np.std(part)) or 1.0 for part in parts])
    design = np.column_stack([*((part - m) / s for part, m, s in zip(parts, middle, scale, strict=True)), np.ones(len(rows))])
    best = _concentrate(design, y[rows], _starts(design, y[rows], rng))
    slopes = best[:-1] / scale
    return np.append(slopes, best[-1] - slopes @ middle)


def _starts(design: Array, y: Array, rng: np.random.Generator) -> Array:
    """Return the constants with the least median residual, of one plain fit and of the fits to a few rows each."""
    rows, width = design.shape
    drawn = rng.integers(0, rows, (_STARTS, width))
    matrices = design[drawn]
    sound = np.abs(np.linalg.det(matrices)) > 1e-12
    solved = np.linalg.solve(matrices[sound], y[drawn[sound]][:, :, None])[:, :, 0]
    tried = np.vstack([np.linalg.lstsq(design, y, rcond=None)[0][None], solved])
    residuals = np.abs(design @ tried.T - y[:, None])
    return np.asarray(tried[int(np.argmin(np.quantile(residuals, _BETTER, axis=0)))])


def _concentrate(design: Array, y: Array, constants: Array) -> Array:
    kept = max(design.shape[1] + 1, int(_BETTER * len(y)))
    for _ in range(_STEPS):
        rows = np.argpartition(np.abs(design @ constants - y), kept - 1)[:kept]
        gram = design[rows].T @ design[rows]
        refitted = np.asarray(np.linalg.lstsq(gram, design[rows].T @ y[rows], rcond=None)[0], dtype=np.float64)
        if np.allclose(refitted, constants, rtol=1e-12, atol=0):
            break
        constants = refitted
    return constants


def line_text(labels: Sequence[str], constants: Array, unit: float) -> str:
    """Return a plane as a formula; constants of 1 and intercepts that are nothing beside `unit` are left out."""
    words = []
    for constant, label in sorted(zip(constants[:-1].tolist(), labels, strict=True), key=lambda each: each[0] < 0):
        size = rounded_constant(abs(constant))
        words.append(f"{'-' if constant < 0 else '+'} {'' if size == '1' else f'{size} × '}{label}")
    intercept = float(constants[-1])
    if abs(intercept) > _SHOWN * unit and rounded_constant(abs(intercept)) != "0":
        words.append(f"{'-' if intercept < 0 else '+'} {rounded_constant(abs(intercept))}")
    text = " ".join(words)
    return text[2:] if text.startswith("+ ") else text.replace("- ", "-", 1)


def rounded_constant(value: float) -> str:
    """Return a fitted constant as people write it: a whole number where it is one to a thousandth."""
    near = round(value)
    return f"{near:,}" if near and abs(value - near) < 1e-3 * abs(near) else f"{value:.4g}"
