"""What one prediction on the command line costs, next to what a person would otherwise do.

Measured, each as a fresh process and in turn, in wall and CPU seconds (CPU of the process and its threads):

- `python`: an interpreter that does nothing;
- `floor`: `import numpy, onnxruntime`, which no ONNX prediction can undercut;
- `ours`: `python -m src.predict_sales --json '<example payload>' --output json`, with its config, checks and hashes;
- `joblib`: load the same bundle's joblib file and predict a one-row pandas frame.

The two predictions must agree to 1e-6. Bytecode of `src` is compiled first, so that nobody's run pays for it. Needs a
trained bundle in `models/`. Run from the repository root, on a quiet machine:

    python benchmarks/predict_cli.py [--rounds 15] [--json] [--output FILE]
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tabtrail.bundle import read_metadata
from tabtrail.errors import reported
from tabtrail.predict_cli import locate_bundle
from tabtrail.schema import ModelSchema

ROOT = Path(__file__).resolve().parent.parent
JOBLIB = """
import json, sys
import joblib, pandas
pipeline = joblib.load(sys.argv[1])
print(float(pipeline.predict(pandas.DataFrame([json.loads(sys.argv[2])]))[0]))
"""


@dataclass(frozen=True)
class Run:
    """One process: seconds from start to end, CPU seconds of all its threads, and what it printed."""

    wall: float
    cpu: float
    stdout: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the JSON there")
    options = parser.parse_args()
    with reported():
        place = locate_bundle(ROOT / "config_v2.yaml")
        payload = json.dumps(ModelSchema.from_dict(read_metadata(*place)["schema"]).example)
    report = measure(commands(place.folder / f"{place.name}.joblib", payload), options.rounds)
    text = json.dumps(report, indent=2)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    print(text if options.json else as_table(report))


def commands(joblib_file: Path, payload: str) -> dict[str, list[str]]:
    """Return what is run, by name."""
    python = sys.executable
    return {
        "python": [python, "-c", "pass"],
        "floor": [python, "-c", "import numpy, onnxruntime"],
        "ours": [python, "-m", "src.predict_sales", "--json", payload, "--output", "json"],
        "joblib": [python, "-c", JOBLIB, str(joblib_file), payload],
    }


def measure(todo: dict[str, list[str]], rounds: int) -> dict:
    """Run every command once unmeasured (disk caches, bytecode), then all in turn, `rounds` times."""
    subprocess.run([sys.executable, "-m", "compileall", "-q", "src"], cwd=ROOT, check=True)
    first = {name: run(command) for name, command in todo.items()}
    predictions = {"ours": json.loads(first["ours"].stdout)["prediction"], "joblib": float(first["joblib"].stdout)}
    if not math.isclose(predictions["ours"], predictions["joblib"], rel_tol=1e-6):
        raise SystemExit(f"the two predictions differ: {predictions}")
    runs: dict[str, list[Run]] = {name: [] for name in todo}
    for _ in range(rounds):
        for name, command in todo.items():
            runs[name].append(run(command))
    figures = {name: summary(each) for name, each in runs.items()}
    ratios = {key: round(figures["ours"][key] / figures["joblib"][key], 4) for key in figures["ours"]}
    return {"rounds": rounds, "predictions": predictions, "seconds": figures, "ours_over_joblib": ratios}


def run(command: Sequence[str]) -> Run:
    """Run a process to its end."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:3])} failed:\n{done.stderr}")
    return Run(wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, done.stdout)


def summary(runs: Sequence[Run]) -> dict[str, float]:
    walls, cpus = [each.wall for each in runs], [each.cpu for each in runs]
    figures = {"wall_median": median(walls), "wall_min": min(walls), "cpu_median": median(cpus), "cpu_min": min(cpus)}
    return {key: round(value, 4) for key, value in figures.items()}


def as_table(report: dict) -> str:
    keys = list(report["ours_over_joblib"])
    lines = [f"{'seconds, ' + str(report['rounds']) + ' rounds':<20}" + "".join(f"{key:>14}" for key in keys)]
    lines += [f"{name:<20}" + "".join(f"{row[key]:>14.4f}" for key in keys) for name, row in report["seconds"].items()]
    lines.append(f"{'ours / joblib':<20}" + "".join(f"{report['ours_over_joblib'][key]:>14.3f}" for key in keys))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
