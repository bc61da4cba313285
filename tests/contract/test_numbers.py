"""Texts that are numbers, and those that look like some."""

import random
from decimal import Decimal

import pytest

from tabtrail.contract.numbers import NumberFormat, NumberRule, format_problem, read_integer, read_number

GERMAN = NumberFormat(decimal=",", thousands=".")
ENGLISH = NumberFormat(thousands=",")
INDIAN = NumberFormat(thousands="indian")
FRENCH = NumberFormat(decimal=",", thousands=" ")
SWISS = NumberFormat(thousands="'", strip=("CHF", ".-"))
MONEY = NumberFormat(thousands=",", strip=("$", "US$", "€"), parentheses_negative=True)
MILLIONS = NumberFormat(thousands=",", strip=("€",), multipliers=("k", "M"))
SAP = NumberFormat(thousands=",", strip=("EUR",), trailing_minus=True)
SHARE = NumberFormat(strip=("%",), percent=True)


@pytest.mark.parametrize(
    ("text", "written", "number"),
    [
        ("5,5", NumberFormat(decimal=","), 5.5),
        ("1.299,99", GERMAN, 1299.99),
        ("1299,99", GERMAN, 1299.99),
        ("1.234.567", GERMAN, 1234567),
        ("2,871.00", ENGLISH, 2871),
        ("$2871", MONEY, 2871),
        ("-$2,871.5", MONEY, -2871.5),
        ("$ -2,871.5", MONEY, -2871.5),
        ("US$ 5", MONEY, 5),
        ("5 €", MONEY, 5),
        ("(2871)", MONEY, -2871),
        ("$(2,871.00)", MONEY, -2871),
        ("( $2,871.00 )", MONEY, -2871),
        ("12,34,567", INDIAN, 1_234_567),
        ("80,000.5", INDIAN, 80_000.5),
        ("80000", INDIAN, 80_000),
        ("95.7%", SHARE, 0.957),
        ("-95.7 %", SHARE, -0.957),
        ("95.7%", NumberFormat(strip=("%",)), 95.7),
        ("€36.5M", MILLIONS, 36_500_000),
        ("€ 1,200.5 k €", MILLIONS, 1_200_500),
        ("110", MILLIONS, 110),
        ("-2.3M", MILLIONS, -2_300_000),
        ("1.1M", MILLIONS, 1_100_000),
        ("776.53-", SAP, -776.53),
        ("1,776.53 - EUR", SAP, -1776.53),
        ("776.53 EUR-", SAP, -776.53),
        ("-5", SAP, -5),
        ("12 lakh", NumberFormat(multipliers=("lakh", "Cr")), 1_200_000),
        ("1.5 Cr", NumberFormat(multipliers=("lakh", "Cr")), 15_000_000),
        ("-1.5", NumberFormat(), -1.5),
        ("\u22125", NumberFormat(), -5),
        ("1 299,99", FRENCH, 1299.99),
        ("1\u00a0299,99", FRENCH, 1299.99),
        ("1\u2009299,99", FRENCH, 1299.99),
        ("1\u202f299\u202f000", FRENCH, 1299000),
        ("1'299.00", SWISS, 1299),
        ("1\u2019299.00", SWISS, 1299),
        ("CHF 5.-", SWISS, 5),
        ("+5", NumberFormat(), 5),
        ("1e5", NumberFormat(), 100_000),
        ("1.5E-3", NumberFormat(), 0.0015),
        (".5", NumberFormat(), 0.5),
        ("5.", NumberFormat(), 5),
        ("\u00a05\t", NumberFormat(), 5),
        ("9007199254740992", NumberFormat(), 2**53),
        ("9007199254740993.0", NumberFormat(), 2**53),
    ],
)
def test_a_number_is_read_as_its_format_says(text: str, written: NumberFormat, number: float) -> None:
    assert read_number(text, written) == number


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("5,5", NumberFormat()),
        ("1.29,99", GERMAN),
        ("12.99", GERMAN),
        ("0.950", GERMAN),
        ("1.2345", GERMAN),
        ("1,234,56", ENGLISH),
        ("12,34,567", ENGLISH),
        ("1,234,567", INDIAN),
        ("123,456", INDIAN),
        ("1,234", NumberFormat()),
        ("1 299", NumberFormat()),
        ("1  299", FRENCH),
        ("1_0", NumberFormat()),
        ("0x1", NumberFormat()),
        ("nan", NumberFormat()),
        ("inf", NumberFormat()),
        ("-Infinity", NumberFormat()),
        ("1e400", NumberFormat()),
        ("\u0665", NumberFormat()),
        ("\uff15", NumberFormat()),
        ("5\x1c", NumberFormat()),
        ("\ufeff5", NumberFormat()),
        ("5\n6", NumberFormat()),
        ("", NumberFormat()),
        (".", NumberFormat()),
        ("-", NumberFormat()),
        ("--5", NumberFormat()),
        ("- 5", NumberFormat()),
        ("5-", NumberFormat()),
        ("(5)", NumberFormat()),
        ("(-5)", MONEY),
        ("(5", MONEY),
        ("-(5)", MONEY),
        ("$", MONEY),
        ("5.-", NumberFormat()),
        ("95.7%", NumberFormat()),
        ("0.957", SHARE),
        ("9007199254740993", NumberFormat()),
        ("-9007199254740993", NumberFormat()),
        ("123456789012345678901234567890", NumberFormat()),
        ("9.007.199.254.740.993", GERMAN),
    ],
)
def test_a_text_that_is_no_number_of_the_format_is_refused(text: str, written: NumberFormat) -> None:
    with pytest.raises(ValueError, match="not a number"):
        read_number(text, written)


