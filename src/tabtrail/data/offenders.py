"""A few of the values that broke a rule, with their lines, for messages; and the edit of the config that would read them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from tabtrail.config.dataset import TableRules
from tabtrail.contract.date_advice import advise_date
from tabtrail.contract.number_advice import advise

RULES = "_rules"
_HELD = 20  # texts from which an edit is derived
_SHOWN = 3
_MOST_RULES = 50  # rules that are held; a file can break one for each number of fields
_WIDEST = 40  # characters of a value that are shown


@dataclass
class Offenders:
    """By rule, the first lines and texts that broke it. A rule of a column is called `COLUMN: what`."""

    by_rule: dict[str, list[tuple[int, str | None]]] = field(default_factory=dict)

    def add(self, rejects: pl.DataFrame, rules: Iterable[str]) -> None:
        """Look for the first rows that broke these rules, as long as there are too few of them."""
        for rule in rules:
            found = self.by_rule.get(rule, [])
            if len(found) >= _HELD or (not found and len(self.by_rule) >= _MOST_RULES):
                continue
            broke = ("; " + pl.col(RULES) + "; ").str.contains(f"; {rule}; ", literal=True)
            column = column_of(rule, rejects.columns)
            text = pl.lit(None, dtype=pl.String) if column is None else pl.col(column)  # no more of a row than what is wrong
            rows = rejects.lazy().filter(broke).head(_HELD - len(found)).select("_line", text.alias("text")).collect()
            self.by_rule[rule] = [*found, *rows.rows()]

    def examples(self, rule: str) -> str:
        """Return up to three lines with the values that stand there, as `'5,5' on line 2`; nothing where none is known."""
        shown = self.by_rule.get(rule, [])[:_SHOWN]
        values = [f"{_short(text)} on line {line:,}" for line, text in shown if text is not None]
        return ", ".join(values or [f"line {line:,}" for line, _ in shown])

    def advice(self, rule: str, rules: TableRules) -> str | None:
        """Return what to set so that the values that broke a rule of numbers or dates can be read; None where nothing would."""
        columns = rules.columns
        column, texts = column_of(rule, columns.required), [text for _, text in self.by_rule.get(rule, []) if text is not None]
        if column is None or not texts:
            return None
        if columns.rule(column).is_date and rule == f"{column}: not a date of the formats":
            return advise_date(column, texts, rules.date_format(column))
        if columns.is_number(column) and rule in (f"{column}: not float", f"{column}: not int"):
            return advise(column, texts, rules.reading(column).number, whole=rule.endswith(": not int"))
        return None

    def all_advice(self, rules: TableRules) -> list[str]:
        """Return, for every rule of numbers and dates, what would read the values that broke it."""
        found = {rule: self.advice(rule, rules) for rule in self.by_rule}
        return [f"{rule}: rejected, {self.examples(rule)}; set {advice}" for rule, advice in found.items() if advice]


def worst_rules(by_rule: Mapping[str, int], shown: Callable[[str], str]) -> str:
    """Return the rules that most rows broke, each with how many and with what `shown` says of it, and how many more there are."""
    broken = sorted(((rule, count) for rule, count in by_rule.items() if count), key=lambda item: -item[1])
    worst, more = broken[:_SHOWN], len(broken) - _SHOWN
    parts = [(f"{rule} ({count:,} {'row' if count == 1 else 'rows'})", shown(rule)) for rule, count in worst]
    rest = f"; and {more:,} more {'rule' if more == 1 else 'rules'}, which `tabtrail check` lists" if more > 0 else ""
    return "; ".join(f"{rule}, {text}" if text else rule for rule, text in parts) + rest


def column_of(rule: str, columns: Sequence[str]) -> str | None:
    """Return the column that a rule is about; None for a rule over the whole row."""
    return max((name for name in columns if rule.startswith(f"{name}: ")), key=len, default=None)


def _short(text: str) -> str:
    return repr(text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…")
