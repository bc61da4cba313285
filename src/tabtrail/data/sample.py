"""A synthetic sales CSV with the same 25 columns and the same mess as the real one, seeded, of any size.

Names, addresses and amounts are made up by a random generator. The mess: code page 850, empty second address lines and
states, `NA` as a territory, mixed postal codes and phone numbers, a price capped at 100, unpadded dates.
"""

import csv
import json
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from tabtrail.errors import UsageError
from tabtrail.reading.find import MARK_SUFFIX
from tabtrail.reading.kinds import BY_NAME
from tabtrail.storage.objects import StoredFile
from tabtrail.system.files import atomic_file, read_json, write_json
from tabtrail.system.hashes import sha256_file

ROWS = 2823
SEED = 42
HEADER = (
    "ORDERNUMBER",
    "QUANTITYORDERED",
    "PRICEEACH",
    "ORDERLINENUMBER",
    "SALES",
    "ORDERDATE",
    "STATUS",
    "QTR_ID",
    "MONTH_ID",
    "YEAR_ID",
    "PRODUCTLINE",
    "MSRP",
    "PRODUCTCODE",
    "CUSTOMERNAME",
    "PHONE",
    "ADDRESSLINE1",
    "ADDRESSLINE2",
    "CITY",
    "STATE",
    "POSTALCODE",
    "COUNTRY",
    "TERRITORY",
    "CONTACTLASTNAME",
    "CONTACTFIRSTNAME",
    "DEALSIZE",
)
_FIRST, _LAST = date(2003, 1, 6), date(2005, 5, 31)
_LINES = {
    "Classic Cars": 0.34,
    "Vintage Cars": 0.22,
    "Motorcycles": 0.12,
    "Planes": 0.11,
    "Trucks and Buses": 0.1,
    "Ships": 0.08,
    "Trains": 0.03,
}
# country: share, territory, city, state, postal code pattern, street
_COUNTRIES = {
    "USA": (0.36, "NA", "NYC", "NY", "1{:04d}", "Sample Street"),
    "Spain": (0.12, "EMEA", "Málaga", "Cataluña", "28{:03d}", "Calle del Año"),
    "France": (0.11, "EMEA", "Besançon", "", "75{:03d}", "rue de l'Été"),
    "Australia": (0.07, "APAC", "Glen Waverly", "Victoria", "3{:03d}", "Sample Road"),
    "Sweden": (0.06, "EMEA", "Luleå", "", "S-958 {:02d}", "Berguvsvägen"),
    "UK": (0.06, "EMEA", "Liverpool", "", "WX{:d} 6LT", "Sample Lane"),
    "Japan": (0.05, "Japan", "Minato-ku", "Tokyo", "106-{:04d}", "Sample-dori"),
    "Canada": (0.05, "NA", "Montréal", "Québec", "H{:d}J 4C3", "Sample Avenue"),
    "Finland": (0.04, "EMEA", "Helsinki", "", "21{:03d}", "Näytekatu"),
    "Germany": (0.04, "EMEA", "Köln", "", "50{:03d}", "Musterstraße"),
    "Singapore": (0.04, "APAC", "Singapore", "", "079{:03d}", "Sample Walk"),
}
_STATUSES = {"Shipped": 0.927, "Cancelled": 0.021, "Resolved": 0.017, "On Hold": 0.016, "In Process": 0.014, "Disputed": 0.005}
_LINES_PER_ORDER = 9.2
_CAP = 100.0
_COMPRESSED = (".gz", ".zst")


def mark_path(csv_path: Path) -> Path:
    """Path of the mark beside a CSV that it is synthetic."""
    return csv_path.with_name(csv_path.name + MARK_SUFFIX)


def is_synthetic(file: StoredFile, sha256: str) -> bool:
    """Whether this very file was written by `tabtrail sample`, which leaves a mark with the file's sha256 beside it."""
    mark = read_json(mark_path(file)) if isinstance(file, Path) else _object(file.beside(MARK_SUFFIX))
    return mark is not None and mark.get("sha256") == sha256


