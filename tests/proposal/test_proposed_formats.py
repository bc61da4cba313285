import random
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.table_files import write_json_lines, write_parquet, write_workbook

from tabtrail.errors import DataError
from tabtrail.proposal.propose import propose

NAMES = ["sold", "size", "kind", "plz", "price"]


def rows(count: int = 100) -> list[list[Any]]:
    chance = random.Random(1)
    found = list[list[Any]]()
    for i in range(count):
        size, kind = chance.randint(1, 400) / 10, chance.choice("abc")
        price = round(size * 30 + 100 * "abc".index(kind) + chance.gauss(0, 5), 2)
        found.append([date(2024, 1, 1) + timedelta(days=i), size, kind, f"0{chance.randint(1, 9)}", price])
    return found


def config_of(file: Path) -> Any:
    return propose(file, target="price", output=file.with_suffix(".yaml")).config


def test_of_a_workbook_the_sheet_with_the_table_and_the_row_of_its_header_are_found(tmp_path: Path) -> None:
    table = [["Report of 2024"], [], NAMES, *rows()]
    file = write_workbook(tmp_path / "book.xlsx", {"Read me": [["see the next sheet", "x"], ["y", "z"]], "Sold": table})
    config = config_of(file)
    assert config["source"]["sheet"] == "Sold"
    assert config["source"]["skip_rows"] == 2
    assert config["cleaning"]["date_column"] == "sold"
    assert config["contract"]["columns"]["plz"] == {"dtype": "string"}


@pytest.mark.parametrize("write", [write_parquet, write_json_lines])
def test_typed_cells_are_taken_for_what_their_texts_are(tmp_path: Path, write: Any) -> None:
    file = write(tmp_path / {"write_parquet": "t.parquet", "write_json_lines": "t.jsonl"}[write.__name__], NAMES, rows())
    config = config_of(file)
    assert config["contract"]["columns"]["sold"] == {"dtype": "date"}
    assert config["contract"]["columns"]["plz"] == {"dtype": "string"}
    assert config["model"]["numeric_features"] == ["size"]


def test_points_in_time_keep_their_hour(tmp_path: Path) -> None:
    lines = [[datetime(2024, 1, 1) + timedelta(hours=5 * i), *line[1:]] for i, line in enumerate(rows())]
    config = config_of(write_parquet(tmp_path / "t.parquet", NAMES, lines))
    assert config["contract"]["columns"]["sold"] == {"dtype": "datetime"}
    assert "hour" in config["model"]["date_parts"]["sold"]


def test_columns_of_lists_are_dropped(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "t.parquet", [*NAMES, "tags"], [[*line, [1, 2]] for line in rows()])
    assert config_of(file)["cleaning"]["drop_columns"] == ["tags"]


def test_binary_data_and_a_line_without_end_are_refused(tmp_path: Path) -> None:
    for name, data in (("a.csv", bytes(range(1, 256)) * 500), ("b.csv", b"\0\1" * 5000), ("c.csv", b"a,b," * 5_000_000)):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError):
            config_of(tmp_path / name)


def test_more_columns_than_are_looked_at_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "wide.csv"
    file.write_text("\n".join(",".join(f"{word}{i}" for i in range(2_100)) for word in ("c", "", "", "")))
    with pytest.raises(DataError, match="2,100 columns"):
        config_of(file)


def with_days(folder: Path, days: list[str], *, decimal: str = ".", more: list[str] | None = None) -> Any:
    """The config for a file of such days, another column of dates, and a number to predict."""
    lines = [
        f"{day};{other};{row % 40};{row % 40 * 3}{decimal}{row % 7}5"
        for row, (day, other) in enumerate(zip(days, more or ["x", "y"] * len(days), strict=False))
    ]
    (folder / "d.csv").write_text("day;other;size;price\n" + "\n".join(lines) + "\n")
    return propose(folder / "d.csv", target="price")


OPEN = [f"{row * 5 % 12 + 1}/{row * 7 % 12 + 1}/{2015 + row % 5}" for row in range(120)]


def test_words_among_dates_mean_a_missing_one_and_that_what_they_say_is_lost_is_said(tmp_path: Path) -> None:
    days = [f"{date(2024, 1, 1) + timedelta(days=row)}" if row % 4 else "sofort" for row in range(120)]
    found = with_days(tmp_path, days)
    assert found.config["source"]["null_values"]["day"] == ["sofort"]
    assert found.config["contract"]["columns"]["day"] == {"dtype": "date"}
    assert any(
        "'sofort' (30 rows) of 120 rows stand for missing dates, and what they say is lost" in each for each in found.findings
    )


@pytest.mark.parametrize(
    ("decimal", "others", "expected"),
    [
        (",", None, "%d/%m/%Y"),
        (".", [f"{row % 12 + 1}/{row % 28 + 1}/2022" for row in range(120)], "%m/%d/%Y"),
        (".", [f"{row % 28 + 1}/{row % 12 + 1}/2022" for row in range(120)], "%d/%m/%Y"),
    ],
)
def test_what_no_date_of_a_column_decides_other_dates_or_a_decimal_comma_do(
    tmp_path: Path, decimal: str, others: list[str] | None, expected: str
) -> None:
    found = with_days(tmp_path, OPEN, decimal=decimal, more=others)
    assert found.config["cleaning"].get("date_formats", found.config["cleaning"].get("dates", {}).get("day")) == [expected]
    assert not [each for each in found.findings if "no row tells" in each]


def test_first_days_of_months_in_no_order_are_told_from_days_of_january(tmp_path: Path) -> None:
    days = [f"{row * 5 % 12 + 1:02d}/01/{2015 + row % 5}" for row in range(120)]
    assert with_days(tmp_path, days).config["cleaning"]["date_formats"] == ["%m/%d/%Y"]


@pytest.mark.parametrize(("written", "form"), [("%Y-%m", "%Y-%m"), ("%b %Y", "%b %Y"), ("%m/%Y", "%m/%Y"), ("%b-%y", "%b-%y")])
def test_months_without_a_day_are_their_first_one(tmp_path: Path, written: str, form: str) -> None:
    days = [f"{date(2015 + row % 5, row % 12 + 1, 1):{written}}" for row in range(120)]
    found = with_days(tmp_path, days).config
    assert found["cleaning"]["date_formats"] == [form]
    assert found["model"]["date_parts"]["day"] == ["year", "month", "days"]


def test_beside_a_decimal_comma_a_later_number_with_a_point_between_thousands_is_read(tmp_path: Path) -> None:
    lines = [f"{row % 40} €;{row % 9};{row % 40 * 3},{row % 7}5" for row in range(120)]
    (tmp_path / "d.csv").write_text("cost;size;price\n" + "\n".join(lines) + "\n")
    found = propose(tmp_path / "d.csv", target="price").config
    assert found["source"]["thousands"] == "."
    assert found["contract"]["columns"]["cost"]["number"] == {"strip": ["€"]}
