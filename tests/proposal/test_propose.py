import csv
import random
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from tabtrail.errors import DataError, UsageError
from tabtrail.proposal.propose import Proposal, find_targets, propose, propose_demand, write_proposal


def rows(count: int = 120) -> list[list[str]]:
    """Shop, size, kind and price of so many things; the price follows from size and kind, with noise."""
    chance = random.Random(1)
    found = []
    for _ in range(count):
        size, kind = chance.randint(1, 400) / 10, chance.choice("abc")
        found.append(
            [f"{chance.randint(1, 9):02d}", f"{size}", kind, f"{size * 30 + 100 * 'abc'.index(kind) + chance.gauss(0, 5):.2f}"]
        )
    return found


HEADER = ["shop", "size", "kind", "price"]


def written(
    folder: Path, lines: list[list[str]], *, name: str = "goods.csv", delimiter: str = ",", encoding: str = "utf-8"
) -> Path:
    path = folder / name
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(lines)
    return path


def proposed(
    folder: Path, lines: list[list[str]], *, target: str = "price", delimiter: str = ",", encoding: str = "utf-8"
) -> Proposal:
    file = written(folder, lines, delimiter=delimiter, encoding=encoding)
    return propose(file, target=target, output=folder / "goods.yaml")


def test_a_proposal_names_what_it_makes_after_the_data_and_reads_as_its_own_config(tmp_path: Path) -> None:
    found = proposed(tmp_path, [HEADER, *rows()])
    assert found.config == yaml.safe_load(found.text)
    assert found.config["paths"]["raw_csv"] == "goods.csv"
    assert (found.config["duckdb"]["table"], found.config["model"]["name"]) == ("goods", "goods_price")
    assert "sales" not in found.text


def test_digits_with_zeros_in_front_stay_text(tmp_path: Path) -> None:
    found = proposed(tmp_path, [HEADER, *rows()]).config
    assert found["contract"]["columns"]["shop"] == {"dtype": "string"}
    assert "shop" in found["model"]["categorical_features"]


def test_marks_are_those_of_the_rows_that_decide(tmp_path: Path) -> None:
    lines = [[a, b.replace(".", ","), c, f"1.{int(float(d)) % 1000:03d},5"] for a, b, c, d in rows()]
    found = proposed(tmp_path, [HEADER, *lines], delimiter=";")
    source = found.config["source"]
    assert (source["delimiter"], source["decimal"], source["thousands"]) == (";", ",", ".")
    assert "on line 2" in found.text.partition("decimal: ")[2].partition("\n")[0]


def test_the_encoding_is_written_down(tmp_path: Path) -> None:
    lines = [[a, b, {"a": "größer", "b": "schön", "c": "Käse"}[c], d] for a, b, c, d in rows()]
    assert proposed(tmp_path, [HEADER, *lines], encoding="cp1252").config["source"]["encoding"] == "cp1252"


@pytest.mark.parametrize(
    ("days", "formats"),
    [
        (lambda i: f"{i % 28 + 1}/{i % 12 + 1}/2024", ["%d/%m/%Y"]),
        (lambda i: f"{i % 12 + 1}/{i % 28 + 1}/2024", ["%m/%d/%Y"]),
        (lambda i: f"{i % 28 + 1:02d}.{i % 12 + 1:02d}.24 13:{i % 60:02d}", ["%d.%m.%y %H:%M"]),
        (lambda i: f"{['Jan', 'Feb', 'Mar'][i % 3]} {i % 28 + 1}, 2024", ["%b %d, %Y"]),
    ],
)
def test_formats_of_dates_are_proven_by_the_rows_that_decide(tmp_path: Path, days, formats) -> None:  # type: ignore[no-untyped-def]
    lines = [[days(i), *line] for i, line in enumerate(rows())]
    found = proposed(tmp_path, [["day", *HEADER], *lines]).config
    assert found["cleaning"]["date_column"] == "day"
    assert found["cleaning"]["date_formats"] == formats
    assert "month" in found["model"]["date_parts"]["day"]


