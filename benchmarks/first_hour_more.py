"""More files as people have them, in the manner of `first_hour_files`: K, M and lakh, minuses behind, sentinels, footers."""

from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
from first_hour_files import Exhibit, Random, Truth, _days, _holes, _pick, _round, german, write_csv


def players(path: Path, random: Random, rows: int) -> Truth:
    """Footballers: "€36.5M" and "€110K", heights in feet and inches, weights in pounds, months that contracts end in."""
    age, skill = random.integers(17, 39, rows), random.normal(68, 7, rows).round()
    value = np.exp(13.2 + 0.15 * (skill - 68) - 0.03 * (age - 25) ** 2 / 4 + random.normal(0, 0.2, rows))
    millions = [round(float(each) / 1e6, 1) for each in value]
    thousands = [max(1, round(float(each) / 1e3)) for each in value]
    wage = [max(1, round(float(each))) for each in np.exp(random.normal(2, 1, rows))]
    truth: Truth = {
        "Name": [f"P. Müller{each}" for each in range(rows)],
        "Age": age.tolist(),
        "Nationality": _pick(random, rows, ["Germany", "Côte d'Ivoire", "England", "Brazil"]),
        "Overall": [int(each) for each in skill],
        "Preferred Foot": _pick(random, rows, ["Left", "Right"]),
        "Height": _pick(random, rows, ["5'7", "5'11", "6'2"]),
        "Weight": random.integers(130, 210, rows).tolist(),
        "Joined": _days(random, rows, date(2010, 1, 1), 3000),
        "Wage": [1000.0 * each for each in wage],
        "Value": [1e6 * m if m >= 1 else 1000.0 * k for m, k in zip(millions, thousands, strict=True)],
    }
    written = {
        **truth,
        "Weight": [f"{each}lbs" for each in truth["Weight"]],
        "Joined": [f"{each:%b} {each.day}, {each.year}" for each in truth["Joined"]],
        "Wage": [f"€{each}K" for each in wage],
        "Value": [f"€{m}M" if m >= 1 else f"€{k}K" for m, k in zip(millions, thousands, strict=True)],
    }
    write_csv(path, {"": list(range(rows)), **written}, encoding="utf-8-sig")
    return truth


def sap_items(path: Path, random: Random, rows: int) -> Truth:
    """Line items of SAP: minuses behind the digits, thousands points, ids with leading zeros, cp1252, a total below."""
    quantity, price = random.integers(1, 60, rows), random.gamma(3, 40, rows)
    back = random.random(rows) < 0.15
    truth: Truth = {
        "Belegnr": [4_500_000_000 + int(each) for each in random.permutation(rows)],
        "Material": [f"{each:018d}" for each in random.integers(1, 40, rows)],
        "Werk": _pick(random, rows, ["0001", "0010", "1000"]),
        "Buchungsdatum": _days(random, rows, date(2022, 1, 1), 500),
        "Kostenstelle": _pick(random, rows, ["Gießerei", "Lager", "Büro"]),
        "Menge": [int(-each if b else each) for each, b in zip(quantity, back, strict=True)],
        "Betrag": _round(np.where(back, -1, 1) * quantity * price * random.lognormal(0, 0.05, rows)),
    }

    def behind(value: float, digits: int) -> str:
        return german(abs(value), digits) + ("-" if value < 0 else "")

    written = {
        **truth,
        "Buchungsdatum": [f"{each:%d.%m.%Y}" for each in truth["Buchungsdatum"]],
        "Menge": [behind(each, 0) for each in truth["Menge"]],
        "Betrag": [behind(each, 2) for each in truth["Betrag"]],
    }
    write_csv(path, written, delimiter=";", encoding="cp1252", newline="\r\n")
    return truth


def indian_houses(path: Path, random: Random, rows: int) -> Truth:
    """Houses in India: prices in Lac and Cr, areas with sqft, floors in words, "2 BHK"."""
    area, rooms = random.integers(350, 3000, rows), random.integers(1, 6, rows)
    rupees = area * random.lognormal(8.4, 0.2, rows) * (1 + 0.05 * rooms)
    lakhs = [round(float(each) / 1e5, 1) for each in rupees]
    crores = [round(float(each) / 1e7, 2) for each in rupees]
    truth: Truth = {
        "Title": [f"{each} BHK Apartment for Sale" for each in rooms],
        "Carpet Area": area.tolist(),
        "Status": _pick(random, rows, ["Ready to Move", "Under Construction"]),
        "Floor": _pick(random, rows, ["Ground out of 2", "1 out of 5", "10 out of 11"]),
        "Transaction": _pick(random, rows, ["Resale", "New Property"]),
        "Bathroom": _holes(random, rooms.tolist(), 0.02),
        "Amount": [round(c * 1e7) if c >= 1 else round(lac * 1e5) for c, lac in zip(crores, lakhs, strict=True)],
    }
    written = {
        **truth,
        "Carpet Area": [f"{each} sqft" for each in area],
        "Amount": [f"{c} Cr" if c >= 1 else f"{lac} Lac" for c, lac in zip(crores, lakhs, strict=True)],
    }
    write_csv(path, {"Index": list(range(rows)), **written})
    return {**truth, "Amount": [float(each) for each in truth["Amount"]]}


