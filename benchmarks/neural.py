"""What a net adds to the default candidates: each alone, and the greedy blend of all with and without it.

    python -m benchmarks.neural path/to/csv/files [--only bike] [--net '{"epochs": 64}']

Three folds inside the training part of each case of `benchmarks/defaults.py` (seed 42); the test part is not looked at. The error
of a candidate is that of the models of its folds on rows that they have not seen; that of a blend uses, on each fold, weights
that the other folds chose. CPU seconds are those of all fits of a candidate, in one thread.
The net is fitted once a fold, as in a bag; its row costs what the graph of one fold's model takes, as `measure_cost` says.
JSON on stdout.
"""

import argparse
import json
import pickle
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.defaults import CASES, ingested
from threadpoolctl import threadpool_limits

from tabtrail.config.operation import Engine
from tabtrail.data.dataset import scan_dataset
from tabtrail.export.cost import measure_cost
from tabtrail.export.prove import prove
from tabtrail.modeling.bag import bag
from tabtrail.modeling.baselines import BLEND
from tabtrail.modeling.benchmark import candidates_of, run_tasks
from tabtrail.modeling.blend import blend
from tabtrail.modeling.candidates import Candidate
from tabtrail.modeling.defaults import default_candidates, shape_of
from tabtrail.modeling.fit import unpickled
from tabtrail.modeling.problem import Problem, problem_of
from tabtrail.modeling.results import Result
from tabtrail.modeling.split import Split
from tabtrail.modeling.table import Table, load_table, needed_columns, split_table

NAME = "RealMLP_bag"
BOOSTERS = ("LightGBM", "CatBoost")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", action="append", choices=list(CASES))
    parser.add_argument("--net", type=json.loads, default={})
    options = parser.parse_args()
    found = {}
    for name in options.only or ("bike", "california", "diamonds"):
        with threadpool_limits(1):
            found[name] = measured(name, options.folder.resolve(), options.net)
        sys.stderr.write(f"{name}: {json.dumps(found[name])}\n")
    json.dump(found, sys.stdout, indent=2)


def measured(name: str, files: Path, net: dict[str, Any]) -> dict[str, Any]:
    """Return errors, CPU seconds and row costs on a case."""
    with tempfile.TemporaryDirectory() as folder:
        config = ingested(name, files, Path(folder), 42)
        data = scan_dataset(config.dataset)
        listed = {key: each.params for key, each in default_candidates(shape_of(config.model, data), net_on="cpu").items()}
        boosters = {key: params for key, params in listed.items() if key.startswith(BOOSTERS)}
        split = config.split.model_copy(update={"folds": 3, "repeats": 1})
        config = config.changed(candidates={**boosters, NAME: {**listed["RealMLP"], "bag": True, **net}, BLEND: {}}, split=split)
        problem = replace(problem_of(config), engine=Engine(kind="serial"))
        table = load_table(problem, data.select(needed_columns(problem)).collect())
        folds = split_table(problem, table)
    named = {each.name: each for each in candidates_of(problem)}
    results, alone = {}, {}
    for key in (*boosters, NAME):
        results[key], alone[key] = _fitted(named[key], problem, table, folds)
    trees = [results[key] for key in boosters]
    without = _rmse(blend(named[BLEND], trees, table, folds, problem)[0])
    together = _rmse(blend(named[BLEND], list(results.values()), table, folds, problem)[0])
    best = min(alone[key]["rmse"] for key in boosters)
    one = results[NAME].model.models[0]
    graph, parity = prove(problem.model, one, table.x, scale=float(np.std(table.y)), tolerance=1e-6)
    assert graph is not None
    return {
        "rows of a fit": int(folds.folds[0].train.sum()),
        "alone": alone,
        "net over the best booster": round(alone[NAME]["rmse"] / best, 4),
        "blend of the boosters": without,
        "blend with the net": together,
        "gain of the blend by the net": round(1 - together / without, 4),
        "row cost of one net": vars(measure_cost(graph, table.x)),
        "graph bytes of one net": len(graph),
        "proof": {
            "passed": parity.passed,
            "largest difference in deviations of the target": max(each.max_difference for each in parity.classes.values()),
        },
    }


def _fitted(candidate: Candidate, problem: Problem, table: Table, split: Split) -> tuple[Result, dict[str, Any]]:
    start = time.process_time()
    tasks = [(candidate, fold) for fold in range(len(split.folds))]
    fits = [unpickled(fit) for fit in run_tasks(problem, table, split, tasks, in_order=True)]
    used = time.process_time() - start
    folds, final = bag(candidate, fits, table, split)
    figures = {"rmse": _rmse(folds), "cpu_seconds": round(used, 1), "stopped_at": [fit.iterations for fit in folds]}
    return Result(candidate, folds, final, len(pickle.dumps(final.model))), figures


def _rmse(folds: Any) -> float:
    return round(float(np.mean([fit.scores["rmse"] for fit in folds])), 4)


if __name__ == "__main__":
    main()
