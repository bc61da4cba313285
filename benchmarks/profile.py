"""The profile of many SYNTHETIC rows against DuckDB that computes the same aggregates directly, and its peak of memory.

    python benchmarks/profile.py [--rows 10000000] [--limit 1.5]

Rows come from `tabtrail sample --rows`, ingested like any CSV; the first million is repeated with shifted order numbers to
reach the size, so that the CSV need not be written in full. Each side runs in a process of its own, alternating, the best of
three. Exits with 1 above the limit (wall time of the profile ÷ wall time of DuckDB's own SQL).
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
_MADE = 1_000_000
_ROUNDS = 3


def main() -> None:
    """Measure and print as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--limit", type=float, default=1.5)
    parser.add_argument("--side", choices=("profile", "direct"))
    parser.add_argument("--root", type=Path)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(measure(options.side, options.root)))
        return
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        rows = prepare(root, options.rows)
        sides: dict[str, list[dict[str, float]]] = {"profile": [], "direct": []}
        for _ in range(_ROUNDS):
            for side, found in sides.items():
                command = [sys.executable, __file__, "--side", side, "--root", str(root)]
                found.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    best = {side: min(found, key=lambda each: each["wall_seconds"]) for side, found in sides.items()}
    ratio = best["profile"]["wall_seconds"] / best["direct"]["wall_seconds"]
    print(json.dumps({"data": "SYNTHETIC", "rows": rows, **best, "ratio": round(ratio, 2)}, indent=2))
    sys.exit(ratio > options.limit)


def prepare(root: Path, rows: int) -> int:
    """Make the Parquet layer of a project, and return its rows."""
    shutil.copy(REPO / "config_v2.yaml", root)
    made = min(rows, _MADE)
    for words in (["sample", "--rows", str(made)], ["ingest", "--quiet"]):
        subprocess.run([sys.executable, "-m", "tabtrail", *words], cwd=root, check=True, capture_output=True)
    import polars as pl

    total = 0
    for part in (root / "data" / "processed" / "sales_parquet").rglob("*.parquet"):
        frame = pl.read_parquet(part, hive_partitioning=False)
        copies = max(1, round(rows / made))
        # Shifted prices and amounts, so that distinct values grow with the rows as they would.
        for copy in range(1, copies):
            shifted = frame.with_columns(pl.col("ORDERNUMBER") + 10_000_000 * copy, pl.col("SALES") + copy / 1000)
            shifted.write_parquet(part.with_name(f"part-{copy}.parquet"), compression="zstd")
        total += frame.height * copies
    return total


def measure(side: str, root: Path) -> dict[str, float]:
    """Return wall and CPU seconds of one side, and the peak of resident memory in MB above that after the imports."""
    from tabtrail.config.load import load_config
    from tabtrail.data.profiling import profile_data

    config = load_config(root / "config_v2.yaml")
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    if side == "profile":
        profile_data(config.database, config.profile, model=config.model, outlier_columns=config.outlier_columns)
    else:
        direct(config)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    return {
        "wall_seconds": round(wall, 2),
        "cpu_seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2),
        "peak_mb": round((after.ru_maxrss - before.ru_maxrss) / 1024),
    }


def direct(config) -> None:  # type: ignore[no-untyped-def]
    """Compute the same aggregates in plain SQL: a statement for each kind, no limit of memory."""
    from tabtrail.data.warehouse import parquet_view

    numbers, texts = ("BIGINT", "INTEGER", "DOUBLE"), ("VARCHAR", "DATE")
    with parquet_view(config.database) as connection:
        run = connection.execute
        types = {row[0]: row[1] for row in run("DESCRIBE sales").fetchall()}
        known = [name for name, kind in types.items() if kind in numbers]
        for name in known:
            low, high = run(
                f"SELECT min({name}), max({name}), count({name}), count(DISTINCT {name}), avg({name}), stddev_samp({name}),"
                f" quantile_cont({name}::DOUBLE, [0.05, 0.25, 0.5, 0.75, 0.95]) FROM sales"
            ).fetchall()[0][:2]
            width = (high - low) / 30 or 1
            run(f"SELECT floor(({name} - {low}) / {width}), count(*) FROM sales GROUP BY 1").fetchall()
        for name in (name for name, kind in types.items() if kind in texts):
            run(f"SELECT count({name}), count(DISTINCT {name}), min({name}), max({name}) FROM sales").fetchall()
            run(f"SELECT {name}, count(*) AS n FROM sales GROUP BY 1 ORDER BY n DESC LIMIT 10").fetchall()
        pairs = ", ".join(f"corr({x}, {y})" for x, y in combinations(known, 2))
        run(f"SELECT {pairs} FROM sales").fetchall()
        by = [("SALES", name) for name in config.profile.group_by] + [("QUANTITYORDERED", "DEALSIZE")]
        for measure, name in by:
            run(
                f"SELECT {name}, count(*), favg({measure}), stddev_samp({measure}), min({measure}), max({measure}),"
                f" quantile_cont({measure}::DOUBLE, [0.05, 0.25, 0.5, 0.75, 0.95]) FROM sales GROUP BY 1"
            ).fetchall()
        kept = "true"
        for name in config.profile.outliers.columns:
            fences = []
            for where in dict.fromkeys(("true", kept)):
                q1, q3 = run(f"SELECT quantile_cont({name}::DOUBLE, [0.25, 0.75]) FROM sales WHERE {where}").fetchall()[0][0]
                fences.append((q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)))
            low, high = fences[-1]
            run(f"SELECT count(*) FROM sales WHERE {kept} AND ({name} < {low} OR {name} > {high})").fetchall()
            kept += f" AND {name} BETWEEN {low} AND {high}"
        columns = "PRICEEACH, QUANTITYORDERED, SALES"
        run(f"SELECT {columns} FROM sales ORDER BY hash({columns}) LIMIT 1500").fetchall()


if __name__ == "__main__":
    main()
