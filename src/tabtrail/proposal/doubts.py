"""Texts that hold numbers or dates which are not read: said, so that nothing is lost in silence."""

import re
from collections import Counter

from tabtrail.contract.texts import BLANKS
from tabtrail.proposal.seen import Seen
from tabtrail.proposal.words import looks_like_number

_LOOKED_AT = 400  # of the most frequent texts
_MOSTLY, _HALF = 0.9, 0.5  # shares of their rows
_MOST_UNITS, _RARE_UNIT = 4, 0.005  # of a column, and the share of the rows below which one is a slip
_WITH_UNIT = re.compile(r"^[-+]?[0-9][0-9.,]*\s*([^\W\d_][^\d\s]{0,9}|[^\W\d_]{1,4}/[^\W\d_]{1,6})$")
_LABEL = re.compile(r"(?i)phone|tel(?:efon)?(?:$|[_\W])|fax|zip|plz|post.?code|postal|(?:^|[_\W])(?:id|code|sku|ref)(?:$|[_\W])")
_CALENDAR = (
    (
        re.compile(
            r"(?i)^(?:\d+\s?(?:d|days?|h|hrs?|hours?|std)\.?\s?)+(?:\d+\s?(?:m|mins?|minutes?)?\.?)?$|^\d+\s?(?:m|mins?)$"
        ),
        "durations",
        "a number of one unit, as 90 for 1h 30m",
    ),
    (re.compile(r"(?i)^[0-2]?\d:[0-5]\d(?::[0-5]\d)?(?:\s?[ap]m)?$"), "times of day", "the hour as a number, as 8.5 for 08:30"),
    (re.compile(r"(?i)^\d{4}[- ]?[WK]W?\d{1,2}$"), "weeks", "the day that each begins on, as 2023-01-02"),
    (re.compile(r"(?i)^(?:\d{4}[- ]?Q[1-4]|Q[1-4][- ]?\d{4})$"), "quarters", "the day that each begins on, as 2023-04-01"),
)
_FOREIGN_DAY = re.compile(r"^[0-9]{1,2}\.?[ -](?:de )?([^\W\d_]{3,12})\.?,?[ -](?:de )?[0-9]{4}$")


def doubt_of(seen: Seen) -> str:
    """Return what a column of texts holds that may be wanted as numbers or dates, and the edit for it; nothing for others."""
    counts = seen.known.head(_LOOKED_AT)
    texts = [(text.strip(BLANKS), int(rows)) for text, rows in counts.select("text", "rows").rows()]
    total = sum(rows for _, rows in texts)
    looks = (_calendar, _several_units, _foreign_days, _mixed)
    return next((found for look in looks if (found := look(seen, texts, total))), "")


def _calendar(seen: Seen, texts: list[tuple[str, int]], total: int) -> str:
    """Return what is said of durations, times of day, weeks and quarters, which are kept as texts."""
    for pattern, what, edit in _CALENDAR:
        if total and sum(rows for text, rows in texts if pattern.match(text)) >= _MOSTLY * total:
            shown = next((text for text, _ in texts if " " in text), texts[0][0])
            return f"{what}, as {seen.example(shown)}, are kept as texts; to learn from their size or order, write {edit}"
    return ""


def _several_units(seen: Seen, texts: list[tuple[str, int]], total: int) -> str:
    units, read = Counter[str](), 0
    for text, rows in texts:
        if match := _WITH_UNIT.match(text):
            units[match[1]] += rows
            read += rows
        elif looks_like_number(text):
            read += rows
    often = {unit: rows for unit, rows in units.most_common() if rows >= _RARE_UNIT * total}
    if read < _MOSTLY * total or not 2 <= len(often) <= _MOST_UNITS:
        return ""
    shown = ", ".join(f"{unit} in {rows:,} rows" for unit, rows in often.items())
    return (
        f"its numbers have several units ({shown}), and nothing is converted; if they measure the same, write dtype: float,"
        f" number: {{strip: [{', '.join(often)}]}} and move {seen.name} into numeric_features"
    )


def _foreign_days(seen: Seen, texts: list[tuple[str, int]], total: int) -> str:
    if sum(rows for text, rows in texts if _FOREIGN_DAY.match(text)) < _MOSTLY * total:
        return ""
    return (
        f"dates with names of months that are not English, as {seen.example(texts[0][0])}, are not read; write them as 2024-12-31"
    )


def _mixed(seen: Seen, texts: list[tuple[str, int]], total: int) -> str:
    if _LABEL.search(seen.name):
        return ""  # digits that nobody adds up
    numbers = [(text, rows) for text, rows in texts if looks_like_number(text)]
    others = [(text, rows) for text, rows in texts if not looks_like_number(text)]
    read = sum(rows for _, rows in numbers)
    if not others or read < _HALF * total:
        return ""
    return (
        f"{read:,} of {total:,} rows hold what may be numbers, as {seen.example(numbers[0][0])}, others not,"
        f" as {seen.example(others[0][0])}; name the words that mean a missing one in source.null_values, write dtype: float,"
        f" and move {seen.name} into numeric_features, if it is one of numbers"
    )
