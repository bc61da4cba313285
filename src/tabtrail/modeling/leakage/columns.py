"""A column as the leakage audit sees it: numbered values, and the numbers that they are or contain."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabtrail.modeling.metrics import Array
from tabtrail.modeling.split import Mask

Codes = NDArray[np.int64]
_ONE_NUMBER = r"^\D*?(-?\d+(?:\.\d+)?)\D*$"
_THOUSANDS = r"(?<=\d)[,_ ](?=\d{3}(?:\D|$))"
_READABLE = 0.95  # share of the different texts that hold one number: a few are typing errors


@dataclass(frozen=True)
class Column:
    """`codes` number the distinct values (missing is one of them); `numbers` are NaN for missing, None for words."""

    codes: Codes
    filled: Mask
    numbers: Array | None
    is_text: bool

    def take(self, rows: NDArray[np.int64] | Mask) -> "Column":
        return Column(self.codes[rows], self.filled[rows], None if self.numbers is None else self.numbers[rows], self.is_text)

    @property
    def inputs(self) -> Array:
        """What the quick model sees."""
        return self.codes.astype(np.float64) if self.numbers is None else self.numbers


def read_numbers(values: Array) -> Column:
    """Return a column of numbers [rows], NaN for missing."""
    numbers = np.where(np.isfinite(values), values, np.nan)
    return Column(number_values(numbers), np.isfinite(numbers), numbers, is_text=False)


def read_texts(values: NDArray[np.object_]) -> Column:
    """Return a column of texts [rows], "" for missing."""
    codes, distinct = pd.factorize(values, use_na_sentinel=False)
    return Column(codes.astype(np.int64), (pd.Series(distinct).fillna("") != "").to_numpy()[codes], None, is_text=True)


def with_numbers(column: Column, values: NDArray[np.generic]) -> Column:
    """Return a text column with the number that nearly each text contains ("2,871.00 USD", "bin_07"), if one alone."""
    if not column.is_text or not column.filled.any():
        return column
    codes, distinct = pd.factorize(values, use_na_sentinel=False)
    texts = pd.Series(distinct, dtype=object).fillna("").astype(str).str.strip().str.replace(_THOUSANDS, "", regex=True)
    numbers = pd.to_numeric(texts, errors="coerce")
    numbers = numbers.fillna(pd.to_numeric(texts.str.extract(_ONE_NUMBER, expand=False), errors="coerce"))
    known = numbers.to_numpy(dtype=np.float64, copy=True)
    known[~np.isfinite(known)] = np.nan
    readable = float(np.isfinite(known[(texts != "").to_numpy()]).mean()) >= _READABLE
    return replace(column, numbers=known[codes]) if readable else column


def number_values(values: NDArray[np.generic]) -> Codes:
    """Return for each row [rows] the number of its value, counted from 0 in the order of first appearance."""
    return pd.factorize(values, use_na_sentinel=False)[0].astype(np.int64)


def count_distinct(values: NDArray[np.generic]) -> int:
    """Return how many different values there are."""
    return len(np.unique(values))
