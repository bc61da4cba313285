"""Still more files as people have them, in the manner of `first_hour_files`: of other countries, tools and habits."""

import gzip
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from first_hour_files import Exhibit, Random, Truth, _days, _holes, _pick, _round, german, write_csv, write_xlsx


def brazilian_sales(path: Path, random: Random, rows: int) -> Truth:
    """Sales in Brazil: "R$ 1.234,56", Latin-1, Sim and Não, discounts as "12,5%", postcodes with leading zeros."""
    pieces, price, discount = random.integers(1, 40, rows), random.gamma(3, 60, rows), random.integers(0, 40, rows) / 2
    truth: Truth = {
        "Nº Pedido": [f"{each:07d}" for each in random.permutation(rows * 9)[:rows]],
        "Emissão": _days(random, rows, date(2022, 3, 1), 600),
        "Situação": _pick(random, rows, ["Concluído", "Em trânsito", "Devolução"]),
        "CEP": [f"0{each}000" for each in random.integers(1000, 1040, rows)],
        "Cliente novo?": _pick(random, rows, ["Sim", "Não"]),
        "Quantidade": pieces.tolist(),
        "Desconto": [float(each) / 100 for each in discount],
        "Valor Total": _round(pieces * price * (1 - discount / 100) * random.lognormal(0, 0.05, rows)),
        "Preço Unitário": _round(price),
    }
    written = {
        **truth,
        "Emissão": [f"{each:%d/%m/%Y}" for each in truth["Emissão"]],
        "Desconto": [f"{each:.1f}%".replace(".", ",") for each in discount],
        "Valor Total": [f"R$ {german(each)}" for each in truth["Valor Total"]],
        "Preço Unitário": [f"R$ {german(each)}" for each in truth["Preço Unitário"]],
    }
    write_csv(path, written, delimiter=";", encoding="latin-1", newline="\r\n")
    return truth


def swiss_flats(path: Path, random: Random, rows: int) -> Truth:
    """Flats in Switzerland: 1'234.50, "CHF" in cells, half rooms, ja and nein, years of two digits."""
    area, rooms = random.integers(28, 190, rows), random.integers(2, 14, rows) / 2
    truth: Truth = {
        "Ort": _pick(random, rows, ["Zürich", "Genève", "Lugano", "Bern"]),
        "Zimmer": rooms.tolist(),
        "Fläche": area.tolist(),
        "Lift": _pick(random, rows, ["ja", "nein"]),
        "Bezug": _days(random, rows, date(2023, 1, 1), 500),
        "Preis": _round(9_000 * area * random.lognormal(0, 0.12, rows) + 40_000 * rooms, 2),
    }
    written = {
        **truth,
        "Fläche": [f"{each} m2" for each in area],
        "Bezug": [f"{each:%d.%m.%y}" for each in truth["Bezug"]],
        "Preis": [f"CHF {each:,.2f}".replace(",", "'") for each in truth["Preis"]],
    }
    write_csv(path, written, delimiter=";", encoding="utf-8-sig")
    return truth


def indian_sales(path: Path, random: Random, rows: int) -> Truth:
    """Invoices in India: 12,34,567.00, "₹", days as 05-Apr-2023, GST as "18%", quoted where a comma stands."""
    weight = random.gamma(4, 30, rows)
    rate = random.choice([5, 12, 18, 28], rows)
    truth: Truth = {
        "Invoice No": [f"INV/{each:05d}" for each in range(rows)],
        "Invoice Date": _days(random, rows, date(2022, 4, 1), 700),
        "State": _pick(random, rows, ["Maharashtra", "Tamil Nadu", "Punjab"]),
        "GST Rate": [float(each) / 100 for each in rate],
        "Weight (kg)": _round(weight, 1),
        "Taxable Value": _round(4_500 * weight * random.lognormal(0, 0.15, rows) * (1 + rate / 200)),
    }
    written = {
        **truth,
        "Invoice Date": [f"{each:%d-%b-%Y}" for each in truth["Invoice Date"]],
        "GST Rate": [f"{each}%" for each in rate],
        "Taxable Value": [f"₹{_lakhs(each)}" for each in truth["Taxable Value"]],
    }
    write_csv(path, written)
    return truth


def _lakhs(value: float) -> str:
    """Write a number with Indian groups: the last three digits, then two each."""
    whole, cents = f"{value:.2f}".split(".")
    head, tail = whole[:-3], whole[-3:]
    groups = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)][::-1]
    return ",".join([*groups, tail]) + f".{cents}"


