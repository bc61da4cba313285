"""A wide or long synthetic table: CPU seconds and peak memory of each stage; of one LightGBM its fit, proof and explanation.

    python benchmarks/wide.py [--rows 5000] [--columns 1000] [--trees 200] [--output benchmarks/results/wide.json]
    python benchmarks/wide.py --rows 1000000 --columns 30 --output benchmarks/results/long.json

The rows are made up (normal numbers, one text column in ten; the target needs eight of them), in a temporary folder. Each stage
is a process of its own. The LightGBM learns a logarithm, so that it is explained from outside by its graph, which costs most.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from measure import report, spend

from tabtrail import pipeline
from tabtrail.config.load import load_config
from tabtrail.data.dataset import scan_dataset
from tabtrail.explain.shapley import explain, sample_rows
from tabtrail.export.outputs import open_graph
from tabtrail.export.prove import prove
from tabtrail.modeling.candidates import list_candidates
from tabtrail.modeling.fit import build_model
from tabtrail.modeling.preprocess import Recipe
from tabtrail.modeling.problem import problem_of
from tabtrail.modeling.table import load_table, needed_columns

STAGES = ("ingest", "eda", "profile", "train", "report")
CONFIG = """version: 2
paths: {{raw_csv: wide.csv}}
model: {{name: wide, target: y, numeric_features: [{numbers}], categorical_features: [{texts}]}}
profile: {{outliers: {{columns: [{numbers}]}}}}
split: {{kind: random, folds: 2, repeats: 1}}
choice: {{max_row_us: 100000}}
candidates: {{LinearRegression: {{}}, LightGBM: {{n_estimators: {trees}, target_transform: log1p}}}}
report: {{learning_curve_folds: 0}}
engine: {{kind: serial}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--columns", type=int, default=1_000)
    parser.add_argument("--trees", type=int, default=200)
    parser.add_argument("--stages", nargs="*", default=list(STAGES), help="those whose cost is measured, in their order")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--parts", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.parts:
        print(json.dumps(parts(options.parts)))
        return
    with tempfile.TemporaryDirectory() as folder:
        config = write_project(Path(folder), options.rows, options.columns, options.trees)
        found = {name: spend(["-m", "tabtrail", name, "--config", str(config)]) for name in options.stages}
        single = json.loads(spend([__file__, "--parts", str(config)]).stdout)
    costs = {name: {"cpu_seconds": each.cpu_seconds, "peak_mb": each.peak_mb} for name, each in found.items()}
    made = {"data": "made up by this script", "rows": options.rows, "columns": options.columns}
    spent, peaks = [each.cpu_seconds for each in found.values()], [each.peak_mb for each in found.values()]
    whole = {"cpu_seconds": round(sum(spent), 1), "peak_mb": max(peaks)}
    report({**made, "stages": costs, "all_stages": whole, "lightgbm_cpu_seconds": single}, options.output)


def write_project(folder: Path, rows: int, columns: int, trees: int) -> Path:
    """Write CSV and config into a folder and return the config."""
    random = np.random.default_rng(0)
    texts = [f"t{place}" for place in range(columns // 10)]
    numbers = [f"n{place}" for place in range(columns - len(texts))]
    frame = {name: random.normal(size=rows).round(6) for name in numbers}
    frame |= {name: random.choice(np.array(["red", "green", "blue"]), rows) for name in texts}
    first = [frame[name] for name in numbers[:7]]
    signal = first[0] + first[1] * first[2] + np.abs(first[3]) + np.sin(2 * first[4]) + first[5] * (frame[texts[0]] == "red")
    frame["y"] = np.exp(1 + 0.3 * (signal + 0.3 * random.normal(size=rows))).round(4)
    pl.DataFrame(frame).write_csv(folder / "wide.csv")
    path = folder / "config.yaml"
    path.write_text(CONFIG.format(numbers=", ".join(numbers), texts=", ".join(texts), trees=trees), encoding="utf-8")
    return path


def parts(path: Path) -> dict[str, Any]:
    """Return the CPU seconds of fit, proof and explanation of the LightGBM, and how many columns were explained together."""
    config = load_config(path, [])
    if not config.paths.manifest.is_file():
        pipeline.run_stage("ingest", config)
    problem = problem_of(config)
    table = load_table(problem, scan_dataset(config.dataset).select(needed_columns(problem)).collect())
    candidate = next(each for each in list_candidates(config.candidates) if each.family == "LightGBM")
    start = time.process_time()
    model = build_model(candidate, Recipe.of(config.model)).fit(table.x, table.y)
    fitted = time.process_time()
    graph, parity = prove(config.model, model, table.x, scale=float(np.std(table.y)), tolerance=1e-5)
    proven = time.process_time()
    rows = sample_rows(table.x, config.explain.max_rows, 0)
    found = explain(model, rows, rows, seed=0, predict=open_graph(graph))
    times = {"fit": fitted - start, "proof": proven - fitted, "explanation": time.process_time() - proven}
    rounded = {name: round(seconds, 2) for name, seconds in times.items()}
    return {**rounded, "proven": parity.passed, "explained_together": getattr(found, "together", 0)}


if __name__ == "__main__":
    main()
