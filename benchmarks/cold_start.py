"""Four `tabtrail run`s started at once in an empty folder: one works, the others wait, or say who holds the lock.

    python benchmarks/cold_start.py data/raw/sales_data_sample.csv [--rounds 10] [--small] [--output FILE]

In every other round `engine.lock_seconds=0`, so that who finds the project locked ends at once, with exit code 1 and the
holder's name. Checked each time: one alone did the work; as many MLflow runs as one run makes, all finished; one registered
version; `PRAGMA integrity_check`; the state verifies; nothing is left.
JSON on stdout; exit code 1 where a round is not as it should be.
"""

import argparse
import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from kills import Project, outcome, prepare

AT_ONCE = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the JSON there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project, _, _ = prepare(Path(folder), options.csv, small=options.small)
        project.run()
        expected, counts = outcome(project), count(project)
        rounds = [start_at_once(project, waiting=number % 2 == 0) for number in range(options.rounds)]
    for each in rounds:
        each["as_expected"] = each.pop("outcome") == expected and each["counts"] == counts and each["behaved"]
    report = {"rounds": rounds, "as_expected": all(each["as_expected"] for each in rounds)}
    text = json.dumps(report, indent=2)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    print(text)
    sys.exit(0 if report["as_expected"] else 1)


def start_at_once(project: Project, *, waiting: bool) -> dict[str, Any]:
    project.clear()
    shutil.rmtree(project.root / "output", ignore_errors=True)
    command = [*project.command, "--format=json", "--set", f"engine.lock_seconds={3600 if waiting else 0}"]
    started = [
        subprocess.Popen(command, cwd=project.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(AT_ONCE)
    ]
    ended = [process.communicate() for process in started]
    codes = [process.returncode for process in started]
    repeated = [json.loads(out)["repeated"] for (out, _), code in zip(ended, codes, strict=True) if code == 0]
    workers = sum(all(each.values()) for each in repeated)
    idle = sum(not any(each.values()) for each in repeated)
    waited = sum("waiting, up to" in err and "`tabtrail run` (process" in err for _, err in ended)
    told = sum("is at work in this project" in err and "`tabtrail run` (process" in err for _, err in ended)
    behaved = workers == 1 and ((idle == waited == AT_ONCE - 1) if waiting else told == AT_ONCE - 1 == codes.count(1))
    each = {
        "waiting": waiting,
        "codes": codes,
        "worked": workers,
        "idle": idle,
        "waited": waited,
        "told": told,
        "behaved": behaved,
    }
    return {**each, "counts": count(project), "outcome": outcome(project)}


def count(project: Project) -> dict[str, Any]:
    store = project.config.mlflow.tracking_uri.removeprefix("sqlite:///")
    with closing(sqlite3.connect(store)) as connection:
        return {
            "runs": dict(connection.execute("SELECT status, count(*) FROM runs GROUP BY status").fetchall()),
            "versions": connection.execute("SELECT count(*) FROM model_versions").fetchone()[0],
            "integrity_check": connection.execute("PRAGMA integrity_check").fetchone()[0],
        }


if __name__ == "__main__":
    main()
