"""Columns that name rows or groups rather than describe them: a model learns them by heart."""

import re

import numpy as np

from tabtrail.modeling.leakage.columns import Codes, Column, count_distinct
from tabtrail.modeling.leakage.findings import Evidence
from tabtrail.modeling.metrics import Array

_UNIQUE, _NEARLY_UNIQUE = 0.99, 0.85  # of the rows: a key survives a few repeated rows; fewer different texts are a description
_MIN_ROWS = 20  # fewer rows or groups differ from one another by chance
_MIN_TEXTS = 30  # the same for texts, of which more kinds are honest
_MIN_COLLISIONS = 8.0  # equal pairs expected by chance: with so many expected, none has a probability of e^-8 (Poisson)
_DIFFERENT, _REPEATED = 0.95, 0.05  # least share of different values in a key, most of the expected pairs that it repeats
_NAMED_AS_KEY = re.compile(
    r"(?:^|[_\W\d])(?i:id|uuid|guid|key|pk|index|idx|row|no|nr)$|[a-z](?:Id|ID|Key|Index)$|(?i:number|rowid|identifier)$"
)


def find_key(name: str, column: Column, key: Codes | None, dates: Array | None) -> Evidence | None:
    """Find columns that name rows or groups rather than describe them; the date column is left out."""
    numbers = None if column.numbers is None else column.numbers[column.filled]
    whole = numbers is not None and bool(np.all(numbers % 1 == 0))
    if not (column.is_text or whole) or _equal(column.numbers, dates):
        return None
    if key is not None and _same_partition(column.codes, key):
        return "identifier", f"names the groups: each of its {count_distinct(column.codes):,} values stands for one group"
    return _unique_text(column.codes[column.filled]) if numbers is None else _unique_numbers(name, numbers)


def _equal(a: Array | None, b: Array | None) -> bool:
    return a is not None and b is not None and np.array_equal(a, b, equal_nan=True)


def _same_partition(codes: Codes, key: Codes) -> bool:
    """Whether two columns divide the rows in the same way, into many groups of more than one row."""
    distinct = count_distinct(key)
    if not _MIN_ROWS <= distinct <= len(key) / 2 or count_distinct(codes) != distinct:
        return False
    return count_distinct(codes * (int(key.max()) + 1) + key) == distinct


def _unique_text(codes: Codes) -> Evidence | None:
    rows, distinct = len(codes), count_distinct(codes)
    if rows < _MIN_TEXTS or distinct < _NEARLY_UNIQUE * rows:
        return None
    text = f"has {distinct:,} different texts in {rows:,} rows"
    return ("identifier" if distinct >= _UNIQUE * rows else "nearly_unique"), text


def _unique_numbers(name: str, numbers: Array) -> Evidence | None:
    """Tell numbered rows from measured integers by the birthday problem.

    n integers drawn at random from a range of m values give n(n-1)/2m equal pairs or more; an id gives none.
    """
    rows = len(numbers)
    values, counts = np.unique(numbers, return_counts=True)
    if rows < _MIN_ROWS or len(values) < _DIFFERENT * rows:
        return None
    repeated = float(np.sum(counts * (counts - 1))) / 2
    if np.abs(values).max() < 2**53:
        step = int(np.gcd.reduce(np.diff(values).astype(np.int64)))
        collisions = rows * (rows - 1) / 2 / (np.ptp(values) / step + 1)
        if collisions >= _MIN_COLLISIONS and repeated <= _REPEATED * collisions:
            text = f"has {len(values):,} different integers in {rows:,} rows, where chance would repeat about {collisions:,.0f}"
            return "identifier", text
    if len(values) >= _UNIQUE * rows and _NAMED_AS_KEY.search(name):
        return "identifier", f"is named as a key and has {len(values):,} different integers in {rows:,} rows"
    return None
