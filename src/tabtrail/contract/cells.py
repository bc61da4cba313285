"""What the text of a cell means: null words, spellings, numbers and dates, the same in training and in prediction."""

from collections.abc import Mapping
from dataclasses import dataclass, field

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
    number: NumberFormat = NumberFormat()
    date: DateFormat = DateFormat()
