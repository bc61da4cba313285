"""Files as people have them, made from a seed: each is modelled on a public export, is synthetic, and comes with what it says.

A `Truth` is the table that a person would read in the file: numbers, texts, dates and None, by column, in the file's order.
"""

import csv
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

Random = np.random.Generator
Truth = dict[str, list[Any]]
_ZIP_DATE = (2024, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Exhibit:
    """A file to try: what it is `like`, its `target`, what `init` is told beside it, and the function that makes and knows it.

    `small` is the number of rows that show its shape.
    """

    name: str
    like: str
    target: str
    make: Callable[[Path, Random, int], Truth]
    small: int = 400
    words: tuple[str, ...] = ()


def german(value: float, digits: int = 2) -> str:
    """Write a number with thousands points and a decimal comma."""
    return f"{value:,.{digits}f}".replace(",", " ").replace(".", ",").replace(" ", ".")


def write_csv(path: Path, columns: Mapping[str, Sequence[Any]], **style: Any) -> None:
    """Write texts as a CSV: `delimiter`, `encoding`, `newline`, `above` (lines before the header), `below`, `quoting`."""
    text = io.StringIO()
    quoting, newline = style.get("quoting", csv.QUOTE_MINIMAL), style.get("newline", "\n")
    writer = csv.writer(text, delimiter=style.get("delimiter", ","), quoting=quoting, lineterminator=newline)
    writer.writerow(style.get("header", list(columns)))
    writer.writerows(["" if each is None else each for each in row] for row in zip(*columns.values(), strict=True))
    whole = "".join(line + newline for line in style.get("above", ())) + text.getvalue()
    whole += "".join(line + newline for line in style.get("below", ()))
    path.write_bytes(whole.encode(style.get("encoding", "utf-8")))


def write_xlsx(
    path: Path, sheets: Mapping[str, Sequence[Sequence[Any]]], merged: Mapping[str, Sequence[str]] | None = None
) -> None:
    """Write a workbook: numbers, texts, dates with a date style, by sheet; `merged` ranges of cells."""
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    links = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kinds = {"workbook.xml": "sheet.main", "styles.xml": "styles"}
    kinds |= {f"worksheets/sheet{each}.xml": "worksheet" for each, _ in enumerate(sheets, 1)}
    overrides = "".join(
        f'<Override PartName="/xl/{part}" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.{kind}+xml"/>'
        for part, kind in kinds.items()
    )
    named = "".join(f'<sheet name="{name}" sheetId="{each}" r:id="rId{each}"/>' for each, name in enumerate(sheets, 1))
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels"'
        f' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>{overrides}</Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" Type="{links}/officeDocument"'
        ' Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {main} xmlns:r="{links}"><sheets>{named}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        + "".join(
            f'<Relationship Id="rId{each}" Type="{links}/worksheet" Target="worksheets/sheet{each}.xml"/>'
            for each, _ in enumerate(sheets, 1)
        )
        + f'<Relationship Id="rId{len(sheets) + 1}" Type="{links}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet {main}><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/>'
        "</cellXfs></styleSheet>",
    }
    for each, (name, rows) in enumerate(sheets.items(), 1):
        lines = [
            f'<row r="{number}">'
            + "".join(_cell(f"{_letters(place)}{number}", value) for place, value in enumerate(row) if value is not None)
            + "</row>"
            for number, row in enumerate(rows, 1)
        ]
        ranges = "".join(f'<mergeCell ref="{cells}"/>' for cells in (merged or {}).get(name, ()))
        parts[f"xl/worksheets/sheet{each}.xml"] = (
            f"<worksheet {main}><sheetData>{''.join(lines)}</sheetData>"
            + (f"<mergeCells>{ranges}</mergeCells>" if ranges else "")
            + "</worksheet>"
        )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(zipfile.ZipInfo(name, _ZIP_DATE), '<?xml version="1.0" encoding="UTF-8"?>' + text)


