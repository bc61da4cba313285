"""Demand of many series: CPU seconds and peak memory of the panel, its training rows and one pooled LightGBM.

    python benchmarks/demand_scale.py [--series N …] [--days N] [--max-rows N] [--json] [--output FILE]

Each number of series is a process of its own: its rows (day, store, product, units, price, promotion) are made up and written to
Parquet first, in parts, and are not counted. Memory is the peak resident set of the process, the libraries included.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tabtrail.config.demand import Demand
from tabtrail.forecast.panel.build import build_panel, needed_columns
from tabtrail.forecast.panel.candidates import parse_candidates
from tabtrail.forecast.panel.direct import fit_direct
from tabtrail.forecast.panel.evaluate import default_recipe
from tabtrail.forecast.panel.rows import Points, actual, frame, training_points

SERIES = (100, 1_000, 10_000)
_PART = 500  # series that are written at once
LIGHTGBM: dict[str, Any] = {
    "objective": "tweedie",
    "scale": "level",
    "n_estimators": 100,
    "num_leaves": 31,
    "categories": "native",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, nargs="+", default=SERIES)
    parser.add_argument("--days", type=int, default=1096)
    parser.add_argument("--max-rows", type=int, default=200_000)
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the JSON there")
    parser.add_argument("--measure", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.series[0], options.max_rows)))
        return
    found = [_measured(count, options) for count in options.series]
    text = json.dumps(found, indent=2)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    print(text if options.json else "\n".join(", ".join(f"{key} {value}" for key, value in each.items()) for each in found))


def _measured(count: int, options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        write_rows(Path(folder), count, options.days)
        command = [sys.executable, __file__, "--measure", folder, "--series", str(count), "--max-rows", str(options.max_rows)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def write_rows(folder: Path, count: int, days: int) -> None:
    """Write the rows of so many series, some hundreds a file."""
    generator = np.random.default_rng(1)
    day = np.datetime64("2022-01-01") + np.arange(days)
    for start in range(0, count, _PART):
        own = np.arange(start, min(start + _PART, count))
        rows = len(own) * days
        promotion = generator.random(rows) < 0.1
        mean = np.repeat(generator.gamma(1.5, 2, len(own)), days) * np.tile(1 + 0.5 * (np.arange(days) % 7 >= 5), len(own))
        pl.DataFrame(
            {
                "date": np.tile(day, len(own)),
                "store": np.repeat(np.char.add("S", (own % 50).astype(str)), days),
                "product": np.repeat(np.char.add("P", (own // 50).astype(str)), days),
                "units": generator.poisson(mean * (1 + promotion)),
                "price": np.round(np.where(promotion, 4.0, 5.0), 2),
                "promotion": promotion.astype(np.int64),
            }
        ).write_parquet(folder / f"{start}.parquet")


def measure(folder: Path, count: int, max_rows: int) -> dict[str, Any]:
    """Return rows, CPU seconds by step and the peak of memory."""
    demand = Demand(
        target="units", series=("store", "product"), known_ahead=("price", "promotion"), price="price", max_rows=max_rows
    )
    report: dict[str, Any] = {"series": count, "start_mb": _peak()}
    with _timed(report, "panel"):
        panel = build_panel(pl.scan_parquet(folder / "*.parquet").select(needed_columns(demand, "date")), demand, "date")
    report["rows"] = panel.account.rows if panel.account else 0
    recipe = default_recipe("D", demand.horizon, ("promotion",), ("price",))
    with _timed(report, "training_rows"):
        points = training_points(panel, recipe, most=max_rows, seed=1)
        x, y = frame(panel, recipe, points, demand.series), actual(panel, points)
    report["trained_on"] = len(y)
    del x, y
    (candidate,) = parse_candidates({"LightGBM": LIGHTGBM})
    with _timed(report, "rows_and_lightgbm"):
        model = fit_direct(candidate, panel, recipe, texts=demand.series, most=max_rows, seed=1)
    with _timed(report, "one_origin"):
        model.predict(panel, Points.at(panel, panel.periods - 1, range(1, demand.horizon + 1)))
    return report


@contextmanager
def _timed(report: dict[str, Any], name: str) -> Iterator[None]:
    start, cpu = time.perf_counter(), time.process_time()
    yield
    report[f"{name}_cpu_s"] = round(time.process_time() - cpu, 2)
    report[f"{name}_s"] = round(time.perf_counter() - start, 2)
    report[f"{name}_peak_mb"] = _peak()


def _peak() -> int:
    """Peak of the resident set in MB: that of `getrusage` begins with the parent's, which wrote the rows."""
    (line,) = [each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmHWM")]
    return int(line.split()[1]) // 1024


if __name__ == "__main__":
    main()
