"""Train on many synthetic rows: seconds, peak memory of driver and workers, and what the plan said.

    python benchmarks/many_rows.py [--rows N] [--max-rows N] [--workers N] [--json] [--output FILE]

The CSV, its Parquet and a store are made in a temporary folder; ingest is timed apart. Memory is the proportional set size of
all processes together, looked at twice a second: pages that workers map in common count once.
"""

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from tests.support.stages import run_train

from tabtrail import pipeline
from tabtrail.config.load import load_config
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.sample import write_sample
from tabtrail.errors import report_errors
from tabtrail.modeling.problem import problem_of
from tabtrail.modeling.table import load_table, needed_columns
from tabtrail.progress import Progress

ROOT = Path(__file__).resolve().parent.parent
CANDIDATES = "candidates={LinearRegression: {}, LightGBM: {n_estimators: 100}}"
GIB = 2**30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--max-rows", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the JSON there")
    options = parser.parse_args()
    with report_errors(), tempfile.TemporaryDirectory() as folder:
        report = measure(Path(folder), options.rows, options.max_rows, options.workers)
    text = json.dumps(report, indent=2)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    print(text if options.json else "\n".join(f"{name}: {value}" for name, value in report.items()))


def measure(folder: Path, rows: int, max_rows: int, workers: int) -> dict[str, Any]:
    (folder / "config_v2.yaml").write_bytes((ROOT / "config_v2.yaml").read_bytes())
    csv = folder / "data" / "raw" / "sales_data_sample.csv"
    csv.parent.mkdir(parents=True)
    write_sample(csv, rows=rows)
    overrides = [CANDIDATES, "split.repeats=1", f"split.max_rows={max_rows}", f"engine.workers={workers}"]
    config = load_config(folder / "config_v2.yaml", overrides)
    report: dict[str, Any] = {"rows": rows, "max_rows": max_rows, "workers": workers}
    with _watched(report, "ingest"):
        pipeline.run_stage("ingest", config)
    said: list[str] = []
    with _watched(report, "train"):
        board, _ = run_train(config, progress=Progress(say=said.append))
    report["plan"] = said[0]
    report["champion"] = board.champion
    report["fit_seconds"] = {row.candidate: [row.cv_fit_seconds, row.fit_seconds] for row in board.candidates}
    problem = problem_of(config)
    table = load_table(problem, scan_dataset(config.dataset).select(needed_columns(problem)).collect())
    report["table_bytes_a_row"] = round(table.examples().nbytes / len(table.y), 1)
    report["pandas_bytes_a_row"] = round(int(table.x.memory_usage(deep=True).sum()) / len(table.y), 1)
    return report


class _watched:  # noqa: N801 - a context manager
    """Note the wall seconds of a block and the largest memory of this process and its children, in GiB."""

    def __init__(self, report: dict[str, Any], name: str) -> None:
        self.report, self.name, self.peak = report, name, 0
        self.ended = threading.Event()
        self.watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        self.started = time.perf_counter()
        self.watcher.start()

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.watcher.join()
        self.report[f"{self.name}_seconds"] = round(time.perf_counter() - self.started, 1)
        self.report[f"{self.name}_peak_gib"] = round(self.peak / GIB, 2)

    def _watch(self) -> None:
        me = psutil.Process()
        while not self.ended.wait(0.5):
            total = 0
            for process in (me, *me.children(recursive=True)):
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:
                    continue
            self.peak = max(self.peak, total)


if __name__ == "__main__":
    main()
