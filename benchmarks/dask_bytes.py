"""What passes between driver and scheduler when workers read the dataset themselves, and when rows are sent to them.

    python benchmarks/dask_bytes.py [--rows N] [--files N] [--workers N] [--json] [--output FILE]

Synthetic orders lie in a bucket (moto on loopback), in several files; scheduler and workers are processes of their own. All that
the driver says or hears passes by a door that counts bytes: rows can come to the scheduler from nowhere else but the driver, and
go from workers nowhere else but there. Hashes show that the results are those of one machine.
"""

import argparse
import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.support.buckets import Buckets, running_buckets
from tests.support.dask_cluster import Cluster, cluster, counted

from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.data import fan_out
from tabtrail.data.ingest import ingest
from tabtrail.data.manifest import Manifest
from tabtrail.data.sample import write_sample
from tabtrail.errors import report_errors
from tabtrail.modeling.benchmark import run_benchmark
from tabtrail.progress import SILENT
from tabtrail.workflows.ingest import read_files
from tabtrail.workflows.prepare import Prepared, prepare

ROOT = Path(__file__).resolve().parent.parent
CANDIDATES = "candidates={LinearRegression: {}, LightGBM: {n_estimators: 50}}"
MB = 10**6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the JSON there")
    options = parser.parse_args()
    with report_errors(), tempfile.TemporaryDirectory() as folder, running_buckets() as buckets:
        os.environ.update(buckets.environment)
        config_file = make_project(Path(folder), buckets, options.rows, options.files)
        (Path(folder) / "dask").mkdir()
        with cluster(Path(folder) / "dask", options.workers) as made:
            report = {"rows": options.rows, "files": options.files, "workers": options.workers, **measure(config_file, made)}
    text = json.dumps(report, indent=2)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    print(text if options.json else "\n".join(f"{name}: {value}" for name, value in report.items()))


def make_project(root: Path, buckets: Buckets, rows: int, files: int) -> Path:
    """Write the config, and the orders into a bucket, cut into files."""
    bucket, csv = buckets.new(), root / "all.csv"
    write_sample(csv, rows=rows)
    head, *lines = csv.read_bytes().splitlines(keepends=True)
    step = -(-len(lines) // files)
    for number in range(files):
        buckets.put(bucket, f"raw/{number:03}.csv", head + b"".join(lines[number * step : (number + 1) * step]))
    csv.unlink()
    text = (ROOT / "config_v2.yaml").read_text(encoding="utf-8")
    text = text.replace("data/raw/sales_data_sample.csv", f"s3://{bucket}/raw/*.csv")
    file = root / "config_v2.yaml"
    file.write_text(text.replace("data/processed/sales_parquet", f"s3://{bucket}/rows"), encoding="utf-8")
    return file


def measure(file: Path, dask: Cluster) -> dict[str, Any]:
    report: dict[str, Any] = {}
    found: dict[str, Manifest] = {}
    for name, overrides in (("one machine", ["engine.kind=serial"]), ("workers", [on(dask.address)])):
        begun, cpu = time.perf_counter(), time.process_time()
        found[name] = ingest(load_config(file, overrides))
        report[f"ingest by {name}: wall s, CPU-s of the driver"] = [seconds(begun), round(time.process_time() - cpu, 1)]
    report["ingest: the same manifest"] = found["one machine"] == found["workers"]
    # Here workers see the disk of the driver; another mark is as where they do not.
    for name, mark in (("workers send", "elsewhere"), ("workers write to the disk", fan_out.MARK)):
        with counted(dask.address) as door, patch.object(fan_out, "MARK", mark):
            read_files(load_config(file, [on(door.address)]), SILENT, append=False)
        report[f"ingest, {name}: MB from the driver, to the driver"] = [round(door.sent / MB, 2), round(door.received / MB, 2)]
    report["Parquet MB"] = round(sum(each.stat().st_size for each in load_config(file).dataset.folder.rglob("*.parquet")) / MB, 2)
    serial = prepare(config(file, "engine.kind=serial"), SILENT)
    expected = hashes(serial)
    report["table MB"] = round(serial.table.examples().nbytes / MB, 2)
    for name, sends in (("workers read", False), ("rows are sent", True)):
        with counted(dask.address) as door:
            prepared = prepare(config(file, on(door.address)), SILENT)
            if sends:
                prepared = replace(prepared, table=replace(prepared.table, place=None))
            begun = time.perf_counter()
            report[f"fits, {name}: equal bits"] = hashes(prepared) == expected
            report[f"fits, {name}: s"] = seconds(begun)
        report[f"fits, {name}: MB from the driver, to the driver"] = [round(door.sent / MB, 2), round(door.received / MB, 2)]
    return report


def config(file: Path, engine: str) -> Config:
    return load_config(file, [CANDIDATES, "split.repeats=1", engine])


def on(address: str) -> str:
    return f"engine={{kind: dask, address: '{address}'}}"


def hashes(prepared: Prepared) -> dict[str, str]:
    found = run_benchmark(prepared.problem, prepared.table, prepared.split)
    return {each.candidate.name: each.predictions_sha256 for each in found.results}


def seconds(begun: float) -> float:
    return round(time.perf_counter() - begun, 1)


if __name__ == "__main__":
    main()
