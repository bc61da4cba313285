"""How much a training may take: a time after which nothing more is begun, or a number of candidates or trials."""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

_FORM = re.compile(r"(?P<count>\d+(?:\.\d+)?)\s*(?P<unit>s|m|min|minutes?|h|hours?|trials?)?")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Budget:
    """`seconds` after which no further candidate or trial is begun, or how many of them there are at most; one of both."""

    text: str
    seconds: float | None = None
    trials: int | None = None


def parse_budget(text: str) -> Budget:
    """Return the budget that a text states; a number without a unit is minutes. Raises `ValueError` for any other text."""
    match = _FORM.fullmatch(text.strip())
    count = 0.0 if match is None else float(match["count"])
    unit = "" if match is None else match["unit"] or "min"
    if unit.startswith("trial") and count.is_integer() and count >= 1:
        return Budget(f"{int(count)} trial{'s' if count > 1 else ''}", trials=int(count))
    if not unit or unit.startswith("trial") or count <= 0:
        raise ValueError(f"'{text}' is no budget; write a time, such as 30min, 90s or 2h, or a number, such as 10 trials")
    short = "min" if unit[0] == "m" else unit[0]
    return Budget(f"{count:g} {short}", seconds=count * _SECONDS[unit[0]])


def _checked(text: str) -> str:
    parse_budget(text)
    return text


def _as_text(value: object) -> object:
    """A bare number in YAML is minutes."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


BudgetText = Annotated[str, BeforeValidator(_as_text), AfterValidator(_checked)]