def world_bank(path: Path, random: Random, rows: int) -> Truth:
    """Indicators of the World Bank: years side by side, ".." for what is not known, notes below the table."""
    level = np.exp(random.normal(8.5, 1.2, rows))
    years = range(2013, 2021)
    columns = {year: level * 1.02 ** (year - 2013) * random.lognormal(0, 0.03, rows) for year in years}
    truth: Truth = {
        "Country Name": [f"Country {each}" for each in range(rows)],
        "Country Code": [f"{chr(65 + each // 26 % 26)}{chr(65 + each % 26)}{chr(65 + each // 676)}" for each in range(rows)],
        "Region": _pick(random, rows, ["Europe", "Africa", "Asia", "North America"]),
    }
    truth |= {f"{year} [YR{year}]": _holes(random, _round(columns[year], 4), 0.05 if year < 2020 else 0) for year in years}
    written = {name: [".." if each is None else each for each in values] for name, values in truth.items()}
    below = ["", "", "", '"Data from database: World Development Indicators",,', '"Last Updated: 12/16/2021",,']
    write_csv(path, written, below=below, encoding="utf-8-sig")
    return truth


def hotel_bookings(path: Path, random: Random, rows: int) -> Truth:
    """Bookings of hotels: dates in three columns, NULL for ids that are not there, months by name, a rate a day."""
    arrival = [date(2016, 1, 1) + timedelta(days=int(each)) for each in np.sort(random.integers(0, 700, rows))]
    people, season = random.integers(1, 5, rows), np.array([1 + 0.3 * (6 <= each.month <= 9) for each in arrival])
    truth: Truth = {
        "hotel": _pick(random, rows, ["City Hotel", "Resort Hotel"]),
        "is_canceled": random.integers(0, 2, rows).tolist(),
        "lead_time": random.integers(0, 400, rows).tolist(),
        "arrival_date_year": [each.year for each in arrival],
        "arrival_date_month": [f"{each:%B}" for each in arrival],
        "arrival_date_day_of_month": [each.day for each in arrival],
        "adults": people.tolist(),
        "meal": _pick(random, rows, ["BB", "HB", "SC"]),
        "country": _pick(random, rows, ["PRT", "GBR", "NAM", "FRA"]),
        "agent": _holes(random, _pick(random, rows, [9, 240, 14, 7]), 0.2),
        "reservation_status_date": [each + timedelta(days=int(stay)) for each, stay in zip(arrival, people, strict=True)],
        "adr": _round(season * (40 + 28 * people) + random.normal(0, 9, rows)),
    }
    written = {**truth, "agent": ["NULL" if each is None else each for each in truth["agent"]]}
    write_csv(path, written)
    return truth


def gas_sensors(path: Path, random: Random, rows: int) -> Truth:
    """UCI Air Quality as it is: -200 for what was not measured, beside temperatures below zero, decimal commas."""
    load, start = random.gamma(4, 0.5, rows), datetime(2004, 3, 10, 18)
    truth: Truth = {
        "Date": [(start + timedelta(hours=each)).date() for each in range(rows)],
        "CO(GT)": _holes(random, _round(load, 1), 0.15),
        "NOx(GT)": _holes(random, [int(each) for each in (40 + 95 * load + random.normal(0, 30, rows)).clip(2)], 0.1),
        "T": _holes(random, _round(random.normal(14, 8, rows), 1), 0.05),
        "NO2(GT)": _round(60 + 22 * load + random.normal(0, 8, rows), 1),
    }
    written = {
        name: ["-200" if each is None else str(each).replace(".", ",") for each in values]
        for name, values in truth.items()
        if name != "Date"
    }
    write_csv(path, {"Date": [f"{each:%d/%m/%Y}" for each in truth["Date"]], **written}, delimiter=";")
    return truth


