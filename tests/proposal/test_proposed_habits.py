"""How people in other places write: days, units, percentages, padded fields; and what is kept as text is said."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tabtrail.proposal.propose import Proposal, propose

ROWS = 120


def of_column(folder: Path, text: Callable[[int], str], *others: tuple[str, Callable[[int], str]], name: str = "it") -> Proposal:
    """Return what is proposed of a file with a column of these texts, beside a size and a price that hangs on it."""
    chance = random.Random(1)
    lines = [";".join([name, *(other for other, _ in others), "size", "price"])]
    for row in range(ROWS):
        size = chance.randint(10, 99)
        cells = [text(row), *(write(row) for _, write in others), str(size), str(30 * size + chance.randint(0, 300))]
        lines.append(";".join(cells))
    file = folder / "habits.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return propose(file, target="price")


@pytest.mark.parametrize(
    ("text", "rule", "form"),
    [
        (lambda row: f"{2022 + row % 2}年{row % 12 + 1}月{row % 28 + 1}日", {"dtype": "date"}, "%Y年%m月%d日"),
        (lambda row: f"{2022 + row % 2}년 {row % 12 + 1}월 {row % 28 + 1}일", {"dtype": "date"}, "%Y년 %m월 %d일"),
        (lambda row: f"{30 + row} m2", {"dtype": "int", "number": {"strip": ["m2"]}}, None),
        (lambda row: f"{30 + row}.5 ft3", {"dtype": "float", "number": {"strip": ["ft3"]}}, None),
        (lambda row: f"%{row}.5", {"dtype": "float", "number": {"strip": ["%"]}}, None),
    ],
)
def test_a_column_is_read_as_people_elsewhere_write_it(
    tmp_path: Path, text: Callable[[int], str], rule: dict[str, Any], form: str | None
) -> None:
    config = of_column(tmp_path, text).config
    assert config["contract"]["columns"]["it"] == rule
    assert form is None or config["cleaning"]["date_formats"] == [form]


def test_a_column_with_two_groups_of_thousands_tells_what_a_point_means_in_another(tmp_path: Path) -> None:
    config = of_column(tmp_path, lambda row: f"{5 + row}.000 km", ("paid", lambda row: f"1.{100 + row}.250 TL"), name="km").config
    assert config["source"]["thousands"] == "."
    assert config["contract"]["columns"]["km"] == {"dtype": "int", "number": {"strip": ["km"]}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (lambda row: f"{row % 9 + 1}h {row % 60}m" if row % 5 else "45m", "durations, as '2h 1m' on line 3"),
        (lambda row: f"{row % 24:02d}:{row * 7 % 60:02d}", "times of day, as '00:00' on line 2"),
        (lambda row: f"2023-W{row % 52 + 1:02d}", "weeks, as '2023-W01' on line 2"),
        (lambda row: f"{2015 + row % 9}Q{row % 4 + 1}", "quarters, as '2015Q1' on line 2"),
    ],
)
def test_texts_that_hold_a_size_or_an_order_are_pointed_at(tmp_path: Path, text: Callable[[int], str], said: str) -> None:
    (finding,) = [each for each in of_column(tmp_path, text).findings if each.startswith("it is kept as text")]
    assert said in finding


def test_labels_of_digits_are_not_offered_as_numbers(tmp_path: Path) -> None:
    found = of_column(tmp_path, lambda row: f"{28000 + row}" if row % 5 else f"EC{row} 5NT", name="POSTALCODE")
    assert not [each for each in found.findings if each.startswith("POSTALCODE")]


def test_blanks_that_fill_fields_up_are_no_delimiter_beside_one(tmp_path: Path) -> None:
    file = tmp_path / "stock.txt"
    lines = [f"{row % 3:>5}|{row:>7}|{row * 3.5:>9.2f}|" for row in range(1, ROWS)]
    file.write_text("\n".join(["SHOP|PIECES|VALUE|", *lines, "*** 119 RECORDS ***"]) + "\n")
    assert propose(file, target="VALUE").config["source"]["delimiter"] == "|"


def test_texts_that_blanks_fill_up_are_trimmed_and_codes_stay_as_they_are_written(tmp_path: Path) -> None:
    config = of_column(tmp_path, lambda row: f"  {row % 3:03d}", ("code", lambda row: f"INV/{row:05d}")).config
    assert config["cleaning"]["trim"] == ["it"]
    assert config["contract"]["columns"]["code"] == {"dtype": "string"}


def test_objects_within_rows_are_left_out_and_said(tmp_path: Path) -> None:
    chance, file = random.Random(1), tmp_path / "tickets.jsonl"
    rows = [{"customer": {"seats": row}, "level": row % 5, "minutes": 9 * (row % 5) + chance.random()} for row in range(ROWS)]
    file.write_text("\n".join(map(json.dumps, rows)) + "\n")
    (finding,) = [each for each in propose(file, target="minutes").findings if each.startswith("customer ")]
    assert "holds objects or lists, and is left out; write what is in them as columns of their own" in finding
