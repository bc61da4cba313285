"""The champion against every family with its library's defaults, over ten hold-outs by order of the real sales CSV.

    python benchmarks/holdouts.py data/raw/sales_data_sample.csv [--without DEALSIZE] [--raw] [--seeds 10] [--set split.repeats=1]
        [--before OTHER_CONFIG]

For each seed a fifth of the orders is held out; the whole benchmark of the config chooses its champion on the rest, the
default models are fitted on the same rows with the plain columns, and so are the candidates of the config without derived
features and target transforms (`raw`; with `--raw` the whole benchmark does without them). Differences are paired over the
hold-outs, with the 95 % interval of Student's t. Coverage of the champion's intervals is over all rows that were held out.
With `--before`, instead: the champion of this config against that with another config's candidates, by hold-out, with the
interval corrected for the training rows that hold-outs share (Nadeau & Bengio 2003). JSON on stdout.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.ingest import ingest
from tabtrail.export.prove import graph_bytes
from tabtrail.modeling.benchmark import run_benchmark
from tabtrail.modeling.candidates import Candidate, list_candidates
from tabtrail.modeling.choice import corrected_difference
from tabtrail.modeling.families import FAMILIES
from tabtrail.modeling.fit import build_model
from tabtrail.modeling.intervals import calibrate_all, coverage_rows
from tabtrail.modeling.metrics import score
from tabtrail.modeling.preprocess import Recipe
from tabtrail.modeling.problem import problem_of
from tabtrail.modeling.split import Split
from tabtrail.modeling.table import Table, load_table, needed_columns

DEFAULTS = ("LinearRegression", "RandomForest", "GradientBoosting", "XGBoost", "LightGBM", "CatBoost")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--config", type=Path, default=Path("config_v2.yaml"))
    parser.add_argument("--without", action="append", default=[], help="a column that the models do not get")
    parser.add_argument("--raw", action="store_true", help="no derived features, no target transforms")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--before", type=Path, help="a config whose candidates are compared with those of --config")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"paths.raw_csv={options.csv.resolve()}", f"paths.processed_dir={folder}/parquet"]
        config = load_config(options.config, [*paths, *options.set])
        ingest(config)
        data = scan_dataset(config.dataset).select(needed_columns(problem_of(config))).collect()
    if options.without:
        config = config.without_columns(options.without)
    if options.raw:
        config = without_formulas(config)
    if options.before is not None:
        other = config.model_copy(update={"candidates": load_config(options.before, [*paths, *options.set]).candidates})
        json.dump(change(other, config, data, options.seeds), sys.stdout, indent=2)
        return
    holdouts = [holdout(seeded(config, seed), data, seed) for seed in range(options.seeds)]
    json.dump(summary(holdouts, options.without), sys.stdout, indent=2)
    print()


def without_formulas(config: Config) -> Config:
    plain = {
        name: {key: value for key, value in params.items() if key != "target_transform"}
        for name, params in config.candidates.items()
    }
    return config.model_copy(update={"candidates": plain, "model": config.model.model_copy(update={"derived_features": {}})})


def seeded(config: Config, seed: int) -> Config:
    return config.model_copy(update={"model": config.model.model_copy(update={"random_state": seed})})


def holdout(config: Config, data: Any, seed: int) -> dict[str, Any]:
    table = load_table(problem_of(config), data)
    start = time.perf_counter()
    benchmark = run_benchmark(problem_of(config), table, export=lambda fit: (len(graph_bytes(config.model, fit.model)), None))
    seconds = time.perf_counter() - start
    champion = benchmark.champion
    intervals = calibrate_all(benchmark)[champion.candidate.name]
    found: dict[str, Any] = {
        "seed": seed,
        "champion": champion.candidate.name,
        "cv_rmse": champion.mean("rmse"),
        "rmse": champion.final.scores["rmse"],
        "mae": champion.final.scores["mae"],
        "benchmark_seconds": round(seconds, 1),
        "coverage": {
            row.value: [row.rows, row.coverage, row.mean_width] for row in coverage_rows(benchmark, champion, intervals)
        },
        "defaults": {name: plain_scores(config, table, benchmark.split, Candidate(name, name, {})) for name in DEFAULTS},
        "raw": raw_scores(config, table, benchmark.split),
    }
    print(f"seed {seed}: {champion.candidate.name} {found['rmse']:.1f} {found['mae']:.1f} in {seconds:.0f} s", file=sys.stderr)
    return found


def change(before: Config, after: Config, data: Any, seeds: int) -> dict[str, Any]:
    """Return the RMSE and the CPU seconds of both champions on every hold-out, and the relative change of the RMSE."""
    found, shares = [], []
    for seed in range(seeds):
        row: dict[str, Any] = {"seed": seed}
        for name, config in (("before", seeded(before, seed)), ("after", seeded(after, seed))):
            start, problem = time.process_time(), problem_of(config)
            serial = replace(problem, engine=problem.engine.model_copy(update={"kind": "serial"}))
            benchmark = run_benchmark(serial, load_table(serial, data))
            champion, spent = benchmark.champion, round(time.process_time() - start, 1)
            row[name] = {"champion": champion.candidate.name, "rmse": champion.final.scores["rmse"], "cpu_seconds": spent}
            shares.append(float(benchmark.split.test.sum() / benchmark.split.train.sum()))
        print(row, file=sys.stderr, flush=True)
        found.append(row)
    logs = {name: [float(np.log(row[name]["rmse"])) for row in found] for name in ("before", "after")}
    log = corrected_difference(logs["after"], logs["before"], valid_share=float(np.mean(shares)))
    summed = {name: round(float(np.mean([row[name]["cpu_seconds"] for row in found])), 1) for name in logs}
    relative = {name: round(float(np.expm1(getattr(log, name))), 4) for name in ("mean", "low", "high")}
    return {"hold_outs": seeds, "relative_change_of_rmse": relative, "mean_cpu_seconds": summed, "each": found}


def raw_scores(config: Config, table: Table, split: Split) -> dict[str, dict[str, float]]:
    """Score the candidates of the config on the plain columns alone: without derived features and target transforms."""
    named = [each for each in list_candidates(config.candidates) if each.family in FAMILIES]
    return {each.name: plain_scores(config, table, split, replace(each, transform="none", reference=None)) for each in named}


def plain_scores(config: Config, table: Table, split: Split, candidate: Candidate) -> dict[str, float]:
    """Fit a candidate on the training part, on the plain columns, and score it on the test part."""
    model = config.model
    numbers = model.numeric_features
    plain = Recipe(numbers, model.categorical_features, numbers, {}, one_hot=model.categorical_features, seed=model.random_state)
    train, test = table.take(split.train), table.take(split.test)
    columns = [*numbers, *model.categorical_features]
    fitted = build_model(candidate, plain).fit(train.x[columns], train.y)
    scores = score(test.y, np.asarray(fitted.predict(test.x[columns]), dtype=np.float64).ravel())
    return {name: value for name in ("rmse", "mae") if (value := scores[name]) is not None}


def summary(holdouts: list[dict[str, Any]], without: list[str]) -> dict[str, Any]:
    metrics: dict[str, Any] = {}
    for metric in ("rmse", "mae"):
        own = np.array([each[metric] for each in holdouts])
        others = {name: np.array([each["defaults"][name][metric] for each in holdouts]) for name in DEFAULTS}
        best = min(others, key=lambda name: float(others[name].mean()))
        raw = {name: np.array([each["raw"][name][metric] for each in holdouts]) for name in holdouts[0]["raw"]}
        best_raw = min(raw, key=lambda name: float(raw[name].mean()))
        differences = own - others[best]
        error = float(stats.t.ppf(0.975, len(own) - 1) * stats.sem(differences))
        metrics[metric] = {
            "champion": round(float(own.mean()), 1),
            "champion_std": round(float(own.std(ddof=1)), 1),
            "best_default": best,
            "defaults": {name: round(float(values.mean()), 1) for name, values in others.items()},
            "best_raw": best_raw,
            "raw": {name: round(float(values.mean()), 1) for name, values in raw.items()},
            "relative_difference": round(float(own.mean() / others[best].mean() - 1), 4),
            "difference": round(float(differences.mean()), 1),
            "difference_95": [round(float(differences.mean()) - error, 1), round(float(differences.mean()) + error, 1)],
        }
    slices = dict.fromkeys(name for each in holdouts for name in each["coverage"])
    coverage = {}
    for name in slices:
        found = [each["coverage"][name] for each in holdouts if name in each["coverage"]]
        rows = sum(each[0] for each in found)
        coverage[name] = {
            "rows": rows,
            "coverage": round(sum(each[0] * each[1] for each in found) / rows, 4),
            "mean_width": round(sum(each[0] * each[2] for each in found) / rows, 1),
        }
    estimate = np.array([each["cv_rmse"] - each["rmse"] for each in holdouts])
    return {
        "without": without,
        "hold_outs": len(holdouts),
        **metrics,
        "coverage": coverage,
        "cv_minus_test_rmse": {
            "mean": round(float(estimate.mean()), 1),
            "standard_error": round(float(stats.sem(estimate)), 1),
        },
        "benchmark_seconds": [each["benchmark_seconds"] for each in holdouts],
        "champions": [each["champion"] for each in holdouts],
        "each": holdouts,
    }


if __name__ == "__main__":
    main()