def _letters(place: int) -> str:
    return (chr(64 + place // 26) if place >= 26 else "") + chr(65 + place % 26)


def _cell(at: str, value: Any) -> str:
    if isinstance(value, date):
        return f'<c r="{at}" s="1"><v>{(value - date(1899, 12, 30)).days}</v></c>'
    if isinstance(value, str):
        return f'<c r="{at}" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
    return f'<c r="{at}"><v>{value}</v></c>'


def _days(random: Random, rows: int, first: date, span: int) -> list[date]:
    return [first + timedelta(days=int(each)) for each in random.integers(0, span, rows)]


def _pick(random: Random, rows: int, words: Sequence[Any], p: Sequence[float] | None = None) -> list[Any]:
    return [words[each] for each in random.choice(len(words), rows, p=p)]


def _holes(random: Random, values: Sequence[Any], share: float) -> list[Any]:
    return [None if hole else each for each, hole in zip(values, random.random(len(values)) < share, strict=True)]


def _round(values: Any, digits: int = 2) -> list[float]:
    return [round(float(each), digits) for each in values]


def wine_quality(path: Path, random: Random, rows: int) -> Truth:
    """UCI wine quality: semicolons, quoted names with blanks, a score of few whole values."""
    acid, sugar, alcohol = random.normal(7, 1, rows), random.gamma(2, 3, rows), random.normal(10.5, 1.1, rows)
    truth: Truth = {
        "fixed acidity": _round(acid, 1),
        "volatile acidity": _round(random.gamma(4, 0.08, rows), 3),
        "citric acid": _round(random.gamma(3, 0.1, rows)),
        "residual sugar": _round(sugar, 1),
        "chlorides": _round(random.gamma(5, 0.01, rows), 3),
        "free sulfur dioxide": _round(random.gamma(4, 8, rows), 0),
        "density": _round(0.99 + sugar / 2000 - alcohol / 4000, 5),
        "pH": _round(random.normal(3.2, 0.15, rows)),
        "alcohol": _round(alcohol, 1),
    }
    score = 5.8 + 0.6 * (alcohol - 10.5) - 2.0 * (np.array(truth["volatile acidity"]) - 0.32) + random.normal(0, 0.5, rows)
    truth["quality"] = [int(each) for each in np.clip(np.round(score), 3, 9)]
    write_csv(path, truth, delimiter=";", quoting=csv.QUOTE_NONNUMERIC)
    return truth


def used_cars(path: Path, random: Random, rows: int) -> Truth:
    """Listings of used cars: units and thousands marks in the cells, a price with its currency, words for what is missing."""
    makes = ["Maruti Swift", "Hyundai i20", "Honda City", "Toyota Innova", "Škoda Octavia", "BMW 320d"]
    make, year = random.choice(len(makes), rows), random.integers(2004, 2021, rows)
    engine = np.array([1197, 1248, 1497, 2393, 1798, 1995])[make]
    power = _holes(random, _round(engine * 0.065 + random.normal(0, 4, rows), 1), 0.03)
    driven = random.integers(2_000, 180_000, rows)
    price = np.exp(8.4 + 0.0006 * engine + 0.08 * (year - 2012) - driven / 300_000 + random.normal(0, 0.12, rows))
    mileage = _holes(random, _round(31 - engine / 120 + random.normal(0, 1, rows), 1), 0.02)
    truth: Truth = {
        "Name": [makes[each] for each in make],
        "Year": year.tolist(),
        "Kilometers_Driven": driven.tolist(),
        "Fuel_Type": _pick(random, rows, ["Diesel", "Petrol", "CNG", "LPG"], [0.5, 0.45, 0.03, 0.02]),
        "Owner_Type": _pick(random, rows, ["First", "Second", "Third", "Fourth & Above"], [0.7, 0.2, 0.08, 0.02]),
        "Mileage": mileage,
        "Engine": engine.tolist(),
        "Power": power,
        "Seats": _holes(random, _pick(random, rows, [5, 5, 5, 7, 4]), 0.03),
        "Price": [int(each) for each in price],
    }
    written = {
        **truth,
        "Kilometers_Driven": [f"{each:,} km" for each in driven],
        "Mileage": ["" if each is None else f"{each} km/l" for each in mileage],
        "Engine": [f"{each:,} CC" for each in engine],
        "Power": ["null bhp" if each is None else f"{each} bhp" for each in power],
        "Price": [f"€ {each:,}" for each in truth["Price"]],
    }
    write_csv(path, written)
    return truth


def airbnb(path: Path, random: Random, rows: int) -> Truth:
    """Listings of a city: "$1,200.00", "95%", t and f, long texts with quotes and line breaks, hosts with several listings."""
    hosts = random.integers(100_000, 100_000 + rows // 2, rows)
    areas = ["Alfama", "Belém", "São Vicente", "Avenidas Novas", "Estrela"]
    area, beds, people = random.choice(5, rows), random.integers(1, 6, rows), random.integers(1, 11, rows)
    rate = _holes(random, _round(random.beta(20, 1, rows)), 0.15)
    price = np.exp(4 + 0.12 * people + 0.1 * area + random.normal(0, 0.25, rows))
    truth: Truth = {
        "id": (10_000_000 + random.permutation(rows * 7)[:rows]).tolist(),
        "name": [f'Flat "{areas[a]}", sunny\nand quiet no {n}' for n, a in enumerate(area)],
        "host_id": hosts.tolist(),
        "host_since": _days(random, rows, date(2011, 1, 1), 4000),
        "host_response_rate": rate,
        "host_is_superhost": _pick(random, rows, ["t", "f"]),
        "neighbourhood": [areas[each] for each in area],
        "latitude": _round(38.7 + random.normal(0, 0.02, rows), 5),
        "longitude": _round(-9.14 + random.normal(0, 0.02, rows), 5),
        "accommodates": people.tolist(),
        "beds": _holes(random, beds.tolist(), 0.02),
        "license": [None] * rows,
        "price": _round(price),
    }
    written = {
        **truth,
        "host_response_rate": ["N/A" if each is None else f"{100 * each:.0f}%" for each in rate],
        "price": [f"${each:,.2f}" for each in truth["price"]],
    }
    write_csv(path, written)
    return truth


def registrations(path: Path, random: Random, rows: int) -> Truth:
    """German registrations: cp1252, semicolons, decimal commas, thousands points, days first, umlauts, postal codes."""
    places = ["München", "Köln", "Düsseldorf", "Göttingen", "Weißenfels", "Hamburg"]
    place, power = random.choice(6, rows), random.normal(95, 35, rows).clip(40, 300)
    weight = 900 + 6 * power + random.normal(0, 60, rows)
    truth: Truth = {
        "Zulassung": _days(random, rows, date(2021, 1, 1), 900),
        "Ort": [places[each] for each in place],
        "PLZ": [f"{each:05d}" for each in np.array([80331, 50667, 1067, 37073, 6667, 20095])[place]],
        "Kraftstoff": _pick(random, rows, ["Benzin", "Diesel", "Elektro", "Hybrid"]),
        "Leistung (kW)": _round(power, 1),
        "Leergewicht": _round(weight, 0),
        "Höchstgeschw.": _round(120 + 0.6 * power, 0),
        "Listenpreis": _round(np.exp(9 + 0.008 * power + random.normal(0, 0.1, rows))),
    }
    written = {
        **truth,
        "Zulassung": [each.strftime("%d.%m.%Y") for each in truth["Zulassung"]],
        "Leistung (kW)": [german(each, 1) for each in truth["Leistung (kW)"]],
        "Leergewicht": [german(each, 0) for each in truth["Leergewicht"]],
        "Höchstgeschw.": [german(each, 0) for each in truth["Höchstgeschw."]],
        "Listenpreis": [german(each) + " €" for each in truth["Listenpreis"]],
    }
    write_csv(path, written, delimiter=";", encoding="cp1252", newline="\r\n")
    return truth


def power_use(path: Path, random: Random, rows: int) -> Truth:
    """UCI household power: semicolons, day first without leading zeros, times of day in their own column, "?" for nothing."""
    start = datetime(2006, 12, 16, 17, 24)
    moments = [start + timedelta(minutes=97 * each) for each in range(rows)]
    hours = np.array([each.hour for each in moments])
    kitchen = np.where((hours > 16) & (hours < 21), random.integers(0, 40, rows), 0)
    active = 0.6 + kitchen / 20 + random.gamma(2, 0.2, rows)
    gaps = random.random(rows) < 0.02
    truth: Truth = {
        "Date": [each.date() for each in moments],
        "Time": [each.strftime("%H:%M:%S") for each in moments],
        "Global_reactive_power": [
            None if gap else each for each, gap in zip(_round(random.gamma(2, 0.06, rows), 3), gaps, strict=True)
        ],
        "Voltage": [None if gap else each for each, gap in zip(_round(random.normal(240, 3, rows)), gaps, strict=True)],
        "Sub_metering_1": [None if gap else float(each) for each, gap in zip(kitchen, gaps, strict=True)],
        "Global_active_power": _round(active, 3),
    }
    written = {name: ["?" if each is None else each for each in values] for name, values in truth.items()}
    written["Date"] = [f"{each.day}/{each.month}/{each.year}" for each in truth["Date"]]
    write_csv(path, written, delimiter=";")
    return truth


def excel_report(path: Path, random: Random, rows: int) -> Truth:
    """A report out of a shop's system: two title lines, an empty one, a header, typed dates, a row of totals."""
    units, price = random.integers(1, 40, rows), _round(random.uniform(2, 90, rows))
    truth: Truth = {
        "Order date": _days(random, rows, date(2023, 1, 1), 500),
        "Region": _pick(random, rows, ["North", "South", "East", "West"]),
        "Units": units.tolist(),
        "Unit price": price,
        "Discount": _holes(random, _round(random.uniform(0, 0.3, rows)), 0.3),
        "Shipping cost": _round(3 + 0.4 * units + random.normal(0, 0.8, rows)),
    }
    body = [list(row) for row in zip(*truth.values(), strict=True)]
    total = ["Total", None, int(units.sum()), None, None, round(sum(truth["Shipping cost"]), 2)]
    write_xlsx(path, {"Export": [["Shipping report 2023/24"], ["created 2024-06-30"], [], list(truth), *body, total]})
    return truth


def json_lines(path: Path, random: Random, rows: int) -> Truth:
    """Events of a service: JSON lines with nulls, true and false, keys that are not always there, an object and a list."""
    size, plan = random.integers(1, 500, rows), _pick(random, rows, ["free", "pro", "team"])
    trial = _pick(random, rows, [True, False])
    truth: Truth = {
        "account": [f"acc-{each:06d}" for each in random.permutation(rows)],
        "created_at": [datetime(2022, 1, 1, 8, 30) + timedelta(days=int(each)) for each in random.integers(0, 700, rows)],
        "plan": plan,
        "is_trial": trial,
        "seats": _holes(random, size.tolist(), 0.1),
        "referrer": _holes(random, _pick(random, rows, ["ads", "friend", "search"]), 0.4),
        "minutes": _round(
            20 + 0.5 * size * [{"free": 1, "pro": 2, "team": 3}[each] for each in plan] / 10 + random.normal(0, 5, rows)
        ),
    }
    with path.open("w", encoding="utf-8") as file:
        for place, row in enumerate(zip(*truth.values(), strict=True)):
            named = dict(zip(truth, row, strict=True))
            named["created_at"] = named["created_at"].isoformat() + "Z"
            if named["referrer"] is None and place % 2:
                del named["referrer"]
            named |= {"device": {"os": "linux", "cores": int(size[place] % 8)}, "tags": ["a", "b"][: place % 3]}
            file.write(json.dumps(named, ensure_ascii=False) + "\n")
    return truth


def parquet_rides(path: Path, random: Random, rows: int) -> Truth:
    """A data lake's export: Parquet with dictionaries, decimals, points in time, nulls."""
    start = datetime(2024, 3, 1)
    km = random.gamma(2, 3, rows)
    moments = [start + timedelta(seconds=int(each)) for each in np.sort(random.integers(0, 90 * 86400, rows))]
    truth: Truth = {
        "started_at": moments,
        "zone": _pick(random, rows, ["center", "north", "harbour", "airport"]),
        "bike_type": _holes(random, _pick(random, rows, ["classic", "electric"]), 0.05),
        "distance_km": _round(km, 3),
        "member": _pick(random, rows, [True, False]),
        "fare": _round(1 + 0.9 * km + random.normal(0, 0.4, rows)),
    }
    arrays = {
        "started_at": pa.array(moments, pa.timestamp("us")),
        "zone": pa.array(truth["zone"]).dictionary_encode(),
        "bike_type": pa.array(truth["bike_type"]).dictionary_encode(),
        "distance_km": pa.array(truth["distance_km"], pa.float64()),
        "member": pa.array(truth["member"], pa.bool_()),
        "fare": pa.array([f"{each:.2f}" for each in truth["fare"]]).cast(pa.decimal128(10, 2)),
    }
    pq.write_table(pa.table(arrays), path)
    return truth


def windows_export(path: Path, random: Random, rows: int) -> Truth:
    """Excel's "Unicode text": UTF-16 with its mark, tabs, CRLF, a decimal comma, names in several scripts."""
    names = ["Łódź", "Αθήνα", "Москва", "Zürich", "Reykjavík", "東京"]
    city, area = random.choice(6, rows), random.uniform(20, 180, rows)
    truth: Truth = {
        "Город / City": [names[each] for each in city],
        "Area m²": _round(area, 1),
        "Rooms": (1 + area // 30).astype(int).tolist(),
        "Furnished": _pick(random, rows, ["yes", "no"]),
        "Rent": _round(250 + 11 * area + 40 * city + random.normal(0, 60, rows)),
    }
    written = {**truth, **{name: [str(each).replace(".", ",") for each in truth[name]] for name in ("Area m²", "Rent")}}
    write_csv(path, written, delimiter="\t", encoding="utf-16", newline="\r\n")
    return truth


def customers(path: Path, random: Random, rows: int) -> Truth:
    """A shop's orders: customers that come again, numbers that are ids with leading zeros, an index column of pandas."""
    who, effect = random.integers(1, rows // 6, rows), random.normal(0, 12, rows)
    items = random.integers(1, 12, rows)
    truth: Truth = {
        "customer_no": [f"{each:08d}" for each in who],
        "order_no": [f"{each:010d}" for each in 1_000 + np.arange(rows)],
        "ordered": _days(random, rows, date(2023, 5, 1), 400),
        "branch": _pick(random, rows, ["007", "012", "113"]),
        "items": items.tolist(),
        "channel": _pick(random, rows, ["web", "app", "store"]),
        "basket_value": _round(8 + 14 * items + effect[who] + random.normal(0, 6, rows)),
    }
    write_csv(path, {"": list(range(rows)), **truth})
    return truth


def house_prices(path: Path, random: Random, rows: int) -> Truth:
    """House prices with 80 columns: NA is a category (no garage, no pool), codes of types, mostly missing columns."""
    area, quality, year = (
        random.normal(1500, 450, rows).clip(400),
        random.integers(3, 11, rows),
        random.integers(1900, 2011, rows),
    )
    truth: Truth = {"Id": list(range(1, rows + 1)), "MSSubClass": _pick(random, rows, [20, 30, 50, 60, 120, 190])}
    truth |= {"LotArea": random.integers(2000, 20000, rows).tolist(), "OverallQual": quality.tolist(), "YearBuilt": year.tolist()}
    truth |= {"GrLivArea": [int(each) for each in area]}
    words = ["Ex", "Gd", "TA", "Fa", "NA"]
    for number in range(1, 41):
        truth[f"Qual{number:02d}"] = _pick(random, rows, words, [0.1, 0.3, 0.4, 0.05, 0.15])
    for number in range(1, 33):
        truth[f"{number}stFlrSF"] = random.integers(0, 1200, rows).tolist()
    truth["PoolQC"] = _pick(random, rows, ["NA", "Gd", "Ex"], [0.98, 0.01, 0.01])
    truth["SalePrice"] = [
        int(each) for each in 20_000 + 55 * area + 14_000 * quality + 180 * (year - 1900) + random.normal(0, 9000, rows)
    ]
    write_csv(path, truth)
    return truth


def trips(path: Path, random: Random, rows: int) -> Truth:
    """A month of taxi trips: points in time, coordinates, a flag of letters, many rows."""
    start, km = datetime(2016, 1, 1), random.gamma(1.5, 2.2, rows) + 0.3
    begun = [start + timedelta(seconds=int(each)) for each in random.integers(0, 180 * 86400, rows)]
    hour = np.array([each.hour for each in begun])
    seconds = 60 + km * 150 * np.where((hour > 7) & (hour < 20), 1.5, 1.0) * random.lognormal(0, 0.2, rows)
    truth: Truth = {
        "id": [f"id{each:07d}" for each in random.permutation(rows)],
        "vendor_id": _pick(random, rows, [1, 2]),
        "pickup_datetime": begun,
        "passenger_count": _pick(random, rows, [1, 1, 1, 2, 3, 4, 5, 6]),
        "pickup_longitude": _round(-73.97 + random.normal(0, 0.03, rows), 6),
        "pickup_latitude": _round(40.75 + random.normal(0, 0.03, rows), 6),
        "distance_km": _round(km, 3),
        "store_and_fwd_flag": _pick(random, rows, ["N", "Y"], [0.99, 0.01]),
        "trip_duration": [int(each) for each in seconds],
    }
    write_csv(path, truth)
    return truth


def sensors(path: Path, random: Random, rows: int) -> Truth:
    """Readings of 300 sensors, some dead (constant), some silent (all missing), a target of few of them."""
    matrix = random.normal(0, 1, (rows, 297)).round(4)
    truth: Truth = {f"sensor_{number:03d}": matrix[:, number].tolist() for number in range(297)}
    truth["sensor_297"], truth["sensor_298"] = [0.0] * rows, [None] * rows
    truth["strength"] = _round(
        50 + 4 * matrix[:, 3] - 3 * matrix[:, 40] + 2 * matrix[:, 41] * matrix[:, 3] + random.normal(0, 1, rows), 3
    )
    write_csv(path, truth)
    return truth


def weekly_sales(path: Path, random: Random, rows: int) -> Truth:
    """Weekly sales of stores and departments, a holiday flag, a price: for `--demand`."""
    weeks, truth = rows, {name: list[Any]() for name in ("Store", "Dept", "Date", "Weekly_Sales", "IsHoliday", "Fuel_Price")}
    for store in (1, 2, 3):
        for dept in (10, 20):
            for week in range(weeks):
                day = date(2021, 1, 8) + timedelta(weeks=week)
                holiday = day.month == 12 and day.day > 18
                level = 900 * store + 25 * dept + 150 * np.sin(week / 52 * 2 * np.pi) + 500 * holiday + random.normal(0, 60)
                fuel = round(float(3 + 0.2 * np.sin(week / 9)), 3)
                row = (store, dept, day, round(float(level), 2), holiday, fuel)
                for name, value in zip(truth, row, strict=True):
                    truth[name].append(value)
    write_csv(path, {**truth, "IsHoliday": [str(each).upper() for each in truth["IsHoliday"]]})
    return truth


def tiny(path: Path, random: Random, rows: int) -> Truth:
    """A textbook's table: 60 rows, a few columns."""
    height = random.normal(171, 9, rows)
    truth: Truth = {
        "Height": _round(height, 1),
        "Sex": _pick(random, rows, ["F", "M"]),
        "Age": random.integers(18, 70, rows).tolist(),
        "Weight": _round(0.9 * height - 85 + random.normal(0, 6, rows), 1),
    }
    write_csv(path, truth)
    return truth


def holes(path: Path, random: Random, rows: int) -> Truth:
    """A survey: most cells are empty, in four spellings of nothing; some answers to predict are missing too."""
    words = ["", "n/a", "-", "NULL"]
    income, years = random.gamma(5, 9000, rows), random.integers(0, 40, rows)
    truth: Truth = {
        "education": _holes(random, _pick(random, rows, ["primary", "secondary", "tertiary"]), 0.35),
        "income": _holes(random, _round(income, 0), 0.5),
        "years_in_job": _holes(random, [float(each) for each in years], 0.6),
        "household": _holes(random, [float(each) for each in random.integers(1, 7, rows)], 0.2),
        "satisfaction": _holes(random, _round(3 + income / 30_000 + years / 20 + random.normal(0, 0.4, rows)), 0.04),
    }
    written = {
        name: [words[place % 4] if each is None else each for place, each in enumerate(values)] for name, values in truth.items()
    }
    write_csv(path, written)
    return truth


def with_zone(path: Path, random: Random, rows: int) -> Truth:
    """Readings with the time of day and its distance from UTC, one every half an hour."""
    start = datetime(2024, 1, 1)
    moments = [start + timedelta(minutes=30 * each) for each in range(rows)]
    hours = np.array([each.hour for each in moments])
    outside = 6 + 8 * np.sin((hours - 9) / 24 * 2 * np.pi) + random.normal(0, 1, rows)
    truth: Truth = {
        "time": moments,
        "outside_c": _round(outside, 2),
        "windows_open": _pick(random, rows, ["true", "false"]),
        "heating_kwh": _round(np.clip(9 - 0.4 * outside, 0, None) + random.normal(0, 0.3, rows), 3),
    }
    write_csv(path, {**truth, "time": [each.isoformat() + "+00:00" for each in moments]})
    return truth


def truths(path: Path, random: Random, rows: int) -> Truth:
    """Flags in five spellings: yes/no, true/false, Y/N, 1/0, ja/nein."""
    flags = {
        name: _pick(random, rows, words)
        for name, words in {
            "smoker": ["yes", "no"],
            "insured": ["true", "false"],
            "married": ["Y", "N"],
            "urban": [1, 0],
            "kinder": ["ja", "nein"],
            "remote": ["TRUE", "FALSE"],
        }.items()
    }
    age = random.integers(18, 80, rows)
    smokes = np.array([each == "yes" for each in flags["smoker"]])
    charges = 2000 + 240 * age + 19_000 * smokes + random.normal(0, 900, rows)
    truth: Truth = {"age": age.tolist(), "bmi": _round(random.normal(28, 5, rows), 3), **flags, "charges": _round(charges, 4)}
    write_csv(path, truth)
    return truth


def names_of_all_kinds(path: Path, random: Random, rows: int) -> Truth:
    """A byte order mark, CRLF, names with blanks, dots, accents and brackets, twins by case, quoted line breaks in cells."""
    size = random.normal(50, 12, rows)
    truth: Truth = {
        " Größe (cm) ": _round(size, 1),
        "peso.kg": _round(size * 0.4 + random.normal(0, 1, rows), 2),
        "État": _pick(random, rows, ["neuf", "usagé", "abîmé"]),
        "Code": random.integers(1, 900, rows).tolist(),
        "code": _pick(random, rows, ["x", "y", "z"]),
        "Notes": _pick(random, rows, ["bon\nétat", 'dit "neuf"', "a, b", "rien"]),
        "prix d'achat": _round(20 + 3 * size + random.normal(0, 8, rows)),
    }
    write_csv(path, truth, encoding="utf-8-sig", newline="\r\n")
    return truth


def four_dates(path: Path, random: Random, rows: int) -> Truth:
    """Dates in four formats, one a column, in a bank's export with a preamble and Excel's sep= line."""
    days = [_days(random, rows, date(2020, 1, 1), 1000) for _ in range(4)]
    wait = random.integers(1, 60, rows)
    truth: Truth = {
        "opened": days[0],
        "checked": days[1],
        "signed": days[2],
        "booked": days[3],
        "branch": _pick(random, rows, ["A1", "B2", "C3"]),
        "amount": _round(random.gamma(3, 4000, rows)),
        "days_to_pay": _round(10 + wait + random.normal(0, 2, rows), 0),
        "wait": wait.tolist(),
    }
    written = {
        **truth,
        "opened": [f"{each:%d/%m/%Y}" for each in days[0]],
        "checked": [f"{each:%m/%d/%Y %H:%M}" for each in days[1]],
        "signed": [f"{each:%d-%b-%Y}" for each in days[2]],
        "booked": [f"{each:%Y%m%d}" for each in days[3]],
        "amount": [f"{each:,.2f}" for each in truth["amount"]],
    }
    write_csv(path, written, delimiter=";", above=["sep=;"])
    return truth


def ledger(path: Path, random: Random, rows: int) -> Truth:
    """A ledger: comment lines above, pipes, negatives in brackets, a grand total, a column of one value."""
    budget = random.gamma(3, 900, rows)
    actual = budget * random.normal(1, 0.1, rows) - 1500
    truth: Truth = {
        "cost center": _pick(random, rows, ["0100", "0200", "0310"]),
        "company": ["ACME"] * rows,
        "month": _pick(random, rows, ["2023-01-31", "2023-02-28", "2023-03-31", "2023-04-30"]),
        "budget": _round(budget),
        "actual": _round(actual),
    }
    truth["month"] = [date.fromisoformat(each) for each in truth["month"]]

    def brackets(value: float) -> str:
        return f"({-value:,.2f})" if value < 0 else f"{value:,.2f}"

    written = {
        **truth,
        "budget": [brackets(each) for each in truth["budget"]],
        "actual": [brackets(each) for each in truth["actual"]],
    }
    total = f"Grand Total|||{sum(truth['budget']):,.2f}|{brackets(sum(truth['actual']))}"
    write_csv(path, written, delimiter="|", above=["# exported by the ledger", "# do not edit"], below=[total])
    return truth


def french_flats(path: Path, random: Random, rows: int) -> Truth:
    """Flats for sale in France: decimal commas and narrow blanks between thousands, units with raised digits, nothing quoted."""
    area = random.uniform(18, 140, rows)
    truth: Truth = {
        "ville": _pick(random, rows, ["Paris", "Lyon", "Saint-Étienne"]),
        "surface": _round(area, 1),
        "étage": _holes(random, random.integers(0, 9, rows).tolist(), 0.1),
        "charges": _round(random.uniform(20, 400, rows)),
        "prix": _round(4000 * area + random.normal(0, 9000, rows)),
    }
    written = {
        **truth,
        "surface": [f"{each:.1f} m²".replace(".", ",") for each in truth["surface"]],
        "étage": ["-" if each is None else each for each in truth["étage"]],
        "charges": [f"{each:.2f}".replace(".", ",") for each in truth["charges"]],
        "prix": [f"{each:,.2f} €".replace(",", "\u202f").replace(".", ",") for each in truth["prix"]],
    }
    write_csv(path, written, delimiter=";")
    return truth


def air_quality(path: Path, random: Random, rows: int) -> Truth:
    """UCI Air Quality: every row ends in two delimiters, the file in rows of nothing else, times with dots, decimal commas."""
    start, load = datetime(2004, 3, 10, 18), random.gamma(4, 0.5, rows)
    moments = [start + timedelta(hours=each) for each in range(rows)]
    truth: Truth = {
        "Date": [each.date() for each in moments],
        "Time": [each.strftime("%H.%M.%S") for each in moments],
        "CO(GT)": _round(load, 1),
        "NOx(GT)": [int(each) for each in 40 + 55 * load + random.normal(0, 30, rows)],
        "T": _round(random.normal(14, 5, rows), 1),
        "C6H6(GT)": _round(4.5 * load + random.normal(0, 1.2, rows), 1),
    }
    written: dict[str, Sequence[Any]] = {
        name: [str(each).replace(".", ",") if isinstance(each, float) else each for each in values]
        for name, values in truth.items()
    }
    written |= {"Date": [f"{each:%d/%m/%Y}" for each in truth["Date"]], "a": [""] * rows, "b": [""] * rows}
    write_csv(path, written, delimiter=";", newline="\r\n", header=[*truth, "", ""], below=[";;;;;;;"] * 12)
    return truth


def laptops(path: Path, random: Random, rows: int) -> Truth:
    """Prices of laptops: Latin-1, an index without a name, "8GB" and "1.37kg", sizes of screens that are texts."""
    memory = random.choice([4, 8, 16, 32], rows)
    truth: Truth = {
        "Company": _pick(random, rows, ["Apple", "HP", "Médion", "Lenovo"]),
        "Inches": _pick(random, rows, [13.3, 14.0, 15.6, 17.3]),
        "ScreenResolution": _pick(random, rows, ["Full HD 1920x1080", "1366x768", "IPS Panel 2560x1440"]),
        "Ram": memory.tolist(),
        "Memory": _pick(random, rows, ["256GB SSD", "1TB HDD", "128GB SSD +  1TB HDD"]),
        "Weight": _round(random.uniform(0.9, 3.2, rows)),
        "Price_euros": _round(300 + 32 * memory + random.normal(0, 120, rows)),
    }
    written = {"": list(range(rows)), **truth}
    written |= {"Ram": [f"{each}GB" for each in memory], "Weight": [f"{each}kg" for each in truth["Weight"]]}
    write_csv(path, written, encoding="latin-1")
    return truth


def superstore(path: Path, random: Random, rows: int) -> Truth:
    """Order lines of a shop: cp1252, ids of letters and digits, dates without leading zeros, quotes in names, losses."""
    order = np.sort(random.integers(0, rows // 2, rows))
    discount = random.choice([0.0, 0.0, 0.2, 0.5], rows)
    sales = np.exp(random.normal(4, 1, rows))
    day = [date(2016, 1, 1) + timedelta(days=int(each) * 700 // rows) for each in order]
    truth: Truth = {
        "Row ID": list(range(1, rows + 1)),
        "Order ID": [f"CA-2016-{100_000 + each}" for each in order],
        "Order Date": day,
        "Ship Date": [each + timedelta(days=int(wait)) for each, wait in zip(day, random.integers(1, 7, rows), strict=True)],
        "Customer Name": [f"José Nuñez {each % 40}" for each in order],
        "Postal Code": _pick(random, rows, ["42420", "90036", "02151"]),
        "Product Name": _pick(random, rows, ['Cable 3" long, black', "Chair", "Lamp – white"]),
        "Sales": _round(sales, 4),
        "Quantity": random.integers(1, 10, rows).tolist(),
        "Discount": discount.tolist(),
        "Profit": _round(sales * (0.3 - discount) + random.normal(0, 4, rows), 4),
    }
    written = {**truth}
    for name in ("Order Date", "Ship Date"):
        written[name] = [f"{each.month}/{each.day}/{each.year}" for each in truth[name]]
    write_csv(path, written, encoding="cp1252")
    return truth


ZOO = (
    Exhibit("wine_quality.csv", "UCI Wine Quality", "quality", wine_quality),
    Exhibit("used_cars.csv", "listings of used cars", "Price", used_cars),
    Exhibit("airbnb.csv", "Inside Airbnb", "price", airbnb),
    Exhibit("registrations.csv", "German registrations", "Listenpreis", registrations),
    Exhibit("power.txt", "UCI household power consumption", "Global_active_power", power_use, 1500),
    Exhibit("shipping.xlsx", "a report in Excel", "Shipping cost", excel_report),
    Exhibit("usage.jsonl", "events of a service", "minutes", json_lines),
    Exhibit("rides.parquet", "a data lake's rides", "fare", parquet_rides),
    Exhibit("rents.txt", "Excel's Unicode text", "Rent", windows_export),
    Exhibit("orders.csv", "orders of a shop", "basket_value", customers, 600),
    Exhibit("houses.csv", "Ames house prices", "SalePrice", house_prices),
    Exhibit("trips.csv", "NYC taxi trips", "trip_duration", trips, 100_000),
    Exhibit("sensors.csv", "300 sensors", "strength", sensors, 500),
    Exhibit("weekly.csv", "weekly sales of stores", "Weekly_Sales", weekly_sales, 120, ("--demand",)),
    Exhibit("tiny.csv", "a textbook's table", "Weight", tiny, 60),
    Exhibit("survey.csv", "a survey with gaps", "satisfaction", holes),
    Exhibit("heating.csv", "readings with a time zone", "heating_kwh", with_zone, 700),
    Exhibit("insurance.csv", "medical charges", "charges", truths),
    Exhibit("prix.csv", "names of all kinds", "prix d'achat", names_of_all_kinds),
    Exhibit("claims.csv", "a bank's export with four kinds of dates", "days_to_pay", four_dates),
    Exhibit("ledger.psv", "a ledger", "actual", ledger),
    Exhibit("flats.csv", "flats for sale in France", "prix", french_flats),
    Exhibit("air.csv", "UCI Air Quality", "C6H6(GT)", air_quality, 700),
    Exhibit("laptops.csv", "prices of laptops", "Price_euros", laptops),
    Exhibit("superstore.csv", "Superstore order lines", "Profit", superstore, 600),
)
