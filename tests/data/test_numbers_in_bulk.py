"""Polars reads numbers as the contract does."""

import random
from collections.abc import Callable

import polars as pl
import pytest

from tabtrail.contract.numbers import NumberFormat, read_integer, read_number
from tabtrail.data.numbers import may_be_inexact, to_number

_FORMATS = (
    NumberFormat(),
    NumberFormat(decimal=","),
    NumberFormat(decimal=",", thousands="."),
    NumberFormat(thousands=","),
    NumberFormat(decimal=",", thousands=" "),
    NumberFormat(thousands="'", strip=("CHF", ".-")),
    NumberFormat(thousands="_", strip=("e", "a|b", "[x]", "^", "\\d")),
    NumberFormat(thousands=",", strip=("$", "US$", "€", "-$"), parentheses_negative=True),
    NumberFormat(decimal=",", strip=("%",), percent=True, parentheses_negative=True),
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


def _texts(written: NumberFormat, count: int) -> list[str]:
    """Return texts near numbers: pieces at random, and numbers of the format with one piece put in."""
    drawn, texts = random.Random(11), list[str]()
    marks = str.maketrans({",": written.thousands or "", ".": written.decimal})
    for _ in range(count):
        texts.append("".join(drawn.choices(_PIECES, k=drawn.randint(1, 6))))
        number = f"{drawn.choice(['', '-'])}{round(10 ** drawn.uniform(-3, 20), drawn.choice([None, 0, 2, 4])):,}".translate(
            marks
        )
        at = drawn.randint(0, len(number))
        texts += [number, number[:at] + drawn.choice(_PIECES) + number[at:], number + "%" * written.percent]
        texts += [f"({number})", drawn.choice(written.strip or ("",)) + number]
    return texts


def _read(reader: Callable[[str, NumberFormat], float], text: str, written: NumberFormat) -> float | None:
    try:
        return reader(text, written)
    except ValueError:
        return None


@pytest.mark.parametrize("written", _FORMATS, ids=str)
def test_polars_reads_numbers_of_every_format_as_the_contract_does(written: NumberFormat) -> None:
    texts = _texts(written, 1500)
    for dtype, reader in ((pl.Float64(), read_number), (pl.Int64(), read_integer)):
        if dtype.is_integer() and written.percent:
            continue  # the config refuses percentages of integers
        found = pl.DataFrame({"t": texts}).select(to_number(pl.col("t"), written, dtype)).to_series()
        if dtype.is_float():
            found = found.to_frame().select(pl.when(pl.first().is_finite()).then(pl.first())).to_series()
        wanted = [_read(reader, text, written) for text in texts]
        wrong = [(text, here, there) for text, here, there in zip(texts, wanted, found, strict=True) if here != there]
        assert not wrong, wrong[:5]
        assert sum(each is not None for each in wanted) > len(texts) / 10


def test_what_the_readers_of_csv_files_take_for_a_number_is_one() -> None:
    """A column that Polars parses as numbers while it reads the file holds what its texts mean, or is checked as texts."""
    written, parsed = NumberFormat(), list[tuple[str, float]]()
    for text in _texts(written, 1500):
        if any(each in text for each in ',\n"') or text.startswith("\ufeff"):
            continue  # more than one field; a mark at the start of a block is looked for before
        try:
            frame = pl.read_csv(text.encode(), has_header=False, schema={"a": pl.Float64()})
        except pl.exceptions.PolarsError:
            continue
        sure = frame.filter(pl.col("a").is_finite() & ~may_be_inexact(pl.col("a")))
        parsed += [(text, number) for number in sure["a"]]
    assert len(parsed) > 1000
    assert [(text, number) for text, number in parsed if _read(read_number, text, written) != number] == []
