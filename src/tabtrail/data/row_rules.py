"""The contract of columns and rows as Polars expressions over typed columns `X` and their texts `_raw_X`."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time, timedelta

import polars as pl

from tabtrail.config.cleaning import Cleaning
from tabtrail.config.dataset import TableRules
from tabtrail.contract.aliases import ContextAliases
from tabtrail.contract.cells import CellReading
from tabtrail.contract.expressions import parse_expression
from tabtrail.contract.schema import FLAG_WORDS, ColumnRule
from tabtrail.data.numbers import to_number
from tabtrail.data.polars_expressions import to_polars

LOST_TIME = ": with a time of day, which dtype: datetime would keep"
RAW, TIME, SPELLED = "_raw_", "_time_", "_spelled_"
_PART, _MISSING = "\x00", "\x01"  # no cell holds NUL, so that no text can be taken for two
POLARS_DTYPE = {"int": pl.Int64, "float": pl.Float64, "string": pl.String}


@dataclass(frozen=True)
class RowRules:
    """Conditions that are true where a row breaks them, by rule name (`COLUMN: what` for column rules).

    A row that breaks one of `reject` is set aside, one that breaks one of `warn` is counted.
    """

    reject: dict[str, pl.Expr]
    warn: dict[str, pl.Expr]


def build_rules(rules: TableRules) -> RowRules:
    """Return the rules of a contract."""
    reject: dict[str, pl.Expr] = {}
    for name in rules.columns.required:
        if name not in rules.cleaning.drop_columns:
            reject.update(_column_rules(rules, name))
    reject.update(_date_rules(rules.cleaning))
    warn: dict[str, pl.Expr] = {}
    for row in rules.contract.rows:
        (reject if row.action == "reject" else warn)[row.name] = ~to_polars(parse_expression(row.check))
    warn.update(_date_warnings(rules))
    for name in spelled_by_tables(rules):
        warn[f"{name}: another spelling, replaced by cleaning.aliases"] = pl.col(SPELLED + name) != pl.col(name)
    return RowRules(*({name: broken.fill_null(False) for name, broken in each.items()} for each in (reject, warn)))


def spelled_by_tables(rules: TableRules) -> list[str]:
    """Return the columns of the dataset in which texts have other spellings."""
    return [name for name in rules.cleaning.aliases if name not in rules.cleaning.drop_columns]


def typed(name: str, rule: ColumnRule, reading: CellReading) -> pl.Expr:
    """Return the expression that turns a column of text (no dates) into its declared type; what cannot be turned becomes null.

    Texts are in the spelling of the column already.
    """
    column = pl.col(name)
    if rule.dtype == "string":
        return column.replace(reading.aliases) if reading.aliases else column
    if rule.is_flag:
        column = _without_flag_words(column)
    return to_number(column, reading.number, POLARS_DTYPE[rule.dtype]())


def respelled(table: ContextAliases) -> pl.Expr:
    """Return the column of a table of other spellings with the texts that stand for them; contexts are read already."""
    column = pl.col(table.column)
    key = pl.concat_str([pl.col(name).fill_null(_MISSING) for name in (*table.within, table.column)], separator=_PART)
    texts = {_PART.join(_MISSING if text is None else text for text in texts): means for texts, means in table.texts.items()}
    found = key.replace_strict(list(texts), list(texts.values()), default=None, return_dtype=pl.String)
    return pl.when(column.is_in(list(table.spellings))).then(pl.coalesce(found, column)).otherwise(column).alias(table.column)


def _without_flag_words(text: pl.Expr) -> pl.Expr:
    """Return the texts of a column that is 0 or 1 with words such as `true` and `nein`, in capitals or not, as these."""
    digits = {word: str(value) for word, value in FLAG_WORDS.items()}
    return text.str.strip_chars().str.to_lowercase().replace_strict(digits, default=text, return_dtype=pl.String)


def split_day(name: str) -> tuple[pl.Expr, pl.Expr]:
    """Return the days of a column of points in time, and under `_time_X` whether they have a time of day that is no midnight."""
    return pl.col(name).cast(pl.Date), (pl.col(name).dt.time() != time()).fill_null(False).alias(TIME + name)


def _column_rules(rules: TableRules, name: str) -> Iterator[tuple[str, pl.Expr]]:
    rule = rules.columns.rule(name)
    column, raw = pl.col(name), pl.col(RAW + name)
    if rule.dtype != "string":
        what = "a date of the formats" if rule.is_date else rule.dtype
        yield f"{name}: not {what}", column.is_null() & raw.is_not_null()
    if rule.is_date:
        low, high = rules.cleaning.plausible_years
        yield f"{name}: year outside {low} to {high}", ~column.dt.year().is_between(low, high)
    if rule.dtype == "float":
        yield f"{name}: not finite", ~column.is_finite()
    if (not rule.nullable or (rules.needed and name == rules.target)) and name not in rules.cleaning.fill_unknown_columns:
        yield f"{name}: missing", raw.is_null()
    if rule.min is not None:
        yield f"{name}: below {rule.min:g}", column < rule.min
    if rule.max is not None:
        yield f"{name}: above {rule.max:g}", column > rule.max
    if rule.allowed is not None:
        values = pl.Series(rule.allowed, dtype=pl.String if rule.dtype == "string" else pl.Float64)
        yield f"{name}: not an allowed value", ~column.is_in(values.cast(POLARS_DTYPE[rule.dtype]).implode())


def _date_warnings(rules: TableRules) -> Iterator[tuple[str, pl.Expr]]:
    """Yield warnings of dates that lose their time of day, and of those that may be of another century or wrong: years of two
    digits in the future, and appended dates later than a year after the last one of the dataset.
    """
    for name in rules.columns.required:
        if not rules.columns.rule(name).is_date or name in rules.cleaning.drop_columns:
            continue
        if rules.columns.rule(name).dtype == "date":
            yield f"{name}{LOST_TIME}", pl.col(TIME + name)
        if any("%y" in form or "%D" in form for form in rules.date_format(name).formats):
            yield f"{name}: in the future, by a year of two digits", pl.col(name) > date.today()
        if (last := rules.last_dates.get(name)) is not None:
            yield f"{name}: more than a year after {last}", pl.col(name) > last + timedelta(days=365)


def _date_rules(cleaning: Cleaning) -> Iterator[tuple[str, pl.Expr]]:
    """Yield the rules that compare a date with columns that state its year and month: day and month may be exchanged."""
    if cleaning.date_column is None:
        return
    date = pl.col(cleaning.date_column).dt
    for part, column in ((date.year(), cleaning.year_check_column), (date.month(), cleaning.month_check_column)):
        if column is not None:
            stated = pl.col(column).cast(pl.Int64, strict=False)
            yield f"{cleaning.date_column}: disagrees with {column}", part.cast(pl.Int64) != stated
