"""A synthetic panel: shops and products with weekly seasons, promotions and prices; and a project that forecasts it."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.support.projects import Project, Trained, make_store, once

from tabtrail import pipeline
from tabtrail.config.demand import Demand
from tabtrail.forecast.panel.build import build_panel
from tabtrail.forecast.panel.panel import Panel

CONFIG = """
version: 2
paths: {raw_csv: demand.csv}
cleaning: {date_column: date, date_formats: ["%Y-%m-%d"]}
contract:
  columns:
    store_id: {dtype: string, nullable: false}
    product_id: {dtype: string, nullable: false}
    units: {dtype: int}
    price: {dtype: float, min: 0}
    promotion: {dtype: int, nullable: false, min: 0, max: 1}
engine: {kind: serial}
demand:
  name: shop_demand
  target: units
  series: [store_id, product_id]
  known_ahead: [price, promotion]
  price: price
  horizon: 7
  hierarchy: [store_id]
  lead_time: 5
  max_rows: 4000
  candidates:
    LightGBM_absolute: {objective: regression_l1, scale: level, n_estimators: 30, num_leaves: 15, categories: native}
    LightGBM_tweedie: {objective: tweedie, scale: level, n_estimators: 30, num_leaves: 15, categories: native}
"""
MODEL = """
model:
  name: shop_units
  target: units
  numeric_features: [price, promotion]
  categorical_features: [store_id, product_id]
split: {kind: time, folds: 2}
explain: {max_rows: 20}
candidates: {LinearRegression: {}}
"""
DEMAND = Demand(target="units", series=("store_id", "product_id"), known_ahead=("price", "promotion"), price="price", horizon=7)


def demand_rows(days: int = 200, stores: int = 2, products: int = 3, seed: int = 7) -> pl.DataFrame:
    """Rows (date, store_id, product_id, units, price, promotion); the last seven days are a plan without units."""
    generator = np.random.default_rng(seed)
    frames = []
    first = np.datetime64("2023-01-02")
    for store in range(stores):
        for product in range(products):
            day = np.arange(days + 7)
            promotion = (generator.random(days + 7) < 0.15).astype(int)
            price = np.round(10 + product - 2 * promotion, 2).astype(float)
            mean = (3 + 2 * product + store) * (1 + 0.6 * (day % 7 >= 5)) * (1 + 1.2 * promotion)
            units = generator.poisson(mean)
            frames.append(
                pl.DataFrame(
                    {
                        "date": first + day,
                        "store_id": f"STORE_{store:03d}",
                        "product_id": f"PROD_{'ABCDEFGH'[product]}",
                        "units": [int(each) if at < days else None for at, each in enumerate(units)],
                        "price": price,
                        "promotion": promotion,
                    },
                    schema_overrides={"date": pl.Date, "units": pl.Int64},
                )
            )
    return pl.concat(frames)


def demand_panel(days: int = 200, **changed: object) -> Panel:
    """The panel of `demand_rows`."""
    return build_panel(demand_rows(days).lazy(), DEMAND.model_copy(update=changed), "date")


def demand_project(factory: pytest.TempPathFactory) -> Trained:
    """A project that has forecast the synthetic panel: made once, shared, and never to be changed."""
    with once(factory, "demand") as root:
        project = Project(root)
        if not project.config_file.is_file():
            root.mkdir(parents=True, exist_ok=True)
            write_project(root, demand_rows())
            make_store(root / "mlruns" / "mlflow.db")
        return Trained(project, pipeline.run(project.config()))


def both_project(factory: pytest.TempPathFactory) -> Project:
    """A project with a model of rows and one of series: made once, shared, and never to be changed."""
    with once(factory, "both") as root:
        project = Project(root)
        if not project.config_file.is_file():
            root.mkdir(parents=True, exist_ok=True)
            write_project(root, demand_rows(), CONFIG + MODEL)
            make_store(root / "mlruns" / "mlflow.db")
            pipeline.run(project.config(), report=False)
        return project


def write_project(root: Path, rows: pl.DataFrame, config: str = CONFIG) -> Project:
    """Write config and CSV of a project into a folder."""
    rows.write_csv(root / "demand.csv")
    (root / "config_v2.yaml").write_text(config)
    return Project(root)
