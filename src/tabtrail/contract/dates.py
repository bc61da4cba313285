"""How a date is written, and what such a text means: the authority for files, requests and frames.

Formats are written in the words of `strptime` and read strictly: `%Y` is exactly four digits, `%m %d %H %M %S %I` are one or two
(two where digits stand beside them), names of months and days are English in any case, and nothing may be left over. `%y` is
19xx from 69 on (POSIX). `%z` (`+05:30`, `-0500`, `+02`, `Z`) is turned into the time of `time_zone`; other texts are that time.
A month without a day, as `%Y-%m`, is its first one.
`%.f` is a fraction of a second with its dot, or nothing. The format `excel` reads Excel's serial numbers (day 1 is 1900-01-01,
and the 29 February 1900, which Excel has and the calendar has not, is no date), `excel-1904` those of workbooks that count from
1904-01-01; their fractions are times of day, to the second.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

from tabtrail.contract.texts import BLANKS

MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
FIRST_OF_1900S = 69  # two digits of a year from here on are of the 1900s (POSIX)
EXCEL_DAY_ZERO = {"excel": date(1899, 12, 30), "excel-1904": date(1904, 1, 1)}
EXCEL_LEAP_DAY = 60  # the 29 February 1900; the days before it lie a day later than the ones after it say
EXCEL_PATTERN = r"([0-9]{1,7})(\.[0-9]{1,15})?"

_WHOLE = {"F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M", "D": "%m/%d/%y"}
_TOKEN = re.compile(r"%(\.[369]?f|.)|([^%]+)", re.DOTALL)
_HOUR, _SIXTY = "[01]?[0-9]|2[0-3]", "[0-5]?[0-9]"
_DIGITS = {"m": "0?[1-9]|1[0-2]", "d": "0?[1-9]|[12][0-9]|3[01]", "H": _HOUR, "I": "0?[1-9]|1[0-2]", "M": _SIXTY, "S": _SIXTY}
_PATTERNS = {
    "Y": "[0-9]{4}",
    "y": "[0-9]{2}",
    "b": "|".join(name[:3] for name in MONTHS),
    "B": "|".join(MONTHS),
    "a": "|".join(name[:3] for name in WEEKDAYS),
    "A": "|".join(WEEKDAYS),
    "p": "am|pm",
    "f": "[0-9]{1,9}",
    "z": r"[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?|z",
}
_READ = ", ".join(f"%{letter}" for letter in (*_PATTERNS, *_DIGITS, *"he", *_WHOLE)) + ", %.f and %%, or excel, excel-1904"


_EXCHANGEABLE = tuple(datetime(2000 + a, b, c) for a, b, c in ((1, 2, 3), (3, 1, 2), (2, 3, 1), (10, 11, 12), (12, 10, 11)))
_PLAIN = re.compile(r"%\.[369]?f")


@dataclass(frozen=True)
class DateFormat:
    """The formats of the dates of one column, in the words of `strptime`, and the years that they may have.

    `disproven` are formats that the config names too, which contradict these, and which the rows of the training disproved.
    """

    formats: tuple[str, ...] = ("%Y-%m-%d",)
    plausible_years: tuple[int, int] = (1900, 2100)
    time_zone: str | None = None
    disproven: tuple[str, ...] = ()


class ImplausibleYear(ValueError):  # noqa: N818 - a caller treats it otherwise than a text that is not a date
    """A text is a date, but none of the plausible years."""


def read_date(text: str, written: DateFormat) -> date:
    """Return the date that a text means.

    Raises `ValueError` for a text that is none, `ImplausibleYear` (one of them) for one outside the plausible years.
    """
    return read_moment(text, written).date()


def read_moment(text: str, written: DateFormat) -> datetime:
    """Return date and time of day (0:00 where the text has none) that a text means; errors as `read_date`."""
    stripped = text.strip(BLANKS)
    outside: datetime | None = None
    for form in written.formats:
        found = moment_of(stripped, form, written.time_zone)
        if found is None:
            continue
        if _is_plausible(found, written):
            return found
        outside = outside or found
    if outside is not None:
        raise ImplausibleYear(f"the year {outside.year} is outside {written.plausible_years[0]} to {written.plausible_years[1]}")
    raise ValueError(f"not a date of the formats {', '.join(written.formats)}")


def disproven_format(text: str, written: DateFormat) -> str | None:
    """Return the disproven format that a text, which is of none of the others, has; None where it has none."""
    for form in written.disproven:
        found = moment_of(text.strip(BLANKS), form, written.time_zone)
        if found is not None and _is_plausible(found, written):
            return form
    return None


def _is_plausible(moment: datetime, written: DateFormat) -> bool:
    return written.plausible_years[0] <= moment.year <= written.plausible_years[1]


def moment_of(text: str, form: str, time_zone: str | None = None) -> datetime | None:
    """Return what a text without blanks around means in one format, of any year; None where it does not have the format."""
    try:
        if form in EXCEL_DAY_ZERO:
            return _excel_moment(text, form)
        match = compile_format(form).fullmatch(text)
        return None if match is None else _moment(match.groupdict(), time_zone)
    except (ValueError, OverflowError):
        return None


def check_format(form: str) -> str | None:
    """Return what is wrong with a format, or None."""
    if form in EXCEL_DAY_ZERO:
        return None
    try:
        parts = set(compile_format(form).groupindex)
    except ValueError as error:
        return str(error)
    years, months, days, hours = (len(parts & set(same)) for same in ("Yy", "mbB", "d", "HI"))
    if not (years and months) or (not days and parts & {*"aAHIz"}):
        return f"'{form}' gives no date; write day, month and year, as %d.%m.%Y, or month and year"
    if max(years, months, hours) > 1 or ("I" in parts) != ("p" in parts):
        return f"'{form}' says a part twice, or has one of %I and %p without the other"
    return None


def contradict(first: str, second: str, written: DateFormat) -> bool:
    """Whether two formats read a text as different dates, as `%m/%d/%Y` and `%d/%m/%Y` do.

    Tried on dates whose year, month and day could each stand for another of them.
    """
    for one, other in ((first, second), (second, first)):
        for day in _EXCHANGEABLE:
            text = day.strftime(_PLAIN.sub("", one.replace("%z", "Z"))) if one not in EXCEL_DAY_ZERO else _excel_number(day, one)
            here, there = (moment_of(text, form, "UTC") for form in (one, other))
            if here and there and here.date() != there.date() and _is_plausible(here, written) and _is_plausible(there, written):
                return True
    return False


def has_offset(form: str) -> bool:
    """Whether texts of a format say their distance from UTC."""
    return form not in EXCEL_DAY_ZERO and "z" in compile_format(form).groupindex


def has_time(form: str) -> bool:
    """Whether texts of a format may say the time of day."""
    return form in EXCEL_DAY_ZERO or not {"H", "I"}.isdisjoint(compile_format(form).groupindex)


def is_time_zone(name: str) -> bool:
    """Whether the time zone database has such a zone."""
    try:
        _zone(name)
    except (ValueError, KeyError, OSError):  # a path, a zone that is not there, the name of a folder
        return False
    return True


@lru_cache(maxsize=256)
def compile_format(form: str) -> re.Pattern[str]:
    """Return the pattern of a format's texts, a group for each part; names in any case. Raises `ValueError`, naming the part.

    The pattern is within the syntax that Rust's regex crate reads, too.
    """
    tokens = list(_tokens(form))
    parts = [_part(tokens, index, form) for index in range(len(tokens))]
    try:
        # Of the ASCII letters alone: without re.ASCII, `ı` and `ſ` would be an `i` and an `s` in another case.
        return re.compile("".join(parts), re.IGNORECASE | re.ASCII)
    except re.error:
        raise ValueError(f"'{form}' says a part twice") from None


def _tokens(form: str) -> Iterator[tuple[str, str]]:
    """Yield directives as `("%", letter)` and texts between them as `("", text)`."""
    whole = re.sub("%([FTRD])", lambda match: _WHOLE[match[1]], form)
    end = 0
    for match in _TOKEN.finditer(whole):
        end = match.end()
        if match[1] == "%":
            yield "", "%"
        elif match[1]:
            yield "%", "b" if match[1] == "h" else match[1]
        else:
            yield "", match[2]
    if end < len(whole):
        raise ValueError(f"'{form}' ends in a single %")


def _part(tokens: list[tuple[str, str]], index: int, form: str) -> str:
    mark, name = tokens[index]
    if not mark:
        # Case counts in texts between the parts: a `T` is no `t`.
        return f"(?-i:{re.escape(name)})"
    if name.startswith("."):
        count = name[1:-1]
        return rf"\.(?P<f>[0-9]{{{count}}})" if count else r"(?:\.(?P<f>[0-9]{1,9}))?"
    if name == "e":
        return f" ?(?P<d>{_DIGITS['d']})"
    if name in _DIGITS:
        if _digits_beside(tokens, index):
            return f"(?P<{name}>[0-9]{{2}})"
        return f"(?P<{name}>{_DIGITS[name]})"
    if name not in _PATTERNS:
        raise ValueError(f"'{form}': %{name} is not read; there are {_READ}")
    return f"(?P<{name}>{_PATTERNS[name]})"


def _digits_beside(tokens: list[tuple[str, str]], index: int) -> bool:
    """Tell whether a part stands beside other digits, so that only its width says where it ends."""
    before = tokens[index - 1] if index else ("", "")
    after = tokens[index + 1] if index + 1 < len(tokens) else ("", "")
    return any(
        (mark and (name in _DIGITS or name in ("Y", "y", "f"))) or (not mark and edge.isdigit())
        for (mark, name), edge in ((before, before[1][-1:]), (after, after[1][:1]))
    )


def _moment(parts: Mapping[str, str | None], time_zone: str | None) -> datetime:
    year = int(parts.get("Y") or parts["y"] or "")
    if parts.get("Y") is None:
        year += 1900 if year >= FIRST_OF_1900S else 2000
    fraction = (parts.get("f") or "").ljust(6, "0")[:6]
    moment = datetime(
        year,
        _month(parts),
        int(parts.get("d") or 1),
        _hour(parts),
        int(parts.get("M") or 0),
        int(parts.get("S") or 0),
        int(fraction),
    )
    day = parts.get("a") or parts.get("A")
    if day is not None and not WEEKDAYS[moment.weekday()].startswith(day.lower()):
        raise ValueError("another day of the week")
    offset = parts.get("z")
    if offset is None:
        return moment
    return moment.replace(tzinfo=_offset(offset)).astimezone(_zone(time_zone)).replace(tzinfo=None)


def _month(parts: Mapping[str, str | None]) -> int:
    name = parts.get("b") or parts.get("B")
    if name is None:
        return int(parts["m"] or "")
    return next(number for number, month in enumerate(MONTHS, 1) if month[:3] == name[:3].lower())


def _hour(parts: Mapping[str, str | None]) -> int:
    if (hour := parts.get("I")) is not None:
        return int(hour) % 12 + (12 if (parts["p"] or "").lower() == "pm" else 0)
    return int(parts.get("H") or 0)


def _offset(text: str) -> timezone:
    if text in "zZ":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    ahead = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-ahead if text[0] == "-" else ahead)


@lru_cache(maxsize=16)
def _zone(name: str | None) -> ZoneInfo:
    return ZoneInfo(name or "UTC")


def _excel_number(day: datetime, form: str) -> str:
    return str((day.date() - EXCEL_DAY_ZERO[form]).days)


def _excel_moment(text: str, form: str) -> datetime | None:
    match = re.fullmatch(EXCEL_PATTERN, text)
    if match is None:
        return None
    number = int(match[1])
    if form == "excel" and number in (0, EXCEL_LEAP_DAY):
        return None
    day = EXCEL_DAY_ZERO[form] + timedelta(days=number + (form == "excel" and number < EXCEL_LEAP_DAY))
    seconds = min(int(float("0" + (match[2] or "")) * 86400 + 0.5), 86399)
    return datetime(day.year, day.month, day.day) + timedelta(seconds=seconds)
