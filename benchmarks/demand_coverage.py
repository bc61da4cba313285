"""Coverage of the intervals of demand on the pasta panel, at weekly origins after those that they were calibrated on.

    python -m benchmarks.demand_coverage ../shared/data/pasta_hierarchical_sales_data.csv [--output FILE]

A LightGBM model is fitted once before all origins. `--drop` leaves out the last periods, so that settings can be chosen at
origins before those that are measured; `--rates` tries rates of the adaptation. Neither belongs to a measurement. `--quantiles`
measures intervals by quantiles beside those by errors.
"""

import argparse
import json
import time
from pathlib import Path

import polars as pl

from tabtrail.bundle.demand.features import Array
from tabtrail.config.demand import Demand
from tabtrail.forecast.panel import calibration
from tabtrail.forecast.panel.build import build_panel
from tabtrail.forecast.panel.candidates import default_candidates, parse_candidates
from tabtrail.forecast.panel.coverage import measure
from tabtrail.forecast.panel.direct import fit_direct
from tabtrail.forecast.panel.evaluate import Origins, default_recipe
from tabtrail.forecast.panel.panel import Panel
from tabtrail.forecast.panel.quantiles import fit_quantiles
from tabtrail.forecast.panel.rows import Points
from tabtrail.forecast.panel.task import Task

DEMAND = Demand(target="qty", series=("brand", "item"), known_ahead=("promo",), lead_time=14)


def pasta(path: Path) -> Panel:
    """The wide file as a panel."""
    wide = pl.read_csv(path, try_parse_dates=True)
    parts = []
    for column in wide.columns:
        if column.startswith("QTY_"):
            brand, item = column.split("_")[1:]
            own = wide.select(date="DATE", qty=column, promo=f"PROMO_{brand}_{item}")
            parts.append(
                own.with_columns(brand=pl.lit(brand), item=pl.lit(f"{brand}_{item}"), promo=pl.col("promo").cast(pl.Int64))
            )
    return build_panel(pl.concat(parts).lazy(), DEMAND, "date")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--model", default="LightGBM_tweedie", choices=sorted(default_candidates()))
    parser.add_argument("--calibrated", type=int, default=26)
    parser.add_argument("--measured", type=int, default=26)
    parser.add_argument("--drop", type=int, default=0)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--rates", type=float, nargs="*", default=[])
    parser.add_argument("--quantiles", action="store_true")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    panel = pasta(options.csv)
    panel = panel.until(panel.periods - 1 - options.drop)
    recipe = default_recipe("D", DEMAND.horizon, panel.flags(), ())
    count = options.calibrated + options.measured
    places = calibration.calibration_origins(panel.periods, recipe.horizon, count=count, step=7)
    (candidate,) = [each for each in parse_candidates(default_candidates()) if each.name == options.model]
    start = time.process_time()
    model = fit_direct(candidate, panel.until(places[0]), recipe, texts=DEMAND.series, most=options.rows, seed=42)

    def predicts(known: Panel) -> Array:
        points = Points.at(known, known.periods - 1, range(1, recipe.horizon + 1))
        return model.predict(known, points).reshape(known.count, recipe.horizon)

    outcomes = calibration.Outcomes.of(panel, places, predicts, level_window=recipe.level_window, past=recipe.past)
    if options.quantiles:
        known = DEMAND.model_copy(update={"max_rows": options.rows})
        task = Task(known, panel, recipe, DEMAND.series, Origins(places[:1], recipe.horizon))
        own = fit_quantiles(task, panel.until(places[0]), levels=DEMAND.interval_levels, recipe=model.recipe, at=0)
        outcomes = outcomes.with_quantiles(own.at_end(DEMAND.series, model.recipe, panel.until(place)) for place in places)
    last = places[options.calibrated - 1]
    settings = calibration.Settings(DEMAND.interval_levels, DEMAND.service_level, 14, 7, panel.first + last, 0.0, 7)
    intervals = calibration.fit_intervals(outcomes.take(slice(0, options.calibrated)), settings)
    print(f"{options.model}: {len(places)} origins, {time.process_time() - start:.0f} CPU-s")
    if options.quantiles:
        errors = measure(intervals.by_errors(), outcomes.take(slice(options.calibrated, None)), last)
        for level in errors["levels"]:
            print(f"by errors {level['level']:.0%}: {level['coverage']:.1%}, width {level['width']}, pinball {level['pinball']}")
    for rate in options.rates or [calibration.RATE]:
        found = measure(intervals, outcomes.take(slice(options.calibrated, None)), last, rate=rate)
        print(f"rate {rate}: measured at {found['origins']} origins")
        if options.output:
            options.output.write_text(json.dumps({"model": options.model, "rate": rate, **found}, indent=1) + "\n")
        for name, level in [
            *(("periods", each) for each in found["levels"]),
            *(("sums", each) for each in found["sums"]["levels"]),
        ]:
            print(f"  {name} {level['level']:.0%}: {level['coverage']:.1%} ({level['low']:.1%} to {level['high']:.1%})")
        print(f"  orders at {DEMAND.service_level:.0%}: {json.dumps(found['sums']['met'])}")
        for level in found["levels"]:
            print(f"  {level['level']:.0%}: width {level['width']}, pinball {level['pinball']}, by class {level['by_class']}")
            print("    by horizon", [step["coverage"] for step in level["by_horizon"]])


if __name__ == "__main__":
    main()
