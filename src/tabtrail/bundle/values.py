"""Values of rows to score: what each means by the reading of its column, and what the contract does not allow in it.

A row of JSON, of a file or of Python holds plain values and texts. Values of the type of their column stay as they are; texts
are read as the cells of the files of the training were.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from tabtrail.contract.cells import CellReading, read_text
from tabtrail.contract.dates import DateFormat, ImplausibleYear, check_format, contradict, disproven_format, read_moment
from tabtrail.contract.numbers import NumberFormat, read_integer, read_number
from tabtrail.contract.schema import FLAG_WORDS, ColumnRule, Feature
from tabtrail.contract.typed_cells import cell_text

MOST_EXACT = 2.0**53
"""The largest whole number up to which doubles hold every one: larger ones would reach the model changed."""
ISO = "%Y-%m-%d"
_ISO_MOMENTS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f")
_DAY_OF = re.compile("[T ]*%[HI]")  # what stands before the time of day in a format
_MOST_CHARACTERS = 10_000
_MOST_REMEMBERED = 4096  # different dates of a column, whose reading takes longer than looking them up
Read = Callable[[Any], Any]


@dataclass(frozen=True)
class Unread:
    """Stands for a text that means no value of its column, and says what it should be; the text itself is not in it.

    `contradicts` is the format that it has instead, where the rows of the training disproved that.
    """

    message: str
    contradicts: str | None = None


NOT_NAN = Unread("must be a number, not NaN")
_NO_NUMBER, _NOT_WHOLE = Unread("must be a number, not text"), Unread("must be a whole number")


def reader_of(feature: Feature) -> Read:
    """Return what reads a value of a column: a number, a text, a date as YYYY-MM-DD (with its time, where that
    is kept, as YYYY-MM-DDTHH:MM:SS), None for a missing one.

    In a text column a number, a truth value and a date are their texts, as they are where a training file has typed cells. A text
    that cannot be read becomes `Unread`; a value of another type stays, for `value_problem` to refuse.
    """
    if feature.kind == "numeric":
        read = _number_reader(feature.reading, whole=feature.rule.dtype == "int")
        return _flag_reader(read, feature.reading) if feature.rule.is_flag else read
    if feature.kind == "date":
        return _date_reader(feature)
    if feature.rule.dtype == "int":
        return _whole_text_reader(_number_reader(feature.reading, whole=True))
    return _text_reader(feature.reading)


def other_spellings(feature: Feature) -> Callable[[Any], bool] | None:
    """Return what tells whether a text is another spelling of one; None where the column has none."""
    reading = feature.reading
    if not reading.aliases:
        return None
    return lambda value: isinstance(value, str) and (text := reading.spell(value)) in reading.aliases and bool(text)


def iso_too(feature: Feature) -> DateFormat:
    """Return the way to read the dates of rows to score: the formats of the training files, then YYYY-MM-DD, unless that
    contradicts one of them, as `%Y-%d-%m`; where they keep the time of day, YYYY-MM-DDTHH:MM:SS, too with a blank for the T, and
    with an offset where there is a zone that it is turned into.
    """
    written, own = feature.reading.date, [ISO]
    if feature.rule.dtype == "datetime":
        offsets = ("", "%z") if written.time_zone is not None else ("",)
        own = [form + offset for form in _ISO_MOMENTS for offset in offsets]
    more = [form for form in own if form not in written.formats]
    # `%Y-%d-%m %H:%M` reads no text of the moments here, which have seconds, but whoever writes it means its days.
    days = [_DAY_OF.split(form)[0] for form in written.formats]
    if any(contradict(day, each, written) for each in (ISO, *more) for day in (*written.formats, *days) if not check_format(day)):
        return written
    return replace(written, formats=(*written.formats, *more))


def may_be_missing(feature: Feature) -> bool:
    """Whether a row may leave a column without a value: the contract allows it, or a word is filled in."""
    return feature.rule.nullable or feature.reading.fill is not None


def value_problem(feature: Feature, value: Any) -> str | None:
    """Return what the contract does not allow in a value that was read; None for a good one."""
    rule = feature.rule
    if value is None:
        return None if may_be_missing(feature) else "must not be null"
    if feature.kind == "categorical":
        return value.message if isinstance(value, Unread) else _text_problem(rule.allowed, value)
    if feature.kind == "date":
        return None if isinstance(value, str) else _problem_of_type(value, _date_words(iso_too(feature), feature.rule))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _problem_of_type(value, "must be a number")
    if abs(value) > MOST_EXACT:
        return "is too large (beyond 2**53)"
    if math.isnan(value):
        return NOT_NAN.message
    if rule.dtype == "int" and value != math.floor(value):
        return "must be a whole number"
    if rule.min is not None and value < rule.min:
        return f"must be at least {rule.min:g}"
    if rule.max is not None and value > rule.max:
        return f"must be at most {rule.max:g}"
    return None


def plainly_good(feature: Feature) -> Callable[[Any], bool]:
    """Return what tells at little cost that a value that was read is good: True only where `value_problem` finds nothing.

    It need not know every good value; `value_problem` judges those that it does not know.
    """
    if feature.kind == "date":
        return lambda value: type(value) is str
    if feature.kind == "categorical":
        texts = feature.categories if feature.rule.allowed is None else feature.rule.allowed
        known = frozenset(text for text in texts if value_problem(feature, text) is None)
        if feature.rule.allowed is not None:
            return lambda value: type(value) is str and value in known
        most = _MOST_CHARACTERS
        return lambda value: (
            type(value) is str and (value in known or (value.isascii() and len(value) <= most and "\0" not in value))
        )
    rule = feature.rule
    low = -MOST_EXACT if rule.min is None else max(rule.min, -MOST_EXACT)
    high = MOST_EXACT if rule.max is None else min(rule.max, MOST_EXACT)
    if rule.dtype == "int":
        return lambda value: type(value) is int and low <= value <= high
    return lambda value: (type(value) is float or type(value) is int) and low <= value <= high  # False for NaN


def _text_reader(reading: CellReading) -> Read:
    as_it_stands = not (reading.trim or reading.fold_case or reading.aliases or reading.nulls)

    def read(value: Any) -> Any:
        if isinstance(value, str):
            return (value or None) if as_it_stands else read_text(value, reading)
        if not isinstance(value, int | float | Decimal | date):
            return value
        try:
            text = cell_text(value)
        except ValueError:  # more digits than Python writes
            return value
        return None if text is None else read_text(text, reading)

    return read


def _problem_of_type(value: Any, wanted: str) -> str:
    return value.message if isinstance(value, Unread) else wanted


def null_numbers(reading: CellReading) -> frozenset[float]:
    """Return the numbers whose texts mean a missing value: -999, say."""
    found = set[float]()
    for text in reading.nulls:
        try:
            number = float(text)
        except ValueError:
            continue
        if cell_text(number) == text:
            found.add(number)
    return frozenset(found)


def _number_reader(reading: CellReading, *, whole: bool) -> Read:
    nulls = null_numbers(reading)

    def read(value: Any) -> Any:
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            return None if value in nulls else float(value) if isinstance(value, Decimal) else value
        if not isinstance(value, str):
            return value
        try:
            if reading.is_null(value):
                return None
            number = read_number(value, reading.number)
        except ValueError:
            return _NO_NUMBER
        return _integer(value, reading.number) if whole else number

    return read


def _flag_reader(read_other: Read, reading: CellReading) -> Read:
    def read(value: Any) -> Any:
        if isinstance(value, bool):
            return int(value)
        if isinstance(value, str) and (known := FLAG_WORDS.get(value.strip().lower())) is not None:
            return None if reading.is_null(value) else known
        return read_other(value)

    return read


def _whole_text_reader(read_number: Read) -> Read:
    """Return what reads a whole number that stands for a category, such as a store's: 007, 7 and 7.0 are one text."""

    def read(value: Any) -> Any:
        number = read_number(value)
        if isinstance(number, bool) or not isinstance(number, int | float):
            return number
        return str(int(number)) if abs(number) <= MOST_EXACT and number == int(number) else _NOT_WHOLE

    return read