def japanese_flats(path: Path, random: Random, rows: int) -> Truth:
    """Flats in Japan: Shift-JIS, 2023年4月5日, areas in ㎡, minutes on foot as 徒歩5分, rents in yen with 円."""
    area, walk, age = random.uniform(15, 80, rows), random.integers(1, 25, rows), random.integers(0, 40, rows)
    truth: Truth = {
        "所在地": _pick(random, rows, ["東京都新宿区", "大阪市北区", "札幌市中央区"]),
        "間取り": _pick(random, rows, ["1K", "1LDK", "2LDK", "3LDK"]),
        "専有面積": _round(area, 1),
        "徒歩": [f"徒歩{each}分" for each in walk],  # a word before the digits names them: it stays a text
        "築年数": age.tolist(),
        "登録日": _days(random, rows, date(2022, 1, 1), 700),
        "賃料": [int(each) for each in 30_000 + 1_900 * area - 700 * walk - 500 * age + random.normal(0, 6_000, rows)],
    }
    written = {
        **truth,
        "専有面積": [f"{each}㎡" for each in truth["専有面積"]],
        "登録日": [f"{each.year}年{each.month}月{each.day}日" for each in truth["登録日"]],
        "賃料": [f"{each:,}円" for each in truth["賃料"]],
    }
    write_csv(path, written, encoding="cp932", newline="\r\n")
    return truth


def mainframe_stock(path: Path, random: Random, rows: int) -> Truth:
    """A mainframe's export: pipes, one behind the last field, padded cells, days without separators, totals below."""
    pieces, cost = random.integers(1, 900, rows), random.gamma(2, 15, rows)
    truth: Truth = {
        "WHSE": _pick(random, rows, ["001", "002", "014"]),
        "ITEM": [f"{each:08d}" for each in random.integers(1, 60, rows)],
        "LASTMOVE": _days(random, rows, date(2021, 1, 1), 900),
        "ONHAND": pieces.tolist(),
        "UNITCOST": _round(cost),
        "STOCKVALUE": _round(pieces * cost * random.lognormal(0, 0.1, rows)),
    }
    lines = ["|".join(truth) + "|"]
    for warehouse, item, day, hand, unit, value in zip(*truth.values(), strict=True):
        lines.append(f"{warehouse:>5}|{item}|{day:%Y%m%d}|{hand:>7}|{unit:>9.2f}|{value:>12.2f}|")
    lines += [f"TOTAL|||{int(pieces.sum())}||{sum(truth['STOCKVALUE']):.2f}|", f"*** {rows} RECORDS LISTED ***"]
    path.write_text("\r\n".join(lines) + "\r\n")
    return truth


def budget_workbook(path: Path, random: Random, rows: int) -> Truth:
    """A workbook of a controller: a sheet of notes first, merged titles, two header rows, a row of totals."""
    heads, space = random.integers(2, 80, rows), random.integers(40, 900, rows)
    truth: Truth = {
        "Site": _pick(random, rows, ["Lyon", "Turin", "Gent"]),
        "Month": [date(2019 + each // 12 % 5, each % 12 + 1, 1) for each in range(rows)],
        "Headcount": heads.tolist(),
        "Area m2": space.tolist(),
        "Rent": _round(14 * space + random.normal(0, 200, rows).clip(-400)),
        "Opex": _round(2_100 * heads + 9 * space + random.normal(0, 2_500, rows)),
    }
    sheet: list[list[Any]] = [
        ["Facilities budget"],
        [],
        ["Where", None, "Drivers", None, "Cost (EUR)", None],
        [*truth],
        *([*each] for each in zip(*truth.values(), strict=True)),
        ["Total", None, int(heads.sum()), int(space.sum()), round(sum(truth["Rent"]), 2), round(sum(truth["Opex"]), 2)],
    ]
    notes: list[list[Any]] = [["Read me"], ["Prepared by controlling; figures are preliminary."]]
    write_xlsx(path, {"Notes": notes, "Data": sheet}, merged={"Data": ["A1:F1", "A3:B3", "C3:D3", "E3:F3"]})
    return truth


def tickets(path: Path, random: Random, rows: int) -> Truth:
    """Tickets of a help desk as JSON lines: objects in objects, lists of labels, keys that are missing."""
    priority, size = random.integers(1, 5, rows), random.integers(1, 500, rows)
    when = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=53 * each) for each in range(rows)]
    truth: Truth = {
        "customer.plan": _pick(random, rows, ["free", "team", "enterprise"]),
        "customer.seats": size.tolist(),
        "priority": priority.tolist(),
        "channel": _holes(random, _pick(random, rows, ["mail", "phone", "chat"]), 0.05),
        "created_at": [each.replace(tzinfo=None) for each in when],
        "minutes_open": _round(400 / priority + 0.6 * size + random.gamma(2, 20, rows), 1),
    }
    lines = []
    for plan, seats, level, channel, created, minutes in zip(*truth.values(), strict=True):
        ticket: dict[str, Any] = {
            "customer": {"plan": plan, "seats": seats},
            "priority": level,
            "labels": ["bug", "ui"][: 1 + level % 2],
            "created_at": f"{created.isoformat()}Z",
            "minutes_open": minutes,
        }
        lines.append(json.dumps(ticket | ({} if channel is None else {"channel": channel})))
    path.write_text("\n".join(lines) + "\n")
    return truth


