"""Nets on the daily sums of the pasta brands, one day ahead: their WAPE beside naive, the mean of 28 days and LightGBM.

    python -P benchmarks/demand_nets.py shared/data/pasta_hierarchical_sales_data.csv [--days 60] [--seeds 3]

(-P, since PyTorch imports Python's own `profile`, and there is another in this folder.)

Four series, 2014 to 2018. Every model is fitted once on what lies before the last days, and forecasts each of them from the days
before it. What is known ahead is the share of a brand's items on promotion; a `CNNLSTM` reads the window of values alone. WAPE is
the sum of absolute errors over the sum of demand. A net has one figure a seed, and their mean forecast one. JSON on stdout.
"""

import argparse
import json
import re
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl

from tabtrail.bundle.demand.features import Array
from tabtrail.config.demand import Demand
from tabtrail.config.section import Parameter
from tabtrail.forecast.panel.build import build_panel
from tabtrail.forecast.panel.candidates import DirectCandidate, parse_candidates
from tabtrail.forecast.panel.direct import fit_direct
from tabtrail.forecast.panel.evaluate import default_recipe
from tabtrail.forecast.panel.panel import Panel
from tabtrail.forecast.panel.rows import Points, actual

DEMAND = Demand(target="qty", series=("brand",), known_ahead=("promo",), horizon=1)
LIGHTGBM: dict[str, Parameter] = {"scale": "level", "n_estimators": 250, "learning_rate": 0.05, "num_leaves": 31}
CANDIDATES: dict[str, dict[str, Parameter]] = {
    "LightGBM_absolute": {**LIGHTGBM, "objective": "regression_l1"},
    "LightGBM_tweedie": {**LIGHTGBM, "objective": "tweedie", "tweedie_variance_power": 1.3},
    "MLP": {"scale": "level", "epochs": 60, "patience": 10},
    "MLP_sixteen": {"scale": "level", "features": "sixteen", "epochs": 60, "patience": 10},
    "CNNLSTM": {"window": 14, "epochs": 60, "patience": 10},
    "CNNLSTM_per": {"window": 14, "epochs": 60, "patience": 10, "per": "brand"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--before", type=int, default=0, help="days at the end that are left out: for choosing settings")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    whole = build_panel(read_brands(given.csv).lazy(), DEMAND, "date")
    panel = whole.until(whole.periods - 1 - given.before)
    known = panel.until(panel.periods - 1 - given.days)
    steps = np.arange(known.periods - 1, panel.periods - 1)
    count = panel.count
    points = Points(np.repeat(np.arange(count), len(steps)), np.tile(steps, count), np.ones(count * len(steps), dtype=np.int64))
    truth = actual(panel, points)
    found: dict[str, object] = {
        "naive": wape(truth, panel.target[points.series, points.origin]),
        "mean_28": wape(truth, panel.target[points.series[:, None], points.origin[:, None] - np.arange(28)].mean(axis=1)),
    }
    for candidate in parse_candidates(CANDIDATES):
        found[candidate.name] = judged(candidate, (known, panel), points, truth, given.seeds if candidate.net else 1)
        print(candidate.name, found[candidate.name], file=sys.stderr)
    json.dump({"days": given.days, "series": count, "wape_percent": found}, sys.stdout, indent=2)


def judged(
    candidate: DirectCandidate, panels: tuple[Panel, Panel], points: Points, truth: Array, seeds: int
) -> dict[str, object]:
    """Fit on the first panel and forecast the points of the second."""
    flags = panels[1].flags()
    recipe = default_recipe("D", 1, flags, tuple(name for name in DEMAND.known_ahead if name not in flags))
    start, forecasts = time.process_time(), []
    for seed in range(seeds):
        model = fit_direct(candidate, panels[0], recipe, texts=("brand",), most=200_000, seed=seed)
        forecasts.append(model.predict(panels[1], points))
    mean = np.mean(forecasts, axis=0)
    seconds = (time.process_time() - start) / seeds
    each = [wape(truth, forecast) for forecast in forecasts]
    bias = round(100 * float((mean - truth).sum() / truth.sum()), 1)
    return {"each": each, "mean_forecast": wape(truth, mean), "bias_percent": bias, "cpu_seconds": round(seconds, 1)}


def wape(truth: Array, forecast: Array) -> float:
    return round(100 * float(np.abs(truth - forecast).sum() / truth.sum()), 1)


def read_brands(path: Path) -> pl.DataFrame:
    """Rows (date, brand, qty, promo): the sum of a brand's items, and the share of them on promotion."""
    wide = pl.read_csv(path)
    brands = sorted({match[1] for name in wide.columns if (match := re.fullmatch(r"QTY_(B\d+)_\d+", name))})
    return pl.concat(
        wide.select(
            pl.col("DATE").str.to_date("%Y-%m-%d").alias("date"),
            pl.lit(brand).alias("brand"),
            pl.sum_horizontal(pl.col(rf"^QTY_{brand}_\d+$")).alias("qty"),
            pl.mean_horizontal(pl.col(rf"^PROMO_{brand}_\d+$")).alias("promo"),
        )
        for brand in brands
    )


if __name__ == "__main__":
    main()
