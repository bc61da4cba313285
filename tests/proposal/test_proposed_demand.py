import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from tabtrail.errors import DataError, UsageError
from tabtrail.proposal.propose import Proposal, propose_demand

START = date(2023, 1, 2)


def panel(days: int = 120, step: int = 1) -> Iterator[str]:
    """Units by day, store and product, with a price, a flag of promotion and one of opening."""
    chance = random.Random(1)
    yield "date,store,product,category,units,price,promotion,open"
    for day in range(days):
        for store in ("S1", "S2"):
            for product, category in (("P1", "food"), ("P2", "food"), ("P3", "drink")):
                when, promoted = START + timedelta(days=day * step), chance.randint(0, 1)
                units = 10 + day % 7 + 5 * promoted + chance.randint(0, 3)
                yield f"{when},{store},{product},{category},{units},{2.5 - 0.5 * promoted},{promoted},{int(day % 7 != 6)}"


def proposed(folder: Path, lines: Iterator[str] | list[str], target: str | None = "units") -> Proposal:
    file = folder / "shops.csv"
    file.write_text("\n".join(lines) + "\n")
    return propose_demand(file, target=target, output=folder / "shops.yaml")


def test_series_prices_promotions_and_closed_days_are_found(tmp_path: Path) -> None:
    demand = proposed(tmp_path, panel()).config["demand"]
    assert demand["series"] == ["store", "product"]
    assert demand["static"] == ["category"]
    assert demand["known_ahead"] == ["price", "promotion"]
    assert (demand["price"], demand["closed"], demand["frequency"]) == ("price", "open == 0", "D")
    assert "duplicates" not in demand


def test_weeks_are_told_from_days_by_the_distance_of_dates(tmp_path: Path) -> None:
    assert proposed(tmp_path, panel(step=7)).config["demand"]["frequency"] == "W"


def test_first_days_of_months_are_months_and_not_days_of_january(tmp_path: Path) -> None:
    lines = ["month,amount", *(f"{2015 + i // 12}-{i % 12 + 1:02d}-01,{100 + i % 12 * 7}" for i in range(60))]
    found = proposed(tmp_path, lines, "amount").config
    assert found["cleaning"]["date_formats"] == ["%Y-%m-%d"]
    assert (found["demand"]["frequency"], found["demand"]["series"]) == ("MS", [])


def test_sales_one_by_one_are_added_up(tmp_path: Path) -> None:
    days = (START + timedelta(days=i) for i in range(100))
    lines = ["day,receipt,store,units", *(f"{day},{day}-{i},S{i % 2},{1 + i}" for day in days for i in range(6))]
    demand = proposed(tmp_path, lines).config["demand"]
    assert (demand["series"], demand["duplicates"], demand["missing_periods"]) == (["store"], "sum", "zero")


def test_items_side_by_side_become_rows(tmp_path: Path) -> None:
    items = [f"{part}_B{brand}_{item}" for part in ("QTY", "PROMO") for brand in (1, 2) for item in (1, 2, 3)]
    lines = [",".join(["day", *items])]
    lines += [",".join([str(START + timedelta(days=i)), *(str(i % 7 + j) for j in range(6)), *"010101"]) for i in range(100)]
    demand = proposed(tmp_path, lines, None).config["demand"]
    assert demand["melt"]["columns"] == {"qty": "QTY_{group}_{item}", "promo": "PROMO_{group}_{item}"}
    assert (demand["target"], demand["known_ahead"], demand["hierarchy"]) == ("qty", ["promo"], ["group"])


def test_items_under_their_bare_names_are_renamed_so_that_a_pattern_finds_them(tmp_path: Path) -> None:
    lines = ["day,beer,wine,milk", *(f"{START + timedelta(days=i)},{i % 7},{i % 5},{i % 3}" for i in range(100))]
    found = proposed(tmp_path, lines, None).config
    assert found["source"]["rename"] == {name: f"value_{name}" for name in ("beer", "wine", "milk")}
    assert found["demand"]["target"] == "value"


@pytest.mark.parametrize(
    ("lines", "target", "error", "message"),
    [
        (["a,b", *(f"{i},{i}" for i in range(50))], "b", DataError, "no column holds dates"),
        (["day,b", *(f"{START + timedelta(days=i)},{i}" for i in range(30))], "b", DataError, "too few to judge"),
        (["day,b,c", *(f"{START + timedelta(days=i)},{i % 9},x" for i in range(99))], "d", UsageError, "no column 'd'"),
        (["day,b,c", *(f"{START + timedelta(days=i)},{i % 9},x" for i in range(99))], None, UsageError, "name the column"),
    ],
)
def test_what_is_no_demand_over_time_is_refused(
    tmp_path: Path, lines: list[str], target: str | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        proposed(tmp_path, lines, target)
