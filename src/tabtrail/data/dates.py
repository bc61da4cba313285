"""Dates of many texts at once, as `contract.dates` reads one."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tabtrail.contract.dates import (
    EXCEL_DAY_ZERO,
    EXCEL_LEAP_DAY,
    EXCEL_PATTERN,
    FIRST_OF_1900S,
    MONTHS,
    WEEKDAYS,
    DateFormat,
    compile_format,
    has_offset,
    moment_of,
)
from tabtrail.contract.expressions import DAY_SECONDS
from tabtrail.contract.texts import BLANKS

MOMENT = pl.Datetime("us")
_NAMES = {name: number for names in (MONTHS, WEEKDAYS) for number, full in enumerate(names, 1) for name in (full, full[:3])}


def read_moments(texts: pl.Series, written: DateFormat) -> pl.Series:
    """Return date and time of each text, null where it is none; a year that is not plausible is left to be seen.

    Few texts of a column of dates are distinct, and each of them is read once.
    """
    distinct = texts.drop_nulls().unique()
    if not len(distinct):
        return pl.Series(texts.name, [None] * len(texts), dtype=MOMENT)
    read = _read(distinct.str.strip_chars(BLANKS), written).cast(MOMENT)
    return texts.replace_strict(distinct, read, default=None, return_dtype=MOMENT)


def to_doubles(column: pl.Series) -> NDArray[np.float64]:
    """Return numbers as doubles, dates as days since 1970-01-01, with the whole seconds of their time as a fraction (as
    `expressions.days_of` has it); NaN for null.
    """
    if column.dtype == MOMENT:
        seconds = (column.to_physical() // 1_000_000).cast(pl.Float64).to_numpy()
        # By numpy: Polars multiplies by the reciprocal, which gives another last bit.
        return np.asarray(seconds / DAY_SECONDS)
    return np.asarray(column.to_physical().cast(pl.Float64).to_numpy())


def _read(texts: pl.Series, written: DateFormat) -> pl.Series:
    """Take the first format that gives a plausible year, else the first that gives any."""
    found = [read_as(texts, form, written.time_zone) for form in written.formats]
    low, high = written.plausible_years
    frame = pl.DataFrame({str(index): each for index, each in enumerate(found)})
    columns = [pl.col(name) for name in frame.columns]
    plausible = [pl.when(column.dt.year().is_between(low, high)).then(column) for column in columns]
    return frame.select(pl.coalesce(*plausible, *columns)).to_series()


def read_as(texts: pl.Series, form: str, time_zone: str | None) -> pl.Series:
    """Read stripped texts in one format. Offsets go through Python: its zones are the authority, and Polars has its own."""
    if form in EXCEL_DAY_ZERO:
        return texts.to_frame("text").select(_excel_moments(form)).to_series()
    pattern = compile_format(form)
    groups = texts.str.extract_groups(f"(?i)^(?:{pattern.pattern})$").struct.unnest()
    if has_offset(form):
        matching = groups.get_column("d").is_not_null()
        read = [moment_of(text, form, time_zone) for text in texts.filter(matching)]
        return pl.Series([None] * len(texts), dtype=MOMENT).scatter(matching.arg_true(), read)
    return groups.select(_moments(set(pattern.groupindex))).to_series()


def _moments(parts: set[str]) -> pl.Expr:
    """Return the moment of parts of texts: columns named like the letters of the directives."""
    month = _number("m") if "m" in parts else _named(next(iter(parts & {"b", "B"})))
    day = _number("d") if "d" in parts else pl.lit(1, dtype=pl.Int64)
    year = _year(parts)
    # Polars refuses a day that its month does not have, so that days are counted from the first of the month.
    sound = year.is_between(1, 9999) & month.is_between(1, 12) & (day >= 1)
    first = pl.datetime(pl.when(sound).then(year), pl.when(sound).then(month), 1)
    date = first + pl.duration(days=day - 1)
    real = date.dt.month() == month
    for name in parts & {"a", "A"}:
        real &= date.dt.weekday() == _named(name)
    return pl.when(real & _whole_time(parts)).then(date + _time_of_day(parts)).cast(MOMENT)


def _year(parts: set[str]) -> pl.Expr:
    if "Y" in parts:
        return _number("Y")
    return _number("y") + pl.when(_number("y") >= FIRST_OF_1900S).then(1900).otherwise(2000)


def _whole_time(parts: set[str]) -> pl.Expr:
    """Tell where the time of day exists: digits of a fixed width are not bounded by their pattern."""
    most = {"H": 23, "M": 59, "S": 59}
    bounds = [_number(name) <= highest for name, highest in most.items() if name in parts]
    return pl.all_horizontal(bounds + ([_number("I").is_between(1, 12)] if "I" in parts else []) or [pl.lit(True)])


def _time_of_day(parts: set[str]) -> pl.Expr:
    zero = pl.lit(0, dtype=pl.Int64)
    hours = _number("H") if "H" in parts else zero
    if "I" in parts:
        hours = _number("I") % 12 + 12 * (pl.col("p").str.to_lowercase() == "pm").cast(pl.Int64)
    minutes, seconds = (_number(name) if name in parts else zero for name in "MS")
    fraction = pl.col("f").str.slice(0, 6).str.pad_end(6, "0").cast(pl.Int64).fill_null(0) if "f" in parts else zero
    return pl.duration(hours=hours, minutes=minutes, seconds=seconds, microseconds=fraction)


def _number(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Int64, strict=False)


def _named(name: str) -> pl.Expr:
    return pl.col(name).str.to_lowercase().replace_strict(_NAMES, default=None, return_dtype=pl.Int64)


def _excel_moments(form: str) -> pl.Expr:
    groups = pl.col("text").str.extract_groups(f"^{EXCEL_PATTERN}$").struct
    number = groups.field("1").cast(pl.Int64, strict=False)
    day_zero = EXCEL_DAY_ZERO[form]
    days = number + (number < EXCEL_LEAP_DAY).cast(pl.Int64) if form == "excel" else number
    exists = ~number.is_in([0, EXCEL_LEAP_DAY]) if form == "excel" else pl.lit(True)
    fraction = pl.concat_str(pl.lit("0"), groups.field("2")).cast(pl.Float64, strict=False).fill_null(0.0)
    seconds = (fraction * DAY_SECONDS + 0.5).floor().cast(pl.Int64).clip(0, DAY_SECONDS - 1)
    moment = pl.lit(day_zero).cast(MOMENT) + pl.duration(days=days, seconds=seconds)
    return pl.when(exists & (moment.dt.year() <= 9999)).then(moment).cast(MOMENT)