def _object(data: bytes | None) -> dict[str, Any] | None:
    try:
        value = json.loads(data or b"null")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def write_sample(path: Path, *, rows: int = ROWS, seed: int = SEED, force: bool = False) -> None:
    """Write a synthetic CSV in code page 850 and the mark that it is one. The same rows and seed give the same bytes.

    Raises `UsageError` for an existing file (unless forced), the ending of another format, or fewer than one row.
    """
    if rows < 1:
        raise UsageError("--rows: write at least one row")

    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="cp850", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(HEADER)
            written = 0
            for block in range(0, rows, 100_000):
                written += _write_block(
                    writer, min(100_000, rows - block), np.random.default_rng([seed, block]), 10_000 + written
                )

    write_marked(path, write, {"rows": rows, "seed": seed}, force=force)


def write_marked(path: Path, write: Callable[[Path], None], made_by: Mapping[str, Any], *, force: bool) -> None:
    """Write a CSV as a whole, and beside it the mark that it is made up.

    Raises `UsageError` for an existing file (unless forced), or the ending of another format.
    """
    if path.exists() and not force:
        raise UsageError(f"{path} exists; the sample would replace it (--force does)")
    if path.suffix.lower() in (*BY_NAME, *_COMPRESSED):
        raise UsageError(f"{path} would be no {path.suffix} file: the sample is a CSV; name one that ends in .csv with --output")
    with atomic_file(path) as temporary:
        write(temporary)
        # The mark first, so that made-up data is never without it.
        write_json(mark_path(path), {"synthetic": True, **made_by, "sha256": sha256_file(temporary)})


def _write_block(writer: Any, rows: int, random: np.random.Generator, first_order: int) -> int:
    orders = max(1, round(rows / _LINES_PER_ORDER))
    order = np.sort(random.integers(0, orders, rows))
    starts = np.searchsorted(order, order)
    days = random.integers(0, (_LAST - _FIRST).days + 1, orders)
    quantity = np.clip(random.normal(35, 10, rows).round(), 6, 97).astype(int)
    line_names, line_shares = list(_LINES), np.array(list(_LINES.values()))
    product = random.choice(109, rows)
    product_line = np.random.default_rng(7).choice(len(line_names), 109, p=line_shares / line_shares.sum())
    msrp = np.random.default_rng(8).integers(33, 215, 109)
    unit = np.round(msrp[product] * np.clip(random.normal(1.0, 0.12, rows), 0.78, 1.24), 2)
    sales = np.round(unit * quantity, 2)
    countries, shares = list(_COUNTRIES), np.array([country[0] for country in _COUNTRIES.values()])
    customer = random.integers(0, 92, orders)
    country_of = np.random.default_rng(9).choice(len(countries), 92, p=shares / shares.sum())
    status = random.choice(list(_STATUSES), orders, p=np.array(list(_STATUSES.values())) / sum(_STATUSES.values()))
    for row in range(rows):
        own = order[row]
        when, who, code = _FIRST + timedelta(days=int(days[own])), int(customer[own]), int(product[row])
        country = countries[country_of[who]]
        _, territory, city, state, postal, street = _COUNTRIES[country]
        total = float(sales[row])
        writer.writerow(
            (
                first_order + int(own), quantity[row], f"{min(float(unit[row]), _CAP):g}", row - starts[row] + 1, f"{total:.12g}",
                f"{when.month}/{when.day}/{when.year} 0:00", status[own], (when.month + 2) // 3, when.month, when.year,
                line_names[product_line[code]], msrp[code], f"S{10 + code % 60}_{1000 + code}", f"Synthetic Customer {who:03d}",
                f"555-{who:04d}" if who % 3 else f"(0) 555.{who:04d}", f"{street} {who + 1}", "Level 2" if who % 10 == 0 else "",
                city, state, "" if who % 37 == 0 else postal.format(who),
                country, territory, f"Lastname{who:03d}", f"Firstname{who:03d}",
                "Small" if total < 3000 else "Medium" if total < 7000 else "Large",
            )
        )  # fmt: skip
    return orders
