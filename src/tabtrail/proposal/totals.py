"""Rows of totals among the rows of a file, by the words that name them."""

from collections.abc import Mapping

import polars as pl

from tabtrail.data.total_words import is_total_word
from tabtrail.proposal.columns import Guess

_MOST_SHARE = 0.05  # of the rows: a word in more of them is a category of its own


def total_rules(guesses: Mapping[str, Guess]) -> dict[str, str]:
    """Return row rules, by name, that set aside the rows whose text in some column says that they are totals."""
    found = dict[str, str]()
    for name, each in guesses.items():
        if each.kind != "text":
            continue
        short = each.seen.counts.filter(pl.col("text").str.len_chars() <= 30, pl.col("rows") <= _MOST_SHARE * each.seen.rows + 1)
        words = [text for text in short.head(5_000)["text"] if is_total_word(text)]
        if words:
            column = name if name.isidentifier() else f"col({name!r})"
            check = " and ".join(f"{column} != {word!r}" for word in words[:5])
            found["no_total" if not found else f"no_total_{len(found) + 1}"] = check
    return found