def lake_payments(path: Path, random: Random, rows: int) -> Truth:
    """A data lake's payments in Parquet: points in time with a zone, dictionaries, decimals, 32-bit floats, booleans."""
    amount, items = random.gamma(2, 40, rows).round(2) + 1, random.integers(1, 12, rows)
    when = [datetime(2023, 5, 1, 8, tzinfo=UTC) + timedelta(minutes=41 * each) for each in range(rows)]
    fee = (0.3 + 0.014 * amount + 0.05 * items + random.normal(0, 0.05, rows)).round(2)
    truth: Truth = {
        "paid_at": [each.replace(tzinfo=None) for each in when],
        "scheme": _pick(random, rows, ["visa", "sepa", "amex"]),
        "amount": amount.tolist(),
        "items": items.tolist(),
        "recurring": [bool(each) for each in random.integers(0, 2, rows)],
        "risk": [float(np.float32(each)) for each in random.random(rows).round(3)],
        "fee": fee.tolist(),
    }
    columns = {
        "paid_at": pa.array(when, pa.timestamp("us", "Europe/Berlin")),
        "scheme": pa.array(truth["scheme"]).dictionary_encode(),
        "amount": pa.array([Decimal(f"{each:.2f}") for each in amount], pa.decimal128(12, 2)),
        "items": pa.array(items.astype(np.int16)),
        "recurring": pa.array(truth["recurring"]),
        "risk": pa.array(truth["risk"], pa.float32()),
        "fee": pa.array([Decimal(f"{each:.2f}") for each in fee], pa.decimal128(12, 2)),
    }
    pq.write_table(pa.table(columns), path)
    return truth


def machine_log(path: Path, random: Random, rows: int) -> Truth:
    """A machine's log as TSV in gzip: 3/14/2023 2:05:00 PM, "Y" and "N", numbers without a digit before the point."""
    load, when = random.random(rows), [datetime(2023, 3, 14, 6) + timedelta(minutes=37 * each) for each in range(rows)]
    truth: Truth = {
        "Timestamp": when,
        "Machine": _pick(random, rows, ["M-01", "M-02", "M-03"]),
        "Load": _round(load, 3),
        "Alarm": _pick(random, rows, ["Y", "N"]),
        "Power kW": _round(3 + 22 * load + random.normal(0, 0.8, rows), 2),
    }
    lines = ["\t".join(truth)]
    for at, machine, share, alarm, power in zip(*truth.values(), strict=True):
        clock = f"{at.month}/{at.day}/{at.year} {at.hour % 12 or 12}:{at:%M:%S} {'AM' if at.hour < 12 else 'PM'}"
        lines.append(f"{clock}\t{machine}\t{f'{share:.3f}'.removeprefix('0')}\t{alarm}\t{power}")
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0))
    return truth