def test_dates_that_no_row_decides_are_asked_about(tmp_path: Path) -> None:
    lines = [[f"{i % 12 + 1}/{i * 7 % 12 + 1}/2024", *line] for i, line in enumerate(rows())]
    found = proposed(tmp_path, [["day", *HEADER], *lines])
    assert found.config["cleaning"]["date_formats"] == ["%d/%m/%Y"]
    assert "# date_formats: ['%m/%d/%Y']" in found.text
    assert found.config["split"]["kind"] == "random"


def test_a_column_that_is_the_target_in_another_form_is_left_out(tmp_path: Path) -> None:
    lines = [[*line, f"{float(line[3]) * 1.19:.2f}"] for line in rows()]
    found = proposed(tmp_path, [[*HEADER, "gross"], *lines])
    assert "gross" not in found.config["model"]["numeric_features"]
    assert any(each.startswith("gross gives the target away") for each in found.findings)


def test_a_column_that_explains_the_target_nearly_alone_is_kept_and_said_with_the_figure(tmp_path: Path) -> None:
    chance = random.Random(1)
    areas = [chance.uniform(20, 110) for _ in range(300)]
    lines = [f"{area:.1f},{chance.choice('abc')},{700 + 48 * area + chance.gauss(0, 150):.2f}" for area in areas]
    (tmp_path / "flats.csv").write_text("area,town,rent\n" + "\n".join(lines) + "\n")
    found = propose(tmp_path / "flats.csv", target="rent")
    assert found.config["model"]["numeric_features"] == ["area"]
    assert [each for each in found.findings if each.startswith("area explains 98.") and "and is kept" in each]
    assert "- area  # LOOK AT THIS: explains 98." in found.text


