"""Sweeps of daily series: the forecasts that `tabtrail forecast --all` chooses, next to the best baseline for all of them.

    python benchmarks/daily_sweep.py --data FOLDER [--sets brands,shop] [--ends 4] [--steps 14] [--fitted] [--output FILE]

FOLDER holds the CSVs: of pasta (the four brands; 20 items as a shop; the 118 items in thirds by their size), of categories of
retail sales, of bicycles lent. Each set is swept as of several days, 91 apart, the latest of which lies 42 days before the end of
the data. The bar: mean MASE of the procedure at the outer origins at most 1.01 × that of the best baseline, at every end. Without
`--fitted` (models that are fitted at each origin; hours) the baselines and their like are chosen from.
"""

import argparse
import csv
import json
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from measure import report
from numpy.typing import NDArray

from tabtrail.config.forecast import Risk
from tabtrail.config.operation import Engine
from tabtrail.forecast.segment import Facts
from tabtrail.forecast.series import Segment, Series
from tabtrail.forecast.sweep import analyse_all, evaluate, learn_from

HELD_BACK, APART, BAR = 42, 91, 1.01
FACTS = Facts("", {"item": "item"}, synthetic=False, data_sha256="", config_sha256="")
Days = dict[str, NDArray[np.float64]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", default="brands,shop,small,middle,large,categories,bicycles")
    parser.add_argument("--ends", type=int, default=4)
    parser.add_argument("--steps", type=int, default=14)
    parser.add_argument("--fitted", action="store_true")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    fitted: dict[str, Any] = {} if options.fitted else {"models": (), "sarima": ()}
    risk = Risk(frequency="D", forecast_steps=options.steps, min_returns=10**6, **fitted)  # no GARCH, which is not looked at
    found = []
    for name in options.sets.split(","):
        start, days = read(name, options.data)
        for end in range(options.ends):
            series = cut(start, days, HELD_BACK + end * APART)
            if series:
                found.append({"set": name, **swept(series, risk)})
                print(json.dumps(found[-1]), flush=True)
    worst = max(each["ratio"] for each in found)
    report(
        {"steps": options.steps, "fitted": options.fitted, "worst": worst, "kept": worst <= BAR, "sweeps": found}, options.output
    )


def swept(series: list[Series], risk: Risk) -> dict[str, Any]:
    """Sweep the series, and return the procedure's error and that of the best baseline."""
    begun = time.process_time()
    neighbours = learn_from(series, risk)
    results = [found for _, found in analyse_all(series, risk, FACTS, Engine(kind="serial"), neighbours=neighbours)]
    outer = evaluate(results)
    assert outer.mean_mase is not None
    assert outer.best_baseline is not None
    best = outer.baseline_mean_mase[outer.best_baseline]
    chosen = [each.forecast.model for each in results if each.forecast]
    return {
        "to": max(each.periods[-1] for each in series).isoformat(),
        "series": outer.segments,
        "mase": outer.mean_mase,
        "best_baseline": outer.best_baseline,
        "its_mase": best,
        "ratio": round(outer.mean_mase / best, 4),
        "chosen": {name: chosen.count(name) for name in sorted(set(chosen))},
        "coverage": outer.coverage,
        "cpu_s": round(time.process_time() - begun, 1),
    }


def cut(start: date, days: Days, held_back: int) -> list[Series]:
    """Return the series without their last days, each from its first sale on; those with less than half a year are left out."""
    found = []
    for name, values in days.items():
        seen = values[: len(values) - held_back]
        first = int(np.argmax(seen > 0))
        if (seen > 0).any() and len(seen) - first >= 182:
            found.append(Series(Segment((("item", name),)), start + timedelta(days=first), "D", seen[first:]))
    return found


def read(name: str, folder: Path) -> tuple[date, Days]:
    """Return the first day and the values a day of each series of a set."""
    if name == "categories":
        rows = _rows(folder / "retail_sales_dataset.csv")
        return _summed((day, each["Product Category"], float(each["Total Amount"])) for each in rows for day in [each["Date"]])
    if name == "bicycles":
        rows = _rows(folder / "bike_sharing_hourly.csv")
        return _summed((each["dteday"], kind, float(each[kind])) for each in rows for kind in ("casual", "registered"))
    start, items = _summed(
        (each["DATE"], column.removeprefix("QTY_"), float(value))
        for each in _rows(folder / "pasta_hierarchical_sales_data.csv")
        for column, value in each.items()
        if column.startswith("QTY_")
    )
    if name == "brands":
        brands = sorted({item.split("_")[0] for item in items})
        return start, {brand: sum(v for item, v in items.items() if item.split("_")[0] == brand) for brand in brands}  # type: ignore[misc]
    if name == "shop":
        return start, dict(list(items.items())[::6])
    by_size = sorted(items, key=lambda item: float(items[item].mean()))
    place = ("small", "middle", "large").index(name)
    return start, {item: items[item] for item in by_size[place * len(by_size) // 3 :][: len(by_size) // 3]}


def _rows(file: Path) -> Iterator[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as text:
        yield from csv.DictReader(text)


def _summed(dated: Iterator[tuple[str, str, float]]) -> tuple[date, Days]:
    """Return sums a day of each series, 0 where there is none, over the calendar of all of them."""
    sums: dict[str, dict[date, float]] = {}
    for text, name, value in dated:
        day = datetime.strptime(text, "%m/%d/%Y" if "/" in text else "%Y-%m-%d").date()
        own = sums.setdefault(name, {})
        own[day] = own.get(day, 0.0) + value
    first, last = (edge(day for own in sums.values() for day in own) for edge in (min, max))
    calendar = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return first, {name: np.array([own.get(day, 0.0) for day in calendar]) for name, own in sums.items()}


if __name__ == "__main__":
    main()
