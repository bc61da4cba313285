"""What the text of a cell means: null words, spellings, numbers and dates, the same in training and in prediction."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tabtrail.contract.dates import DateFormat
from tabtrail.contract.numbers import NumberFormat
from tabtrail.contract.texts import fold_case, trim


@dataclass(frozen=True)
class CellReading:
    """How the cells of one column are read, in this order.

    Texts: blanks around are cut off (`trim`), letters become capitals (`fold_case`), the empty text and those of `nulls` mean a
    missing value, and each of `aliases` is another spelling of a text. Nulls, aliases and `fill` are `spelled` so themselves.
    A missing text becomes `fill` once the row has been checked. Numbers and dates: the empty text and `nulls` mean a missing
    value, others are read as `number` and `date` say.
    """

    nulls: tuple[str, ...] = ()
    trim: bool = False
    fold_case: bool = False
    aliases: Mapping[str, str] = field(default_factory=dict)
    fill: str | None = None
    number: NumberFormat = field(default=NumberFormat())
    date: DateFormat = field(default=DateFormat())

    def is_null(self, text: str) -> bool:
        """Whether a text means a missing value."""
        return not text or text in self.nulls

    def spell(self, text: str) -> str:
        """Return a text in the spelling that `trim` and `fold_case` ask for."""
        trimmed = trim(text) if self.trim else text
        return fold_case(trimmed) if self.fold_case else trimmed

    def spelled(self) -> "CellReading":
        """Return the reading with its own words in that spelling."""
        return replace(
            self,
            nulls=tuple(filter(None, map(self.spell, self.nulls))),
            aliases={self.spell(alias): self.spell(text) for alias, text in self.aliases.items()},
            fill=None if self.fill is None else self.spell(self.fill),
        )

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "CellReading":
        """Rebuild a reading from the JSON form that `dataclasses.asdict` gives."""
        number, date = (_without_lists(value[name]) for name in ("number", "date"))
        return cls(**{**_without_lists(value), "number": NumberFormat(**number), "date": DateFormat(**date)})


def read_text(text: str, reading: CellReading) -> str | None:
    """Return the text that a cell of a text column means, None for a missing one."""
    found = reading.spell(text)
    return None if reading.is_null(found) else reading.aliases.get(found, found)


def _without_lists(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(each) if isinstance(each, list) else each for name, each in value.items()}
