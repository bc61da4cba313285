"""Rows within a file that hold sums of rows above them: subtotals, and no rows of the data."""

from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from tabtrail.data.total_words import is_total_word
from tabtrail.data.totals import is_sum, row_rules

_SHOWN = 5  # rows that a finding names
_MOST_HELD = 10_000  # rows that may be subtotals; a file with more of them is told by these
_USUALLY = 0.5  # share of the rows in which a column is filled, from which on an empty cell is odd


@dataclass(frozen=True)
class _Suspect:
    """A row whose text in `column` names a total, on its line; `is_proven` where its cells say so too, None where they cannot."""

    column: str
    text: str
    line: int
    is_proven: bool | None


@dataclass
class SubtotalWatch:
    """Looks at the rows of one file whose texts may name a total.

    A column holds subtotals where at least half of such rows are proven: all their numbers are sums of the rows above, up to the
    last such row; or some are, and cells that are mostly filled are empty or the text names what the row above does; or the text
    says total alone and no other is there.
    """

    name: str
    fills: Set[str]
    derived: Collection[str]
    _sums: dict[str, float] = field(default_factory=dict)
    _filled: dict[str, int] = field(default_factory=dict)
    _rows: int = 0
    _group: int = 0
    _above: tuple[Any, ...] = ()
    _suspects: list[_Suspect] = field(default_factory=list)

    def see(self, kept: pl.DataFrame, lines: pl.Series, labels: Mapping[str, Set[str]]) -> None:
        """Take further rows with their lines; `labels` are the texts that may name a total, by column."""
        start = 0
        for place in _labelled(kept, labels) if labels and len(self._suspects) < _MOST_HELD else ():
            self._add(kept.slice(start, place - start))
            row = kept.row(place, named=True)
            column = next(name for name in labels if row[name] in labels[name])
            self._suspects.append(_Suspect(column, row[column], int(lines[place]), self._proof(row, column)))
            self._sums, self._group, start = {}, 0, place + 1
        self._add(kept.slice(start) if start else kept)

    def finding(self, except_line: int | None) -> str | None:
        """Return what to look at, and the row rules that set it aside; None where no row is a subtotal."""
        found = [each for column in dict.fromkeys(each.column for each in self._suspects) for each in self._proven(column)]
        shown = [each for each in found if each.line != except_line]
        if not shown:
            return None
        places = ", ".join(f"{each.column} is {each.text!r} on line {each.line:,}" for each in shown[:_SHOWN])
        more = f" and {len(shown) - _SHOWN:,} more" if len(shown) > _SHOWN else ""
        what = "a row is a subtotal and none" if len(shown) == 1 else f"{len(shown):,} rows are subtotals and none"
        texts = {
            column: [each.text for each in shown if each.column == column] for column in dict.fromkeys(s.column for s in shown)
        }
        return f"{self.name}: {what} of the data: {places}{more}; set aside with {row_rules('subtotal', texts)}"

    def _add(self, rows: pl.DataFrame) -> None:
        numbers = pl.selectors.numeric().cast(pl.Float64)
        if not rows.height:
            return
        for name, value in rows.select(numbers.sum()).row(0, named=True).items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        for name, missing in rows.null_count().row(0, named=True).items():
            self._filled[name] = self._filled.get(name, 0) + rows.height - missing
        self._above = rows.row(-1)
        self._rows += rows.height
        self._group += rows.height

    def _proof(self, row: Mapping[str, Any], label: str) -> bool | None:
        cells = {name: value for name, value in row.items() if name not in self.derived and not self._is_empty(value)}
        numbers = {name: value for name, value in cells.items() if name in self._sums and isinstance(value, int | float)}
        emptied = any(
            self._filled[name] > _USUALLY * self._rows for name in self._filled if name not in cells and name not in self.derived
        )
        others = [name for name in cells if name not in numbers and name != label]
        if emptied and not others and is_total_word(row[label]):
            return True
        if self._group < 2:  # a sum of one row is that row
            return None
        sums = [value for name, value in numbers.items() if value and is_sum(value, self._sums[name])]
        all_sums = len(sums) == sum(1 for value in numbers.values() if value)
        return bool(sums) and (all_sums or emptied or self._names_above(row[label]))

    def _names_above(self, label: str) -> bool:
        """Whether a text is one of the row above and a word for a total: `Total France` below a row of France."""
        folded, texts = label.casefold(), (each.casefold() for each in self._above if isinstance(each, str) and each)
        rests = (rest for text in texts for rest in (folded.removeprefix(text), folded.removesuffix(text)))
        return any(is_total_word(rest) for rest in rests)

    def _proven(self, column: str) -> Sequence[_Suspect]:
        suspects = [each for each in self._suspects if each.column == column]
        proofs = [each.is_proven for each in suspects if each.is_proven is not None]
        return suspects if proofs and 2 * sum(proofs) >= len(proofs) else ()

    def _is_empty(self, value: Any) -> bool:
        return value is None or value == "" or value in self.fills


def _labelled(kept: pl.DataFrame, labels: Mapping[str, Set[str]]) -> Iterator[int]:
    known = [pl.col(name).is_in(list(texts)) for name, texts in labels.items() if name in kept.columns]
    places = kept.select(pl.any_horizontal(known).fill_null(False).arg_true()).to_series() if known else ()
    yield from map(int, places)
