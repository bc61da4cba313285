"""How a number is written, and what such a text means: the authority for files, requests and frames."""

import math
import re
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Literal

from tabtrail.contract.texts import BLANKS

Decimal = Literal[".", ","]
Thousands = Literal[".", ",", " ", "'", "_", "indian"]
INDIAN: Thousands = "indian"
"""Commas after three digits and then after every two: 12,34,567."""

MINUS = "\u2212"  # the minus of typesetters, which web pages and spreadsheets write
LARGEST_EXACT = 2.0**53  # doubles hold every integer up to here
_LONGEST_INTEGER = 38  # digits of an integer, as many as 128 bits hold whatever they are
_SAME_MARK = {" ": " \xa0\u2009\u202f", "'": "'\u2019", INDIAN: ","}  # thin and no-break spaces; the typographic apostrophe
_TAKEN = frozenset("+-.,()eE'_ " + MINUS)  # marks that mean something else
MULTIPLIERS = {
    **dict.fromkeys(("k", "tsd", "tsd.", "thsd", "thousand"), 3),
    **dict.fromkeys(("lakh", "lakhs", "lac", "lacs"), 5),
    **dict.fromkeys(("m", "mm", "mn", "mln", "mio", "mio.", "million", "millions"), 6),
    **dict.fromkeys(("cr", "crore", "crores"), 7),
    **dict.fromkeys(("b", "bn", "bln", "mrd", "mrd.", "billion", "billions"), 9),
    **dict.fromkeys(("tn", "trillion", "trillions"), 12),
}
"""Words behind a number, in lower case, and the power of ten that it is multiplied by."""
_AREA = re.compile(r"(?:mm|cm|dm|m|km|ft|in|yd|mi|sq)[23]")  # m2, ft3: as keyboards write them
_PER = re.compile(r"[^\W\d_]+/[0-9]*[^\W\d_]+[²³]?")  # l/100km, kWh/m²: a digit is neither first nor last


@dataclass(frozen=True)
class NumberFormat:
    """The marks of numbers in one column: `1.299,99` has the decimal mark `,` and the thousands mark `.`.

    `strip` are texts that may stand before or after the digits, such as `€`. With `percent` a percent sign has to follow:
    95.7% is 0.957. With `parentheses_negative` (2871) is -2871, with `trailing_minus` 2871- too. `multipliers` are words that may
    follow the digits, as `MULTIPLIERS` has them: 1.2M is 1,200,000.
    """

    decimal: str = "."
    thousands: str | None = None
    strip: tuple[str, ...] = ()
    percent: bool = False
    parentheses_negative: bool = False
    trailing_minus: bool = False
    multipliers: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether numbers are written as programs write them."""
        return self == NumberFormat()


@dataclass(frozen=True)
class NumberRule:
    """What the contract of a column says about how its numbers are written.

    `decimal` and `thousands` stand for the source's; the thousands mark `""` is none at all.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    decimal: Decimal | None = None
    thousands: Thousands | Literal[""] | None = None
    strip: tuple[str, ...] = ()
    percent: bool = False
    parentheses_negative: bool = False
    trailing_minus: bool = False
    multipliers: tuple[str, ...] = ()

    def over(self, decimal: str, thousands: str | None) -> NumberFormat:
        """Return the format of the column, given the marks of its source."""
        own = thousands if self.thousands is None else (self.thousands or None)
        return NumberFormat(
            self.decimal or decimal,
            own,
            self.strip,
            self.percent,
            self.parentheses_negative,
            self.trailing_minus,
            self.multipliers,
        )


def read_number(text: str, written: NumberFormat) -> float:
    """Return the number that a text means, as the nearest double.

    Digits are ASCII, groups of thousands are whole ones, and blanks around do not count. Raises `ValueError` for a text that is
    no number of the format or not a finite one, and for an integer that no double equals.
    """
    plain = _plain_text(text, written)
    number = float(plain)
    if not math.isfinite(number) or (abs(number) >= LARGEST_EXACT and _is_integer(plain) and _as_integer(plain) != int(number)):
        raise ValueError("not a number of the format")
    return number


def read_integer(text: str, written: NumberFormat) -> int:
    """Return the integer that a text means: digits, grouped or not. Raises `ValueError` for any other text, and past 64 bits."""
    plain = _plain_text(text, written)
    number = _as_integer(plain)
    if number is None or not -(2**63) <= number < 2**63:
        raise ValueError("not a number of the format")
    return number


def _plain_text(text: str, written: NumberFormat) -> str:
    """Return a number as Python and Polars write it. Raises `ValueError` for a text that is no number of the format."""
    for pattern, sign in patterns(written):
        if found := _compiled(pattern).match(text):
            exponent = power_of(found["multiplier"]) if written.multipliers else ""
            return _plain_form(sign or found["sign"] or "", found["number"], written) + exponent
    raise ValueError("not a number of the format")


def power_of(multiplier: str | None) -> str:
    """Return what a word behind a number makes of it, as an exponent: the nearest double of 1.2M is that of 1.2e6."""
    return f"e{MULTIPLIERS[multiplier.lower()]}" if multiplier else ""


