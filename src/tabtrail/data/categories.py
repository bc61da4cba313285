"""The different texts of the columns that hold categories, as rows come: which may be one text, and which name totals."""

from collections.abc import Mapping, Sequence, Set

import polars as pl

from tabtrail.contract.texts import fold_case, trim
from tabtrail.data.total_words import names_total

_MOST = 2_000  # different texts of a column; with more, unless most of them come again and again, texts name single things
_MOST_AT_ALL, _MOST_OF_ROWS = 20_000, 0.1


class CategoryWatch:
    """Keeps the different texts of each column of texts, as long as they are few.

    `labels` are those that may name a total, by column; `nulls` are words that mean a missing value.
    """

    def __init__(self, nulls: Mapping[str, Sequence[str]]) -> None:
        self._nulls = nulls
        self._known: dict[str, set[str]] = {}
        self._dropped = set[str]()
        self._rows = 0
        self.labels: dict[str, set[str]] = {}

    def see(self, kept: pl.DataFrame) -> None:
        """Take further rows."""
        self._rows += kept.height
        for name, dtype in kept.schema.items():
            if dtype == pl.String and name not in self._dropped:
                self._add(name, set(kept.get_column(name).unique().drop_nulls()))

    def _add(self, name: str, texts: Set[str]) -> None:
        known = self._known.setdefault(name, set())
        new = texts - known
        known |= new
        if len(known) > min(_MOST_AT_ALL, max(_MOST, _MOST_OF_ROWS * self._rows)):
            self._dropped.add(name)
            del self._known[name]
        elif labels := {text for text in new if names_total(text)}:
            self.labels.setdefault(name, set()).update(labels)

    @property
    def columns(self) -> list[str]:
        """The columns of categories."""
        return list(self._known)

    def doubtful(self) -> list[str]:
        """Return the columns in which texts differ by their spelling alone, or so from a word for a missing value."""
        words = {name: texts | {"", *self._nulls.get(name, ())} for name, texts in self._known.items()}
        return [name for name, texts in words.items() if len({fold_case(trim(text)) for text in texts}) < len(texts)]
