"""One column of texts as it was seen: its distinct texts with their rows, and where the first of each stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from tabtrail.proposal.texts import Texts
from tabtrail.proposal.words import is_missing_word

_SHOWN = 40  # characters of a text that a comment repeats
_MOST_FORMS = 40  # ways in which a column writes that a value is missing; with more they are no words for that


@dataclass(frozen=True)
class Seen:
    """A column. `counts` has its distinct `text` with `rows` and the `place` of the first, the most frequent first."""

    name: str
    texts: Texts
    counts: pl.DataFrame

    @classmethod
    def of(cls, name: str, texts: Texts) -> "Seen":
        """Count the texts of a column."""
        frame = texts.frame.select(pl.col(name).alias("text")).with_row_index("place")
        counts = frame.group_by("text").agg(pl.len().alias("rows"), pl.col("place").min()).drop_nulls("text")
        return cls(name, texts, counts.sort("rows", "place", descending=[True, False]))

    @property
    def rows(self) -> int:
        return self.texts.rows

    @cached_property
    def filled(self) -> int:
        """Rows with a text."""
        return int(self.counts["rows"].sum())

    @cached_property
    def missing_words(self) -> tuple[str, ...]:
        """Texts, as they are written, that mean a missing value where they stand among numbers or dates."""
        short = self.counts.filter(pl.col("text").str.len_chars() <= 20).head(20_000)["text"]
        return tuple(text for text in short if not text.strip() or is_missing_word(text))[:_MOST_FORMS]

    @cached_property
    def known(self) -> pl.DataFrame:
        """`counts` without the words for a missing value."""
        return self.counts.filter(~pl.col("text").is_in(list(self.missing_words))) if self.missing_words else self.counts

    @cached_property
    def distinct(self) -> int:
        return self.counts.height

    def example(self, text: str) -> str:
        """Return a text with the line on which it stands first, for a comment."""
        place = self.counts.filter(pl.col("text") == text)["place"]
        shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
        return f"{shown!r}{self.texts.line(int(place[0])) if len(place) else ''}"

    def examples(self, texts: Sequence[str], most: int = 3) -> str:
        """Return some texts with their lines."""
        more = f" and {len(texts) - most:,} more" if len(texts) > most else ""
        return ", ".join(map(self.example, texts[:most])) + more
