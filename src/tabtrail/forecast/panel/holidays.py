"""The days of a country's holidays, which a model carries with it: a forecast needs no library of holidays."""

from datetime import date

import numpy as np

from tabtrail.errors import ConfigError, UsageError, nearest

try:
    import holidays
except ModuleNotFoundError:  # of an extra of its own
    holidays = None

# Years after the last period of a training's forecast that a model keeps the holidays of: it is trained again long before.
_YEARS_AHEAD = 5


def holiday_days(country: str, first: date, last: date) -> tuple[int, ...]:
    """Return the holidays from the year of `first` to some years after `last`, in their order, as days since 1970-01-01.

    `country` is an ISO 3166 code, of a country (IT) or of a part of one (DE-BY). Raises `ConfigError` for one that is not known,
    `UsageError` where the library is not installed.
    """
    if holidays is None:
        raise UsageError("demand.holidays needs the library holidays; install tabtrail[holidays], or leave demand.holidays out")
    name, _, part = country.partition("-")
    known = holidays.list_supported_countries()
    if name not in known:
        raise ConfigError(f"demand.holidays: '{country}' is not a country that is known{nearest(name, sorted(known))}")
    if part and part not in known[name]:
        raise ConfigError(f"demand.holidays: '{part}' is not a part of {name}{nearest(part, sorted(known[name]))}")
    years = range(first.year, last.year + _YEARS_AHEAD + 1)
    found = holidays.country_holidays(name, subdiv=part or None, years=years)
    return tuple(sorted(int(np.datetime64(day, "D").astype(np.int64)) for day in found))
