"""Formats of numbers, and texts that are numbers of a format or nearly so."""

import random

from tabtrail.contract.numbers import NumberFormat

FORMATS = (
    NumberFormat(),
    NumberFormat(decimal=","),
    NumberFormat(decimal=",", thousands="."),
    NumberFormat(thousands=","),
    NumberFormat(decimal=",", thousands=" "),
    NumberFormat(thousands="'", strip=("CHF", ".-")),
    NumberFormat(thousands="_", strip=("e", "a|b", "[x]", "^", "\\d")),
    NumberFormat(thousands=",", strip=("$", "US$", "€", "-$"), parentheses_negative=True),
    NumberFormat(decimal=",", strip=("%",), percent=True, parentheses_negative=True),
    NumberFormat(thousands=",", strip=("$", "€"), trailing_minus=True, multipliers=("K", "M", "Mio.", "lakh")),
)
_PIECES = (
    *"0123456789",
    *(
        "00",
        "123",
        "000",
        "999",
        "9007199254740993",
        "1.234",
        "1,234",
        "1 234",
        "1'234",
        "12.345.678",
        "e5",
        "E-3",
        "e400",
        "e-400",
    ),
    *(".", ",", " ", "'", "_", "+", "-", "\u2212", "(", ")", "%", "\u2019", "\u00a0", "\u202f", "\t", "\n", "\x1c", "\ufeff"),
    *("$", "US$", "€", "-$", "CHF", ".-", "e", "a|b", "[x]", "^", "\\d", "nan", "inf", "x", "\u0665", "\u200b", "NaN", "0x"),
)
_MORE = ("K", "M", " Mio.", " lakh", "-", "- ")  # pieces of the formats that have them


def number_texts(written: NumberFormat, count: int) -> list[str]:
    """Return texts near numbers: pieces at random, and numbers of the format with one piece put in."""
    drawn, texts = random.Random(11), list[str]()
    pieces = _PIECES + (_MORE if written.multipliers or written.trailing_minus else ())
    marks = str.maketrans({",": written.thousands or "", ".": written.decimal})
    for _ in range(count):
        texts.append("".join(drawn.choices(pieces, k=drawn.randint(1, 6))))
        number = f"{drawn.choice(['', '-'])}{round(10 ** drawn.uniform(-3, 20), drawn.choice([None, 0, 2, 4])):,}".translate(
            marks
        )
        at = drawn.randint(0, len(number))
        texts += [number, number[:at] + drawn.choice(pieces) + number[at:], number + "%" * written.percent]
        texts += [f"({number})", drawn.choice(written.strip or ("",)) + number]
    return texts
