"""How a number is written, and what such a text means: the authority for files, requests and frames."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class NumberFormat:
    """The marks of numbers in one column: `1.299,99` has the decimal mark `,` and the thousands mark `.`.

    `strip` are texts that may stand before or after the digits, such as `€`. With `percent` 95.7% is 0.957; with
    `parentheses_negative` (2871) is -2871.
    """

    decimal: str = "."
    thousands: str | None = None
    strip: tuple[str, ...] = ()
    percent: bool = False
    parentheses_negative: bool = False


def read_number(text: str, written: NumberFormat) -> float:
    """Return the number that a text means. Raises `ValueError` for a text that is none."""
    number = float(text.strip().replace(written.decimal, "."))
    if not math.isfinite(number):
        raise ValueError(text)
    return number
