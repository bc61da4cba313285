"""Other spellings of texts that only the rest of the row tells: `Glendle` is Glendale in California, and nothing elsewhere."""

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

from tabtrail.contract.cells import CellReading, read_text

Texts = tuple[str | None, ...]
"""Texts of a row, None for a missing one."""


@dataclass(frozen=True)
class ContextAliases:
    """Other spellings of the texts of `column`, each beside certain texts of the columns `within`.

    Each of `rows` has the texts of `within`, the other spelling, and the text that it stands for, all as the columns hold them.
    Several tables are applied one after the other, so that a context is in the spelling that stands for it.
    """

    column: str
    within: tuple[str, ...]
    rows: tuple[Texts, ...]

    @cached_property
    def texts(self) -> Mapping[Texts, str]:
        """The text that stands for a spelling, by context and spelling."""
        return {row[:-1]: str(row[-1]) for row in self.rows}

    @cached_property
    def spellings(self) -> frozenset[str]:
        """The other spellings, in whatever context."""
        return frozenset(str(row[-2]) for row in self.rows)

    def find(self, row: Mapping[str, Any]) -> str | None:
        """Return the text that stands for that of the column in a row whose values were read; None where it stays."""
        text = row.get(self.column)
        if not isinstance(text, str) or text not in self.spellings:
            return None
        context = [row.get(name) for name in self.within]
        if not all(each is None or isinstance(each, str) for each in context):
            return None
        return self.texts.get((*context, text))

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "ContextAliases":
        """Rebuild a table from the JSON form that `dataclasses.asdict` gives."""
        return cls(value["column"], tuple(value["within"]), tuple(map(tuple, value["rows"])))


def respell(row: MutableMapping[str, Any], tables: Iterable[ContextAliases]) -> None:
    """Replace the other spellings in a row whose values were read."""
    for table in tables:
        if (text := table.find(row)) is not None:
            row[table.column] = text


def tables_over(tables: Iterable[ContextAliases], names: Iterable[str]) -> tuple[ContextAliases, ...]:
    """Return the tables of some columns, all of whose contexts are among them."""
    known = set(names)
    return tuple(each for each in tables if {each.column, *each.within} <= known)


@dataclass(frozen=True)
class SegmentReading:
    """How the texts of a segment are read that a person names, by the names of its columns: as the cells of the dataset were."""

    readings: Mapping[str, CellReading] = field(default_factory=dict)
    tables: tuple[ContextAliases, ...] = ()

    @classmethod
    def of(
        cls, segments: Mapping[str, str], reading: Callable[[str], CellReading], tables: Iterable[ContextAliases]
    ) -> "SegmentReading":
        """Return it for segments (name → column)."""
        names = {column: name for name, column in segments.items()}
        renamed = (
            ContextAliases(names[each.column], tuple(names[column] for column in each.within), each.rows)
            for each in tables_over(tables, names)
        )
        return cls({name: reading(column) for name, column in segments.items()}, tuple(renamed))

    def read(self, texts: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Return the texts that the dataset holds for names and texts; one that means nothing stays."""
        read = {name: read_text(text, self.readings[name]) or text for name, text in texts}
        respell(read, tables_over(self.tables, read))
        return read


@dataclass(frozen=True)
class Stated:
    """A table as it was written: `rows` by column, with the text that stands for the spelling under `means`."""

    column: str
    within: tuple[str, ...]
    rows: Sequence[Mapping[str, str | None]]


MEANS = "means"


@dataclass(frozen=True)
class ReadRow:
    """A row of a table as its columns are read: None for what means a missing value."""

    number: int
    context: Texts
    spelling: str | None
    means: str | None


def read_rows(stated: Stated, reading: Callable[[str], CellReading], earlier: Sequence[ContextAliases]) -> Iterator[ReadRow]:
    """Yield the rows of a table as its columns are read, contexts in the spelling of the `earlier` tables."""
    readings = {name: reading(name) for name in (*stated.within, stated.column)}
    for number, row in enumerate(stated.rows, 1):
        read: dict[str, Any] = {name: read_text(row.get(name) or "", how) for name, how in readings.items()}
        respell(read, earlier)
        means = read_text(row.get(MEANS) or "", readings[stated.column])
        yield ReadRow(number, tuple(read[name] for name in stated.within), read[stated.column], means)


def build_tables(stated: Iterable[Stated], reading: Callable[[str], CellReading]) -> tuple[ContextAliases, ...]:
    """Return tables as columns are read, those of contexts before those that they are contexts of; of rows, those that change
    a text.
    """
    found: list[ContextAliases] = []
    for each in in_order(stated):
        fills = [reading(name).fill for name in each.within]
        rows: dict[Texts, str] = {}
        for row in read_rows(each, reading, found):
            if row.spelling is not None and row.means not in (None, row.spelling):
                forms = (_forms(text, fill) for text, fill in zip(row.context, fills, strict=True))
                rows |= {(*context, row.spelling): str(row.means) for context in product(*forms)}
        found.append(ContextAliases(each.column, each.within, tuple((*key, text) for key, text in rows.items())))
    return tuple(found)


def in_order(stated: Iterable[Stated]) -> list[Stated]:
    """Return tables so that those of contexts come before those that they are contexts of; of a cycle, the rest as it is."""
    left, found = list(stated), list[Stated]()
    while left:
        waiting = {each.column for each in left}
        ready = [each for each in left if not waiting & set(each.within)] or left
        found += ready
        left = [each for each in left if each not in ready]
    return found


def _forms(text: str | None, fill: str | None) -> tuple[str | None, ...]:
    """Return the texts that stand for one of a context: a filled gap is a missing value as well as its word."""
    return (None, fill) if fill is not None and text in (None, fill) else (text,)
