"""Columns in which a decimal mark may be a thousands mark: `1.033` among `982`."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from tabtrail.contract.numbers import NumberFormat

_SHOWN = 3
_LOOKED_AT = 50  # texts of a column; of true fractions one in ten ends with a 0, which is mostly not written: 0.9^50 is 0.5 %
_FEWEST_WHOLE = 2
_LEAST_WHOLE = 0.01  # share of whole numbers; of true fractions with three decimals one in a thousand is whole
_GROUPED = 100.0  # whole numbers reach the hundreds where larger ones are grouped


@dataclass
class _Column:
    """What was seen of a column that is still in doubt: numbers, and of the texts that were looked at those without the mark."""

    written: NumberFormat
    fractions: int = 0
    whole: int = 0
    largest: float = 0.0
    looked_at: int = 0
    plain: int = 0
    examples: list[tuple[str, int]] = field(default_factory=list)

    @property
    def pattern(self) -> str:
        return rf"^\s*[-+\u2212]?[1-9][0-9]{{0,2}}{re.escape(self.written.decimal)}[0-9]{{3}}\s*$"


@dataclass(frozen=True)
class Rows:
    """Checked rows: `values` typed, `good` those that are kept; `texts` returns rows by place as texts with their `_line`."""

    values: pl.DataFrame
    good: pl.Series
    texts: Callable[[Sequence[int]], pl.DataFrame]


class ThousandsWatch:
    """Looks at the numbers of columns of one file as they are read, at few of their texts, and no more at a column once it is
    clear; files are joined to those before them.

    A column is in doubt while each of its numbers is whole and below 1,000, or is 1 to 1,000 and written with three decimals.
    """

    def __init__(self, columns: Mapping[str, NumberFormat]) -> None:
        self._doubtful = {name: _Column(written) for name, written in columns.items() if written.thousands is None}

    def next_file(self) -> "ThousandsWatch":
        """Return a watch for another file, of the columns that are still in doubt."""
        return ThousandsWatch({name: column.written for name, column in self._doubtful.items()})

    def join(self, file: "ThousandsWatch") -> None:
        """Take what was seen of a further file."""
        for name, column in [*self._doubtful.items()]:
            found = file._doubtful.get(name)
            if found is None:
                del self._doubtful[name]
                continue
            column.fractions += found.fractions
            column.whole += found.whole
            column.largest = max(column.largest, found.largest)
            column.plain += found.plain
            column.examples = [*column.examples, *found.examples][:_SHOWN]

    def see(self, rows: Rows) -> None:
        """Look at further rows."""
        types = rows.values.schema  # made anew each time it is asked for, at the cost of every column
        names = [name for name in self._doubtful if types.get(name) == pl.Float64]
        if not names or not rows.values.height:
            return
        counted = rows.values.lazy().filter(rows.good).select(each for name in names for each in _counts(name)).collect().row(0)
        for name, (clear, fractions, whole, largest) in zip(names, zip(*[iter(counted)] * 4, strict=True), strict=True):
            column = self._doubtful[name]
            column.fractions += fractions
            column.whole += whole
            column.largest = max(column.largest, largest or 0.0)
            if clear or (fractions and column.looked_at < _LOOKED_AT and self._is_clear(name, column, rows)):
                del self._doubtful[name]

    def _is_clear(self, name: str, column: _Column, rows: Rows) -> bool:
        """Look at texts: whether one with the mark has other than three digits after it."""
        value, known = pl.col(name), rows.good & rows.values.get_column(name).is_not_null()
        found = rows.values.select((value != value.floor()).alias("fraction")).with_row_index("place").filter(known)
        few = pl.concat([found.filter(fraction).head(_LOOKED_AT) for fraction in (pl.col("fraction"), ~pl.col("fraction"))])
        texts = rows.texts(few.get_column("place").to_list()).select("_line", name, few.get_column("fraction"))
        marked = pl.col(name).str.contains(column.written.decimal, literal=True)
        fractions, plain = texts.filter("fraction"), texts.filter(~marked)
        column.looked_at += fractions.height
        column.plain += plain.height
        column.examples += fractions.select(name, "_line").rows()[: _SHOWN - len(column.examples)]
        return not texts.filter(marked).get_column(name).str.contains(column.pattern).all()

    def findings(self) -> list[str]:
        """Return what to look at, with values, lines and keys."""
        return [_finding(name, column) for name, column in self._doubtful.items() if _is_suspicious(column)]


def _counts(name: str) -> tuple[pl.Expr, ...]:
    size = pl.col(name).abs()
    whole = size == size.floor()
    thousandths = size * 1000
    not_grouped = (size < 1) | (size >= 1000) | ((thousandths - thousandths.round()).abs() > 1e-6)
    clear = (whole & (size >= 1000)) | (~whole & not_grouped)
    return (
        clear.any().alias(f"{name} 0"),
        (~whole).sum().alias(f"{name} 1"),
        whole.sum().alias(f"{name} 2"),
        size.filter(whole).max().alias(f"{name} 3"),
    )


def _is_suspicious(column: _Column) -> bool:
    enough = max(_FEWEST_WHOLE, _LEAST_WHOLE * (column.whole + column.fractions))
    return column.fractions > 0 and column.plain > 0 and column.whole >= enough and column.largest >= _GROUPED


def _finding(name: str, column: _Column) -> str:
    values = ", ".join(f"{text.strip()} on line {line:,}" for text, line in column.examples)
    decimal, thousands = (",", ".") if column.written.decimal == "." else (".", ",")
    return (
        f"{name}: {values} ({column.fractions:,} of {column.fractions + column.whole:,} values) are read as fractions, but all"
        f" others are whole numbers below 1,000: if the '{thousands}' parts thousands, set source.thousands: '{thousands}' and"
        f" source.decimal: '{decimal}' (for this column alone contract.columns.{name}.number)"
    )
