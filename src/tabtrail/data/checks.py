"""Rows of one file checked against the contract, by Polars: typed, cleaned and kept, or set aside with the rules they break."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import polars as pl

from tabtrail.config.dataset import TableRules
from tabtrail.data.dates import read_moments
from tabtrail.data.numbers import may_be_inexact
from tabtrail.data.offenders import RULES
from tabtrail.data.outliers import Fences
from tabtrail.data.rejects import reject_schema
from tabtrail.data.row_rules import POLARS_DTYPE, RAW, SPELLED, build_rules, respelled, spelled_by_tables, split_day, typed
from tabtrail.data.spellings import spelled
from tabtrail.data.thousands import Rows, ThousandsWatch
from tabtrail.data.typed_cells import as_text, converted, with_cells
from tabtrail.reading.cell_rows import CellRows, Malformed

_BAD = "_bad_"
_WARN = "_warn_"


@dataclass(frozen=True)
class Checked:
    """Rows of a stretch of text: `kept` as they go into the dataset, `rejects` as texts with line and rules, by line.

    `rows` counts both, `rejected` rows by rule, `warned` kept rows by warning; `size` is the text's length in bytes. `missing`
    counts the kept rows without a value in columns of which the dataset does not show it: they are filled, or dropped. `lines`
    are those of the kept rows; `again` checks those of them at some places once more, as texts.
    """

    kept: pl.DataFrame
    rejects: pl.DataFrame
    rows: int
    rejected: dict[str, int]
    warned: dict[str, int]
    size: int
    missing: Counter[str] = field(default_factory=Counter)
    lines: pl.Series = field(default_factory=lambda: pl.Series(dtype=pl.Int64))
    again: Callable[[Sequence[int]], pl.DataFrame] = lambda _: pl.DataFrame()


class RowChecker:
    """The rules over one header. Columns of `numbers` may be parsed by the CSV reader itself, which is faster than texts.

    The texts are the authority: a row that breaks a rule as parsed is checked again as texts, and a number column in which the
    reader found a null (a blank, say) is read as text from then on. A row that breaks no rule but lies outside of `fences` is
    set aside by the first of them alone.
    """

    def __init__(
        self, rules: TableRules, name: str, *, header: tuple[str, ...], fences: Fences, thousands: ThousandsWatch
    ) -> None:
        self._table, self._name, self.header, self._thousands = rules, name, header, thousands
        built = build_rules(rules)
        self._reject, self._warn, self._outliers = built.reject, built.warn, fences.rules
        self.rows_a_line = 1  # more where a line of a wide file is as many rows
        self._readings = {column: rules.reading(column) for column in header}
        self._tables, self._other_spellings = rules.aliases, spelled_by_tables(rules)
        self._days = [column for column in header if rules.columns.rule(column).dtype == "date"]
        dtypes = {column: POLARS_DTYPE.get(rules.columns.rule(column).dtype) for column in header}
        self.numbers: dict[str, pl.DataType] = {
            column: dtype()
            for column, dtype in dtypes.items()
            if dtype in (pl.Int64, pl.Float64) and not self._readings[column].nulls and self._readings[column].number.is_plain
        }

    @property
    def delimiter(self) -> str:
        return self._table.source.delimiter

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the rows that are checked: those of the header."""
        return self.header

    def long_frames(self, frame: pl.DataFrame, lines: pl.Series) -> Iterator[tuple[pl.DataFrame, pl.Series]]:
        """Yield the rows of a table that is long already."""
        yield frame, lines

    def long_rows(self, rows: CellRows) -> CellRows:
        """Return typed cells that are long already."""
        return rows

    def read_as_text(self, columns: set[str]) -> None:
        """Stop parsing these columns as numbers."""
        self.numbers = {name: dtype for name, dtype in self.numbers.items() if name not in columns}

    def with_nulls(self, rows: pl.DataFrame) -> set[str]:
        """Return the number columns that hold a null."""
        return {name for name in self.numbers if rows.get_column(name).null_count()}

    def check(self, rows: pl.DataFrame, first_line: int, text: bytes) -> Checked:
        """Check parsed rows, each of which is one line of the text."""
        marked = self._apply(rows, quoted=b'"' in text)
        self._thousands.see(Rows(marked, ~marked.get_column(_BAD), lambda places: self._texts_of(text, first_line, places)))
        bad = marked.get_column(_BAD).arg_true()
        warned = self._warned(marked)
        if not len(bad):
            no_rejects = pl.DataFrame(schema=reject_schema(self.header))
            kept, lines = self._kept(marked), pl.int_range(first_line, first_line + rows.height, eager=True)
            again = partial(self._mark_again, text, lines - first_line)
            return Checked(kept, no_rejects, rows.height, {}, warned, len(text), self._missing(marked), lines, again)
        texts = self._parse_again(text, bad)
        rest = self.check_texts(texts, pl.Series([first_line + index for index in bad], dtype=pl.Int64))
        right = marked.filter(~pl.col(_BAD))
        kept, missing = self._kept(right), self._missing(right)
        missing.update(rest.missing)  # which keeps the columns without a gap, as `+` does not
        lines = marked.get_column(_BAD).not_().arg_true().cast(pl.Int64) + first_line
        if rest.kept.height:
            at = pl.concat([lines, rest.lines])
            order = at.arg_sort()
            kept, lines = pl.concat([kept, rest.kept])[order.to_list()], at.gather(order)
        warned = {name: count + rest.warned[name] for name, count in warned.items()}
        again = partial(self._mark_again, text, lines - first_line)
        return Checked(kept, rest.rejects, rows.height, rest.rejected, warned, len(text), missing, lines, again)

    def _mark_again(self, text: bytes, places: pl.Series, chosen: Sequence[int]) -> pl.DataFrame:
        return self._apply(self._parse_again(text, places.gather(list(chosen))), quoted=True)

    def without(self, checked: Checked, places: Sequence[int], rule: str) -> Checked:
        """Return checked rows with some of the kept ones, by their places, set aside for a rule of rows among each other."""
        if not places:
            return checked
        gone = checked.again(places)
        rejects = self._rejects(gone.with_columns(checked.lines.gather(list(places)).alias("_line")), pl.lit(rule))
        stay = pl.Series(range(checked.kept.height), dtype=pl.Int64).is_in(list(places)).not_()
        warned, missing = self._warned(gone), self._missing(gone)
        return replace(
            checked,
            kept=checked.kept.filter(stay),
            lines=checked.lines.filter(stay),
            rejects=pl.concat([checked.rejects, rejects]).sort("_line", maintain_order=True),
            rejected={**checked.rejected, rule: len(places)},
            warned={name: count - warned[name] for name, count in checked.warned.items()},
            missing=Counter({name: count - missing[name] for name, count in checked.missing.items()}),
        )

    def _texts_of(self, text: bytes, first_line: int, places: Sequence[int]) -> pl.DataFrame:
        lines = pl.Series("_line", [first_line + place for place in places], dtype=pl.Int64)
        return self._parse_again(text, pl.Series(places)).with_columns(lines)

    def check_records(self, records: Mapping[int, Sequence[str]]) -> Checked:
        """Check records as `csv` read them, by line; those that have not the header's number of fields are set aside."""
        whole, ragged = parted(records, len(self.header), self.delimiter)
        texts = pl.DataFrame(list(whole.values()), schema=dict.fromkeys(self.header, pl.String), orient="row")
        checked = self.check_texts(texts, pl.Series(list(whole), dtype=pl.Int64))
        size = sum(len(field) for record in whole.values() for field in record)
        return self.with_malformed(replace(checked, size=size), ragged)

    def check_texts(self, texts: pl.DataFrame, lines: pl.Series) -> Checked:
        """Check rows of texts, each of which stands on one of the lines."""
        marked, places = self._apply(texts, quoted=True), lines.alias("_line")
        self._thousands.see(Rows(marked, ~marked.get_column(_BAD), lambda at: texts.with_columns(places)[list(at)]))
        return self._set_aside(marked, places)

    def check_cells(self, cells: pl.DataFrame, lines: pl.Series, malformed: Mapping[int, Malformed], size: int) -> Checked:
        """Check rows of typed cells (see `data.typed_cells`), each of which stands on one of the lines, in so many bytes."""
        self.numbers = {}  # typed cells may be empty, which numbers that the CSV reader parsed are not
        checked = replace(self._set_aside(self._apply(cells, quoted=True), lines), size=size)
        return self.with_malformed(checked, malformed)

    def with_malformed(self, checked: Checked, malformed: Mapping[int, Malformed]) -> Checked:
        """Return checked rows, and with them set aside what is no row, by line."""
        if not malformed:
            return checked
        set_aside = self._malformed(malformed)
        return replace(
            checked,
            rejects=pl.concat([checked.rejects, set_aside]).sort("_line", maintain_order=True),
            rows=checked.rows + set_aside.height,
            rejected={**checked.rejected, **Counter(set_aside.get_column(RULES))},
        )

    def _malformed(self, rows: Mapping[int, Malformed]) -> pl.DataFrame:
        rules, texts = [each.reason for each in rows.values()], [each.text for each in rows.values()]
        schema = {"_line": pl.Int64, RULES: pl.String, "_text": pl.String}
        malformed = pl.DataFrame({"_line": list(rows), RULES: rules, "_text": texts}, schema=schema)
        if self.rows_a_line > 1:  # as many rows are lost; the first of them has the text
            rest = malformed.with_columns(pl.lit(None, dtype=pl.String).alias("_text"))
            malformed = pl.concat([malformed, *[rest] * (self.rows_a_line - 1)]).sort("_line", maintain_order=True)
        return malformed.select(
            pl.lit(self._name).alias("_file"),
            "_line",
            RULES,
            *(pl.lit(None, dtype=pl.String).alias(name) for name in self.header),
            "_text",
        )

    def _parse_again(self, text: bytes, lines: pl.Series) -> pl.DataFrame:
        """Return some lines of a text, each one record, with every column as text."""
        found = text.split(b"\n")
        # After a line of ours: at the start of what it reads, Polars drops a mark and takes some texts for compressed data.
        ours = b"_" + self.delimiter.encode() * (len(self.header) - 1)
        return pl.read_csv(
            b"\n".join([ours, *(found[index] for index in lines)]),
            has_header=False,
            schema=dict.fromkeys(self.header, pl.String()),
            separator=self.delimiter,
        ).slice(1)

    def _set_aside(self, marked: pl.DataFrame, lines: pl.Series) -> Checked:
        """Return the good rows of those that are marked, and the others with their lines, texts and rules."""
        bad = marked.get_column(_BAD)
        broken = [pl.when(expression).then(pl.lit(name)) for name, expression in self._reject.items()]
        outlier = [pl.when(expression).then(pl.lit(name)) for name, expression in self._outliers.items()]
        rules = pl.concat_str(broken, separator="; ", ignore_nulls=True) if broken else pl.lit("")
        wrong = marked.with_columns(lines.alias("_line")).filter(bad)
        rejects = self._rejects(wrong, pl.when(rules != "").then(rules).otherwise(pl.coalesce(outlier)) if outlier else rules)
        rejected = self._rejected(wrong, rejects)
        right, warned = marked.filter(~bad), self._warned(marked)
        kept, missing = self._kept(right), self._missing(right)
        return Checked(kept, rejects, marked.height, rejected, warned, 0, missing, lines.filter(~bad), lambda at: right[list(at)])

    def _rejects(self, wrong: pl.DataFrame, rules: pl.Expr) -> pl.DataFrame:
        """Return marked rows, with their `_line`, as they are set aside."""
        return wrong.select(
            pl.lit(self._name).alias("_file"),
            "_line",
            rules.alias(RULES),
            *(as_text(wrong.get_column(RAW + name)).alias(name) for name in self.header),
            pl.lit(None, dtype=pl.String).alias("_text"),
        )

    def _rejected(self, wrong: pl.DataFrame, rejects: pl.DataFrame) -> dict[str, int]:
        """Return how many rows broke each rule; a row may break several, but is an outlier of one column at most."""
        sums = [expression.sum().alias(str(index)) for index, expression in enumerate(self._reject.values())]
        counts = dict(zip(self._reject, wrong.select(sums).row(0) if sums else (), strict=True))
        for name in self._outliers:
            counts[name] = int((rejects.get_column(RULES) == name).sum())
        return {name: int(count) for name, count in counts.items() if count}

    def _warned(self, marked: pl.DataFrame) -> dict[str, int]:
        return {name: int(marked.get_column(_WARN + name).sum()) for name in self._warn}

    def _apply(self, rows: pl.DataFrame, *, quoted: bool) -> pl.DataFrame:
        """Return typed columns, their raw values `_raw_X`, whether the row is `_bad_`, and where it is not, its warnings."""
        dtypes = rows.schema
        spelled = [each for each in map(self._spelled, rows.select(self.header).get_columns()) if each is not None]
        frame = rows.with_columns(spelled).with_columns(self._nulls_for_texts(dtypes, quoted=quoted))
        raw = [pl.col(name).alias(RAW + name) for name in self.header]
        raw += [pl.col(name).alias(SPELLED + name) for name in self._other_spellings]
        # What is set aside stands as in the file, and is missing where the text that is read is.
        as_written = [pl.when(pl.col(each.name).is_not_null()).then(rows[each.name]).alias(RAW + each.name) for each in spelled]
        parsed = [name for name in self.header if name in self.numbers and dtypes[name] != pl.String]
        types = [self._typed(name, frame) for name in self.header if name not in parsed]
        # Columns that were parsed as numbers hold no null (see `with_nulls`), so that these rules cannot be broken.
        doubtful = [may_be_inexact(pl.col(name)) for name in parsed if dtypes[name] == pl.Float64]
        kept = {f"{name}: {what}" for name in parsed for what in ("missing", f"not {self._table.columns.rule(name).dtype}")}
        rules = [expression for name, expression in self._reject.items() if name not in kept]
        bad = pl.any_horizontal([pl.lit(False), *rules, *doubtful, *self._outliers.values()]).alias(_BAD)
        warned = [(expression & ~pl.col(_BAD)).alias(_WARN + name) for name, expression in self._warn.items()]
        return (
            frame.lazy()
            .with_columns(raw)
            .with_columns(as_written)
            .with_columns(types)
            .pipe(self._respelled)
            .with_columns(each for name in self._days for each in split_day(name))
            .with_columns(bad)
            .with_columns(warned)
            .collect()
        )

    def _respelled(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Return typed rows with the texts that stand for other spellings, contexts first."""
        for table in self._tables:
            rows = rows.with_columns(respelled(table))
        return rows

    def _spelled(self, column: pl.Series) -> pl.Series | None:
        """Return a column of texts in its spelling; None where texts stay as they stand."""
        reading = self._readings[column.name]
        changes = (reading.trim or reading.fold_case) and column.dtype == pl.String
        return spelled(column, reading).alias(column.name) if changes else None

    def _nulls_for_texts(self, dtypes: pl.Schema, *, quoted: bool) -> list[pl.Expr]:
        """Return the text columns with null for the empty text (which Polars makes null where nothing is quoted) and for the
        texts that the config says mean a missing value.
        """
        texts = []
        for name in self.header:
            reading = self._readings[name]
            nulls = reading.nulls
            if dtypes[name] == pl.String and (quoted or nulls or reading.trim):
                is_null = pl.col(name).is_in(["", *nulls]) if nulls else pl.col(name) == ""
                texts.append(pl.when(~is_null).then(pl.col(name)).alias(name))
        return texts

    def _typed(self, name: str, frame: pl.DataFrame) -> pl.Expr:
        rule = self._table.columns.rule(name)
        if (dtype := frame.schema[name]) != pl.String:
            return converted(name, dtype, rule, self._table.cleaning.time_zone)
        if rule.is_date:
            read = pl.lit(read_moments(frame.get_column(name), self._table.date_format(name))).alias(name)
        else:
            read = typed(name, rule, self._readings[name])
        return with_cells(name, read, frame.columns, RAW + name)

    def _missing(self, good: pl.DataFrame) -> Counter[str]:
        names = [name for name in self._table.cleaning.changed_columns if name in self.header]
        return Counter({name: good.get_column(RAW + name).null_count() for name in names})

    def _kept(self, good: pl.DataFrame) -> pl.DataFrame:
        cleaning = self._table.cleaning
        names = [name for name in self.header if name not in cleaning.drop_columns]
        fills = [pl.col(name).fill_null(self._readings[name].fill) for name in cleaning.fill_unknown_columns if name in names]
        kept = good.select(names).with_columns(fills)
        if cleaning.date_column is None:
            return kept
        date = pl.col(cleaning.date_column).dt
        return kept.with_columns(date.year().cast(pl.Int32).alias("YEAR"), date.month().cast(pl.Int32).alias("MONTH"))


def parted(
    records: Mapping[int, Sequence[str]], width: int, delimiter: str
) -> tuple[dict[int, Sequence[str]], dict[int, Malformed]]:
    """Return the records, by line, that have so many fields, and the others as what is set aside."""
    whole = {line: record for line, record in records.items() if len(record) == width}
    ragged = {
        line: Malformed(f"ragged: {len(record)} fields, the header has {width}", delimiter.join(record))
        for line, record in records.items()
        if len(record) != width
    }
    return whole, ragged
