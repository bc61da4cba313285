"""A benchmark killed at random points and continued, against one that ran in quiet: the same leaderboard, the same files.

    python benchmarks/resume.py data/raw/sales_data_sample.csv [--kills 20] [--seed 0] [--set split.repeats=1]

Every kill is a SIGKILL of the whole process group at a moment drawn from the time of the quiet run. Leaderboards are compared
without run ids and seconds, bundles by the sha256 of the ONNX and joblib files. JSON on stdout; exit code 1 where they differ.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TIMED = ("run_id", "parent_run_id", "fit_seconds", "cv_fit_seconds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--config", type=Path, default=Path("config_v2.yaml"))
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        quiet, killed = (project(Path(folder) / name, options.config, options.csv) for name in ("quiet", "killed"))
        command = [sys.executable, "-m", "tabtrail", "train", "--quiet"]
        command += [word for setting in options.set for word in ("--set", setting)]
        for root in (quiet, killed):
            subprocess.run([sys.executable, "-m", "tabtrail", "ingest", "--quiet"], cwd=root, check=True, capture_output=True)
        start = time.perf_counter()
        subprocess.run(command, cwd=quiet, check=True, capture_output=True)
        seconds = time.perf_counter() - start
        expected = outcome(quiet)
        kills, rounds = 0, []
        while kills < options.kills:
            after = chance.uniform(0, seconds)
            if kill_after(command, killed, after):
                kills += 1
                rounds.append({"killed_after": round(after, 1), "finished_candidates": finished(killed)})
            else:  # it ended before it was killed: check, and begin anew
                rounds.append({"ended": True, "equal": outcome(killed) == expected})
                shutil.rmtree(killed / "output" / ".stages")
                shutil.rmtree(killed / "models")
                clear_store(killed)
        subprocess.run(command, cwd=killed, check=True, capture_output=True)
        equal = outcome(killed) == expected and all(each.get("equal", True) for each in rounds)
        report = {"equal": equal, "kills": kills, "quiet_seconds": round(seconds, 1), "runs": statuses(killed), "rounds": rounds}
    json.dump(report, sys.stdout, indent=2)
    print()
    sys.exit(0 if equal else 1)


def project(root: Path, config: Path, csv: Path) -> Path:
    (root / "data" / "raw").mkdir(parents=True)
    shutil.copy(config, root / "config_v2.yaml")
    shutil.copy(csv, root / "data" / "raw" / "sales_data_sample.csv")
    return root


def kill_after(command: list[str], root: Path, seconds: float) -> bool:
    """Run the command and kill it with its workers; False where it ended before."""
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    if code:
        raise SystemExit(f"the benchmark failed with exit code {code}")
    return False


def outcome(root: Path) -> dict[str, Any]:
    board = json.loads((root / "output" / "metrics" / "sales_regression_metrics.json").read_text())
    metadata = json.loads((root / "models" / "sales_regressor_metadata.json").read_text())
    importance = json.loads((root / "output" / "explainability" / "shap_global_importance.json").read_text())
    rows = [{key: value for key, value in row.items() if key not in TIMED} for row in board["candidates"]]
    return {
        "leaderboard": {**{key: value for key, value in board.items() if key not in TIMED}, "candidates": rows},
        "files": {kind: each["sha256"] for kind, each in metadata["files"].items()},
        "intervals": metadata["intervals"],
        "importance": importance["mean_absolute_shap"],
    }


def query(root: Path, sql: str) -> list[Any]:
    store = root / "mlruns" / "mlflow.db"
    if not store.is_file():
        return []
    with sqlite3.connect(store) as connection:
        try:
            return connection.execute(sql).fetchall()
        except sqlite3.OperationalError:
            return []


def finished(root: Path) -> int:
    return len(query(root, "SELECT run_uuid FROM tags WHERE key = 'tabtrail.complete'"))


def statuses(root: Path) -> dict[str, int]:
    return dict(query(root, "SELECT status, count(*) FROM runs GROUP BY status"))


def clear_store(root: Path) -> None:
    shutil.rmtree(root / "mlruns")


if __name__ == "__main__":
    main()
