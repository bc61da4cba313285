"""Whether an alarm means something: false alarms and power of the checks in `tabtrail.monitor`, by simulation.

- `clean`: windows of 50, 200, 1,000 and 5,000 independent rows, 20 columns (14 numbers of six shapes, 6 categories, one of
  them with hundreds of values). Bar: at most 5 % alarm, within sampling error. Beside it what fixed rules do: any PSI above
  0.1, any test of a distribution below 0.05.
- `serial`: the same where rows are correlated in time (AR(1) at 0.5 and 0.8, categories that stay). Bar: at most 10 %.
- `power`: a shift of half a standard deviation in one of 20 columns at 200 rows. Bar: found in at least 90 %.
- `kinds`: swapped categories, a new category, a burst of missing values, a unit changed by 100, a column overwritten by
  another of the same distribution; 200 rows. Bar: each found, and its column named, in at least 95 %.
- `looks`: 30 daily looks at 100 rows each with the martingale. Bar: at most 5 % of the months alarm. Beside it: a daily
  Kolmogorov–Smirnov test with Holm's adjustment; and after how many rows shifts are found.
- `years`: a look every five days with predictions and with labels two months late, without drift. Bar: at most 5 % of the
  years alarm. And with a drift of the inputs, or of the concept, in month 7: days until the alarm.
- `speed`: one million rows of 20 columns counted, checked and bet on. Bars: 10 CPU-seconds, 500 MB.

Prints JSON; `--small` takes a tenth of the replications, `--output` adds the results to a file. From the repository's root:

    python benchmarks/drift.py [clean] [serial] [power] [kinds] [looks] [years] [speed] [--small] [--output FILE]
"""

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from tabtrail.monitor.check import DriftCheck, check
from tabtrail.monitor.distributions import holm, ks_tail
from tabtrail.monitor.martingale import begin
from tabtrail.monitor.performance import wilson
from tabtrail.monitor.reference import Reference, make_reference
from tabtrail.monitor.sketch import ERROR, PREDICTION, Column
from tabtrail.monitor.statistics import ks_distance
from tabtrail.monitor.window import Window

