"""Demand in a file as shops have them: semicolons, decimal commas, days of a country, ids of spaces, zeros, quotes and emoji."""

import csv
import json
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.support.commands import run_in
from tests.support.demand import demand_rows
from tests.support.projects import Project, Trained, once

from tabtrail import pipeline
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.orders import orders
from tabtrail.bundle.predictor import Predictor

CONFIG = """
version: 2
paths: {raw_csv: demand.csv}
source: {delimiter: ";", decimal: ","}
cleaning: {date_column: Datum, date_formats: ["%d.%m.%Y"], fill_unknown_columns: [Region]}
contract:
  columns:
    Filiale: {dtype: string, nullable: false}
    Artikel: {dtype: string, nullable: false}
    Region: {dtype: string}
    Menge: {dtype: int}
    Preis: {dtype: float, min: 0.01}
    Aktion: {dtype: int, min: 0, max: 1}
    Bestand: {dtype: int}
    Geöffnet: {dtype: string}
demand:
  name: bedarf
  target: Menge
  series: [Filiale, Artikel]
  static: [Region]
  known_ahead: [Preis, Aktion]
  price: Preis
  closed: Geöffnet == 'nein'
  stockout: Bestand == 0
  duplicates: last
  horizon: 7
  lead_time: 3
  max_rows: 3000
  candidates: {LinearRegression: {scale: level}}
"""
SHOPS = {"STORE_000": " Köln Süd", "STORE_001": "Rio 🍕"}
THINGS = {"PROD_A": "007", "PROD_B": "7", "PROD_C": 'A;"7"'}
ROW: dict[str, Any] = {"Datum": "14.06.2023", "Filiale": "Rio 🍕", "Artikel": 'A;"7"', "Preis": "10,50", "Aktion": 0}


def awkward_rows() -> pl.DataFrame:
    """Rows of shops that are closed on Sundays, in no order, a few of them twice, with returns and periods without stock."""
    at = pl.int_range(pl.len())
    rows = demand_rows(160).select(
        Datum="date",
        Filiale=pl.col("store_id").replace(SHOPS),
        Artikel=pl.col("product_id").replace(THINGS),
        Region=pl.when(pl.col("store_id") == "STORE_000").then(pl.lit("Nord")).otherwise(pl.lit("Süd")),
        Menge=pl.when(at % 97 == 3).then(-1).otherwise("units"),
        Preis="price",
        Aktion="promotion",
        Bestand=pl.when(at % 53 == 5).then(0).otherwise(40),
        Geöffnet=pl.when(pl.col("date").dt.weekday() == 7).then(pl.lit("nein")).otherwise(pl.lit("ja")),
    )
    return pl.concat([rows, rows.gather_every(200)]).sample(fraction=1, shuffle=True, seed=1)


def _text(value: Any) -> str:
    return "" if value is None else str(value).replace(".", ",") if isinstance(value, float) else str(value)


def write_rows(path: Path, rows: pl.DataFrame) -> None:
    """Write rows as the config reads them."""
    with path.open("w", encoding="utf-8", newline="") as file:
        written = csv.writer(file, delimiter=";")
        written.writerow(rows.columns)
        days = rows.with_columns(pl.col("Datum").dt.to_string("%d.%m.%Y"))
        written.writerows([_text(value) for value in row] for row in days.iter_rows())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    with once(tmp_path_factory, "awkward_demand") as root:
        project = Project(root)
        if not project.config_file.is_file():
            root.mkdir(parents=True, exist_ok=True)
            write_rows(root / "demand.csv", awkward_rows())
            project.config_file.write_text(CONFIG, encoding="utf-8")
        return Trained(project, pipeline.run(project.config(), report=False))


def model_of(trained: Trained) -> Predictor:
    return Predictor(load_bundle(trained.config.paths.models_dir, "bedarf"))


def test_ids_are_texts_as_they_stand_from_the_file_to_the_answer(trained: Trained) -> None:
    model = model_of(trained)
    demand = model.demand
    assert demand is not None
    assert {tuple(map(str, key)) for key in demand.history.keys} == {(a, b) for a in SHOPS.values() for b in THINGS.values()}
    assert model.predict([ROW])[0].warnings == ()
    assert "not in the history" in str(model.problems({**ROW, "Filiale": "Köln"})[0])


