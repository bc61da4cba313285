"""A last row that holds the sums of those above: a total, and not a row of the data."""

import json
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import polars as pl

from tabtrail.data.total_words import is_total_word

_FEWEST_ROWS = 3  # with two rows above, a sum of them is too easily met by chance
_LONGEST_RULE = 900  # characters of a check; an expression has at most 1,000


class TotalWatch:
    """Adds up the number columns of one file, and keeps its last row."""

    def __init__(self, name: str, fills: Set[str]) -> None:
        self._name, self._fills = name, fills
        self._sums = dict[str, float]()
        self._last: dict[str, Any] = {}
        self._rows, self.line = 0, 0

    def see(self, kept: pl.DataFrame, lines: pl.Series) -> None:
        """Take further rows that are kept, with their lines; `line` is that of the last one."""
        if not kept.height:
            return
        numbers = kept.select(pl.selectors.numeric().cast(pl.Float64).sum()).row(0, named=True)
        for name, value in numbers.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._last, self.line = kept.row(-1, named=True), int(lines[-1])
        self._rows += kept.height

    def finding(self, derived: tuple[str, ...]) -> str | None:
        """Return what to look at, and the row rule that sets it aside; None where the last row is one like the others."""
        if self._rows < _FEWEST_ROWS + 1:
            return None
        cells = {name: value for name, value in self._last.items() if name not in derived and not self._is_empty(value)}
        numbers = {name: value for name, value in cells.items() if name in self._sums}
        words = {name: value for name, value in cells.items() if name not in numbers}
        says_so = {name: value for name, value in words.items() if isinstance(value, str) and is_total_word(value)}
        sums = [name for name, value in numbers.items() if is_sum(value, self._sums[name] - value)]
        if len(says_so) < len(words):
            return None
        are_sums = len(sums) == len(numbers) and any(numbers.values())
        emptied = len(cells) < len(self._last) - len(derived)
        return self._said(sums, says_so) if are_sums or (says_so and emptied) else None

    def _said(self, sums: list[str], says_so: Mapping[str, str]) -> str:
        held = f"holds the sums of the rows above in {', '.join(sums)}" if sums else "says that it is a total"
        shown = "".join(f", {name} is {value!r}" for name, value in says_so.items())
        named = {name: [text] for name, text in [*says_so.items()][:1]}
        aside = row_rules("total", named) if named else "nullable: false for a column that is empty there"
        return f"{self._name}: the last row {held}{shown}, so it is a total and no row of the data; set it aside with {aside}"

    def _is_empty(self, value: Any) -> bool:
        return value is None or value == "" or value in self._fills


def is_sum(value: float, others: float) -> bool:
    """Whether a number is the sum of others, as rounded as it is itself, and to what sums of doubles keep."""
    decimals = len(repr(float(value)).partition(".")[2]) if value != int(value) else 0
    return abs(others - value) <= (0.5 * 10.0**-decimals if decimals else 0.0) + 1e-9 * abs(value)


def row_rules(name: str, texts: Mapping[str, Sequence[str]]) -> str:
    """Return the edit of the config that sets aside the rows with certain texts, by column."""
    checks = [check for column, found in texts.items() for check in _checks(column, list(dict.fromkeys(found)))]
    names = [f"no_{name}"] if len(checks) == 1 else [f"no_{name}_{number}" for number in range(1, len(checks) + 1)]
    rules = ", ".join(f"{{name: {rule}, check: {check}}}" for rule, check in zip(names, checks, strict=True))
    return f"contract.rows: [{rules}]"


def _checks(name: str, texts: Sequence[str]) -> Iterator[str]:
    """Yield checks that are false for these texts, each no longer than an expression may be."""
    column, check = (name if name.isidentifier() else f'col("{name}")'), ""
    for text in texts:
        part = f"{column} != {text!r}"
        if check and len(check) + len(part) > _LONGEST_RULE:
            yield json.dumps(check, ensure_ascii=False)
            check = ""
        check = f"{check} and {part}" if check else part
    yield json.dumps(check, ensure_ascii=False)
