"""What learning from all rows is worth on rows that nobody has seen: a candidate's twin against the candidate fitted again.

    python benchmarks/refit.py data/raw/sales_data_sample.csv [--config config_v2.yaml] [--candidate LightGBM] [--seeds 10]

For each seed a fifth of the keys is held out. The rest is what a user has: the config cuts its training part, on which the twin
learns, and `split.refit: all` fits the candidate again on all of it. Both are scored on the fifth. Differences are paired over
the seeds, with the 95 % interval of Student's t. CPU seconds are of the second fit and of its proof. JSON on stdout.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.ingest import ingest
from tabtrail.modeling.benchmark import candidates_of, proven, run_tasks
from tabtrail.modeling.fit import unpickled
from tabtrail.modeling.metrics import score
from tabtrail.modeling.problem import problem_of
from tabtrail.modeling.refit import refit
from tabtrail.modeling.results import FULL
from tabtrail.modeling.table import hold_out_rows, load_table, needed_columns, split_table
from tabtrail.workflows.champion import Proofs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--config", type=Path, default=Path("config_v2.yaml"))
    parser.add_argument("--candidate", default="LightGBM")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"paths.raw_csv={options.csv.resolve()}", f"paths.processed_dir={folder}/parquet", "engine.kind=serial"]
        config = load_config(options.config, [*paths, *options.set])
        ingest(config)
        data = scan_dataset(config.dataset).select(needed_columns(problem_of(config))).collect()
    found = [worth(seeded(config, seed), data, options.candidate) for seed in range(options.seeds)]
    json.dump({"candidate": options.candidate, **summary(found)}, sys.stdout, indent=2)
    print()


def seeded(config: Config, seed: int) -> Config:
    return config.model_copy(update={"model": config.model.model_copy(update={"random_state": seed})})


def worth(config: Config, data: pl.DataFrame, name: str) -> dict[str, Any]:
    """Return the RMSE of twin and refitted model on held-out rows, and what the second fit and its proof cost."""
    problem = problem_of(config)
    whole = load_table(problem, data)
    had, unseen = hold_out_rows(problem, whole)
    tested, table = whole.take(unseen), load_table(problem, data[np.sort(whole.row[had])])
    split = split_table(problem, table)
    candidate = next(each for each in candidates_of(problem) if each.name == name)
    twin = unpickled(next(run_tasks(problem, table, split, [(candidate, FULL)]))).model
    start = time.process_time()
    again = refit(problem, table, split, candidate, twin).model
    fitted = time.process_time()
    with Proofs(config, table, split) as proofs:
        _, parity = proven(problem, table, split, again, proofs.job)
    done = time.process_time()
    if not parity.passed:
        raise SystemExit(parity.complaint)
    rmse = {key: score(tested.y, np.asarray(model.predict(tested.x)))["rmse"] for key, model in (("twin", twin), ("all", again))}
    return {**rmse, "fit": fitted - start, "proof": done - fitted, "rows": [int(split.train.sum()), len(table.y), len(tested.y)]}


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    twin, again = (np.array([each[key] for each in found], dtype=np.float64) for key in ("twin", "all"))
    differences = again - twin
    error = float(stats.t.ppf(0.975, len(found) - 1) * stats.sem(differences))
    return {
        "seeds": len(found),
        "rows": found[0]["rows"],
        "rmse_of_twin": round(float(twin.mean()), 2),
        "rmse_of_all": round(float(again.mean()), 2),
        "difference": round(float(differences.mean()), 2),
        "difference_95": [round(float(differences.mean()) - error, 2), round(float(differences.mean()) + error, 2)],
        "relative": round(float(again.mean() / twin.mean() - 1), 4),
        "cpu_seconds_of_fit": round(float(np.mean([each["fit"] for each in found])), 2),
        "cpu_seconds_of_proof": round(float(np.mean([each["proof"] for each in found])), 2),
    }


if __name__ == "__main__":
    main()
