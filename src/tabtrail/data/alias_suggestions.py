"""Tables for `cleaning.aliases` that a person may take over: which texts of a column may be other spellings of one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from tabtrail.contract.aliases import Texts
from tabtrail.data.similar_texts import Match, Near, fold, is_case_alone, match_texts, near_texts

_MOST = 5_000  # different texts of a column: each is compared with all others
_MOST_USUALLY, _MOST_OF_ROWS = 2_000, 0.1  # beyond, texts name single things unless most come again and again
_TOLD = 0.8  # how well a text tells the value of a column that is a context: a city its state, but for names in several of them
# Of a context with half as many texts or more, few rows would share one.
_ROWS_A_TEXT = 3  # with fewer on average, every column would be the context of every other
_RARE = 10  # without a context, a slip is told from another name by being so many times rarer


@dataclass(frozen=True)
class Suggestion:
    """A text that may be another spelling of `means`, with the rows that have each. `context` are the columns and texts beside
    which both stand, of all rows of a column where one of them needs it. `edits` letters differ.
    """

    column: str
    text: str
    means: str
    rows: int
    rows_of_means: int
    edits: int
    context: tuple[tuple[str, str | None], ...] = ()

    @property
    def evidence(self) -> str:
        """What speaks for it, for a comment."""
        differ = f"{self.edits} {'letter differs' if self.edits == 1 else 'letters differ'}"
        what = differ if self.edits else "case, accents, marks or an abbreviation"
        return f"{self.rows:,} {'row' if self.rows == 1 else 'rows'}, beside {self.rows_of_means:,}; {what}"


@dataclass(frozen=True)
class _Column:
    """A column with the rows of each text, the texts that are near each other, and beside which texts of its `contexts` these
    stand in how many rows.
    """

    name: str
    rows: Mapping[str, int]
    near: Near
    contexts: Sequence[str]
    beside: Mapping[str, Mapping[Texts, int]]

    def shared(self, text: str, other: str) -> list[Texts]:
        """Return the contexts of a text in which another stands too."""
        theirs = {_folded(each) for each in self.beside[other]}
        return [each for each in self.beside[text] if _folded(each) in theirs]

    def fits(self, text: str, other: str, edits: int) -> bool:
        """Whether a text may be another spelling of another, by where both stand, or by how rare it is.

        Case and blanks make no other name, but accents and marks may: San José lies in Costa Rica, San Jose in California.
        """
        if is_case_alone(text, other):
            return True
        return bool(self.shared(text, other)) if self.contexts else not edits or self.rows[text] * _RARE <= self.rows[other]


def suggest_aliases(rows: pl.LazyFrame) -> list[Suggestion]:
    """Return what may be merged in each column of texts of a dataset. Nothing is merged."""
    names = [name for name, dtype in rows.collect_schema().items() if dtype == pl.String]
    counted = rows.select(pl.len(), *(pl.col(name).n_unique().alias(f"_{name}") for name in names)).collect(engine="streaming")
    total, *sizes = counted.row(0)
    distinct = dict(zip(names, sizes, strict=True))
    most = min(_MOST, max(_MOST_USUALLY, int(_MOST_OF_ROWS * total)))
    found: list[Suggestion] = []
    for name in names:
        if distinct[name] <= most:
            counts = dict(rows.group_by(name).len().drop_nulls().collect(engine="streaming").iter_rows())
            others = [
                other for other in names if 2 * distinct[other] <= distinct[name] and total >= _ROWS_A_TEXT * distinct[name]
            ]
            if near := near_texts(list(counts)):
                found += _suggestions(_Column(name, counts, near, *_contexts(rows, name, near, others)))
    return found


def suggest_plain_aliases(name: str, rows: Mapping[str, int]) -> list[Suggestion]:
    """Return what may be merged among the texts of a column, by their rows: without regard to other columns."""
    if len(rows) > _MOST_USUALLY:
        return []
    column = _Column(name, rows, near_texts(list(rows)), (), {})
    found = [
        Suggestion(name, each.text, each.means, rows[each.text], rows[each.means], each.edits)
        for each in match_texts(rows, column.near, column.fits)
    ]
    return sorted(found, key=lambda each: (-each.rows_of_means, each.means, each.text))


def _suggestions(column: _Column) -> list[Suggestion]:
    matches = match_texts(column.rows, column.near, column.fits)
    places = {each.text: _places(column, each) for each in matches}
    needed = any(len(places[each.text]) < len(column.beside[each.text]) for each in matches)
    found = []
    for match in matches:
        own, means = column.beside[match.text], column.rows[match.means]
        if not needed:
            found.append(Suggestion(column.name, match.text, match.means, column.rows[match.text], means, match.edits))
        for place in places[match.text] if needed else ():
            context = tuple(zip(column.contexts, place, strict=True))
            found.append(Suggestion(column.name, match.text, match.means, own[place], means, match.edits, context))
    return sorted(found, key=lambda each: (-each.rows_of_means, each.means, each.text, str(each.context)))


def _places(column: _Column, match: Match) -> list[Texts]:
    """Return the contexts in which a text is another spelling: all of them, or those in which both stand."""
    everywhere = is_case_alone(match.text, match.means) or not column.contexts
    return list(column.beside[match.text]) if everywhere else column.shared(match.text, match.means)


def _is_context(rows: pl.LazyFrame, name: str, other: str) -> bool:
    """Whether a text tells the value of another column, by Goodman and Kruskal's lambda (1954): the share of the errors of
    guessing the most frequent value of all that guessing by the text avoids.
    """
    pairs = rows.filter(pl.col(name).is_not_null()).group_by(name, other).len().collect(engine="streaming")
    total = int(pairs["len"].sum())
    usual = int(pairs.group_by(other).agg(pl.col("len").sum())["len"].max() or 0)  # type: ignore[arg-type]
    told = int(pairs.group_by(name).agg(pl.col("len").max())["len"].sum())
    return told - usual >= _TOLD * (total - usual) > 0


def _contexts(rows: pl.LazyFrame, name: str, near: Near, others: Sequence[str]) -> tuple[list[str], dict[str, dict[Texts, int]]]:
    """Return the contexts of a column among others, and how many rows of each near text stand beside which of their texts."""
    contexts = [other for other in others if _is_context(rows, name, other)]
    pairs = rows.filter(pl.col(name).is_in(list(near))).group_by(name, *contexts).len().collect(engine="streaming")
    found: dict[str, dict[Texts, int]] = {text: {} for text in near}
    for text, *context, count in pairs.sort(name, *contexts).iter_rows():
        found[text][tuple(context)] = count
    return contexts, found


def _folded(context: Texts) -> tuple[str, ...]:
    return tuple("" if text is None else fold(text) for text in context)
