"""Rows of totals among the rows of a file, by the words that name them."""

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from tabtrail.data.total_words import is_total_word
from tabtrail.proposal.columns import Guess
from tabtrail.proposal.texts import Texts

_MOST_WORDS = 5  # of one column, in the rule that sets them aside
_MOST_SHARE = 0.05  # of the rows: a word in more of them is a category of its own


def total_rules(guesses: Mapping[str, Guess]) -> dict[str, str]:
    """Return row rules, by name, that set aside the rows whose text in some column says that they are totals.

    Among numbers and dates such a text is none, and sets its row aside by itself.
    """
    found = dict[str, str]()
    for name, words in _total_words({name: each for name, each in guesses.items() if each.kind == "text"}).items():
        column = name if name.isidentifier() else f"col({name!r})"
        check = " and ".join(f"{column} != {word!r}" for word in words)
        found["no_total" if not found else f"no_total_{len(found) + 1}"] = check
    return found


def without_totals(texts: Texts, guesses: Mapping[str, Guess]) -> Texts:
    """Return the rows that are no totals, so that these say nothing about the columns."""
    words = _total_words(guesses)
    if not words:
        return texts
    keep = texts.frame.select(
        pl.all_horizontal(~pl.col(name).is_in(own).fill_null(False) for name, own in words.items())
    ).to_series()
    return replace(texts, frame=texts.frame.filter(keep), lines=texts.lines.filter(keep))


def _total_words(guesses: Mapping[str, Guess]) -> dict[str, list[str]]:
    found = {}
    for name, each in guesses.items():
        short = each.seen.counts.filter(pl.col("text").str.len_chars() <= 30, pl.col("rows") <= _MOST_SHARE * each.seen.rows + 1)
        if words := [text for text in short.head(5_000)["text"] if is_total_word(text)][:_MOST_WORDS]:
            found[name] = words
    return found
