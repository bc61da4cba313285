"""California housing on scikit-learn's random 80/20 split (seed 42): the champion's RMSE on its test rows.

    python benchmarks/california_housing.py path/to/california_housing.csv

The whole benchmark of examples/california_housing/config.yaml chooses its champion on the training rows alone; what the exported
graph predicts for the test rows is scored. JSON on stdout.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

from tabtrail.config.load import load_config
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.ingest import ingest
from tabtrail.export.outputs import run_onnx
from tabtrail.modeling.benchmark import run_benchmark
from tabtrail.modeling.metrics import score
from tabtrail.modeling.problem import problem_of
from tabtrail.modeling.split import split_training_part
from tabtrail.modeling.table import load_table
from tabtrail.workflows.champion import Proofs

CONFIG = Path(__file__).parents[1] / "examples" / "california_housing" / "config.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"paths.raw_csv={options.csv.resolve()}", f"paths.processed_dir={folder}/parquet"]
        config = load_config(CONFIG, [*paths, *options.set])
        manifest = ingest(config)
        data = scan_dataset(config.dataset).collect()
    if manifest.rows_rejected:
        raise SystemExit("rows were rejected: the split would not be that of the file")
    table = load_table(problem_of(config), data)
    _, test_rows = train_test_split(np.arange(data.height), test_size=0.2, random_state=42)
    test = np.isin(table.row, test_rows)
    start = time.perf_counter()
    split = split_training_part(table.keys, config.split, config.model.random_state, ~test, test)
    benchmark = run_benchmark(problem_of(config), table, split)
    seconds = time.perf_counter() - start
    with Proofs(config, table, split) as proofs:
        exported = proofs.export(benchmark.champion)
    scores = score(table.y[test], run_onnx(exported.onnx, table.x[test]))
    champion = benchmark.champion
    report = {
        "champion": champion.candidate.name,
        "cv_rmse": champion.mean("rmse"),
        "test_rows": scores.rows,
        "test_rmse": scores["rmse"],
        "test_mae": scores["mae"],
        "seconds": round(seconds, 1),
        "all_test_rmse": {each.candidate.name: each.final.scores["rmse"] for each in benchmark.results},
    }
    json.dump(report, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
