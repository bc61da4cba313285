"""Formats of dates that contradict each other, and which of them the rows prove: `13/1/2021` has no thirteenth month."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import polars as pl

from tabtrail.config.cleaning import Cleaning
from tabtrail.config.dataset import TableRules
from tabtrail.contract.dates import DateFormat, contradict
from tabtrail.contract.texts import BLANKS
from tabtrail.data.checks import Checked, RowChecker
from tabtrail.data.dates import read_as
from tabtrail.data.outliers import Fences
from tabtrail.data.rejects import reject_schema
from tabtrail.data.thousands import ThousandsWatch
from tabtrail.data.typed_cells import IS_CELL
from tabtrail.errors import DataError
from tabtrail.reading.cell_rows import Malformed

_SHOWN = 40  # characters of a text that a message repeats


@dataclass
class Sighting:
    """Rows of one kind: how many, and where the first stands with what text."""

    rows: int = 0
    first: str = ""

    def add(self, file: str, rows: pl.DataFrame) -> None:
        if rows.height and not self.rows:
            self.first = f"{file}, line {rows['line'][0]:,}: '{rows['text'][0][:_SHOWN]}'"
        self.rows += rows.height


@dataclass
class Contradiction:
    """Two formats of a column that read a text as different dates, and the rows that speak for each of them or for neither.

    A row speaks for a format where the other cannot read it, or gives another year or month than the row states. `key` is where
    the config names the formats.
    """

    column: str
    key: str
    formats: tuple[str, str]
    written: DateFormat
    proofs: tuple[Sighting, Sighting] = field(default_factory=lambda: (Sighting(), Sighting()))
    open: Sighting = field(default_factory=Sighting)

    def proven(self, held: Sequence[str]) -> list[str]:
        """Return the format of the two that the column has, none where no row is of either; `held` are those it had before.

        Raises `DataError` where nothing decides, where both are proven, or another one than before.
        """
        found = [form for form, proof in zip(self.formats, self.proofs, strict=True) if proof.rows]
        before = [form for form in self.formats if form in held]
        here = f"the dates of {self.column}: {self.formats[0]} and {self.formats[1]} contradict each other"
        if len(found) == 2:
            shown = ", ".join(f"only {form} fits {self.shown(form)}" for form in self.formats)
            raise DataError(
                f"{here}, and the rows prove both: {shown}. Leave one of them in {self.key}; rows of the other are then set aside"
            )
        if len(before) == 1 and found and found != before:
            raise DataError(f"{here}; the dataset has {before[0]}, and only {found[0]} fits {self.shown(found[0])}")
        if not found and len(before) != 1 and self.open.rows:
            raise DataError(f"{here}, and no row decides between them ({self.open.first}); leave the right one in {self.key}")
        return found or (before if len(before) == 1 else [])

    def shown(self, form: str) -> str:
        """The first row that speaks for a format, and how many do."""
        proof = self.proofs[self.formats.index(form)]
        return f"{proof.first} ({proof.rows:,} rows)"


class DateProof:
    """Looks at the dates of all rows and says which of the contradicting formats each column has.

    `held` are the formats that the dataset has already, by column, where rows are appended to it.
    """

    def __init__(self, rules: TableRules, held: Mapping[str, Sequence[str]]) -> None:
        self._cleaning, self._held = rules.cleaning, held
        dated = {name: rules.date_format(name) for name in rules.columns.required if rules.columns.rule(name).is_date}
        self.contradictions = [
            Contradiction(name, _key(name, rules.cleaning), pair, written)
            for name, written in dated.items()
            for pair in contradicting(written)
        ]

    def see(self, file: str, rows: pl.DataFrame, lines: pl.Series) -> None:
        """Take further rows, with their lines; dates that are no texts prove nothing."""
        for each in self.contradictions:
            if rows.schema[each.column] == pl.String:
                _see(each, file, _with_stated(each.column, rows, self._cleaning).with_columns(lines.alias("line")))

    def proven(self) -> dict[str, tuple[str, ...]]:
        """Return the formats of each column without those that its rows disprove. Errors as `Contradiction.proven`."""
        formats = {each.column: list(each.written.formats) for each in self.contradictions}
        for each in self.contradictions:
            kept = each.proven(self._held.get(each.column, ()))
            for form in set(each.formats) - set(kept):
                if form in formats[each.column] and len(formats[each.column]) > 1:
                    formats[each.column].remove(form)
        return {name: tuple(left) for name, left in formats.items()}

    def notes(self) -> list[str]:
        """Say which formats were taken for their rows."""
        return [
            f"the dates of {each.column} are {form}, not {other}: only {form} fits {each.shown(form)}"
            for each in self.contradictions
            for form, other in (each.formats, each.formats[::-1])
            if each.proofs[each.formats.index(form)].rows
        ]


class DateLook(RowChecker):
    """Shows the rows of one file to a `DateProof`, and keeps none."""

    def __init__(self, rules: TableRules, name: str, header: tuple[str, ...], proof: DateProof) -> None:
        super().__init__(rules, name, header=header, fences=Fences(1), thousands=ThousandsWatch({}))
        self.numbers = {}
        self._file, self._proof = name, proof

    def check(self, rows: pl.DataFrame, first_line: int, _text: bytes) -> Checked:
        """Look at rows, each of which is one line of the text."""
        return self._look(rows, pl.int_range(first_line, first_line + rows.height, eager=True))

    def check_cells(self, cells: pl.DataFrame, lines: pl.Series, _malformed: Mapping[int, Malformed], _size: int) -> Checked:
        """Look at rows of typed cells."""
        return self._look(cells, lines)

    def check_texts(self, texts: pl.DataFrame, lines: pl.Series) -> Checked:
        """Look at rows of texts."""
        return self._look(texts, lines)

    def _look(self, rows: pl.DataFrame, lines: pl.Series) -> Checked:
        self._proof.see(self._file, rows, lines)
        return Checked(rows.clear(), pl.DataFrame(schema=reject_schema(self.header)), rows.height, {}, {}, 0)


def _key(column: str, cleaning: Cleaning) -> str:
    return f"cleaning.dates.{column}" if column in cleaning.dates else "cleaning.date_formats"


def contradicting(written: DateFormat) -> list[tuple[str, str]]:
    """Return the pairs of formats, in their order, that read a text as different dates."""
    return [pair for pair in combinations(written.formats, 2) if contradict(*pair, written)]


def _with_stated(name: str, rows: pl.DataFrame, cleaning: Cleaning) -> pl.DataFrame:
    """Return the texts of a column, and beside those of the date column the year and month that other columns state."""
    stated = {"year": cleaning.year_check_column, "month": cleaning.month_check_column} if name == cleaning.date_column else {}
    numbers = [
        pl.col(column).cast(pl.String).str.strip_chars().cast(pl.Int64, strict=False).alias(part)
        for part, column in stated.items()
        if column
    ]
    texts = pl.col(name) if IS_CELL + name not in rows.columns else pl.when(~pl.col(IS_CELL + name)).then(pl.col(name))
    return rows.select(texts.alias("text"), *numbers)


def _see(found: Contradiction, file: str, rows: pl.DataFrame) -> None:
    key = [name for name in rows.columns if name != "line"]
    distinct = rows.select(key).drop_nulls("text").unique()
    texts, (low, high) = distinct["text"].str.strip_chars(BLANKS), found.written.plausible_years
    dates = [read_as(texts, form, found.written.time_zone).dt.date() for form in found.formats]
    read = distinct.with_columns(
        each.set(~each.dt.year().is_between(low, high), None).alias(name) for name, each in zip("ab", dates, strict=True)
    )
    judged = rows.join(read.select(*key, _speaks_for(key)), on=key, nulls_equal=True).sort("line")
    for sighting, verdict in ((found.proofs[0], "a"), (found.proofs[1], "b"), (found.open, "open")):
        sighting.add(file, judged.filter(speaks_for=verdict))


def _speaks_for(key: Sequence[str]) -> pl.Expr:
    """The date, `a` or `b`, that a row speaks for: the only one, or the only one that agrees with what is stated."""
    a, b = pl.col("a").is_not_null(), pl.col("b").is_not_null()
    agrees_a, agrees_b = (pl.all_horizontal(pl.lit(True), *(_agrees(name, part) for part in key[1:])) for name in "ab")
    return (
        pl.when(a & b & agrees_a & ~agrees_b).then(pl.lit("a"))
        .when(a & b & agrees_b & ~agrees_a).then(pl.lit("b"))
        .when(a & b).then(pl.lit("open"))
        .when(a).then(pl.lit("a"))
        .when(b).then(pl.lit("b"))
        .alias("speaks_for")
    )  # fmt: skip


def _agrees(name: str, part: str) -> pl.Expr:
    stated: pl.Expr = getattr(pl.col(name).dt, part)().cast(pl.Int64) == pl.col(part)
    return stated.fill_null(False)
