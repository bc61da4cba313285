"""How a figure is written for the eye, on every page alike. Text alone: knowing it imports nothing."""

import math
import re

_TENTH = re.compile(r"\d: (\S+) to (below )?(\S+)")  # as the slices of the errors name them
_FIRST_YEAR, _LAST_YEAR = 1800, 2200  # whole numbers within these are read as years


def shown(value: float, digits: int = 4, *, percent: bool = False, places: int | None = None) -> str:
    """Write a figure with thousands apart: to significant digits, whole where it has that many before the point.

    A percentage has one decimal for three digits, two for four. With `places` it has that many decimals, as others of its
    column. What would be 0 then has up to two more, and what is too small for that
    is written as `<0.1`.
    """
    scaled = 100 * value if percent else value
    if not math.isfinite(scaled):
        text = f"{scaled:,}"
    elif percent:
        text = _fixed(scaled, max(0, digits - 2), digits, more=0)
    else:
        text = _fixed(scaled, places, digits)
    return f"{text} %" if percent else text


def _fixed(value: float, places: int | None, digits: int, *, more: int = 2) -> str:
    if places is None:
        # 99.96 to three digits would be written "100."
        whole = abs(value) >= 10 ** (digits - 1) or value == int(value)
        return f"{value:,.0f}" if whole else f"{value:#,.{digits}g}".removesuffix(".")
    for decimals in range(places, places + more + 1):
        text = f"{value:,.{decimals}f}"
        if value == 0 or any(digit in text for digit in "123456789"):
            return text
    least = f"{10.0**-places:.{places}f}"
    return f"<{least}" if value > 0 else f">-{least}"


def places_of(reference: float | None) -> int | None:
    """Return the decimals that show a figure to four digits, for all figures beside it; None where there is none."""
    if reference is None or not math.isfinite(reference) or reference == 0:
        return None
    return min(6, max(0, 3 - math.floor(math.log10(abs(reference)))))


def slice_text(label: str) -> str:
    """Write the name of a slice for the eye: the tenths of a number without the digit that orders them, thousands apart."""
    tenth = _TENTH.fullmatch(label)
    if tenth is None:
        return label
    low, below, high = tenth.groups(default="")
    if are_years(float(low), float(high)):
        return f"{low} to {below}{high}"
    return f"{float(low):,.6g} to {below}{float(high):,.6g}"


def are_years(low: float, high: float) -> bool:
    """Whether a column with these bounds holds years: they are written without a comma."""
    return all(each == int(each) and _FIRST_YEAR <= each <= _LAST_YEAR for each in (low, high) if math.isfinite(each))
