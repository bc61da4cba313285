import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tabtrail.proposal.columns import Columns, guess_columns
from tabtrail.proposal.look import looked_at
from tabtrail.proposal.texts import read_texts


def guessed(folder: Path, *columns: list[str], delimiter: str = ";") -> Columns:
    """The guesses for columns a, b, … of these texts."""
    file = folder / "t.csv"
    names = "abcdefgh"[: len(columns)]
    file.write_text("\n".join(delimiter.join(line) for line in [list(names), *map(list, zip(*columns, strict=True))]) + "\n")
    with looked_at(file) as look:
        return guess_columns(read_texts(look))


def texts(of: Callable[[float], str], count: int = 60) -> list[str]:
    chance = random.Random(1)
    return [of(chance.randint(100, 900_000) / 100) for _ in range(count)]


OTHER = ["x", "y", "z"] * 20


def german(number: float) -> str:
    return f"{number:,.2f}".replace(",", "_").replace(".", ",").replace("_", ".")


def indian(number: float) -> str:
    whole = f"{number * 100:.0f}"
    return re.sub(r"(?<=\d)(?=(?:\d\d)+$)", ",", whole[:-3]) + "," + whole[-3:]


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (lambda n: f"€ {german(n)}", {"decimal": ",", "thousands": ".", "strip": ("€",)}),
        (lambda n: f"{n} kg", {"decimal": ".", "strip": ("kg",)}),
        (lambda n: f"{n:.1f} m²", {"decimal": ".", "strip": ("m²",)}),
        (lambda n: f"{german(n)} l/100km", {"decimal": ",", "strip": ("l/100km",)}),
        (lambda n: f"{n:.1f} kWh/m²", {"decimal": ".", "strip": ("kWh/m²",)}),
        (lambda n: f"${n:,.2f}", {"decimal": ".", "thousands": ",", "strip": ("$",)}),
        (indian, {"decimal": ".", "thousands": "indian"}),
        (lambda n: f"{n:.1f}%", {"percent": True}),
        (lambda n: f"({n})" if n > 5000 else f"{n}", {"parentheses_negative": True}),
        (lambda n: f"{n:,.2f}".replace(",", "'"), {"thousands": "'"}),
        (lambda n: f"{n / 1000:.1f}k" if n > 5000 else f"{n:.0f}", {"multipliers": ("k",)}),
        (lambda n: f"€{n / 1000:.1f}M" if n > 5000 else f"€{n:.0f}K", {"multipliers": ("K", "M"), "strip": ("€",)}),
        (lambda n: f"£{n / 100:.1f}m", {"multipliers": ("m",), "strip": ("£",)}),
        (lambda n: f"{n / 100:.1f} m", {"multipliers": (), "strip": ("m",)}),
        (lambda n: f"{german(n)} Mio. €", {"multipliers": ("Mio.",), "strip": ("€",), "decimal": ","}),
        (lambda n: f"{n:,.2f}-" if n > 5000 else f"{n:,.2f}", {"trailing_minus": True, "thousands": ","}),
        (lambda n: f"Rs {n / 1000:.2f} Lakh" if n > 5000 else f"Rs {n / 1000:.2f} Cr", {"multipliers": ("Cr", "Lakh")}),
        (lambda n: german(n).replace(".", "\u202f"), {"decimal": ",", "thousands": " "}),
    ],
)
def test_a_number_is_read_as_it_is_written(tmp_path: Path, of: Callable[[float], str], expected: dict[str, Any]) -> None:
    numbers = guessed(tmp_path, texts(of), OTHER).guesses["a"].numbers
    assert numbers is not None
    found = {name: getattr(numbers.written, name) for name in expected}
    assert {name: tuple(sorted(value)) if isinstance(value, tuple) else value for name, value in found.items()} == expected


@pytest.mark.parametrize(
    "of",
    [
        lambda n: f"{n:.0f} kg" if n > 5000 else f"{n:.0f} lb",  # nothing is converted
        lambda n: f"CUST{n:05.0f}",
        lambda n: f"Zone {n:.0f}",
        lambda n: f"{n:07.0f}",
        lambda n: f"{n * 1e14:.0f}",
        lambda n: f"{n:.1f} kmpl" if n > 5000 else f"{n:.1f} km/kg",
        lambda n: f"{n:.0f}M" if n > 5000 else f"{n:.0f}L",  # sizes of clothes
    ],
)
def test_what_only_looks_like_a_number_stays_text(tmp_path: Path, of: Callable[[float], str]) -> None:
    assert guessed(tmp_path, texts(of), OTHER).guesses["a"].kind == "text"


def test_a_mark_that_nothing_in_a_column_decides_is_read_as_the_other_columns_have_it(tmp_path: Path) -> None:
    open_texts = texts(lambda n: f"{n:.3f}".replace(".", ",")[-5:].lstrip("0").rjust(5, "1"))
    with_commas = guessed(tmp_path, open_texts, texts(german), OTHER).guesses["a"].numbers
    assert with_commas is not None
    assert with_commas.written.decimal == ","


def test_whole_numbers_of_hundreds_beside_a_mark_show_that_it_parts_thousands(tmp_path: Path) -> None:
    numbers = guessed(tmp_path, [f"{950 + i}" if i < 50 else f"1.{i - 50:03d}" for i in range(60)], OTHER).guesses["a"].numbers
    assert numbers is not None
    assert (numbers.written.thousands, numbers.least, numbers.largest) == (".", 950, 1009)


def test_words_for_a_missing_number_are_named_and_others_are_set_aside(tmp_path: Path) -> None:
    written = [f"{i}.5" for i in range(300)]
    written[3], written[7], written[9] = "n/a", "-", "5,,5"
    guess = guessed(tmp_path, written, OTHER * 5).guesses["a"]
    assert guess.numbers is not None
    assert set(guess.words) == {"n/a", "-"}
    assert guess.numbers.rejected == 1


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (lambda n: f"{n:.1f} kmpl" if n > 3000 else f"{n:.1f} km/kg", "its numbers have several units (kmpl in "),
        (lambda n: f"{n % 28 + 1:.0f} março 2021", "names of months that are not English"),
        (lambda n: f"{n:.2f}" if n % 7 > 2 else f"from {n:.0f} on", "rows hold what may be numbers"),
        (lambda n: f"unit of shop {n:.0f}", ""),
    ],
)
def test_numbers_and_dates_that_stay_texts_are_said(tmp_path: Path, of: Callable[[float], str], said: str) -> None:
    guess = guessed(tmp_path, texts(of), OTHER).guesses["a"]
    assert guess.kind == "text"
    assert said in guess.doubt
    assert bool(said) == bool(guess.doubt)


@pytest.mark.parametrize(
    ("word", "others", "words"),
    [
        ("-200", lambda n: f"{n / 1000 - 5:.1f}", {"-200"}),  # degrees, some below zero
        ("-200", lambda n: f"{n:.0f}", {"-200"}),
        ("999", lambda n: f"{n % 20:.0f}", {"999"}),
        ("999", lambda n: f"{n / 9:.0f}", set()),
        ("-1", lambda n: f"{n - 4000:.0f}", set()),
    ],
)
def test_a_number_far_from_all_others_stands_for_a_missing_one(
    tmp_path: Path, word: str, others: Callable[[float], str], words: set[str]
) -> None:
    written = [word if row % 6 == 0 else text for row, text in enumerate(texts(others))]
    assert set(guessed(tmp_path, written, OTHER).guesses["a"].words) == words
