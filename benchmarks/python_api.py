"""What the Python API costs: the import, loading a model, an answer for a row, answers for a frame.

    python benchmarks/python_api.py models [--rows 100000] [--output FILE]

CPU seconds of a fresh process for the import and for each name of the API; microseconds for a row, the median of a thousand; rows
a second for a frame of Polars. JSON on stdout; exit code 1 where the import takes more than 0.15 CPU-s.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

MOST_IMPORT_SECONDS = 0.15
NAMES = ("load_model", "Regressor", "run", "fit")
_CODE = "import time; t = time.process_time(); import tabtrail; {}; print(time.process_time() - t)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, help="a folder with one deployed model of rows")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the JSON there")
    options = parser.parse_args()
    report: dict[str, Any] = {"import_cpu_s": imported("pass")}
    report["with_cpu_s"] = {name: imported(f"tabtrail.{name}") for name in NAMES}
    report |= answered(options.models, options.rows)
    text = json.dumps(report, indent=2)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    print(text)
    sys.exit(0 if report["import_cpu_s"] <= MOST_IMPORT_SECONDS else 1)


def imported(what: str) -> float:
    """CPU seconds of a fresh process, the least of three."""
    runs = [
        subprocess.run([sys.executable, "-c", _CODE.format(what)], capture_output=True, text=True, check=True) for _ in range(3)
    ]
    return round(min(float(each.stdout) for each in runs), 4)


def answered(models: Path, rows: int) -> dict[str, Any]:
    import polars as pl

    import tabtrail as tt

    start = time.process_time()
    model = tt.load_model(models)
    loaded = time.process_time() - start
    row = model.schema.example
    frame = pl.DataFrame([row], strict=False).select(pl.all().repeat_by(rows).explode())
    single = [timed(lambda: model.predict(row)) for _ in range(1000)]
    model.predict(frame.head(100))
    start = time.process_time()
    model.predict(frame)
    return {
        "load_model_cpu_s": round(loaded, 4),
        "row_us": round(1e6 * statistics.median(single), 1),
        "frame_rows_a_cpu_s": round(rows / (time.process_time() - start)),
    }


def timed(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