def test_what_is_the_same_in_all_periods_of_a_series_need_not_be_sent(trained: Trained) -> None:
    model = model_of(trained)
    values = [each.value for each in model.predict([ROW, {**ROW, "Region": None}, {**ROW, "Region": "Süd"}])]
    assert values == [values[0]] * 3
    (problem,) = model.problems({**ROW, "Region": "Nord"})
    assert "Region: is not the one that the history has of this series" in str(problem)


def test_a_new_series_is_answered_by_its_static_columns_or_asks_for_them(trained: Trained) -> None:
    model = model_of(trained)
    new = {**ROW, "Artikel": "neu"}
    south, north = model.predict([{**new, "Region": "Süd"}, {**new, "Region": "Nord"}])
    assert south.value != north.value
    assert any("forecast like the known ones of its kind" in each for each in south.warnings)
    for region in ({}, {"Region": None}, {"Region": "West"}):
        (problem,) = model.problems({**new, **region})
        assert str(problem).startswith("Region: the series is not ")


def test_files_with_and_without_the_static_columns_have_the_answers_of_single_rows(trained: Trained) -> None:
    root = trained.project.root
    rows = [ROW, {**ROW, "Artikel": "neu", "Region": "Nord"}, {**ROW, "Region": "Nord"}]
    wanted = [each.value for each in model_of(trained).predict(rows[:2])]
    table = pl.DataFrame(
        [{**row, "Preis": 10.5, "Region": row.get("Region")} for row in rows], schema_overrides={"Region": pl.String}
    )
    days = table.with_columns(pl.col("Datum").str.to_date("%d.%m.%Y"))
    write_rows(root / "plan.csv", days)
    days.write_parquet(root / "plan.parquet")
    (root / "plan.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table.to_dicts()))
    write_rows(root / "short.csv", days.drop("Region"))
    days.drop("Region").write_parquet(root / "short.parquet")
    (root / "short.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table.drop("Region").to_dicts()))
    for name in ("plan.csv", "plan.parquet", "plan.jsonl", "short.csv", "short.parquet", "short.jsonl"):
        done = run_in(trained.project, "predict", "--input", str(root / name), "--output", str(root / "out.parquet"))
        assert done.returncode == 0, done.stderr
        found = pl.read_parquet(root / "out.parquet")["prediction"].to_list()
        assert found == (wanted if name.startswith("plan") else [wanted[0]] * len(found)), name
        reasons = pl.read_parquet(root / "out_rejects.parquet")["reason"].to_list()
        assert ["not the one that the history has" in each for each in reasons] == (
            [True] if name.startswith("plan") else [False]
        ), name


def test_orders_name_a_known_series_by_its_key_and_a_new_one_by_its_static_columns_too(trained: Trained) -> None:
    key = {"Filiale": "Rio 🍕", "Artikel": "007"}
    plan = [{"Datum": f"{day}.06.2023", "Preis": 10.5, "Aktion": 0} for day in (11, 12, 13)]
    known, new = orders(model_of(trained), [key, {**key, "Artikel": "neu", "Region": "Süd", "plan": plan}])
    assert known.series == key
    assert known.sum > 0
    assert any("new" in each for each in new.warnings)


def test_days_that_the_plan_has_as_closed_are_said_and_not_ordered_for(trained: Trained) -> None:
    model = model_of(trained)
    row = {**ROW, "Preis": None, "Aktion": None}
    sunday, *days = [{**row, "Datum": f"{day}.06.2023"} for day in (11, 12, 13)]
    closed, first, second = model.predict([sunday, *days])
    assert any("has this as closed" in each for each in closed.warnings)
    assert not any("closed" in each for each in first.warnings)
    (order,) = orders(model, [{"Filiale": row["Filiale"], "Artikel": row["Artikel"]}])
    assert order.until == "2023-06-13"
    assert any("1 of the 3 days as closed: nothing is ordered for a closed one" in each for each in order.warnings)
    assert not any("as if it were open" in each for each in order.warnings)
    assert order.sum == pytest.approx(first.value + second.value)
    write_rows(trained.project.root / "sunday.csv", pl.DataFrame([{**sunday, "Datum": date(2023, 6, 11), "Region": None}]))
    out = trained.project.root / "sunday.parquet"
    done = run_in(trained.project, "predict", "--input", str(trained.project.root / "sunday.csv"), "--output", str(out))
    assert done.returncode == 0, done.stderr
    assert "has this as closed" in pl.read_parquet(out)["warnings"][0]
