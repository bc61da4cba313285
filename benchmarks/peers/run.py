"""Fit peers on the rows that `tabtrail run` gets from a bare config, and measure both alike.

    python benchmarks/peers/run.py path/to/csv/files --only bike --peer flaml --python peers/flaml/bin/python --seconds 60

Budgets of peers are wall-clock, as they are meant, so a loaded machine gives them less: their CPU seconds are reported too.
Results are merged into benchmarks/results/peers.json. Without --peer, tabtrail itself is measured.
"""

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import defaults  # noqa: E402 - of the folder above

RESULTS = HERE.parent / "results" / "peers.json"
PEERS = ("tabtrail", "autogluon", "flaml", "mljar", "h2o", "catboost", "lightgbm")
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: processes whose parents have ended are waited for here, and so counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path)
    parser.add_argument("--only", action="append", choices=list(defaults.CASES))
    parser.add_argument("--peer", choices=PEERS, default="tabtrail")
    parser.add_argument("--python", default=sys.executable, help="the interpreter of the peer's environment")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--preset", default="medium_quality", help="of AutoGluon")
    parser.add_argument("--seed", type=int, action="append", help="of an outer split (default: 42)")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    for name in options.only or defaults.CASES:
        for seed in options.seed or [defaults.FIRST_SEED]:
            found = _tabtrail(name, seed, options) if options.peer == "tabtrail" else _peer(name, seed, options)
            cell = {"case": name, "seed": seed, "peer": options.peer, **found}
            sys.stderr.write(f"{json.dumps(cell)}\n")
            _merge(options.output, cell)


def _tabtrail(name: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    start = time.perf_counter()
    cell = defaults.measured(name, options.files.resolve(), seed, peers=False)
    return {
        "budget": "none",
        "rmse": cell["rmse"],
        "mae": cell["mae"],
        "coverage": cell["coverage"],
        "test_rows": cell["test_rows"],
        "cpu_seconds": cell["cpu_seconds"],
        "wall_seconds": round(time.perf_counter() - start, 1),
        "size_bytes": cell["graph_bytes"],
        "row_ms": cell["row_us"] / 1_000,
        "version": cell["champion"],
    }


def _peer(name: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        config = defaults.ingested(name, options.files.resolve(), place, seed)
        train, test, texts = defaults.raw_parts(config)
        train.to_csv(place / "train.csv", index=False)
        test.to_csv(place / "test.csv", index=False)
        task = {"target": config.model.target, "texts": texts, "seconds": options.seconds, "preset": options.preset, "seed": seed}
        (place / "task.json").write_text(json.dumps(task))
        before, start = _children(), time.perf_counter()
        words = [options.python, str(HERE / "contender.py"), options.peer, folder]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        subprocess.run(words, check=True, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
        _wait_for_orphans()
        used, wall = _children() - before, time.perf_counter() - start
        answer = json.loads((place / "answer.json").read_text())
    native = options.peer in ("catboost", "lightgbm")
    preset = f"{options.preset} " if options.peer == "autogluon" else ""
    budget = "none" if native else f"{preset}{options.seconds} s"
    return {"budget": budget, **answer, "test_rows": len(test), "cpu_seconds": round(used, 1), "wall_seconds": round(wall, 1)}


def _children() -> float:
    used = os.times()
    return used.children_user + used.children_system


def _wait_for_orphans() -> None:
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _merge(output: Path, cell: dict[str, Any]) -> None:
    """Add a result to those that are known, in the place of one of the same case, seed, peer and budget."""
    known = json.loads(output.read_text())["cells"] if output.is_file() else []
    same = ("case", "seed", "peer", "budget")
    kept = [each for each in known if [each[key] for key in same] != [cell[key] for key in same]]
    output.write_text(json.dumps({"cells": [*kept, cell]}, indent=1) + "\n")


if __name__ == "__main__":
    main()
