"""Rows in which most of what goes wrong in business data occurs, their config, and the faults that are refused."""

import csv
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

Texts = dict[str, str]
CONFIG = """
version: 2
paths: {raw_csv: nasty.csv, processed_dir: data/nasty_parquet, duckdb_file: nasty.duckdb}
source:
  null_values: {seg: ["N/A", "?"], q: ["NA", "-999"], d: ["never"], land: [" n/A"]}
cleaning:
  date_column: d
  date_formats: ["%d/%m/%Y", "%d.%m.%Y"]
  dates: {at: ["%d.%m.%y %H:%M", "%Y-%m-%dT%H:%M:%S%z"]}
  time_zone: Europe/Berlin
  fill_unknown_columns: [city]
  aliases:
    seg: {n/a: Other, "A.": A}
    land: {Frankreich: France}
    city: [{land: España, seg: null, city: Roma, means: Rome}, {land: France, seg: A, city: Roma, means: Rome}]
  trim: [land]
  fold_case: [land]
contract:
  max_reject_share: 0.3
  columns:
    id: {dtype: int}
    a: {dtype: int, nullable: false, min: 0, max: 1000}
    q: {dtype: float}
    city: {dtype: string, nullable: false}
    at: {dtype: datetime}
  rows:
    - {name: a_and_q, check: a + q < 2000}
    - {name: no_total, check: "land != 'TOTAL'"}
model:
  name: nasty
  target: y
  currency: EUR
  numeric_features: [a, q]
  categorical_features: [seg, city, code, land]
  derived_features: {MON: month(d), HOUR: hour(at), A_ROOM: a * 2}
split: {kind: random, folds: 2, repeats: 1, allow_leaky: true, refit: training}
candidates: {HistGradientBoosting: {max_iter: 30, min_samples_leaf: 5}}
explain: {max_rows: 20}
engine: {kind: serial}
mlflow: {tracking_uri: "sqlite:///mlruns/mlflow.db", experiment: nasty}
"""
FEATURES = ("a", "q", "seg", "city", "code", "d", "land", "at")
CELLS: dict[str, Sequence[str]] = {
    "a": ("56", " 7 ", "81", "+12", "007", "0", "1000", "54"),
    "q": ("1.20", "", "NA", "1e1", ".5", "-999", " 4.74 ", "0.30000000000000004", "5."),
    "seg": ("A", "N/A", "", "B", "?", " A", "n/a", "A.", 'C "quoted", and more'),
    "city": ("Oslo", "", "Rome", "Unknown", "Málaga", "NA", "Roma"),
    "code": ("10022", "1", "", "007", "1.0"),
    "d": ("29/10/2023", " 03/04/2022 ", "17.08.2022", "1/2/2024", "never", ""),
    "land": (
        "France",
        " FRANCE",
        "Fran\u200bce\xa0",
        "frankreich",
        "España",
        "espan\u0303a ",
        "N/A",
        " ",
        "",
        "Straße",
        "STRASSE",
    ),
    "at": (
        "3.1.22 00:00",
        "03.01.22 13:05",
        "2022-07-03T22:59:59Z",
        "2022-01-31T23:30:00-05:00",
        " 3.1.22 23:59 ",
        "",
        "4.1.22 9:00",
    ),
}
FAULTS: dict[str, tuple[Texts, str, str]] = {
    "digits with an underscore": ({"a": "1_0"}, "a: not int", "a: must be a number, not text"),
    "a decimal point in a whole number": ({"a": "2.5"}, "a: not int", "a: must be a whole number"),
    "a missing number that must be there": ({"a": ""}, "a: missing", "a: must not be null"),
    "a number above the contract's": ({"a": "1001"}, "a: above 1000", "a: must be at most 1000"),
    "not a number": ({"q": "nan"}, "q: not finite", "q: must be a number, not text"),
    "infinity": ({"q": "inf"}, "q: not finite", "q: must be a number, not text"),
    "a comma for a point": ({"q": "1,5"}, "q: not float", "q: must be a number, not text"),
    "a null word of another column": ({"q": "?"}, "q: not float", "q: must be a number, not text"),
    "blanks for a number": ({"q": "  "}, "q: not float", "q: must be a number, not text"),
    "a day that is none": ({"d": "30/02/2023"}, "d: not a date", "d: must be a date, written %d/%m/%Y or %d.%m.%Y or YYYY-MM-DD"),
    "month and day exchanged": ({"d": "10/29/2023"}, "d: not a date", "d: must be a date, written"),
    "a serial number": ({"d": "44949"}, "d: not a date", "d: must be a date, written"),
    "a date with a time": ({"d": "29/10/2023 00:00:00"}, "d: not a date", "d: must be a date, written"),
    "a year of long ago": ({"d": "29/10/0985"}, "d: ", "d: must be a date of the years 1900 to 2100"),
    "a date without its time": ({"at": "03.01.22"}, "at: not a date", "at: must be a date and time, written %d.%m.%y %H:%M or"),
    "an hour that is none": ({"at": "03.01.22 24:00"}, "at: not a date", "at: must be a date and time, written"),
    "a broken row rule": ({"a": "1000", "q": "1500"}, "a_and_q", "breaks the rule a_and_q"),
    "a broken rule on a text in another spelling": ({"land": " Total"}, "no_total", "breaks the rule no_total"),
}


