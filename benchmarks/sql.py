"""The configured summaries against DuckDB running the bare SQL on the same Parquet, and pandas; in one process, in turn, minima.

    python benchmarks/sql.py --csv big.csv [--repeats 7] [--output benchmarks/results/sql.json]

`benchmarks/ingest.py --folder` leaves such a CSV. Peak memory is that of a process of its own for each contender.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from measure import ROOT, comparison, report, spend


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
    roles = {"ours": "ours", "engine": "duckdb", "usual": "pandas"}
    costs = {role: found[name]["cpu_seconds"] for role, name in roles.items()}
    peaks = {role: found[name]["peak_mb"] for role, name in roles.items()}
    what = {"ours": "`tabtrail eda`'s queries", "engine": "DuckDB, the bare SQL", "usual": "pandas"}
    extra = {"rows": rows, "repeats": options.repeats, "runs": found}
    report(comparison(f"three summaries of {rows:,} synthetic rows", "CPU-s", costs, peaks, what, **extra), options.output)


def ingested_rows(csv: Path, folder: Path) -> int:
    from tabtrail.data.ingest import ingest

    return ingest(load(csv, folder)).rows_kept


def load(csv: Path, folder: Path) -> Any:
    from tabtrail.config.load import load_config

    places = [f"paths.processed_dir={folder}/sales_parquet", f"paths.output_dir={folder}/output"]
    return load_config(ROOT / "config_v2.yaml", [f"paths.raw_csv={csv.resolve()}", "source.encoding=auto", *places])


def run(name: str, csv: Path, folder: str, repeats: int) -> dict[str, float]:
    done = spend([__file__, "--csv", str(csv), "--repeats", str(repeats), "--one", name, folder])
    return {**json.loads(done.stdout), "peak_mb": done.peak_mb}


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

    summary_frames(config.aggregations, config.database)


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