@pytest.mark.parametrize(
    ("name", "of_price"),
    [
        ("in_cents", lambda price, chance: 100 * price),
        ("with_tax", lambda price, chance: 1.19 * price),
        ("rounded", lambda price, chance: round(price, -2)),
        ("band", lambda price, chance: int(price // 1_500)),
        ("price_eur", lambda price, chance: price * chance.gauss(0.92, 0.02)),
        ("amountPaid", lambda price, chance: price * chance.gauss(1, 0.04)),
    ],
)
def test_what_is_made_of_the_target_is_left_out(tmp_path: Path, name: str, of_price: Callable[..., float]) -> None:
    chance = random.Random(1)
    prices = [(size, 700 + 48 * size + chance.gauss(0, 700)) for size in (chance.uniform(20, 110) for _ in range(400))]
    lines = [f"{size:.1f},{of_price(price, chance):.2f},{price:.2f}" for size, price in prices]
    (tmp_path / "sold.csv").write_text(f"size,{name},price\n" + "\n".join(lines) + "\n")
    assert propose(tmp_path / "sold.csv", target="price").config["model"]["numeric_features"] == ["size"]


def test_gross_for_net_is_left_out_and_not_the_tax_that_parts_them(tmp_path: Path) -> None:
    chance = random.Random(1)
    pieces = [chance.randint(1, 9) for _ in range(400)]
    sold = [(chance.uniform(20, 200) + 80 * each, chance.choice([0.05, 0.12, 0.19]), each) for each in pieces]
    lines = [f"{net * (1 + tax):.4f},{tax},{pieces},{net:.4f}" for net, tax, pieces in sold]
    (tmp_path / "net.csv").write_text("gross,tax,pieces,net\n" + "\n".join(lines) + "\n")
    assert "gross" not in propose(tmp_path / "net.csv", target="net").config["model"]["numeric_features"]


def test_a_word_for_a_missing_value_is_not_counted_as_a_category(tmp_path: Path) -> None:
    lines = [[*line, ["n/a", "ok", "good"][at % 3]] for at, line in enumerate(rows())]
    found = proposed(tmp_path, [[*HEADER, "note"], *lines])
    (evidence,) = [line.partition("# ")[2] for line in found.text.splitlines() if line.startswith("    note: {dtype")]
    assert evidence.startswith("2 different (ok ")
    assert "n/a" not in evidence
    assert "rows without" in evidence


def flats(chance: random.Random) -> Iterator[str]:
    for _ in range(300):
        area, per, town = chance.randint(20, 140), chance.randint(2_000, 9_000), chance.choice("abc")
        yield f"{area},{per},{town},{area * per}"


def profits(chance: random.Random) -> Iterator[str]:
    for _ in range(300):
        sale, cost = round(chance.gauss(50, 12), 2), round(chance.gauss(30, 2), 2)
        yield f"{sale},{cost},{chance.choice('abc')},{sale - cost:.2f}"


def totals(chance: random.Random) -> Iterator[str]:
    for _ in range(300):
        hour = chance.randint(0, 23)
        guests, members = hour + chance.randint(0, 9), 2 * hour + chance.randint(0, 9)
        yield f"{hour},{guests},{members},{guests + members}"


@pytest.mark.parametrize(
    ("header", "lines", "features", "out"),
    [
        ("m2,price_per_m2,town,price", flats, ["m2"], ["price_per_m2"]),
        ("sale,cost,town,profit", profits, ["sale"], ["cost"]),
        ("sales_last_year,growth,town,sales", flats, ["sales_last_year"], ["growth"]),
        ("hour,guests,members,people", totals, ["hour"], ["guests", "members"]),
    ],
)
def test_of_columns_that_give_the_target_away_together_one_stays_but_of_the_parts_of_a_total(
    tmp_path: Path, header: str, lines: Callable[[random.Random], Iterator[str]], features: list[str], out: list[str]
) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text("\n".join([header, *lines(random.Random(1))]) + "\n")
    found = propose(file, target=header.rpartition(",")[2])
    assert found.config["model"]["numeric_features"] == features
    assert [each.partition(" ")[0] for each in found.findings if "gives the target away" in each] == out
    assert [each for each in found.findings if f"{features[0]} is kept" in each] or len(out) == 2


def test_other_spellings_of_a_category_are_offered_all_of_them_as_the_edit_that_makes_them_one(tmp_path: Path) -> None:
    others = {"Südvorstadt": "Suedvorstadt", "Altstadt": "Alt-Stadt", "Neustadt": "Neust.", "Gohlis": "GOHLIS"}
    pairs = [*others.items()]
    lines = [[*line, pairs[at % 4][at % 9 == 0]] for at, line in enumerate(rows())]
    found = proposed(tmp_path, [[*HEADER, "part"], *lines])
    _, _, offered = found.text.partition("  # aliases:\n")
    table = "\n".join(line.removeprefix("  #   ") for line in offered.splitlines() if line.startswith("  #   "))
    assert yaml.safe_load(table) == {"part": {other: means for means, other in others.items()}}
    (finding,) = [each for each in found.findings if each.startswith("part: ")]
    assert "'Neust.' (3) of 'Neustadt' (27)" in finding


def test_of_two_dates_that_give_a_time_the_earlier_one_stays(tmp_path: Path) -> None:
    chance, start = random.Random(1), datetime(2023, 1, 1)
    rides = [(start + timedelta(minutes=37 * row), chance.randint(60, 3_000), chance.randint(0, 500)) for row in range(300)]
    lines = [f"{begun},{begun + timedelta(seconds=took)},{took + more},{took}" for begun, took, more in rides]
    (tmp_path / "rides.csv").write_text("pickup,dropoff,meters,duration\n" + "\n".join(lines) + "\n")
    found = propose(tmp_path / "rides.csv", target="duration")
    assert [*found.config["model"]["date_parts"]] == ["pickup"]
    assert any(each.startswith("dropoff gives the target away") for each in found.findings)


def test_without_a_target_the_likely_ones_are_listed(tmp_path: Path) -> None:
    assert find_targets(written(tmp_path, [HEADER, *rows()]))[0].name == "price"


def test_a_config_is_never_replaced(tmp_path: Path) -> None:
    found = proposed(tmp_path, [HEADER, *rows()])
    write_proposal(found)
    with pytest.raises(UsageError, match="is there already"):
        write_proposal(found)


@pytest.mark.parametrize(
    ("lines", "error", "message"),
    [
        ([], DataError, "is empty"),
        ([HEADER], DataError, "header alone"),
        ([["price"], *([line[3]] for line in rows())], DataError, "one column only"),
        ([HEADER, *rows(12)], DataError, "12 rows have a target, too few"),
        ([HEADER, *([*line[:3], line[2]] for line in rows())], DataError, "regression only"),
        ([HEADER, *([*line[:3], str(len(line[1]) % 2)] for line in rows())], DataError, "two values only"),
        ([HEADER, *([*line[:3], "7"] for line in rows())], DataError, "same value in all rows"),
        ([HEADER, *([*line[:3], f"{line[3]}e300"] for line in rows())], DataError, r"beyond 1e\+100"),
        ([HEADER, ["1", "2", "x" * (2 << 20), "3"]], DataError, "same value in all rows, '3'"),
        ([HEADER, *([*line[:3], line[3] if i % 5 < 2 else ""] for i, line in enumerate(rows()))], DataError, "missing in 72 of"),
        ([["shop", "size", "kind", "prize"], *rows()], UsageError, "did you mean 'prize'"),
        ([["size", "size", "kind", "price"], *rows()], DataError, "'size' is there 2 times"),
        (rows(), DataError, "read like a row"),
    ],
)  # fmt: skip
def test_what_no_model_can_be_made_of_is_refused_with_one_message(
    tmp_path: Path, lines: list[list[str]], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        proposed(tmp_path, lines)


def test_what_is_no_file_is_refused_by_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    for path, said in {
        tmp_path: "is a folder; name one file of it, such as .*a.csv",
        tmp_path / "*.csv": "is a pattern of 1 files; name one of them, such as .*a.csv",
        tmp_path / "none.csv": "there is no file",
        Path("s3://bucket/houses.csv"): "download one file of it",
        Path("postgresql://host/shop"): "write source.table",
        Path("https://host/houses.csv"): "is an address, and no file; download it first",
    }.items():
        with pytest.raises(UsageError, match=said):
            propose(path, target="price")


def test_fields_parted_by_one_blank_each_are_read(tmp_path: Path) -> None:
    (tmp_path / "goods.txt").write_text("\n".join(" ".join(each) for each in [HEADER, *rows()]) + "\n")
    assert propose(tmp_path / "goods.txt", target="price").config["source"]["delimiter"] == " "
    (tmp_path / "notes.txt").write_text("a text of words\n" * 60)
    with pytest.raises(DataError, match="one column only"):
        propose(tmp_path / "notes.txt", target="price")


def test_a_file_is_found_from_the_folder_one_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, [HEADER, *rows()])
    monkeypatch.chdir(tmp_path)
    assert propose(Path("goods.csv"), target="price").config["paths"]["raw_csv"] == "goods.csv"


def test_texts_whose_digits_follow_letters_name_things_and_stay_text(tmp_path: Path) -> None:
    lines = [f"acc-{row:06d},INV{row},{row % 7} kg,{row * 1.5}" for row in range(120)]
    (tmp_path / "bills.csv").write_text("account,bill,weight,due\n" + "\n".join(lines) + "\n")
    columns = propose(tmp_path / "bills.csv", target="due").config["contract"]["columns"]
    assert {name: column["dtype"] for name, column in columns.items()} == {
        "account": "string",
        "bill": "string",
        "weight": "int",
        "due": "float",
    }


def test_the_marks_that_other_columns_prove_decide_where_a_column_alone_does_not(tmp_path: Path) -> None:
    lines = [f"1.{row:03d};{row % 9};{row},{row % 10}5" for row in range(100, 220)]
    (tmp_path / "cars.csv").write_text("weight;doors;price\n" + "\n".join(lines) + "\n")
    found = propose(tmp_path / "cars.csv", target="price").config
    assert found["source"]["decimal"] == ","
    assert found["contract"]["columns"]["weight"]["dtype"] == "int"


def test_words_that_are_no_category_mean_a_missing_value_among_texts_and_na_stays_one(tmp_path: Path) -> None:
    lines = [f"{['brick', 'NA', 'n/a', '-', 'wood'][row % 5]},{row * 2}" for row in range(100)]
    (tmp_path / "walls.csv").write_text("wall,price\n" + "\n".join(lines) + "\n")
    nulls = propose(tmp_path / "walls.csv", target="price").config["source"]["null_values"]
    assert set(nulls["wall"]) == {"n/a", "-"}


def test_a_row_of_totals_is_set_aside_and_says_nothing_about_the_columns(tmp_path: Path) -> None:
    named = proposed(tmp_path, [HEADER, *rows(), ["", "", "Grand Total", "999999"]])
    assert named.config["contract"]["rows"] == [{"name": "no_total", "check": "kind != 'Grand Total'"}]
    (tmp_path / "among_numbers").mkdir()
    among = proposed(tmp_path / "among_numbers", [HEADER, *rows(), ["", "Total", "", "999999"]])
    assert "null_values" not in among.config["source"]
    assert "1 of 121 rows are set aside" in among.text


def test_what_names_rows_is_left_out_unless_nothing_is_learned_without_it(tmp_path: Path) -> None:
    lines = [[str(i), *line] for i, line in enumerate(rows())]
    found = proposed(tmp_path, [["id", *HEADER], *lines])
    assert "id" not in found.config["model"]["numeric_features"]
    (tmp_path / "alone").mkdir()
    alone = proposed(tmp_path / "alone", [["id", "kind", "price"], *([str(i), "ab"[i % 2], str(2 * i)] for i in range(60))])
    assert alone.config["model"]["numeric_features"] == ["id"]
    assert any("nothing is learned without" in each for each in alone.findings)


def test_a_key_that_repeats_keeps_its_rows_together(tmp_path: Path) -> None:
    lines = [[f"C{i // 3}", *line] for i, line in enumerate(rows())]
    found = proposed(tmp_path, [["customer_id", *HEADER], *lines]).config
    assert found["split"] == {"kind": "group", "group_key": "customer_id"}
    assert "customer_id" not in found["model"]["categorical_features"]


def test_texts_among_numbers_are_named_as_missing_where_too_many_rows_would_be_lost_for_them(tmp_path: Path) -> None:
    lines = [[a, "on request" if i % 12 == 0 else b, c, d] for i, (a, b, c, d) in enumerate(rows())]
    found = proposed(tmp_path, [HEADER, *lines]).config
    assert found["source"]["null_values"] == {"size": ["on request"]}
    assert found["contract"]["max_reject_share"] == 0.01


def test_dates_are_read_in_the_order_that_makes_the_rows_follow_one_another(tmp_path: Path) -> None:
    lines = [[f"{i // 10 + 1}/{i % 10 + 1}/2024", *line] for i, line in enumerate(rows())]
    found = proposed(tmp_path, [["day", *HEADER], *lines])
    assert found.config["cleaning"]["date_formats"] == ["%m/%d/%Y"]
    assert "in the order of time" in found.text


def test_the_zero_of_a_calendar_stands_for_an_unknown_day(tmp_path: Path) -> None:
    lines = [["1900-01-01" if i == 5 else f"2024-0{i // 28 + 1}-{i % 28 + 1:02d}", *line] for i, line in enumerate(rows())]
    found = proposed(tmp_path, [["day", *HEADER], *lines]).config
    assert found["source"]["null_values"] == {"day": ["1900-01-01"]}
    assert found["split"] == {"kind": "random", "allow_leaky": True}


@pytest.mark.parametrize(("on", "off"), [("True", "False"), ("ja", "nein"), ("Y", "N")])
def test_a_flag_in_words_is_known_ahead_of_a_demand_where_it_is_planned(tmp_path: Path, on: str, off: str) -> None:
    weeks = [date(2021, 1, 4) + timedelta(weeks=week) for week in range(60)]
    lines = [f"{day},{shop},{100 + day.day},{on if day.month == 12 else off}" for shop in "ab" for day in weeks]
    (tmp_path / "weeks.csv").write_text("day,shop,sold,IsHoliday\n" + "\n".join(lines) + "\n")
    proposed_config = propose_demand(tmp_path / "weeks.csv", target="sold")
    found = proposed_config.config
    assert f"{off} is 0 and {on} is 1" in proposed_config.text
    assert found["demand"]["known_ahead"] == ["IsHoliday"]
    assert found["contract"]["columns"]["IsHoliday"] == {"dtype": "int", "min": 0, "max": 1}


def test_a_file_whose_fields_are_parted_by_blanks_is_refused_by_that(tmp_path: Path) -> None:
    (tmp_path / "mpg.data").write_text("".join(f'{row % 30}.0   8   {row}.0   ?.0\t"a car {row}"\n' for row in range(60)))
    with pytest.raises(DataError, match="its fields are parted by blanks"):
        propose(tmp_path / "mpg.data", target="mpg")


def test_rows_that_cannot_be_used_are_said_where_they_are_more_than_a_few(tmp_path: Path) -> None:
    lines = [f"{row},{row * 2}" + (",3" if row % 5 == 0 else "") for row in range(100)]
    (tmp_path / "torn.csv").write_text("size,price\n" + "\n".join(lines) + "\n")
    assert any("20 of 100 rows are set aside" in each for each in propose(tmp_path / "torn.csv", target="price").findings)


def test_the_delimiter_is_the_one_that_parts_the_names_too(tmp_path: Path) -> None:
    lines = [f"{row % 7} m²;{row},{row % 10};{row % 3},5 €" for row in range(80)]
    (tmp_path / "flats.csv").write_text("area;floor;price\n" + "\n".join(lines) + "\n")
    found = propose(tmp_path / "flats.csv", target="price").config
    assert found["source"]["delimiter"] == ";"
    assert set(found["contract"]["columns"]) == {"area", "floor", "price"}


def test_names_of_columns_may_be_numbers_where_others_are_words(tmp_path: Path) -> None:
    header, *lines = [["", "4046", "2015", *line] for line in [HEADER, *rows()]]
    lines = [[str(row), str(row % 7), f"{row * 3.5}", *line[3:]] for row, line in enumerate(lines)]
    found = proposed(tmp_path, [header, *lines])
    assert {"4046", "2015"} <= set(found.config["contract"]["columns"])


def test_a_column_with_ranges_among_its_numbers_is_learned_from_and_their_rows_are_set_aside(tmp_path: Path) -> None:
    header, *lines = [[*line, "area"] if line is HEADER else line for line in [HEADER, *rows(3000)]]
    lines = [[*line, f"{row} - {row + 9}" if row % 50 == 7 else str(row * 3 % 1001)] for row, line in enumerate(lines)]
    found = proposed(tmp_path, [header, *lines])
    assert "area" in found.config["model"]["numeric_features"]
    assert found.config["contract"]["max_reject_share"] == 0.03
    assert any("60 of 3,000 rows are set aside" in each for each in found.findings)


def test_words_that_stand_for_missing_numbers_in_many_rows_are_to_be_looked_at(tmp_path: Path) -> None:
    header, *lines = [[*line, "floor"] if line is HEADER else line for line in [HEADER, *rows(300)]]
    lines = [[*line, "EG" if row % 4 == 1 else f"{row % 5 + 1}"] for row, line in enumerate(lines)]
    (found,) = [each for each in proposed(tmp_path, [header, *lines]).findings if each.startswith("floor: ")]
    assert "'EG' (75 rows) of 300 rows stand for missing numbers" in found


def test_what_is_a_place_is_told_where_candidates_are(tmp_path: Path) -> None:
    chance = random.Random(2)
    lines = [[f"{chance.uniform(50, 54):.4f}", f"{chance.uniform(8, 12):.4f}", *row[1:]] for row in rows()]
    found = proposed(tmp_path, [["site_lat", "site_lon", *HEADER[1:]], *lines])
    assert {"site_lat", "site_lon"} <= {*found.config["model"]["numeric_features"]}
    assert "# Trees get the places of site_lon and site_lat along more directions, too" in found.text
