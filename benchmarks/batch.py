"""Scoring a file: CPU and peak memory of `predict_sales --input X --output Y` as a whole process, of onnxruntime on the same rows
already in memory, and of the code that is usually written: pandas reads and writes, the joblib pipeline predicts.

    python benchmarks/batch.py [--config config_v2.yaml] [--rows 1000000] [--repeats 3] [--output benchmarks/results/batch.json]

One thread each. Needs what `tabtrail run` leaves; its rows are repeated to that many. The bar: ours at most 1.3 × onnxruntime.
"""

import argparse
import json
import statistics
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from measure import ONE_THREAD, ROOT, comparison, report, spend

from tabtrail.bundle.load import read_metadata
from tabtrail.config.load import load_config
from tabtrail.contract.schema import ModelSchema
from tabtrail.errors import report_errors

ENGINE = """
import json, sys, time
from pathlib import Path
import numpy as np, pyarrow.parquet as pq
from tabtrail.bundle.load import load_bundle
import onnxruntime

bundle = load_bundle(Path(sys.argv[1]), sys.argv[2])
table = pq.read_table(sys.argv[3])
feed = {}
for feature in bundle.schema.features:
    column = table.column(feature.name)
    text = feature.kind == "categorical"
    feed[feature.name] = column.to_numpy().astype(object if text else np.float64)[:, None]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(bundle.onnx, options, providers=["CPUExecutionProvider"])
session.run(None, {name: values[:1000] for name, values in feed.items()})
wall, cpu = time.perf_counter(), time.process_time()
for start in range(0, table.num_rows, 65536):
    session.run(None, {name: values[start : start + 65536] for name, values in feed.items()})
print(json.dumps([time.process_time() - cpu, time.perf_counter() - wall]))
"""
USUAL = """
import sys
import joblib, pandas

pipeline = joblib.load(sys.argv[1] + "/" + sys.argv[2] + ".joblib")
rows = pandas.read_csv(sys.argv[3], keep_default_na=False)
rows["prediction"] = pipeline.predict(rows)
rows[["prediction"]].to_parquet(sys.argv[4])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=ROOT / "config_v2.yaml")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with report_errors(), tempfile.TemporaryDirectory() as name:
        config, folder = load_config(options.config), Path(name)
        metadata = read_metadata(config.paths.models_dir, config.model.name)
        columns = ModelSchema.from_dict(metadata["schema"]).names
        # In a process of its own: a child's peak memory is at least what its parent held when it started.
        with ProcessPoolExecutor(1) as pool:
            pool.submit(write_rows, config.paths.processed_dir, columns, options.rows, folder).result()
        bundle = [str(config.paths.models_dir), config.model.name]
        scoring = ["-m", "src.predict_sales", "--config", str(options.config.resolve())]
        csv, parquet = folder / "rows.csv", folder / "rows.parquet"
        programs = {
            "engine": ["-c", ENGINE, *bundle, str(parquet)],
            "ours": [*scoring, "--input", str(csv), "--output", str(folder / "out.parquet")],
            "ours_parquet": [*scoring, "--input", str(parquet), "--output", str(folder / "out.parquet")],
            "usual": ["-c", USUAL, *bundle, str(csv), str(folder / "usual.parquet")],
        }
        runs = {name: [spend(words, ONE_THREAD) for _ in range(options.repeats)] for name, words in programs.items()}
    timed = [json.loads(run.stdout) for run in runs["engine"]]
    costs = {name: round(statistics.median(run.cpu_seconds for run in done), 2) for name, done in runs.items()}
    walls = {name: round(statistics.median(run.wall_seconds for run in done), 2) for name, done in runs.items()}
    costs["engine"], walls["engine"] = (round(statistics.median(each), 2) for each in zip(*timed, strict=True))
    peaks = {name: max(run.peak_mb for run in done) for name, done in runs.items()}
    parquet_ratio = round(costs["ours_parquet"] / costs["engine"], 3)
    what = {"ours": "CSV to Parquet", "engine": "onnxruntime, rows in memory", "usual": "pandas and joblib"}
    subject = f"{options.rows:,} predictions of a file by {metadata['model']}"
    extra = {"wall_seconds": walls, "ours_parquet": costs["ours_parquet"], "ours_parquet / engine": parquet_ratio}
    report(comparison(subject, "CPU-s", costs, peaks, what, **extra), options.output)


def write_rows(dataset: Path, columns: list[str], rows: int, folder: Path) -> None:
    import polars as pl

    known = pl.read_parquet(dataset / "**" / "*.parquet").select(columns)
    frame = pl.concat([known] * (rows // known.height + 1)).head(rows)
    frame.write_parquet(folder / "rows.parquet")
    frame.write_csv(folder / "rows.csv")


if __name__ == "__main__":
    main()
