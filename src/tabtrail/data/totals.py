"""A last row that holds the sums of those above: a total, and not a row of the data."""

import json
import re
from collections.abc import Mapping, Set
from typing import Any

import polars as pl

_FEWEST_ROWS = 3  # with two rows above, a sum of them is too easily met by chance
_WORDS = re.compile(
    r"\W*(grand |overall |sub-?)?"
    r"(totals?|sums?|summe|gesamt(summe)?|insgesamt|total général|totale?|totaal|suma|somme|итого|合計|总计)\W*",
    re.IGNORECASE,
)


class TotalWatch:
    """Adds up the number columns of one file, and keeps its last row."""

    def __init__(self, name: str, fills: Set[str]) -> None:
        self._name, self._fills = name, fills
        self._sums = dict[str, float]()
        self._last: dict[str, Any] = {}
        self._rows = 0

    def see(self, kept: pl.DataFrame) -> None:
        """Take further rows that are kept."""
        if not kept.height:
            return
        numbers = kept.select(pl.selectors.numeric().cast(pl.Float64).sum()).row(0, named=True)
        for name, value in numbers.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._last = kept.row(-1, named=True)
        self._rows += kept.height

    def finding(self, derived: tuple[str, ...]) -> str | None:
        """Return what to look at, and the row rule that sets it aside; None where the last row is one like the others."""
        if self._rows < _FEWEST_ROWS + 1:
            return None
        cells = {name: value for name, value in self._last.items() if name not in derived and not self._is_empty(value)}
        numbers = {name: value for name, value in cells.items() if name in self._sums}
        words = {name: value for name, value in cells.items() if name not in numbers}
        says_so = {name: value for name, value in words.items() if isinstance(value, str) and _WORDS.fullmatch(value)}
        sums = [name for name, value in numbers.items() if self._is_sum(name, value)]
        if len(says_so) < len(words):
            return None
        are_sums = len(sums) == len(numbers) and any(numbers.values())
        emptied = len(cells) < len(self._last) - len(derived)
        return self._said(sums, says_so) if are_sums or (says_so and emptied) else None

    def _said(self, sums: list[str], says_so: Mapping[str, str]) -> str:
        held = f"holds the sums of the rows above in {', '.join(sums)}" if sums else "says that it is a total"
        shown = "".join(f", {name} is {value!r}" for name, value in says_so.items())
        rules = [f"with contract.rows: [{{name: no_total, check: {_check(*each)}}}]" for each in says_so.items()]
        aside = rules[0] if rules else "with nullable: false for a column that is empty there"
        return f"{self._name}: the last row {held}{shown}, so it is a total and no row of the data; set it aside {aside}"

    def _is_empty(self, value: Any) -> bool:
        return value is None or value == "" or value in self._fills

    def _is_sum(self, name: str, value: float) -> bool:
        """Whether a number is the sum of the others, as rounded as it is itself, and to what sums of doubles keep."""
        others = self._sums[name] - value
        decimals = len(repr(float(value)).partition(".")[2]) if value != int(value) else 0
        return abs(others - value) <= (0.5 * 10.0**-decimals if decimals else 0.0) + 1e-9 * abs(value)


def _check(name: str, value: str) -> str:
    column = name if name.isidentifier() else f'col("{name}")'
    return json.dumps(f"{column} != {value!r}", ensure_ascii=False)
