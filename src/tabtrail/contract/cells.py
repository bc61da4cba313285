"""What the text of a cell means: null words, spellings, numbers and dates, the same in training and in prediction."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tabtrail.contract.dates import DateFormat
from tabtrail.contract.numbers import NumberFormat


@dataclass(frozen=True)
class CellReading:
    """How the cells of one column are read, in this order.

    Blanks around a text are cut off where `trim` says so (always around numbers and dates). The empty text and those of `nulls`
    mean a missing value, for which `fill` stands in texts. `aliases` are other spellings of a text. `fold_case` compares texts
    without regard to case. Numbers and dates are written as `number` and `date` say.
    """

    nulls: tuple[str, ...] = ()
    trim: bool = False
    fold_case: bool = False
    aliases: Mapping[str, str] = field(default_factory=dict)
    fill: str | None = None
    number: NumberFormat = field(default=NumberFormat())
    date: DateFormat = field(default=DateFormat())

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "CellReading":
        """Rebuild a reading from the JSON form that `dataclasses.asdict` gives."""
        number, date = (_without_lists(value[name]) for name in ("number", "date"))
        return cls(**{**_without_lists(value), "number": NumberFormat(**number), "date": DateFormat(**date)})


def _without_lists(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(each) if isinstance(each, list) else each for name, each in value.items()}
