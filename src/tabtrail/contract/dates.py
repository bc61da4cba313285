"""How a date is written, and what such a text means: the authority for files, requests and frames."""

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True)
class DateFormat:
    """The formats of the dates of one column, in the words of `strptime`, and the years that they may have."""

    formats: tuple[str, ...] = ("%Y-%m-%d",)
    plausible_years: tuple[int, int] = (1900, 2100)
    time_zone: str | None = None


def read_date(text: str, written: DateFormat) -> date:
    """Return the date that a text means. Raises `ValueError` for a text that is none."""
    for form in written.formats:
        try:
            found = datetime.strptime(text.strip(), form).date()
        except ValueError:
            continue
        if written.plausible_years[0] <= found.year <= written.plausible_years[1]:
            return found
    raise ValueError(text)