def _integer(text: str, written: NumberFormat) -> int | Unread:
    try:
        return read_integer(text, written)
    except ValueError:
        return _NOT_WHOLE


def _date_reader(feature: Feature) -> Read:
    reading, written = feature.reading, iso_too(feature)
    timed = feature.rule.dtype == "datetime"
    first, last = written.plausible_years
    unread, implausible = Unread(_date_words(written, feature.rule)), Unread(f"must be a date of the years {first} to {last}")

    @lru_cache(_MOST_REMEMBERED)
    def read_known(text: str) -> Any:
        try:
            return None if reading.is_null(text) else _date_text(read_moment(text, written), timed=timed)
        except ImplausibleYear:
            return implausible
        except ValueError:
            form = disproven_format(text, written)
            return unread if form is None else replace(unread, contradicts=form)

    def read(value: Any) -> Any:
        if isinstance(value, str):
            return read_known(value) if len(value) <= _MOST_CHARACTERS else unread
        if isinstance(value, datetime):
            if value != value:  # pandas' NaT alone, its missing value
                return None
            moment = _local(value, written.time_zone)
            if moment is None:
                return unread
            return _date_text(moment, timed=timed) if first <= moment.year <= last else implausible
        if isinstance(value, date):
            if timed:  # a day is no point in time; where the formats take one for its midnight, its text is read
                return read_known(value.isoformat())
            return value.isoformat() if first <= value.year <= last else implausible
        # A number may be the serial number of a date; of others, too, the text decides, as where a training file has one.
        return read_known(str(cell_text(value))) if isinstance(value, int | float) and value < MOST_EXACT else value

    return read


def _local(moment: datetime, time_zone: str | None) -> datetime | None:
    """Return a point in time as the clocks of the zone show it; None for one with an offset where no zone is known."""
    if moment.tzinfo is None:
        return moment
    return None if time_zone is None else moment.astimezone(ZoneInfo(time_zone))


def _date_text(moment: datetime, *, timed: bool) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="seconds") if timed else moment.date().isoformat()


def _date_words(written: DateFormat, rule: ColumnRule) -> str:
    forms = ["YYYY-MM-DD" if form == ISO else form for form in written.formats]
    if rule.dtype == "datetime":
        forms = [form for form in forms if not form.startswith(_ISO_MOMENTS)] + ["YYYY-MM-DDTHH:MM:SS"]
    what = "a date and time" if rule.dtype == "datetime" else "a date"
    return f"must be {what}, written {' or '.join(forms)}"


def _text_problem(allowed: tuple[str | float, ...] | None, value: Any) -> str | None:
    if not isinstance(value, str):
        return "must be text"
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        return "must be text that can be encoded"
    if len(value) > _MOST_CHARACTERS or "\0" in value:
        return f"must have at most {_MOST_CHARACTERS:,} characters and no NUL"
    if allowed is not None and value not in allowed:
        return f"must be one of {', '.join(map(str, allowed))}"
    return None
