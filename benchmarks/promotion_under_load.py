"""Promotions and rollbacks while the service answers on loopback: failed requests, and answers that mix two models.

Two models are trained in a temporary project (the synthetic sample where there is no CSV). `tabtrail serve` serves it, a few
connections send the same row without a pause, and meanwhile the models take each other's place by `promote` and `rollback`.
Every answer must be a 200 whose prediction and interval are, to the last bit, those of the model whose run it names, and after
every change the new model must be the one that answers. JSON on stdout; exit code 1 where one of that did not hold.

    python benchmarks/promotion_under_load.py --changes 50 [--workers 2] [--bucket]

With `--bucket` the models lie in a bucket, of moto's server on loopback, and so does what is promoted.
"""

import argparse
import http.client
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tabtrail import pipeline
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.data.sample import write_sample
from tabtrail.errors import report_errors
from tabtrail.workflows.promote import promote, rollback

ROOT = Path(__file__).resolve().parent.parent
MODELS = ("{LinearRegression: {}}", "{RandomForest_5: {n_estimators: 5, max_depth: 4}}")
QUICK = ("split.repeats=1", "split.folds=2", "engine.kind=serial", "explain.max_rows=20")
SERVED_WITHIN = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", type=Path, default=ROOT / "data/raw/sales_data_sample.csv")
    parser.add_argument("--changes", type=int, default=50, help="promotions and rollbacks, in turns")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--workers", type=int, default=1, help="processes of the service")
    parser.add_argument("--bucket", action="store_true", help="with the models in a bucket")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the JSON there")
    options = parser.parse_args()
    with report_errors(), tempfile.TemporaryDirectory() as folder, models_in_a_bucket() if options.bucket else nullcontext():
        report = measure(prepare(Path(folder), options.csv), options.changes, options.connections, options.workers)
    text = json.dumps(report, indent=2)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    print(text)
    raise SystemExit(0 if report["kept"] else 1)


@contextmanager
def models_in_a_bucket() -> Iterator[None]:
    """Start an S3 on loopback, and let every process of this benchmark keep its models there."""
    sys.path.insert(0, str(ROOT))
    from tests.support.buckets import running_buckets

    with running_buckets() as buckets:
        os.environ |= {**buckets.environment, "TABTRAIL__PATHS__MODELS_DIR": f"s3://{buckets.new()}/models"}
        yield


def prepare(folder: Path, csv: Path) -> Config:
    """Return the config of a project with two trained models; the first is deployed."""
    (folder / "data" / "raw").mkdir(parents=True)
    shutil.copy(ROOT / "config_v2.yaml", folder)
    target = folder / "data" / "raw" / "sales_data_sample.csv"
    shutil.copy(csv, target) if csv.is_file() else write_sample(target)
    for candidates in MODELS:
        config = load_config(folder / "config_v2.yaml", (*QUICK, "promotion.automatic=never", f"candidates={candidates}"))
        pipeline.run_stage("ingest", config)
        pipeline.run_stage("eda", config)
        pipeline.run_stage("train", config)
        print(f"trained {candidates}", file=sys.stderr)
    return config


@dataclass
class Seen:
    """What the connections saw: when which run answered for the first time after another, seconds of requests, complaints."""

    expected: dict[str, dict[str, Any]]
    seconds: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    last: dict[int, tuple[str, float]] = field(default_factory=dict)
    by_run: dict[str, int] = field(default_factory=dict)

    def take(self, connection: int, status: int, body: bytes) -> None:
        """Judge one answer."""
        if status != 200:
            self.failed.append(f"HTTP {status}")
            return
        answer = json.loads(body)
        run_id = answer["mlflow_run_id"]
        wanted = self.expected.get(run_id)
        if wanted is None or {key: answer[key] for key in wanted} != wanted:
            self.mixed.append(run_id)
        self.by_run[run_id] = self.by_run.get(run_id, 0) + 1
        self.last[connection] = (run_id, time.perf_counter())


