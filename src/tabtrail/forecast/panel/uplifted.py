"""What was found of a flag that is known ahead, for those that show it: without what finds it."""

from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True)
class SeriesUplift:
    """Mean forecast of a series without and with the flag, in units of demand a period."""

    series: tuple[str, ...]
    without: float
    with_flag: float


@dataclass(frozen=True)
class Uplift:
    """Mean forecasts over the same series and days with a flag at 0 and at 1; `varied`: it was both in the past.

    `share` is that of the known periods whose flag is 1. `largest` are the series with the largest forecasts.
    """

    flag: str
    series: int
    periods: int
    share: float
    varied: bool
    without: float
    with_flag: float
    largest: tuple[SeriesUplift, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Self:
        """Rebuild from the JSON form."""
        own = tuple(SeriesUplift(**{**each, "series": tuple(each["series"])}) for each in value["largest"])
        return cls(**{**value, "largest": own})