def polish_flats(path: Path, random: Random, rows: int) -> Truth:
    """Flats for rent in Poland: blanks between thousands, "zł", "od zaraz" among the dates, months without a day."""
    area, built = random.uniform(20, 110, rows), random.integers(0, 24, rows)
    free = [
        None if soon else each
        for each, soon in zip(_days(random, rows, date(2024, 1, 1), 300), random.random(rows) < 0.2, strict=True)
    ]
    truth: Truth = {
        "miasto": _pick(random, rows, ["Łódź", "Kraków", "Gdańsk"]),
        "powierzchnia": _round(area, 1),
        "pokoje": (1 + area // 28).astype(int).tolist(),
        "dostępne od": free,
        "odnowione": [date(2015 + int(each) // 12 * 2, int(each) % 12 + 1, 1) for each in built],
        "czynsz": _round(700 + 48 * area + random.normal(0, 150, rows)),
    }
    written = {
        **truth,
        "powierzchnia": [f"{each:.1f} m²".replace(".", ",") for each in truth["powierzchnia"]],
        "dostępne od": ["od zaraz" if each is None else f"{each:%d.%m.%Y}" for each in free],
        "odnowione": [f"{each:%Y-%m}" for each in truth["odnowione"]],
        "czynsz": [f"{each:,.2f} zł".replace(",", " ").replace(".", ",") for each in truth["czynsz"]],
    }
    write_csv(path, written, delimiter=";", encoding="utf-8-sig")
    return truth


def autos(path: Path, random: Random, rows: int) -> Truth:
    """Auto MPG as a CSV: "?" for a horsepower, names of cars that hardly repeat, codes of an origin."""
    weight, year = random.normal(2900, 700, rows).clip(1600), random.integers(70, 83, rows)
    truth: Truth = {
        "mpg": _round(46 - 0.0075 * weight + 0.5 * (year - 76) + random.normal(0, 2, rows), 1),
        "cylinders": _pick(random, rows, [4, 6, 8]),
        "horsepower": _holes(random, [int(each) for each in weight / 28 + random.normal(0, 6, rows)], 0.02),
        "weight": [int(each) for each in weight],
        "model year": year.tolist(),
        "origin": _pick(random, rows, [1, 2, 3]),
        "car name": [f"{make} {number}" for number, make in enumerate(_pick(random, rows, ["ford", "vw", "toyota"]))],
    }
    write_csv(path, {**truth, "horsepower": ["?" if each is None else each for each in truth["horsepower"]]})
    return truth


def order_items(path: Path, random: Random, rows: int) -> Truth:
    """Items of orders of a marketplace: hashes as ids, quoted everything, points in time, freight in cents."""
    order, weight = np.sort(random.integers(0, rows * 2 // 3, rows)), random.gamma(2, 900, rows)
    hashes = [f"{random.integers(0, 2**63):016x}{random.integers(0, 2**63):016x}" for _ in range(rows)]
    when = [datetime(2017, 1, 1, 9) + timedelta(minutes=int(each) * 611) for each in order]
    truth: Truth = {
        "order_id": [hashes[each] for each in order],
        "product_id": [hashes[-1 - int(each)] for each in random.integers(0, 60, rows)],
        "shipping_limit_date": when,
        "seller_state": _pick(random, rows, ["SP", "RJ", "MG"]),
        "product_weight_g": [int(each) for each in weight],
        "price": _round(np.exp(random.normal(4, 0.8, rows))),
        "freight_value": _round(9 + 0.006 * weight + random.normal(0, 2, rows).clip(-4)),
    }
    write_csv(path, truth, quoting=1)
    return truth


def taxi_rides(path: Path, random: Random, rows: int) -> Truth:
    """Yellow cabs: pick-up and drop-off whose distance is the time of the ride, parts that add up to a total."""
    miles = random.gamma(1.5, 2.0, rows).round(2) + 0.2
    seconds = (120 + 240 * miles * random.lognormal(0, 0.25, rows)).astype(int)
    begun = [datetime(2023, 1, 1) + timedelta(seconds=int(each)) for each in np.sort(random.integers(0, 30 * 86400, rows))]
    truth: Truth = {
        "VendorID": _pick(random, rows, [1, 2]),
        "tpep_pickup_datetime": begun,
        "tpep_dropoff_datetime": [each + timedelta(seconds=int(took)) for each, took in zip(begun, seconds, strict=True)],
        "passenger_count": _holes(random, _pick(random, rows, [1, 1, 2, 3]), 0.03),
        "trip_distance": miles.tolist(),
        "PULocationID": random.integers(1, 40, rows).tolist(),
        "payment_type": _pick(random, rows, [1, 2, 3, 4]),
        "duration": seconds.tolist(),
    }
    write_csv(path, truth)
    # It gives the time of the ride away with the other one, and is kept as the text that it is.
    return {**truth, "tpep_dropoff_datetime": [str(each) for each in truth["tpep_dropoff_datetime"]]}


MORE = (
    Exhibit("players.csv", "footballers with €36.5M", "Value", players),
    Exhibit("items.csv", "line items of SAP", "Betrag", sap_items),
    Exhibit("mumbai.csv", "houses in India", "Amount", indian_houses),
    Exhibit("indicators.csv", "World Bank indicators", "2020 [YR2020]", world_bank, 260),
    Exhibit("bookings.csv", "hotel bookings", "adr", hotel_bookings),
    Exhibit("gas.csv", "UCI Air Quality with -200", "NO2(GT)", gas_sensors, 700),
    Exhibit("mieszkania.csv", "flats for rent in Poland", "czynsz", polish_flats),
    Exhibit("auto.csv", "Auto MPG as CSV", "mpg", autos),
    Exhibit("order_items.csv", "order items of Olist", "freight_value", order_items, 600),
    Exhibit("yellow.csv", "NYC yellow cabs", "duration", taxi_rides, 2_000),
)