def test_integers_are_exact_and_end_with_64_bits() -> None:
    assert read_integer("9007199254740993", NumberFormat()) == 9007199254740993
    assert read_integer("-9.223.372.036.854.775.808", GERMAN) == -(2**63)
    for text in ("9223372036854775808", "5.0", "1e5", "5.", "1" * 5000):
        with pytest.raises(ValueError, match="not a number"):
            read_integer(text, NumberFormat())


def test_a_decimal_comes_back_from_every_way_of_writing_it() -> None:
    drawn = random.Random(5)
    for _ in range(2000):
        number = Decimal(drawn.randint(-(10**11), 10**11)).scaleb(-drawn.randint(0, 6))
        for written, marks in ((GERMAN, ".,"), (ENGLISH, ",."), (FRENCH, "\u00a0,"), (SWISS, "'.")):
            text = f"{number:,f}".translate(str.maketrans({",": marks[0], ".": marks[1]}))
            assert read_number(text, written) == float(number), text


def test_a_format_in_which_a_text_has_two_meanings_is_named() -> None:
    assert "two different ones" in str(format_problem(NumberFormat(decimal=",", thousands=",")))
    assert "part of numbers" in str(format_problem(NumberFormat(strip=("-",))))
    assert "part of numbers" in str(format_problem(NumberFormat(strip=("2m",))))
    assert format_problem(NumberFormat(strip=("m2",))) is None
    assert "m25 could be read in two ways" in str(format_problem(NumberFormat(strip=("m", "m2"))))
    assert "blanks" in str(format_problem(NumberFormat(strip=(" €",))))
    assert "none that is known" in str(format_problem(NumberFormat(multipliers=("dozen",))))
    assert "the same word in strip" in str(format_problem(NumberFormat(strip=("M",), multipliers=("M",))))
    assert format_problem(MONEY) is None


def test_a_column_writes_numbers_as_its_source_unless_its_rule_says_otherwise() -> None:
    assert NumberRule(strip=("€",)).over(",", ".") == NumberFormat(",", ".", ("€",))
    assert NumberRule(decimal=".", thousands="").over(",", ".") == NumberFormat()


def test_integers_are_read_up_to_their_very_ends() -> None:
    plain = NumberFormat()
    assert read_integer("9223372036854775807", plain) == 2**63 - 1
    for text in ("-9223372036854775809", "9223372036854775808"):
        with pytest.raises(ValueError, match="not a number"):
            read_integer(text, plain)
    assert read_number(str(2**126), plain) == 2.0**126, "38 digits, and a double"
    with pytest.raises(ValueError, match="not a number"):
        read_number(str(2**126 + 1), plain)
    assert read_integer("+007", plain) == 7
    assert read_integer("-000", plain) == 0
