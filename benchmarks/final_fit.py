"""The final fit on a Dask cluster: memory and CPU of driver and workers on synthetic rows, and how far two such fits differ.

    python benchmarks/final_fit.py [--rows N] [--max-rows N] [--workers N] [--memory-limit 1.5GiB] [--family XGBoost] [--bucket]
                                   [--again]

The table is made up (`tabtrail.data.sample`), a CSV in a temporary folder; ingest is not measured. Scheduler and workers run on
loopback, each worker with one thread under a nanny that ends it above its memory limit. Memory is the largest resident size of
each process, looked at five times a second; CPU is that of the whole training, of the final fit alone in seconds of wall time.
With --bucket the dataset lies in a bucket (moto on loopback), which the workers read. Where `one_worker` is what the command says
with one of the workers alone, no worker could have held the rows.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
from tests.support.buckets import running_buckets
from tests.support.stages import run_train

from tabtrail import pipeline
from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.data.sample import write_sample
from tabtrail.errors import CapacityError, report_errors
from tabtrail.progress import SILENT, Progress
from tabtrail.workflows.prepare import prepare
from tabtrail.workflows.reproduce import reproduce

ROOT = Path(__file__).resolve().parent.parent
CANDIDATES = {"LightGBM": "{n_estimators: 100}", "XGBoost": "{n_estimators: 100}"}
GIB = 2**30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--max-rows", type=int, default=50_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--memory-limit", default="1.2GiB")
    parser.add_argument("--family", choices=list(CANDIDATES), default="LightGBM")
    parser.add_argument("--bucket", action="store_true", help="keep the dataset in a bucket")
    parser.add_argument("--again", action="store_true", help="also reproduce the run, and say how far the two fits differ")
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the JSON there")
    options = parser.parse_args()
    with report_errors(), ExitStack() as stack:
        address = ""
        if options.bucket:
            buckets = stack.enter_context(running_buckets())
            os.environ.update(buckets.environment)
            address = f"s3://{buckets.new()}/rows"
        report = measure(Path(stack.enter_context(tempfile.TemporaryDirectory())), options, address)
    text = json.dumps(report, indent=2)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    print(text if options.json else "\n".join(f"{name}: {value}" for name, value in report.items()))


def measure(folder: Path, options: argparse.Namespace, address: str) -> dict[str, Any]:
    text = (ROOT / "config_v2.yaml").read_text(encoding="utf-8")
    text = text.replace("data/processed/sales_parquet", address) if address else text
    (folder / "config_v2.yaml").write_text(text, encoding="utf-8")
    csv = folder / "data" / "raw" / "sales_data_sample.csv"
    csv.parent.mkdir(parents=True)
    write_sample(csv, rows=options.rows)
    report: dict[str, Any] = {
        name: getattr(options, name) for name in ("rows", "max_rows", "workers", "memory_limit", "family", "bucket")
    }
    with _cluster(folder, options.workers, options.memory_limit) as (address, processes):
        candidates = f"candidates={{{options.family}: {CANDIDATES[options.family]}}}"
        config = load_config(
            folder / "config_v2.yaml",
            [
                candidates,
                "split.folds=2",
                "split.repeats=1",
                f"split.max_rows={options.max_rows}",
                f"engine={{kind: serial, final: dask, address: '{address}'}}",
            ],
        )
        pipeline.run_stage("ingest", config)
        with _cluster(folder / "alone", 1, options.memory_limit) as (alone, _):
            engine = config.engine.model_copy(update={"address": alone})
            report["one_worker"] = _said_by_one(config.model_copy(update={"engine": engine}))
        said: list[tuple[float, str]] = []
        with _watched(report, {"driver": psutil.Process(), **processes}):
            board, _ = run_train(config, progress=Progress(say=lambda text: said.append((time.monotonic(), text))))
        times = [moment for moment, text in said if "fitted again" in text or "has learned from" in text]
        report["final_fit_seconds"] = round(times[1] - times[0], 1)
        report["note"] = next(note for note in board.notes if "engine.final" in note)
        if options.again:
            report["again"] = reproduce(config, board.parent_run_id).compared[-1]
    return report


def _said_by_one(config: Config) -> str:
    try:
        prepare(config, SILENT)
    except CapacityError as error:
        return str(error)
    return "can hold the rows"


@contextmanager
def _cluster(folder: Path, workers: int, limit: str) -> Iterator[tuple[str, dict[str, psutil.Process]]]:
    folder.mkdir(exist_ok=True)
    file, local = folder / "scheduler.json", ("--no-dashboard", "--host", "127.0.0.1")
    started = [_dask("scheduler", "--port", "0", "--scheduler-file", str(file), *local)]
    try:
        while not (file.is_file() and file.read_text().strip()):
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        words = ("worker", address, "--nthreads", "1", "--memory-limit", limit, "--local-directory", str(folder), *local)
        started += [_dask(*words) for _ in range(workers)]
        names = ["scheduler", *(f"worker {number}" for number in range(1, workers + 1))]
        yield address, {name: psutil.Process(each.pid) for name, each in zip(names, started, strict=True)}
    finally:
        for each in started:
            each.terminate()
        for each in started:
            each.wait(300)


def _dask(*words: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "dask", *words], stderr=subprocess.DEVNULL)


@contextmanager
def _watched(report: dict[str, Any], processes: dict[str, psutil.Process]) -> Iterator[None]:
    """Note the wall seconds of a block, and the largest memory and the CPU seconds of each process with its children."""
    peaks, seconds, ended = dict.fromkeys(processes, 0), dict.fromkeys(processes, 0.0), threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            for name, process in processes.items():
                try:
                    own = [process, *(process.children(recursive=True) if name.startswith("worker") else ())]
                    peaks[name] = max(peaks[name], *(each.memory_info().rss for each in own))
                    seconds[name] = max(seconds[name], sum(sum(each.cpu_times()[:2]) for each in own))
                except psutil.Error:
                    continue

    before = {name: sum(process.cpu_times()[:2]) for name, process in processes.items()}
    watcher, start = threading.Thread(target=watch, daemon=True), time.perf_counter()
    watcher.start()
    yield
    ended.set()
    report["seconds"] = round(time.perf_counter() - start, 1)
    report["peak_gib"] = {name: round(peak / GIB, 2) for name, peak in peaks.items()}
    report["cpu_seconds"] = {name: round(seconds[name] - before[name], 1) for name in processes}


if __name__ == "__main__":
    main()
