"""What edit of the config would read texts that are no dates of its formats."""

from collections.abc import Sequence
from dataclasses import replace

from tabtrail.contract.dates import DateFormat, ImplausibleYear, has_offset, read_moment

_DAYS = ("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d")
_NAMED = ("%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%y", "%b-%d-%y")
_SHORT = ("%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%y-%m-%d")
_TIMES = ("", " %H:%M", " %H:%M:%S", "T%H:%M:%S", " %H:%M:%S.%f", "T%H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
_OFFSETS = ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%d %H:%M:%S.%f%z")
_MONTHS = ("%Y-%m", "%m/%Y", "%b %Y", "%B %Y", "%b-%y")
_FORMATS = (*(day + time for day in (*_DAYS, *_NAMED, *_SHORT) for time in _TIMES), *_OFFSETS, *_MONTHS)


def advise_date(column: str, texts: Sequence[str], written: DateFormat) -> str | None:
    """Return the keys under which all texts of a column are dates; None where no known format reads them all.

    `written` is the format that did not read them. Where several do, all are named: other rows must say which is right.
    """
    found = [form for form in _FORMATS if form not in written.formats and _reads_all(form, texts, written)]
    if not found:
        return None
    keys = [f'cleaning.dates: {{{column}: ["{form}"]}}' for form in found]
    zone = " and cleaning.time_zone (the zone that days are counted in, as UTC)"
    return " or, if they mean other days, ".join(keys) + (zone if has_offset(found[0]) and written.time_zone is None else "")


def _reads_all(form: str, texts: Sequence[str], written: DateFormat) -> bool:
    alone = replace(written, formats=(form,), disproven=(), time_zone=written.time_zone or "UTC")
    try:
        return all(read_moment(text, alone) for text in texts)
    except (ImplausibleYear, ValueError):
        return False
