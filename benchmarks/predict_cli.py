"""What one prediction on the command line costs, next to what a person would otherwise do.

Measured, each as a fresh process and in turn, in wall and CPU seconds (CPU of the process and its threads):

- `python`: an interpreter that does nothing;
- `floor`: `import numpy, onnxruntime`, which no ONNX prediction can undercut;
- `ours`: `python -m src.predict_sales --json '<example payload>' --format json`, with its config, checks and hashes;
- `joblib`: load the same bundle's joblib file and predict a one-row pandas frame.

The two predictions must agree to 1e-6. Bytecode of `src` is compiled first, so that nobody's run pays for it. Needs a
trained bundle in `models/`. Run from the repository root, on a quiet machine:

    python benchmarks/predict_cli.py [--rounds 15] [--output benchmarks/results/predict_cli.json]
"""

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from measure import ROOT, Spent, comparison, report, spend

from tabtrail.bundle.load import read_metadata
from tabtrail.cli.place import locate_bundle
from tabtrail.contract.schema import ModelSchema
from tabtrail.errors import report_errors

JOBLIB = """
import json, sys
import joblib, pandas
pipeline = joblib.load(sys.argv[1])
print(float(pipeline.predict(pandas.DataFrame([json.loads(sys.argv[2])]))[0]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the JSON there")
    options = parser.parse_args()
    with report_errors():
        place = locate_bundle(ROOT / "config_v2.yaml")
        payload = json.dumps(ModelSchema.from_dict(read_metadata(*place)["schema"]).example)
    report(measure(commands(place.folder / f"{place.name}.joblib", payload), options.rounds), options.output)


def commands(joblib_file: Path, payload: str) -> dict[str, list[str]]:
    """Return what is run, by name."""
    return {
        "python": ["-c", "pass"],
        "floor": ["-c", "import numpy, onnxruntime"],
        "ours": ["-m", "src.predict_sales", "--json", payload, "--format", "json"],
        "joblib": ["-c", JOBLIB, str(joblib_file), payload],
    }


def measure(todo: dict[str, list[str]], rounds: int) -> dict[str, Any]:
    """Run every command once unmeasured (disk caches, bytecode), then all in turn, `rounds` times."""
    subprocess.run([sys.executable, "-m", "compileall", "-q", "src"], cwd=ROOT, check=True)
    first = {name: spend(words) for name, words in todo.items()}
    predictions = {"ours": json.loads(first["ours"].stdout)["prediction"], "joblib": float(first["joblib"].stdout)}
    if not math.isclose(predictions["ours"], predictions["joblib"], rel_tol=1e-6):
        raise SystemExit(f"the two predictions differ: {predictions}")
    runs: dict[str, list[Spent]] = {name: [] for name in todo}
    for _ in range(rounds):
        for name, words in todo.items():
            runs[name].append(spend(words))
    cpu = {name: round(median(run.cpu_seconds for run in done), 4) for name, done in runs.items()}
    wall = {name: round(median(run.wall_seconds for run in done), 4) for name, done in runs.items()}
    roles = {"ours": "ours", "engine": "floor", "usual": "joblib"}
    costs = {role: cpu[name] for role, name in roles.items()}
    peaks = {role: max(run.peak_mb for run in runs[name]) for role, name in roles.items()}
    what = {"ours": "`predict_sales --json`", "engine": "`import numpy, onnxruntime`", "usual": "pandas and joblib"}
    share = round(wall["ours"] / wall["joblib"], 4)
    extra = {"rounds": rounds, "cpu_seconds": cpu, "wall_seconds": wall, "wall, ours / usual": share}
    return comparison("one prediction on the command line, process and all", "CPU-s", costs, peaks, what, **extra)


if __name__ == "__main__":
    main()
