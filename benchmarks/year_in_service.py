"""A simulated year of a model in service, by the commands that people run: serve, labels, drift with its retraining, the gate.

Usage: python benchmarks/year_in_service.py [none|inputs|concept] [MONTHS] [RESULT.json]

The rows are made up: a price that depends on size, age and district. A model learns from two months and is served. Each month
300 rows are asked for over HTTP, in four weeks, and after each week `tabtrail drift` looks at the log. From month 7 on sizes are
higher by one standard deviation (inputs), or a size counts for less (concept), or nothing changes (none). Actual values are known
two months late: `tabtrail labels` joins them to the log, and the sources then hold the newest two months that have them. With
`drift.on_alarm: retrain` the look after the alarm that has `drift.min_labels` trains, and the gate decides.
"""

import csv
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

ROWS, WEEKS, LATE, DRIFT_MONTH = 300, 4, 2, 7
CONFIG: dict[str, Any] = {
    "version": 2,
    "paths": {"raw_csv": "prices.csv"},
    "model": {"name": "price", "target": "price", "numeric_features": ["size", "age"], "categorical_features": ["district"]},
    "split": {"kind": "random", "folds": 3, "repeats": 1, "allow_leaky": True},
    "candidates": {"LinearRegression": {}, "HistGradientBoosting": {"max_iter": 40, "max_leaf_nodes": 8}},
    "explain": {"max_rows": 50},
    "report": {"learning_curve_folds": 0},
    "engine": {"kind": "serial"},
    "serve": {"prediction_log_dir": "log", "prediction_log_seconds": 0.2, "reload_seconds": 0.2},
    "drift": {"on_alarm": "retrain", "min_labels": 450},
}


@dataclass
class Year:
    """What happened: each look as (month, week, exit code), and what `tabtrail drift --history` says in the end."""

    kind: str
    months: int
    looks: list[tuple[int, int, int]] = field(default_factory=list)
    served: list[str] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0

    def result(self) -> dict[str, Any]:
        """Return alarms by time, delays in weeks after the drift, retrainings and promotions."""
        drifts = self.kind != "none"
        alarms = [(month, week) for month, week, code in self.looks if code == 5]
        first = next(((m, w) for m, w in alarms if drifts and m >= DRIFT_MONTH), None)
        retrained = [each for each in self.history if each["kind"] == "retraining"]
        return {
            "kind": self.kind,
            "months": self.months,
            "looks": len(self.looks),
            "false_alarms": sum(1 for month, _ in alarms if not drifts or month < DRIFT_MONTH),
            "first_alarm": first,
            "weeks_to_alarm": None if first is None else (first[0] - DRIFT_MONTH) * WEEKS + first[1],
            "looks_with_an_alarm": len(alarms),
            "retrainings": [each["about"] for each in retrained],
            "promotions": sum(each["kind"] == "automatic" for each in self.history),
            "models_served": len(dict.fromkeys(self.served)),
            "events_in_history": dict(Counter(each["kind"] for each in self.history)),
            "other_exit_codes": sorted({code for _, _, code in self.looks} - {0, 5}),
            "seconds": round(self.seconds),
        }


def rows_of(month: int, kind: str) -> list[dict[str, Any]]:
    """Return the rows of a month, with their actual price."""
    random = np.random.default_rng(1000 + month)
    drifted = month >= DRIFT_MONTH
    size = random.normal(100 + 20 * (kind == "inputs" and drifted), 20, ROWS).round(1)
    age, district = random.uniform(0, 50, ROWS).round(0), random.choice(list("nesw"), ROWS)
    slope = 1.5 if kind == "concept" and drifted else 3.0
    curve = 0.02 * np.maximum(size - 120, 0) ** 2  # what few rows of before show
    price = 50 + slope * size + curve - age + 10 * (district == "n") + random.normal(0, 15, ROWS)
    return [
        {"size": float(s), "age": float(a), "district": str(d), "price": round(float(p), 2)}
        for s, a, d, p in zip(size, age, district, price, strict=True)
    ]


