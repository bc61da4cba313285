"""The configured summaries against DuckDB running the bare SQL on the same Parquet, and pandas; in one process, in turn, minima.

    python benchmarks/sql.py --csv big.csv [--repeats 7] [--output sql.json]

`benchmarks/ingest.py --folder` leaves such a CSV. Peak memory is that of a process of its own for each contender.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(timed(CONTENDERS[options.one[0]], load(options.csv, Path(options.one[1])), options.repeats)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        # In a process of its own: a child's peak memory is at least what its parent held when it started.
        with ProcessPoolExecutor(1) as pool:
            rows = pool.submit(ingested_rows, options.csv, Path(scratch)).result()
        found = {name: run(name, options.csv, scratch, options.repeats) for name in CONTENDERS}
    cpu = {name: value["cpu_seconds"] for name, value in found.items()}
    ratios = {f"ours / {name}": round(cpu["ours"] / cpu[name], 3) for name in ("duckdb", "pandas")}
    text = json.dumps({"rows": rows, "repeats": options.repeats, "runs": found, "ratios": ratios}, indent=2)
    print(text)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")


def ingested_rows(csv: Path, folder: Path) -> int:
    from tabtrail.data.ingest import ingest

    return ingest(load(csv, folder)).rows_kept


def load(csv: Path, folder: Path) -> Any:
    from tabtrail.config import load_config

    places = [f"paths.processed_dir={folder}/sales_parquet", f"paths.output_dir={folder}/output"]
    return load_config(ROOT / "config_v2.yaml", [f"paths.raw_csv={csv.resolve()}", "source.encoding=auto", *places])


def run(name: str, csv: Path, folder: str, repeats: int) -> dict[str, float]:
    words = [sys.executable, __file__, "--csv", str(csv), "--repeats", str(repeats), "--one", name, folder]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    times = json.loads(process.stdout.read())
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return {**times, "peak_mb": round(usage.ru_maxrss / 1024)}


def timed(function: Callable[[Any], None], config: Any, repeats: int) -> dict[str, float]:
    """Return the least CPU and wall seconds of so many calls, after one that warms up."""
    function(config)
    cpu, wall = [], []
    for _ in range(repeats):
        start, began = time.process_time(), time.perf_counter()
        function(config)
        cpu.append(time.process_time() - start)
        wall.append(time.perf_counter() - began)
    return {"cpu_seconds": round(min(cpu), 3), "wall_seconds": round(min(wall), 3)}


def ours(config: Any) -> None:
    """All three summaries as `tabtrail eda` queries them (rounded frames), before they are written."""
    from tabtrail.data.summaries import summary_frames

    summary_frames(config)


def bare_duckdb(config: Any) -> None:
    import duckdb

    with duckdb.connect() as connection:
        source = f"read_parquet('{config.paths.processed_dir}/**/*.parquet', hive_partitioning = true)"
        for groups, order in (("PRODUCTLINE", "2 DESC"), ("COUNTRY", "2 DESC LIMIT 10"), ("YEAR", "1")):
            average = "" if groups == "COUNTRY" else "avg(SALES),"
            measures = f"sum(SALES), {average} count(*), count(DISTINCT ORDERNUMBER)"
            connection.execute(f"SELECT {groups}, {measures} FROM {source} GROUP BY 1 ORDER BY {order}").fetchall()


def by_pandas(config: Any) -> None:
    import pandas as pd

    columns = ["PRODUCTLINE", "COUNTRY", "YEAR", "SALES", "ORDERNUMBER"]
    rows = pd.read_parquet(config.paths.processed_dir, columns=columns)
    for group in ("PRODUCTLINE", "COUNTRY", "YEAR"):
        found = rows.groupby(group, observed=True).agg({"SALES": ["sum", "mean", "size"], "ORDERNUMBER": "nunique"})
        found.sort_values(("SALES", "sum"), ascending=False)


CONTENDERS: dict[str, Callable[[Any], None]] = {"duckdb": bare_duckdb, "ours": ours, "pandas": by_pandas}


if __name__ == "__main__":
    main()
