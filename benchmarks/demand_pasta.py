"""Pasta, 14 days ahead at three origins (the last 42 days), every model refitted at each: what the forecasts are off by.

    python benchmarks/demand_pasta.py path/to/pasta_hierarchical_sales_data.csv [--validation] [--one-step]

Settings are chosen with --validation alone: six origins, 56 days apart, the last of which ends before the last 42 days (with
--one-step the 42 days before those). With --one-step models are trained once, before the first origin, and forecast the next day
on each day. JSON on stdout, a table on stderr beside the figures that were measured elsewhere.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl

from tabtrail.bundle.demand.features import Array, FeatureRecipe
from tabtrail.config.demand import Demand
from tabtrail.forecast.panel.baselines import BASELINES
from tabtrail.forecast.panel.blend import best_blend
from tabtrail.forecast.panel.build import build_panel
from tabtrail.forecast.panel.candidates import DirectCandidate, default_candidates, parse_candidates
from tabtrail.forecast.panel.direct import DirectModel, fit_direct
from tabtrail.forecast.panel.evaluate import Evaluated, Forecaster, Origins, choose, default_recipe, evaluate
from tabtrail.forecast.panel.panel import Panel
from tabtrail.forecast.panel.rows import Points

HELD_OUT = 42
# MAE and RMSSE that other implementations reached on the last 42 days.
MEASURED = {
    "Naive": (3.944, 1.114),
    "SeasonalNaive": (3.465, 1.061),
    "MeanOfSeason": (2.925, 0.834),
    "MeanOfFourSeasons": (2.837, 0.813),
    "SameFlagsMean": (2.897, 0.829),
    "Median": (2.671, 0.846),
    "SeasonMedian": (2.744, 0.863),
    "Theta": (2.906, 0.825),
    "TSB": (2.809, 0.811),
    "LightGBM_absolute": (2.303, 0.750),
    "LightGBM_tweedie": (2.365, 0.716),
}


def read_long(path: Path) -> pl.LazyFrame:
    """Rows (DATE, brand, item, qty, promo) of the wide file."""
    wide = pl.read_csv(path)
    parts = []
    for name, prefix in (("qty", "QTY_"), ("promo", "PROMO_")):
        columns = [column for column in wide.columns if column.startswith(prefix)]
        long = wide.unpivot(columns, index="DATE", variable_name="item", value_name=name)
        parts.append(long.with_columns(pl.col("item").str.strip_prefix(prefix)))
    both = parts[0].join(parts[1], on=["DATE", "item"])
    return both.with_columns(pl.col("DATE").str.to_date(), brand=pl.col("item").str.split("_").list.first()).lazy()


def origins_of(panel: Panel, options: argparse.Namespace) -> Origins:
    last, horizon = panel.periods - 1, 1 if options.one_step else 14
    end = last - HELD_OUT if options.validation else last
    step, count = (1, HELD_OUT) if options.one_step else (56, 6) if options.validation else (14, 3)
    return Origins(tuple(end - horizon - step * back for back in reversed(range(count))), horizon)


class Once:
    """A candidate that is fitted at the first origin alone."""

    def __init__(self, candidate: DirectCandidate, recipe: FeatureRecipe, rows: int) -> None:
        self.candidate, self.recipe, self.rows = candidate, recipe, rows
        self.model: DirectModel | None = None

    def __call__(self, known: Panel, at: int) -> Array:
        if self.model is None:
            self.model = fit(self.candidate, self.recipe, self.rows, known, at)
        return predicted(self.model, known)


def fit(candidate: DirectCandidate, recipe: FeatureRecipe, rows: int, known: Panel, at: int) -> DirectModel:
    return fit_direct(candidate, known, recipe, texts=("brand", "item"), most=rows, seed=42 + at)


def predicted(model: DirectModel, known: Panel) -> Array:
    horizon = model.recipe.horizon
    points = Points.at(known, known.periods - 1, range(1, horizon + 1))
    return model.predict(known, points).reshape(known.count, horizon)


def refitted(candidate: DirectCandidate, recipe: FeatureRecipe, rows: int, known: Panel, at: int) -> Array:
    return predicted(fit(candidate, recipe, rows, known, at), known)


def candidates_of(options: argparse.Namespace) -> list[DirectCandidate]:
    return parse_candidates(json.loads(options.candidates) if options.candidates else default_candidates())


def forecasters(recipe: FeatureRecipe, options: argparse.Namespace) -> Iterator[tuple[str, Forecaster, bool]]:
    for name, baseline in BASELINES.items():
        yield name, lambda known, _at, own=baseline: own(known, recipe), True  # type: ignore[misc]
    for candidate in candidates_of(options):
        once = Once(candidate, recipe, options.rows) if options.one_step else partial(refitted, candidate, recipe, options.rows)
        yield candidate.name, once, False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--validation", action="store_true")
    parser.add_argument("--one-step", action="store_true")
    parser.add_argument("--rows", type=int, default=200_000, help="demand.max_rows")
    parser.add_argument("--candidates", default="", help="JSON of demand.candidates instead of the default ones")
    options = parser.parse_args()
    demand = Demand(target="qty", series=("brand", "item"), known_ahead=("promo",), missing_periods="missing")
    panel = build_panel(read_long(options.csv), demand, "DATE")
    origins = origins_of(panel, options)
    recipe = default_recipe("D", origins.horizon, ("promo",), ())
    found: list[Evaluated] = []
    for name, forecaster, baseline in forecasters(recipe, options):
        start = time.process_time()
        found.append(evaluate(name, forecaster, panel, origins, baseline=baseline))
        show(found[-1], time.process_time() - start)
    members = [each for each in found if not each.baseline]
    report: dict[str, object] = {"rows": options.rows, "validation": options.validation, "one_step": options.one_step}
    reads = {each.name: each.reads for each in candidates_of(options)}
    for bound in (0.10, None):
        joined = best_blend(members, reads, panel, origins, metric="mae", max_bias=bound)
        if joined is None:
            continue
        named, weights = replace(joined[0], name="Blend" if bound else "BlendUnbounded"), joined[1]
        show(named, 0.0)
        chosen, reason = choose([*members, named], "mae", bound)
        report[f"max_bias {bound}"] = {"chosen": chosen.name, "reason": reason, "blend": weights, **chosen.scores}
    report["models"] = {each.name: dict(each.scores) for each in found}
    json.dump(report, sys.stdout, indent=1)


def show(own: Evaluated, seconds: float) -> None:
    elsewhere = MEASURED.get(own.name)
    scores = own.scores
    line = f"{own.name:24} MAE {scores['mae']:.3f}  WAPE {scores['wape']:.3f}  RMSSE {scores['rmsse']:.3f}"
    line += f"  bias {scores['bias']:+.3f}  {seconds:7.1f} CPU-s"
    print(line + (f"   measured elsewhere {elsewhere[0]} / {elsewhere[1]}" if elsewhere else ""), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