def projects(path: Path, random: Random, rows: int) -> Truth:
    """Projects of an agency: 2023-W05, 2023Q1, "10-20" people, "1h 20m", free text, an empty name, a comma behind each line."""
    minutes, people = random.integers(20, 600, rows), random.integers(0, 4, rows)
    weeks = [date(2023, 1, 2) + timedelta(weeks=each * 60 // rows) for each in range(rows)]
    sizes = ["1-10", "10-20", "20-50", "50+"]
    words = ["logo", "website", "campaign", "shop", "again", "with", "the", "client", "in", "a", "hurry", "new"]
    truth: Truth = {
        "week": [f"{each:%G-W%V}" for each in weeks],
        "quarter": [f"{each.year}Q{(each.month + 2) // 3}" for each in weeks],
        "team size": [sizes[each] for each in people],
        "brief": [" ".join(random.choice(words, 14)) for _ in range(rows)],
        "meeting time": [f"{each // 60}h {each % 60}m" if each >= 60 else f"{each}m" for each in minutes.tolist()],
        "margin": [float(each) / 1000 for each in random.integers(20, 400, rows)],
        "fee": _round(900 + 11 * minutes + 1_500 * people + random.normal(0, 400, rows)),
    }
    lines = [f",{','.join(truth)},"]
    for row, (week, quarter, size, brief, took, margin, fee) in enumerate(zip(*truth.values(), strict=True)):
        lines.append(f"{row},{week},{quarter},{size},{brief},{took},{margin * 100:.1f}%,{fee},")
    path.write_text("\n".join(lines) + "\n")
    return truth


def turkish_prices(path: Path, random: Random, rows: int) -> Truth:
    """Used cars in Turkey: cp1254, "%12,5" with the sign before, "1.234.567 TL", Evet and Hayır."""
    age, km = random.integers(0, 20, rows), random.integers(1, 300, rows) * 1_000
    truth: Truth = {
        "İlan No": [int(each) for each in 900_000_000 + random.permutation(rows * 7)[:rows]],
        "Marka": _pick(random, rows, ["Şahin", "Doğan", "Kartal"]),
        "Model Yılı": (2024 - age).tolist(),
        "Kilometre": km.tolist(),
        "Değişen": _pick(random, rows, ["Evet", "Hayır"]),
        "Vergi Oranı": [float(each) / 10 for each in random.integers(80, 220, rows)],
        "Fiyat": [int(each) for each in 1_500_000 * np.exp(-0.07 * age - km / 600_000 + random.normal(0, 0.1, rows))],
    }
    written = {
        **truth,
        "Kilometre": [f"{each:,} km".replace(",", ".") for each in km],
        "Vergi Oranı": [f"%{each:.1f}".replace(".", ",") for each in truth["Vergi Oranı"]],
        "Fiyat": [f"{each:,} TL".replace(",", ".") for each in truth["Fiyat"]],
    }
    write_csv(path, written, delimiter=";", encoding="cp1254")
    return truth


def bank_ledger(path: Path, random: Random, rows: int) -> Truth:
    """A ledger for accountants: "(1,234.50)" for what is owed, "$", days as Apr 5, 2023, clock times, account numbers."""
    base = random.gamma(2, 300, rows)
    owed = random.random(rows) < 0.3
    signed = _round(np.where(owed, -1, 1) * base)
    truth: Truth = {
        "Account": [f"00{each}" for each in random.integers(4000, 4030, rows)],
        "Posted": _days(random, rows, date(2022, 1, 1), 600),
        "Time": [f"{each // 60:02d}:{each % 60:02d}" for each in random.integers(0, 1440, rows)],
        "Type": ["Debit" if each else "Credit" for each in owed],
        "Fee": _round(random.gamma(2, 2, rows)),
        "Amount": signed,
    }
    truth["Balance Change"] = _round(0.9 * np.array(signed) + 3 * np.array(truth["Fee"]) + random.normal(0, 30, rows))
    money = {
        name: [f"(${-each:,.2f})" if each < 0 else f"${each:,.2f}" for each in truth[name]]
        for name in ("Amount", "Balance Change")
    }
    posted = [f"{each:%b} {each.day}, {each.year}" for each in truth["Posted"]]
    write_csv(path, {**truth, **money, "Posted": posted})
    return truth


def wide_table(path: Path, random: Random, rows: int) -> Truth:
    """60,000 rows of 40 columns: sensors, two categories, an id."""
    numbers = random.normal(20, 5, (rows, 36))
    truth: Truth = {"id": [f"{each:06d}" for each in range(rows)]}
    truth |= {f"s{each:02d}": _round(numbers[:, each], 2) for each in range(36)}
    truth |= {"line": _pick(random, rows, ["A", "B", "C"]), "shift": _pick(random, rows, ["early", "late", "night"])}
    truth["yield"] = _round(numbers[:, :5] @ [2.0, -1, 0.5, 1, 3] + 0.05 * numbers[:, 5] ** 2 + random.normal(0, 3, rows), 2)
    write_csv(path, truth)
    return truth


SHAPES = (
    Exhibit("vendas.csv", "sales in Brazil", "Valor Total", brazilian_sales),
    Exhibit("wohnungen.csv", "flats in Switzerland", "Preis", swiss_flats),
    Exhibit("invoices.csv", "invoices in India", "Taxable Value", indian_sales),
    Exhibit("bukken.csv", "flats for rent in Japan", "賃料", japanese_flats),
    Exhibit("stock.txt", "a mainframe's stock list", "STOCKVALUE", mainframe_stock),
    Exhibit("budget.xlsx", "a controller's workbook", "Opex", budget_workbook),
    Exhibit("tickets.jsonl", "tickets with objects in objects", "minutes_open", tickets),
    Exhibit("payments.parquet", "a data lake's payments", "fee", lake_payments),
    Exhibit("machine.tsv.gz", "a machine's log", "Power kW", machine_log),
    Exhibit("projects.csv", "an agency's projects", "fee", projects),
    Exhibit("ilan.csv", "used cars in Turkey", "Fiyat", turkish_prices),
    Exhibit("ledger.csv", "an accountant's ledger", "Balance Change", bank_ledger),
    Exhibit("yield.csv", "60,000 rows of 40 columns", "yield", wide_table, 60_000),
)
