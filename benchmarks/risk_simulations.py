"""Whether the forecast and its risk keep what they promise: on data with known truth, on hostile series, on the CSV.

- `garch`: GARCH(1,1) with known parameters, simulated and estimated again, normal and Student t errors. Bars: the mean of
  alpha within 0.02, of beta within 0.04, of the long-run variance within 6 % of the truth at 3,000 returns.
- `backtests`: how often Kupiec's and Christoffersen's tests reject a correct value at risk at 5 %. Bar: 3 to 7 %, for each of
  several lengths and levels. `asymptotic` is the same by the χ² critical values.
- `coverage`: what nominal 80 % and 95 % intervals hold of independent gamma values, 36 months. Bar: 75 to 85 % for 80 %.
- `hostile`: 1,000 generated series of length 0 to 60, with every model. Bars: none aborts, none has a number that is not
  finite, no forecast beyond three times the historic range.
- `sweep CONFIG`: every segment of a project whose data is ingested. Bars: at most 60 s, mean MASE of the procedure at outer
  origins no higher than that of the best fixed baseline, 80 % intervals hold 75 to 85 %.

Prints JSON; `--small` takes fewer replications. From the repository's root:

    python benchmarks/risk_simulations.py [garch] [backtests] [coverage] [hostile] [--small] [--sweep config_v2.yaml]
"""

import argparse
import json
import math
import os
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy.stats import chi2

from tabtrail.config.forecast import Risk
from tabtrail.forecast.local.choice import run_outer
from tabtrail.forecast.local.conformal import measure_coverage
from tabtrail.forecast.local.neighbours import ALONE
from tabtrail.forecast.local.origins import run_trials
from tabtrail.forecast.risk.backtest import backtest
from tabtrail.forecast.risk.garch import Garch, fit_garch
from tabtrail.workflows.forecast import forecast_all

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.support.series import analyse_and_check, monthly
from tests.support.series import hostile as make_hostile

OMEGA, ALPHA, BETA, NU = 4.0, 0.1, 0.8, 6.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", help="one or more of " + ", ".join(SIMULATIONS))
    parser.add_argument("--small", action="store_true", help="a tenth of the replications")
    parser.add_argument("--sweep", type=Path, metavar="CONFIG", help="also forecast all segments of this project")
    options = parser.parse_args()
    if unknown := set(options.what) - set(SIMULATIONS):
        parser.error(f"there is no simulation {', '.join(sorted(unknown))}")
    report: dict[str, Any] = {"small": options.small}
    for name in options.what or ([] if options.sweep else SIMULATIONS):
        start = time.perf_counter()
        report[name] = SIMULATIONS[name](0.1 if options.small else 1.0)
        report[name]["seconds"] = round(time.perf_counter() - start, 1)
    if options.sweep:
        report["sweep"] = sweep(options.sweep)
    print(json.dumps(report, indent=2))


def garch(share: float) -> dict[str, Any]:
    found: dict[str, Any] = {"truth": {"alpha": ALPHA, "beta": BETA, "long_run_variance": OMEGA / (1 - ALPHA - BETA)}}
    for distribution in ("normal", "t"):
        fits = [fit_garch(simulate_garch(3000, seed, distribution), distribution, 1, 24) for seed in range(int(200 * share))]
        good = [fit for fit in fits if isinstance(fit, Garch)]
        values = {name: [getattr(fit, name) for fit in good] for name in ("alpha", "beta", "long_run_variance")}
        found[distribution] = {
            name: [round(float(np.mean(each)), 4), round(float(np.std(each)), 4)] for name, each in values.items()
        }
        found[distribution] |= {"series": len(fits), "refused": len(fits) - len(good)}
    return found


def simulate_garch(n: int, seed: int, distribution: str) -> Any:
    random = np.random.default_rng([seed, n])
    draws = random.standard_normal(n) if distribution == "normal" else random.standard_t(NU, n) * math.sqrt((NU - 2) / NU)
    returns, variance = np.empty(n), OMEGA / (1 - ALPHA - BETA)
    for t in range(n):
        returns[t] = math.sqrt(variance) * draws[t]
        variance = OMEGA + ALPHA * returns[t] ** 2 + BETA * variance
    return returns


def backtests(share: float) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for n, rate in [(60, 0.05), (250, 0.05), (1000, 0.05), (250, 0.01), (1000, 0.01)]:
        random = np.random.default_rng([n, int(rate * 1000)])
        tests = []
        for _ in range(int(10_000 * share)):
            draw = random.random(n)
            tests.append(backtest(draw < rate, rate, draw))
        names = {"unconditional": 1, "independence": 1, "conditional": 2}  # with the degrees of freedom of χ²
        found[f"{n} at {1 - rate:.0%}"] = {
            name: {
                "rejected": round(float(np.mean([getattr(each, name).p <= 0.05 for each in tests])), 4),
                "asymptotic": round(
                    float(np.mean([chi2.sf(getattr(each, name).statistic, freedom) <= 0.05 for each in tests])), 4
                ),
            }
            for name, freedom in names.items()
        }
    return found


def coverage(share: float) -> dict[str, Any]:
    risk = Risk(models=(), sarima=())
    held, points = Counter[float](), Counter[float]()
    for seed in range(int(1000 * share)):
        trials = run_trials(np.random.default_rng(seed).gamma(4, 50, 36), risk, 6, 12)
        outer = run_outer(trials, risk, ALONE)
        for level in risk.interval_levels:
            found = measure_coverage(trials, outer, level)
            held[level] += found.held
            points[level] += found.points
    return {f"{level:.0%}": round(held[level] / points[level], 4) for level in sorted(points)}


def hostile(share: float) -> dict[str, Any]:
    statuses: Counter[str] = Counter()
    for seed in range(int(1000 * share)):
        statuses[analyse_and_check(monthly(make_hostile(seed)), Risk()).status] += 1
    return {"series": sum(statuses.values()), "aborted": statuses["failed"], "statuses": dict(statuses)}


def sweep(config_file: Path) -> dict[str, Any]:
    from tabtrail.config.load import load_config

    start = time.perf_counter()
    results, found = forecast_all(load_config(config_file))
    seconds = time.perf_counter() - start
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "segments": len(results),
        "statuses": found.statuses,
        "seconds": round(seconds, 1),
        "cpu_seconds_of_this_process": round(usage[0].ru_utime + usage[0].ru_stime, 1),
        "load_average": os.getloadavg(),
        "outer": found.outer.model_dump(),
        "difference_share": {" × ".join(each.by): each.difference_share for each in found.reconciliation},
    }


SIMULATIONS = {"garch": garch, "backtests": backtests, "coverage": coverage, "hostile": hostile}

if __name__ == "__main__":
    main()