def tabtrail(root: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in the project."""
    command = [sys.executable, "-m", "tabtrail", *words]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def must(done: "subprocess.CompletedProcess[str]") -> str:
    """Return what a command printed. Exits where it failed."""
    if done.returncode:
        sys.exit(f"{' '.join(done.args)}: exit code {done.returncode}\n{done.stderr[-3000:]}")
    return done.stdout


@contextmanager
def service(root: Path) -> Iterator[str]:
    """Serve the project's model, and yield the address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "tabtrail", "serve", "--port", str(port)]
    with (root / "serve.log").open("wb") as log, subprocess.Popen(command, cwd=root, stderr=log, stdout=log) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


def ask(address: str, body: Any, request_id: str) -> Any:
    """Post rows as a batch."""
    headers = {"Content-Type": "application/json", "X-Request-ID": request_id}
    request = urllib.request.Request(f"{address}/predict/batch", json.dumps(body).encode(), headers)
    return json.load(urllib.request.urlopen(request, timeout=30))


def wait_for_model(address: str, root: Path) -> None:
    """Wait until the service answers with the model that is deployed."""
    deployed = json.loads((root / "models" / "price_metadata.json").read_text())["run_id"]
    for _ in range(300):
        try:
            if json.load(urllib.request.urlopen(f"{address}/health", timeout=5)).get("mlflow_run_id") == deployed:
                return
        except OSError:
            pass
        time.sleep(0.2)
    sys.exit("the service does not serve the deployed model")


def wait_for_log(root: Path, rows: int) -> None:
    """Wait until the log has so many rows."""
    for _ in range(300):
        if sum(pq.read_metadata(path).num_rows for path in (root / "log").glob("predictions-*.parquet")) >= rows:
            return
        time.sleep(0.1)
    sys.exit("the log is not written")


def write_source(root: Path, months: tuple[int, ...], kind: str) -> None:
    """Write the rows of months with their actual values as the source of the next training."""
    with (root / "prices.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["size", "age", "district", "price"])
        writer.writeheader()
        writer.writerows(row for month in months for row in rows_of(month, kind))


def label(root: Path, month: int, kind: str) -> None:
    """Join the actual values of a month to the log."""
    lines = ["request_id,row,price"]
    for place, row in enumerate(rows_of(month, kind)):
        week, number = divmod(place, ROWS // WEEKS)
        lines.append(f"month-{month}-week-{week + 1},{number + 1},{row['price']}")
    (root / "actuals.csv").write_text("\n".join(lines) + "\n")
    must(tabtrail(root, "labels", "--input", "actuals.csv", "--key", "request_id", "--key", "row", "-q"))


def live(root: Path, year: Year) -> None:
    """Let the months pass."""
    asked = 0
    with service(root) as address:
        for month in range(1, year.months + 1):
            if month > LATE:
                label(root, month - LATE, year.kind)
            write_source(root, (month - LATE - 1, month - LATE), year.kind)
            rows = [{name: value for name, value in row.items() if name != "price"} for row in rows_of(month, year.kind)]
            for week in range(WEEKS):
                wait_for_model(address, root)
                part = rows[week * ROWS // WEEKS : (week + 1) * ROWS // WEEKS]
                year.served.append(ask(address, part, f"month-{month}-week-{week + 1}")["mlflow_run_id"])
                wait_for_log(root, asked := asked + len(part))
                done = tabtrail(root, "drift")
                year.looks.append((month, week + 1, done.returncode))
                said = [line for line in done.stderr.splitlines() if "retraining" in line]
                print(f"month {month}, week {week + 1}: exit code {done.returncode}", *said, sep="; ", flush=True)
                if done.returncode not in (0, 5):
                    print(done.stderr[-2000:])
    year.history = json.loads(must(tabtrail(root, "drift", "--history", "--format=json")))


def main(kind: str, months: int, result: Path | None) -> int:
    """Live through a year, and print what came of it."""
    begun, year = time.perf_counter(), Year(kind, months)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "config_v2.yaml").write_text(json.dumps(CONFIG))
        (root / "log").mkdir()
        write_source(root, (-LATE, 1 - LATE), kind)
        must(tabtrail(root, "run", "--no-report"))
        live(root, year)
    year.seconds = time.perf_counter() - begun
    print(json.dumps(found := year.result(), indent=1))
    if result is not None:
        result.write_text(json.dumps({**found, "looked": asdict(year)["looks"], "history": year.history}) + "\n")
    return 0


if __name__ == "__main__":
    given = sys.argv[1:]
    kind, months = given[0] if given else "inputs", int(given[1]) if len(given) > 1 else 12
    sys.exit(main(kind, months, Path(given[2]) if len(given) > 2 else None))