def _is_integer(plain: str) -> bool:
    return plain.lstrip("+-").isdigit()


def _as_integer(plain: str) -> int | None:
    """Return the integer of a text of digits; None for others, and for one that is beyond 128 bits."""
    digits = plain.lstrip("+-").lstrip("0") or "0"
    return (
        int(plain[: len(plain) - len(plain.lstrip("+-"))] + digits)
        if _is_integer(plain) and len(digits) <= _LONGEST_INTEGER
        else None
    )


def mark_variants(written: NumberFormat) -> str:
    """Return the characters that stand between groups of thousands."""
    mark = written.thousands or ""
    return _SAME_MARK.get(mark, mark)


def _plain_form(sign: str, number: str, written: NumberFormat) -> str:
    for mark in mark_variants(written):
        number = number.replace(mark, "")
    return sign.replace(MINUS, "-") + number.replace(written.decimal, ".") + ("e-2" if written.percent else "")


@cache
def patterns(written: NumberFormat) -> tuple[tuple[str, str | None], ...]:
    """Return regular expressions for Python and Rust alike, tried in this order, with the groups `sign` and `number`.

    Beside each stands the sign that it stands for; None where the group says it.
    """
    marks = sorted({*written.strip} - ({"%"} if written.percent else set()), key=len, reverse=True)
    blanks, either = f"[{BLANKS}]*", "|".join(map(re.escape, marks))
    before = f"(?:(?:{either}){blanks})*" if marks else ""
    percent = f"{blanks}%" if written.percent else ""
    outside = f"(?:{blanks}(?:{either}))*" if marks else ""
    after = percent + outside
    number = f"(?P<number>{_number_pattern(written)})"
    if written.multipliers:
        words = "|".join(re.escape(each) for each in sorted(written.multipliers, key=len, reverse=True))
        number += f"(?:{blanks}(?P<multiplier>{words}))?"
    found: list[tuple[str, str | None]] = [(f"^{blanks}{before}(?P<sign>[-+{MINUS}])?{before}{number}{after}{blanks}$", None)]
    if written.parentheses_negative:
        inside = rf"\({blanks}{before}(?P<sign>){number}{after}{blanks}\)"
        found.append((f"^{blanks}{before}{inside}{outside}{blanks}$", "-"))
    if written.trailing_minus:
        found.append((f"^{blanks}{before}(?P<sign>){number}{percent}{outside}{blanks}[-{MINUS}]{outside}{blanks}$", "-"))
    return tuple(found)


def _number_pattern(written: NumberFormat) -> str:
    whole = "[0-9]+"
    if written.thousands == INDIAN:
        whole = "(?:[1-9][0-9]?(?:,[0-9]{2})*,[0-9]{3}|[0-9]+)"
    elif written.thousands is not None:
        mark = "[" + re.escape(mark_variants(written)) + "]"
        whole = f"(?:[1-9][0-9]{{0,2}}(?:{mark}[0-9]{{3}})+|[0-9]+)"  # a group 0 before others is a decimal after all: 0.950
    decimal = re.escape(written.decimal)
    exponent = "" if written.percent or written.multipliers else "(?:[eE][-+]?[0-9]+)?"
    return f"(?:{whole}(?:{decimal}[0-9]*)?|{decimal}[0-9]+){exponent}"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # `\Z`: before a line feed at the end `$` matches too in Python, and in Rust it does not.
    return re.compile(pattern.removesuffix("$") + r"\Z")


def is_unit_with_digits(mark: str) -> bool:
    """Whether a text is a unit although digits are in it: raised ones as in m² and m2, or of so many, as in l/100km."""
    raised = mark[:1].isalpha() and all(each.isalpha() or each in "²³" for each in mark)
    return raised or _AREA.fullmatch(mark) is not None or _PER.fullmatch(mark) is not None


def format_problem(written: NumberFormat) -> str | None:
    """Return why texts of this format could be read in two ways; None where each means one number."""
    if written.decimal in mark_variants(written):
        return f"'{written.decimal}' is the decimal mark and the thousands mark; give two different ones"
    for mark in written.strip:
        if mark != mark.strip(BLANKS) or not mark:
            return f"strip: '{mark}' is empty or has blanks around, which are cut off anyway"
        if mark in _TAKEN or (any(character.isdigit() for character in mark) and not is_unit_with_digits(mark)):
            return f"strip: '{mark}' is a part of numbers; strip takes texts such as € or kg"
        if mark[-1].isdigit() and any(other != mark and mark.startswith(other) for other in written.strip):
            return f"strip: '{mark}' begins like another one, so that {mark}5 could be read in two ways; leave one out"
    for word in written.multipliers:
        if word.lower() not in MULTIPLIERS:
            return f"multipliers: '{word}' is none that is known; they are {', '.join(MULTIPLIERS)}, in capitals or not"
        if word in written.strip or written.percent:
            return f"multipliers: '{word}' cannot stand beside {'percent' if written.percent else 'the same word in strip'}"
    return None
