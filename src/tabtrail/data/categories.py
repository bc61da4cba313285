"""The different texts of the columns that hold categories, as rows come: which may be one text, and which name totals."""

from collections.abc import Mapping, Sequence, Set

import polars as pl

from tabtrail.contract.texts import fold_case, trim
from tabtrail.data.total_words import names_total

_MOST = 2_000  # different texts of a column; with more, unless most of them come again and again, texts name single things
_MOST_AT_ALL, _MOST_OF_ROWS = 20_000, 0.1


class TextLog:
    """The different texts of one file, by column, as its rows come, and those of them that may name a total (`labels`).

    Columns in which texts name single things have no labels; what is in `dropped` too is not looked at any more.
    """

    def __init__(self, dropped: Set[str]) -> None:
        self._dropped, self._known = dropped, dict[str, set[str]]()
        self._full, self._single = set[str](), set[str]()
        self._rows = 0
        self.labels: dict[str, set[str]] = {}

    def see(self, kept: pl.DataFrame) -> dict[str, set[str]]:
        """Take further rows, and return the texts by column that are new in the file."""
        self._rows += kept.height
        names = [name for name, dtype in kept.schema.items() if dtype == pl.String and name not in self._full]
        looked_at = [name for name in names if not (name in self._single and name in self._dropped)]
        return {name: self._new(name, set(kept.get_column(name).unique().drop_nulls())) for name in looked_at}

    def _new(self, name: str, texts: set[str]) -> set[str]:
        known = self._known.setdefault(name, set())
        new = texts - known
        known |= new
        if len(known) > _MOST_AT_ALL:
            self._full.add(name)
            del self._known[name]
        if len(known) > _most(self._rows):
            self._single.add(name)
        elif name not in self._single and (labels := {text for text in new if names_total(text)}):
            self.labels.setdefault(name, set()).update(labels)
        return new


class CategoryWatch:
    """Keeps the different texts of each column of texts, of all files, as long as they are few.

    `dropped` are the columns with more; `nulls` are words that mean a missing value.
    """

    def __init__(self, nulls: Mapping[str, Sequence[str]]) -> None:
        self._nulls = nulls
        self._known: dict[str, set[str]] = {}
        self._rows = 0
        self.dropped = set[str]()

    def add(self, rows: int, texts: Mapping[str, Set[str]]) -> None:
        """Take the texts of so many further rows, those that are new in their file."""
        self._rows += rows
        for name, new in texts.items():
            if name in self.dropped:
                continue
            known = self._known.setdefault(name, set())
            known |= new
            if len(known) > _most(self._rows):
                self.dropped.add(name)
                del self._known[name]

    @property
    def columns(self) -> list[str]:
        """The columns of categories."""
        return list(self._known)

    def doubtful(self) -> list[str]:
        """Return the columns in which texts differ by their spelling alone, or so from a word for a missing value."""
        words = {name: texts | {"", *self._nulls.get(name, ())} for name, texts in self._known.items()}
        return [name for name, texts in words.items() if len({fold_case(trim(text)) for text in texts}) < len(texts)]


class RecordedTexts(CategoryWatch):
    """The texts of each stretch of rows of a file that is read elsewhere, to be added to those of all files in their order."""

    def __init__(self) -> None:
        super().__init__({})
        self.stretches = list[tuple[int, Mapping[str, Set[str]]]]()

    def add(self, rows: int, texts: Mapping[str, Set[str]]) -> None:
        """Keep the texts."""
        self.stretches.append((rows, texts))


def _most(rows: int) -> float:
    """Return how many different texts a column of so many rows has at most, where they are categories."""
    return min(_MOST_AT_ALL, max(_MOST, _MOST_OF_ROWS * rows))