def measure(config: Config, changes: int, connections: int, workers: int) -> dict[str, Any]:
    """Serve, load, exchange; return the figures."""
    row, expected = expectations(config)
    seen, stop = Seen(expected), threading.Event()
    port = free_port()
    server = start_server(config, port, workers)
    try:
        wait_until_served(port, server, row)
        arguments = (port, json.dumps(row).encode(), seen, stop)
        threads = [threading.Thread(target=send, args=(number, *arguments), daemon=True) for number in range(connections)]
        for thread in threads:
            thread.start()
        delays, exchange = exchange_models(config, seen, connections, changes)
        stop.set()
        for thread in threads:
            thread.join(30)
        alive = server.poll() is None
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)
    late = [delay for delay in delays if delay is None or delay > SERVED_WITHIN]
    return {
        "changes": changes,
        "requests": len(seen.seconds),
        "failed": len(seen.failed),
        "mixed": len(seen.mixed),
        "complaints": sorted(set(seen.failed))[:5],
        "answers_by_run": seen.by_run,
        "never_served": sum(delay is None for delay in delays),
        "served_within_seconds": summary([delay for delay in delays if delay is not None]),
        "later_than_a_second": len(late),
        "change_seconds": summary(exchange),
        "request_seconds": summary(seen.seconds),
        "connections": connections,
        "workers": workers,
        "kept": alive and not seen.failed and not seen.mixed and None not in delays and len(seen.by_run) == 2,
    }


def expectations(config: Config) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return a row, and by run id what a model answers to it; leaves the first model deployed."""
    expected: dict[str, dict[str, Any]] = {}
    row: dict[str, Any] = {}
    for step in ("first", "second"):
        if step == "second":
            promote(config, "2", force=True, reason="benchmark")
        bundle = load_bundle(config.paths.models_dir, config.model.name)
        row = row or dict(bundle.schema.example)
        answer = Predictor(bundle).predict([row])[0]
        interval = None if answer.interval is None else dict(vars(answer.interval))
        metadata = bundle.metadata
        expected[metadata["run_id"]] = {"prediction": answer.value, "interval": interval, "model_name": metadata["model"]}
    rollback(config, reason="benchmark")
    return row, expected


def exchange_models(config: Config, seen: Seen, connections: int, changes: int) -> tuple[list[float | None], list[float]]:
    """Promote and roll back in turns; return for each change the seconds until every connection is answered by the new model."""
    delays: list[float | None] = []
    spent = []
    for change in range(changes):
        start = time.perf_counter()
        if change % 2 == 0:
            outcome = promote(config, "2", force=True, reason=f"change {change}")
        else:
            outcome = rollback(config, reason=f"change {change}")
        deployed = folder_time(config)
        spent.append(time.perf_counter() - start)
        delays.append(wait_for(seen, outcome.challenger.run_id, connections, deployed))
        print(f"change {change + 1} of {changes}", file=sys.stderr)
    return delays, spent


def folder_time(config: Config) -> float:
    """Return on the clock of `time.perf_counter` when the deployed folder was exchanged."""
    changed = config.paths.models_dir.stat().st_ctime
    return time.perf_counter() - max(0.0, time.time() - changed)


def wait_for(seen: Seen, run_id: str, connections: int, since: float) -> float | None:
    """Return the seconds until the last connection had its first answer of a run; None where that takes over ten."""
    first: dict[int, float] = {}
    while time.perf_counter() - since < 10 or not first:
        for connection, (run, when) in list(seen.last.items()):
            if run == run_id:
                first.setdefault(connection, when)
        if len(first) == connections:
            return max(0.0, max(first.values()) - since)
        if time.perf_counter() - since > 30:
            return None
        time.sleep(0.002)
    return None


def send(number: int, port: int, body: bytes, seen: Seen, stop: threading.Event) -> None:
    """Send the row again and again over one connection that is kept."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Content-Type": "application/json"}
    while not stop.is_set():
        start = time.perf_counter()
        try:
            connection.request("POST", "/predict", body, headers)
            response = connection.getresponse()
            seen.take(number, response.status, response.read())
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            seen.failed.append(type(error).__name__)
            connection.close()
        seen.seconds.append(time.perf_counter() - start)
    connection.close()


def start_server(config: Config, port: int, workers: int) -> "subprocess.Popen[bytes]":
    words = ["serve", "--config", str(config.root / "config_v2.yaml"), "--port", str(port), "--workers", str(workers)]
    command = [sys.executable, "-m", "tabtrail", *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_until_served(port: int, server: "subprocess.Popen[bytes]", row: dict[str, Any]) -> None:
    for _ in range(600):
        if server.poll() is not None:
            raise SystemExit(f"the service ended with code {server.returncode}")
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("POST", "/predict", json.dumps(row), {"Content-Type": "application/json"})
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit("the service does not answer")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def summary(values: list[float]) -> dict[str, float] | None:
    if not values:
        return None
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    return {"median": round(statistics.median(ordered), 4), "p99": round(p99, 4), "max": round(ordered[-1], 4)}


if __name__ == "__main__":
    main()