Table = dict[str, np.ndarray]
Rng = np.random.Generator
SIZES = (50, 200, 1000, 5000)
REFERENCE_ROWS = 5000
NUMBERS = [f"x{place}" for place in range(14)]
TEXTS = [f"c{place}" for place in range(6)]
COLUMNS = [*(Column(name, "number") for name in NUMBERS), *(Column(name, "category") for name in TEXTS)]
WORDS = np.array([f"w{place:03d}" for place in range(400)], dtype=object)
SHARES = [np.arange(1, size + 1) ** -power for size, power in ((2, 0.5), (4, 0.5), (8, 0.0), (8, 0.0), (30, 1.0), (400, 1.0))]
DAILY, STEP = 20, 5  # rows of a day, and days between two looks, in `years`
REFERENCES = 50  # each is compared with as many windows as the replications leave to it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", help="one or more of " + ", ".join(SIMULATIONS))
    parser.add_argument("--small", action="store_true", help="a tenth of the replications")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the results of this run into FILE, beside others")
    options = parser.parse_args()
    if unknown := set(options.what) - set(SIMULATIONS):
        parser.error(f"there is no simulation {', '.join(sorted(unknown))}")
    report: dict[str, Any] = {}
    for name in options.what or SIMULATIONS:
        started = time.process_time()
        report[name] = SIMULATIONS[name](100 if options.small else 1000)
        report[name]["cpu_seconds"] = round(time.process_time() - started, 1)
        if options.output:
            known = json.loads(options.output.read_text(encoding="utf-8")) if options.output.exists() else {}
            options.output.write_text(json.dumps(known | report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


# --- what is drawn ----------------------------------------------------------------------------------------------------


def draw(rng: Rng, rows: int, rho: float = 0.0) -> Table:
    """Rows of 20 columns. With `rho` numbers follow AR(1) before they get their shape; categories stay with that chance."""
    scores = rng.normal(size=(rows, len(NUMBERS)))
    if rho:
        for row in range(1, rows):
            scores[row] = rho * scores[row - 1] + np.sqrt(1 - rho**2) * scores[row]
    table: Table = {name: shaped(place, scores[:, place], rng) for place, name in enumerate(NUMBERS)}
    for name, weights in zip(TEXTS, SHARES, strict=True):
        places = rng.choice(len(weights), rows, p=weights / weights.sum())
        if rho:
            fresh = np.flatnonzero(np.concatenate(([True], rng.random(rows - 1) >= rho)))
            places = places[fresh[np.searchsorted(fresh, np.arange(rows), side="right") - 1]]
        table[name] = WORDS[places]
    return table


def shaped(place: int, scores: np.ndarray, rng: Rng) -> np.ndarray:
    """Six shapes: normal, lognormal, whole numbers, half zeros, capped at a value, with a tenth missing."""
    shape = place % 6
    if shape == 1:
        return np.exp(scores)
    if shape == 2:
        return np.round(2 * scores) + 5
    if shape == 3:
        return np.maximum(scores, 0.0)
    if shape == 4:
        return np.minimum(100 + 15 * scores, 105)
    if shape == 5:
        return np.where(rng.random(len(scores)) < 0.1, np.nan, scores)
    return scores


@cache
def reference_of(number: int, rho: float) -> Reference:
    """One of the references; dated where rows are correlated in time."""
    days = 12_000 + np.arange(REFERENCE_ROWS) / 10 if rho else None
    return make_reference(COLUMNS, draw(np.random.default_rng([number, int(10 * rho)]), REFERENCE_ROWS, rho), days=days)


def references(replications: int, rho: float = 0.0) -> Iterator[tuple[Reference, Rng]]:
    """Each reference as often as it takes to come to the replications, with a generator of its own."""
    for number in range(REFERENCES):
        rng = np.random.default_rng([1, number, int(10 * rho)])
        for _ in range(replications // REFERENCES):
            yield reference_of(number, rho), rng


def checked(reference: Reference, table: Table) -> DriftCheck:
    window = Window(reference)
    window.add(table)
    return check(reference, window, name="window")


def share(hits: int, of: int) -> dict[str, Any]:
    """A share with its 95 % interval."""
    found = wilson(hits, of)
    return {"share": round(hits / of, 4), "low": round(found.low, 4), "high": round(found.high, 4), "of": of}


# --- single checks ----------------------------------------------------------------------------------------------------


def clean(replications: int) -> dict[str, Any]:
    report: dict[str, Any] = {}
    for rows in SIZES:
        alarms = psi = plain = done = 0
        for reference, rng in references(replications):
            found = checked(reference, draw(rng, rows))
            alarms += found.alarm
            psi += any(each.psi > 0.1 for each in found.columns)
            plain += any(each.p_values["distribution"] < 0.05 for each in found.columns)
            done += 1
        report[str(rows)] = {
            "alarms": share(alarms, done),
            "any PSI above 0.1": share(psi, done),
            "any p below 0.05": share(plain, done),
        }
    return report


def serial(replications: int) -> dict[str, Any]:
    report: dict[str, Any] = {}
    for rho in (0.5, 0.8):
        for rows in (50, 200, 1000):
            alarms = naive = done = 0
            for reference, rng in references(replications // 2, rho):
                found = checked(reference, draw(rng, rows, rho))
                alarms += found.alarm
                naive += min(independent(found)) <= 0.05
                done += 1
            report[f"{rho} at {rows}"] = {"alarms": share(alarms, done), "as if independent": share(naive, done)}
    return report


def independent(found: DriftCheck) -> list[float]:
    """What Kolmogorov–Smirnov tests of the numbers say with Holm's adjustment, the rows taken as independent."""
    sizes = {each.name: each.rows * REFERENCE_ROWS / (each.rows + REFERENCE_ROWS) for each in found.columns}
    return holm([ks_tail(each.statistic, sizes[each.name]) for each in found.columns if each.test == "ks"])


def found_share(replications: int, change: Callable[[Table, Rng], str], rows: int = 200) -> dict[str, Any]:
    """The share of changed windows that alarm and name the column that `change` returns."""
    hits = done = 0
    for reference, rng in references(replications):
        table = draw(rng, rows)
        column = change(table, rng)
        hits += column in {each.name for each in checked(reference, table).alarming}
        done += 1
    return share(hits, done)


def shift(table: Table, _: Rng) -> str:
    table["x0"] = table["x0"] + 0.5
    return "x0"


def swap(table: Table, _: Rng) -> str:
    pair = {"w000": "w007", "w007": "w000"}
    table["c4"] = np.array([pair.get(text, text) for text in table["c4"]], dtype=object)
    return "c4"


def new_category(table: Table, rng: Rng) -> str:
    table["c1"][rng.random(len(table["c1"])) < 0.05] = "new"
    return "c1"


def missing_burst(table: Table, rng: Rng) -> str:
    start = rng.integers(0, len(table["x0"]) - 20)
    table["x0"][start : start + 20] = np.nan
    return "x0"


def unit(table: Table, _: Rng) -> str:
    table["x1"] = 100 * table["x1"]
    return "x1"


def copied(table: Table, _: Rng) -> str:
    table["x0"] = table["x6"].copy()
    return "x0"


def copied_text(table: Table, _: Rng) -> str:
    table["c3"] = table["c2"].copy()
    return "c3"


def power(replications: int) -> dict[str, Any]:
    return {"half a standard deviation": found_share(replications, shift)}


def kinds(replications: int) -> dict[str, Any]:
    return {
        each.__name__: found_share(replications, each) for each in (swap, new_category, missing_burst, unit, copied, copied_text)
    }


# --- looking again and again ------------------------------------------------------------------------------------------


def looks(replications: int) -> dict[str, Any]:
    alarms = daily = done = 0
    delays: dict[str, list[int]] = {"0.3": [], "0.5": []}
    for reference, rng in references(replications):
        martingale, window = begin(reference, seed=done), Window(reference)
        any_day = False
        for _ in range(30):
            day = Window(reference)
            martingale.look(reference, day.add(draw(rng, 100)))
            any_day |= daily_alarm(reference, day)
        alarms += martingale.alarmed
        daily += any_day
        done += 1
        if done % 10 == 0:
            for size, found in delays.items():
                found.append(rows_to_find(reference, window, rng, float(size)))
    medians = {f"shift of {size}": float(np.median(found)) for size, found in delays.items()}
    return {"martingale": share(alarms, done), "daily tests": share(daily, done), "median rows until found": medians}


def daily_alarm(reference: Reference, day: Window) -> bool:
    p_values = [
        ks_tail(ks_distance(reference.sketches[name].counts, day.counts[name]), 100 * REFERENCE_ROWS / (100 + REFERENCE_ROWS))
        for name in NUMBERS
    ]
    return min(holm(p_values)) <= 0.05


def rows_to_find(reference: Reference, window: Window, rng: Rng, size: float) -> int:
    martingale, rows = begin(reference, seed=int(rng.integers(1 << 30))), 0
    while not martingale.alarmed and rows < 5000:
        table = draw(rng, 10)
        table["x0"] = table["x0"] + size
        martingale.look(reference, window.add(table))
        rows += 10
    return rows


def business(rng: Rng, rows: int, *, inputs: float = 0.0, concept: float = 0.0) -> Table:
    """Five columns, a prediction that follows from them, and its error; drift of inputs in one, of the concept in the last."""
    table: Table = {name: rng.normal(size=rows) for name in NUMBERS[:4]}
    table["c0"] = WORDS[rng.choice(4, rows, p=[0.4, 0.3, 0.2, 0.1])]
    table["x0"] = table["x0"] + inputs
    table[PREDICTION] = 3 * table["x0"] + table["x1"] + 0.1 * rng.normal(size=rows)
    table[ERROR] = rng.normal(size=rows) + concept * table["x1"]
    return table


def year(reference: Reference, rng: Rng, seed: int, **drift: float) -> int | None:
    """A look every five days, at 20 rows a day, with labels 60 days late: the day of the alarm. Drift begins on day 180."""
    martingale = begin(reference, seed=seed)
    codes = [reference.encode(business(rng, rows, **of)) for rows, of in ((180 * DAILY, {}), (185 * DAILY, drift))]
    whole = {name: np.concatenate([each[name] for each in codes]) for name in codes[0]}
    for day in range(STEP, 366, STEP):
        today, then = (slice(max(end - STEP, 0) * DAILY, max(end, 0) * DAILY) for end in (day, day - 60))
        own = {name: each[then if name == ERROR else today] for name, each in whole.items()}
        if martingale.look(reference, own):
            return day
    return None


def years(replications: int) -> dict[str, Any]:
    columns = [
        *COLUMNS[:4],
        Column("c0", "category"),
        Column(PREDICTION, "number", "prediction"),
        Column(ERROR, "number", "error"),
    ]
    alarms, delays = 0, {"inputs": [], "concept": []}
    early = {"inputs": 0, "concept": 0}
    for number in range(replications):
        rng = np.random.default_rng([7, number])
        reference = make_reference(columns, business(rng, 2000))
        alarms += year(reference, rng, number) is not None
        if number % 10 == 0:
            for kind, size in (("inputs", 0.5), ("concept", 1.0)):
                day = year(reference, rng, number, **{kind: size})
                early[kind] += day is not None and day < 180
                if day is None or day >= 180:
                    delays[kind].append(365 if day is None else day - 180)
    found = {
        kind: {"median": float(np.median(of)), "90 %": float(np.quantile(of, 0.9)), "early": early[kind]}
        for kind, of in delays.items()
    }
    return {"without drift": share(alarms, replications), "days from the drift to the alarm": found}


# --- speed ------------------------------------------------------------------------------------------------------------


def speed(_: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    reference = make_reference(COLUMNS, draw(rng, REFERENCE_ROWS))
    block = draw(rng, 50_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    window, martingale = Window(reference), begin(reference, seed=0)
    for _ in range(20):
        martingale.look(reference, window.add(block))
    check(reference, window, name="million")
    spent = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = len(make_reference(COLUMNS, draw(rng, REFERENCE_ROWS), days=12_000 + np.arange(REFERENCE_ROWS) / 10).to_bytes())
    return {
        "rows": window.rows,
        "seconds": round(spent, 2),
        "peak_mb": peak // 1024,
        "grown_mb": (peak - before) // 1024,
        "bytes": size,
    }


SIMULATIONS: dict[str, Callable[[int], dict[str, Any]]] = {
    "clean": clean,
    "serial": serial,
    "power": power,
    "kinds": kinds,
    "looks": looks,
    "years": years,
    "speed": speed,
}

if __name__ == "__main__":
    sys.exit(main())