def good_rows() -> list[Texts]:
    """The cells of each column in turn, in steps that differ, so that most pairs meet."""
    steps = {"a": 1, "q": 1, "seg": 3, "city": 5, "code": 7, "d": 11, "land": 13, "at": 13}
    return [
        {"id": str(index)} | {name: cells[index * steps[name] // 3 % len(cells)] for name, cells in CELLS.items()}
        for index in range(150)
    ]


def bad_rows() -> list[Texts]:
    return [{"id": str(900 + index), **GOOD, **change} for index, (change, _, _) in enumerate(FAULTS.values())]


GOOD: Texts = {
    "a": "56",
    "q": "1.20",
    "seg": "A",
    "city": "Oslo",
    "code": "1",
    "d": "29/10/2023",
    "land": "France",
    "at": "4.1.22 9:00",
}


def target(row: Texts, index: int) -> str:
    place = {"Oslo": 40, "Rome": 90, "": 10, "Unknown": 10}.get(row["city"], 60)
    kind = {"A": 5, " A": 50, "N/A": 100, "?": 100, "": 100}.get(row["seg"], 30)
    land = {"F": 0, "E": 1000, "S": 2000}.get(row["land"].strip().upper()[:1], 3000)
    night = {"3.1.22 00:00": 400, "2022-07-03T22:59:59Z": 400, "2022-01-31T23:30:00-05:00": 150}.get(row["at"], 0)
    return str(place + kind + land + night + 2 * index % 37 + (200 if row["code"] == "10022" else 0))


def write_csv(path: Path, rows: Sequence[Texts]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


MOMENTS = {
    "3.1.22 00:00": datetime(2022, 1, 3),
    "03.01.22 13:05": datetime(2022, 1, 3, 13, 5),
    "2022-07-03T22:59:59Z": datetime(2022, 7, 4, 0, 59, 59),
    "2022-01-31T23:30:00-05:00": datetime(2022, 2, 1, 5, 30),
    " 3.1.22 23:59 ": datetime(2022, 1, 3, 23, 59),
    "4.1.22 9:00": datetime(2022, 1, 4, 9),
    "": None,
}


def typed(row: Texts) -> dict[str, Any]:
    """The row as a program would send it: numbers, nulls, dates."""
    day = {"29/10/2023": date(2023, 10, 29), "17.08.2022": date(2022, 8, 17), "1/2/2024": date(2024, 2, 1)}
    return {
        "a": int(row["a"]),
        "q": None if row["q"] in ("", "NA") else float(row["q"]),
        "seg": None if row["seg"] in ("", "N/A", "?") else row["seg"],
        "city": row["city"] or None,
        "code": int(row["code"]) if row["code"] in ("10022", "1") else row["code"],
        "d": date(2022, 4, 3) if "03/04" in row["d"] else day.get(row["d"]),
        "land": row["land"],
        "at": MOMENTS[row["at"]],
    }
