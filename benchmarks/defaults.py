"""What a first config gets: `tabtrail run` without candidates against the defaults of CatBoost and LightGBM, on the same rows.

    python benchmarks/defaults.py path/to/csv/files [--only bike] [--seeds 3]

Each config names file, target, kinds of columns and split alone. For every outer seed a fifth of the rows (by order, or the last
days, where the split says so) is held out; the product chooses on the rest, and its error on them is that of the model that
learned from the rest. The libraries get the same rows and columns, categories as categories, parts of dates as numbers. CPU
seconds are those of all processes. Where the split is by time, each further outer split ends a tenth of the rows earlier. JSON on
stdout.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from catboost import CatBoostRegressor
from lightgbm import LGBMRegressor
from scipy import stats

from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.data.dataset import scan_dataset
from tabtrail.modeling.preprocess import derive
from tabtrail.modeling.problem import problem_of
from tabtrail.modeling.table import load_table, needed_columns, split_table

RANDOM = {"kind": "random", "allow_leaky": True}
DAY = {"date_column": "dteday", "date_formats": ["%m/%d/%Y"]}
BIKE = {
    "target": "cnt",
    "numeric_features": ["yr", "mnth", "hr", "holiday", "workingday", "temp", "atemp", "hum", "windspeed"],
    "categorical_features": ["season", "weekday", "weathersit"],
    "date_parts": {"dteday": ["year", "month", "weekday", "days"]},
}
SALES = {
    "target": "SALES",
    "numeric_features": ["QUANTITYORDERED", "PRICEEACH", "ORDERLINENUMBER", "MSRP", "QTR_ID", "MONTH_ID", "YEAR_ID"],
    "categorical_features": ["PRODUCTLINE", "PRODUCTCODE", "CUSTOMERNAME", "CITY", "COUNTRY", "TERRITORY", "STATUS"],
    "date_parts": {"ORDERDATE": ["year", "month", "weekday", "days"]},
}
WITH_SIZE = {**SALES, "categorical_features": [*SALES["categorical_features"], "DEALSIZE"]}
BY_ORDER = {"kind": "group", "group_key": "ORDERNUMBER"}
ORDERS = {"date_column": "ORDERDATE", "date_formats": ["%m/%d/%Y %H:%M"]}
CODES = {"columns": {name: {"dtype": "string"} for name in BIKE["categorical_features"]}}
FIRST_SEED = 42
CASES: dict[str, dict[str, Any]] = {
    "california": {
        "file": "california_housing.csv",
        "model": {
            "target": "median_house_value",
            "numeric_features": [
                *("longitude", "latitude", "housing_median_age", "total_rooms", "total_bedrooms"),
                *("population", "households", "median_income"),
            ],
            "categorical_features": ["ocean_proximity"],
        },
        "split": RANDOM,
    },
    "diamonds": {
        "file": "diamonds.csv",
        "model": {
            "target": "price",
            "numeric_features": ["carat", "depth", "table", "x", "y", "z"],
            "categorical_features": ["cut", "color", "clarity"],
        },
        "split": RANDOM,
    },
    "bike": {"file": "bike_sharing_hourly.csv", "model": BIKE, "split": RANDOM, "cleaning": DAY, "contract": CODES},
    "bike in time": {
        **{"file": "bike_sharing_hourly.csv", "model": BIKE, "split": {"kind": "time"}},
        **{"cleaning": DAY, "contract": CODES},
    },
    "sales": {"file": "sales_data_sample.csv", "model": WITH_SIZE, "split": BY_ORDER, "cleaning": ORDERS, "encoding": "cp850"},
    "sales without size": {
        **{"file": "sales_data_sample.csv", "model": SALES, "split": BY_ORDER},
        **{"cleaning": ORDERS, "encoding": "cp850"},
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", action="append", choices=list(CASES))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    cells = []
    for name in options.only or CASES:
        for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
            cells.append(measured(name, options.folder.resolve(), seed))
            sys.stderr.write(f"{json.dumps(cells[-1])}\n")
    json.dump({"cells": cells, "cases": _summary(cells)}, sys.stdout, indent=2)


def measured(name: str, files: Path, seed: int, *, peers: bool = True) -> dict[str, Any]:
    """Return what one whole `tabtrail run` came to on a case and outer seed, beside the libraries' defaults where wanted."""
    with tempfile.TemporaryDirectory() as folder:
        file = _written(CASES[name], files, Path(folder), seed)
        before = os.times()
        done = subprocess.run([sys.executable, "-m", "tabtrail", "run", "--config", file], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        after = os.times()
        used = after.children_user + after.children_system - before.children_user - before.children_system
        config = load_config(file)
        (metrics,) = (Path(folder) / "output" / "metrics").glob("*_metrics.json")
        board = json.loads(metrics.read_text())
        champion = next(row for row in board["candidates"] if row["candidate"] == board["champion"])
        errors = _peers(config) if peers else {}
    covered = round((champion["interval_coverage"] or 0.0) * board["test_rows"])
    found = {
        "case": name,
        "seed": seed,
        "champion": board["champion"],
        "rmse": champion["test_rmse"],
        "mae": champion["test_mae"],
        "cv_rmse": champion["cv_rmse"],
        "test_rmse_of_candidates": {row["candidate"]: row["test_rmse"] for row in board["candidates"]},
        "dropped": board["dropped"],
        "coverage": champion["interval_coverage"],
        "coverage_expected": [float(each) / board["test_rows"] for each in stats.binom.interval(0.95, board["test_rows"], 0.9)],
        "covered": covered,
        "test_rows": board["test_rows"],
        "graph_bytes": champion["model_bytes"],
        "row_us": champion["row_us"],
        "batch_row_us": champion["batch_row_us"],
        "cpu_seconds": round(used, 1),
        "peers": errors,
    }
    return {**found, "ratio": round(champion["test_rmse"] / min(errors.values()), 4)} if errors else found


def ingested(name: str, files: Path, folder: Path, seed: int) -> Config:
    """Return the config of a case, its rows ingested below a folder."""
    file = _written(CASES[name], files, folder, seed)
    subprocess.run([sys.executable, "-m", "tabtrail", "ingest", "--config", file], check=True, capture_output=True)
    return load_config(file)


def _written(case: dict[str, Any], files: Path, folder: Path, seed: int) -> str:
    raw = files / case["file"]
    if case["split"]["kind"] == "time" and seed > FIRST_SEED:
        header, *lines = raw.read_bytes().splitlines(keepends=True)  # in the order of time
        kept = lines[: len(lines) * (10 - (seed - FIRST_SEED)) // 10]
        raw = folder / case["file"]
        raw.write_bytes(header + b"".join(kept))
    tree = {
        "version": 2,
        "paths": {"raw_csv": str(raw)},
        "source": {"encoding": case.get("encoding", "utf-8")},
        "cleaning": case.get("cleaning", {}),
        "contract": case.get("contract", {}),
        "model": {**case["model"], "random_state": seed},
        "split": case["split"],
    }
    file = folder / "config.yaml"
    file.write_text(json.dumps(tree))
    return str(file)


def raw_parts(config: Config) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Return training and test part with the target, as the model has their columns (parts of dates too), and the texts."""
    problem, model = problem_of(config), config.model
    table = load_table(problem, scan_dataset(config.dataset).select(needed_columns(problem)).collect())
    split, raw = split_table(problem, table), table.x
    derived = {name: derive(tree, {each: raw[each].to_numpy() for each in raw}) for name, tree in model.formulas.items()}
    texts = list(model.text_features)
    rows = raw[[*model.numeric_features, *texts]].assign(**derived, **{model.target: table.y})
    return rows[split.train], rows[split.test], texts


def _peers(config: Config) -> dict[str, float]:
    """Return the RMSE on the held-out rows of each library with its own defaults, on one thread as the product fits."""
    train, test, texts = raw_parts(config)
    y, actual = train.pop(config.model.target), test.pop(config.model.target)
    kinds = {name: pd.CategoricalDtype(sorted({*train[name], *test[name]})) for name in texts}
    models = {
        "CatBoost": CatBoostRegressor(cat_features=texts, verbose=False, thread_count=1, random_seed=42)
        .fit(train, y)
        .predict(test),
        "LightGBM": LGBMRegressor(n_jobs=1, verbose=-1, random_state=42).fit(train.astype(kinds), y).predict(test.astype(kinds)),
    }
    return {name: round(float(np.sqrt(np.mean((found - actual) ** 2))), 5) for name, found in models.items()}


def _summary(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """Geometric means of the ratios to the better library: by case with a 95 % interval over the outer splits, and of all."""
    cases = {}
    for name in dict.fromkeys(cell["case"] for cell in cells):
        logs = np.log([cell["ratio"] for cell in cells if cell["case"] == name])
        reach = float(stats.t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs))) if len(logs) > 1 else None
        mean = float(logs.mean())
        interval = None if reach is None else [round(float(np.exp(mean - reach)), 4), round(float(np.exp(mean + reach)), 4)]
        cases[name] = {"ratio": round(float(np.exp(mean)), 4), "interval": interval}
    every = float(np.exp(np.mean([np.log(case["ratio"]) for case in cases.values()])))
    return {**cases, "geometric mean": round(every, 4)}


if __name__ == "__main__":
    main()
