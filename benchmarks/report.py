"""CPU time of the whole report (profile, learning curve, partial dependence, pictures, page, MLflow) from a finished run.

    python benchmarks/report.py [--limit 20]

Runs the job once without its report in a temporary folder, on the CSV of `config_v2.yaml` (the synthetic sample where that is
missing, and says so), then the report in a process of its own. Exits with 1 above the limit (CPU seconds).
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]


def main() -> None:
    """Measure and print as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=float, default=20)
    parser.add_argument("--csv", type=Path, default=REPO / "data" / "raw" / "sales_data_sample.csv")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        shutil.copy(REPO / "config_v2.yaml", root)
        (root / "data" / "raw").mkdir(parents=True)
        if options.csv.is_file():
            shutil.copy(options.csv, root / "data" / "raw" / "sales_data_sample.csv")
        else:
            call(root, "sample")
        call(root, "run", "--no-report", "--set", "split.repeats=1", "--quiet")
        spent, wall = cpu(), time.perf_counter()
        call(root, "profile", "--set", "split.repeats=1", "--quiet")
        call(root, "report", "--set", "split.repeats=1", "--quiet")
        seconds, wall = cpu() - spent, time.perf_counter() - wall
        size = (root / "output" / "report.html").stat().st_size
    source = "real file" if options.csv.is_file() else "SYNTHETIC sample"
    print(json.dumps({"data": source, "cpu_seconds": round(seconds, 1), "wall_seconds": round(wall, 1), "page_bytes": size}))
    sys.exit(seconds > options.limit)


def call(root: Path, *words: str) -> None:
    """Run a command of tabtrail in a folder."""
    subprocess.run([sys.executable, "-m", "tabtrail", *words], cwd=root, check=True, stdout=subprocess.DEVNULL)


def cpu() -> float:
    """Return the CPU seconds of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
