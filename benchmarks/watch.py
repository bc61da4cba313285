"""What it costs to check a prediction log of a million rows: CPU seconds and memory of `tabtrail drift`.

Usage: python benchmarks/watch.py PROJECT [ROWS] [labels], where PROJECT is a folder with a trained model of rows. The log is
written to a scratch folder from the dataset's rows, drawn with replacement, in files of 10,000 rows as the service writes them;
with `labels` every row has its actual value, in one file as `tabtrail labels` writes it.
"""

import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.logged import INPUT, Labels, write_labels
from tabtrail.bundle.predictor import Predictor
from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.data.dataset import scan_dataset

ROWS_A_FILE = 10_000


def write_log(config: Config, folder: Path, rows: int, *, labelled: bool) -> None:
    """Write a log of so many rows of the dataset, one second apart, the last one now, and their labels."""
    predictor = Predictor(load_bundle(config.paths.models_dir, config.model.name))
    names = predictor.schema.names
    whole = scan_dataset(config.dataset).collect()
    data, actual = whole.select(names), whole.get_column(config.model.target).cast(pl.Float64).to_numpy()
    draws = np.random.default_rng(0).integers(0, data.height, rows)
    predicted = np.array([each.value for each in predictor.predict(data.to_dicts())])
    start = datetime.now(UTC) - timedelta(seconds=rows)
    files: list[str] = []
    for first in range(0, rows, ROWS_A_FILE):
        chosen = draws[first : first + ROWS_A_FILE]
        part = data[chosen]
        columns: dict[str, Any] = {
            "time": pl.Series(
                [start + timedelta(seconds=first + place) for place in range(len(chosen))], dtype=pl.Datetime("us", "UTC")
            ),
            "request_id": [f"r{first + place}" for place in range(len(chosen))],
            "row": pl.Series([1] * len(chosen), dtype=pl.Int32),
            "mlflow_run_id": [predictor.metadata["run_id"]] * len(chosen),
            "prediction": predicted[chosen],
            "low": predicted[chosen] * 0.9,
            "high": predicted[chosen] * 1.1,
            "unseen": pl.Series([[]] * len(chosen), dtype=pl.List(pl.String)),
        }
        for feature in predictor.schema.features:
            kind = pl.Float64 if feature.kind == "numeric" else pl.String
            columns[INPUT + feature.name] = part.get_column(feature.name).cast(kind)
        stamp = (start + timedelta(seconds=first)).strftime("%Y%m%dT%H%M%S.%f")
        files += [f"predictions-{stamp}-1-{first:09d}.parquet"] * len(chosen)
        pl.DataFrame(columns).write_parquet(folder / files[-1], compression="zstd")
    if labelled:
        runs = np.array([predictor.metadata["run_id"]] * rows, dtype=object)
        places = np.arange(rows) % ROWS_A_FILE
        write_labels(folder, Labels(np.array(files, dtype=object), places, runs, predicted[draws], actual[draws]))


def main(project: Path, rows: int, *, labelled: bool) -> int:
    """Write the log, check it in a process of its own, and print what that took."""
    config = load_config(project / "config_v2.yaml", [])
    with tempfile.TemporaryDirectory() as name:
        write_log(config, Path(name), rows, labelled=labelled)
        begun = time.perf_counter()
        command = [sys.executable, "-m", "tabtrail", "drift", "--config", str(project / "config_v2.yaml"), "--quiet"]
        settings = ["--set", f"serve.prediction_log_dir={name}", "--set", "drift.window_days=3650"]
        done = subprocess.run([*command, *settings], check=False)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(f"{rows:,} rows: {used.ru_utime + used.ru_stime:.1f} CPU-s, {time.perf_counter() - begun:.1f} s,")
        print(f"{used.ru_maxrss / 1024:,.0f} MiB at most, exit code {done.returncode}")
    return 0


if __name__ == "__main__":
    more = sys.argv[2:]
    sys.exit(main(Path(sys.argv[1]), next((int(each) for each in more if each.isdigit()), 1_000_000), labelled="labels" in more))
