"""Ingest of a synthetic CSV: CPU and peak memory of ours, of bare Polars streaming the same columns into the same partitions
without any check, and of pandas doing the job by hand; each in a process of its own, in turn, measured by the operating system.

    python benchmarks/ingest.py [--rows 10000000] [--repeats 1] [--folder F] [--output benchmarks/results/ingest.json]

Blocks of a million made-up rows are repeated to that size, in code page 850 and in UTF-8.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from measure import ROOT, Spent, comparison, report, spend

BLOCK = 1_000_000
NUMBERS = ("ORDERNUMBER", "QUANTITYORDERED", "ORDERLINENUMBER", "QTR_ID", "MONTH_ID", "YEAR_ID", "MSRP")
FLOATS = ("PRICEEACH", "SALES")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10 * BLOCK)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where the files go and stay; a temporary one by default")
    parser.add_argument("--without", nargs="*", default=[], choices=[*CONTENDERS])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, source, target = options.one
        CONTENDERS[name][1](Path(source), Path(target))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        result = measure(folder, options.rows, options.repeats, [name for name in CONTENDERS if name not in options.without])
    report(result, options.output)


def measure(folder: Path, rows: int, repeats: int, names: list[str]) -> dict[str, Any]:
    """Return medians of CPU-seconds and wall seconds, and the highest peak memory (MB), by contender, and their ratios."""
    # In a process of its own: a child's peak memory is at least what its parent held when it started.
    with ProcessPoolExecutor(1) as pool:
        files = pool.submit(make_files, folder, rows).result()
    runs: dict[str, list[Spent]] = {name: [] for name in names}
    for repeat in range(repeats):
        for name in names:
            if name == "pandas" and repeat:
                continue  # minutes each, and far from any bar: once
            encoding = CONTENDERS[name][0]
            target = folder / "out"
            runs[name].append(spend([__file__, "--one", name, str(files[encoding]), str(target)]))
            shutil.rmtree(target, ignore_errors=True)
            print(name, runs[name][-1], file=sys.stderr, flush=True)
    found = {
        name: {
            "cpu_seconds": round(statistics.median(run.cpu_seconds for run in done), 2),
            "wall_seconds": round(statistics.median(run.wall_seconds for run in done), 2),
            "peak_mb": round(max(run.peak_mb for run in done)),
        }
        for name, done in runs.items()
    }
    roles = {role: name for role, name in {"ours": "ours", "engine": "polars", "usual": "pandas"}.items() if name in found}
    costs = {role: found[name]["cpu_seconds"] for role, name in roles.items()}
    peaks = {role: found[name]["peak_mb"] for role, name in roles.items()}
    size = files["utf-8"].stat().st_size
    what = {"ours": "`tabtrail ingest`", "engine": "Polars, nothing checked", "usual": "pandas"}
    extra: dict[str, Any] = {"rows": rows, "bytes": size, "repeats": repeats, "runs": found}
    if "ours_cp850" in found:
        added = found["ours_cp850"]["cpu_seconds"] - found["ours"]["cpu_seconds"]
        extra["transcoding, CPU-s per 2 GB"] = round(added / (files["cp850"].stat().st_size / 2e9), 2)
    subject = f"ingest of {rows:,} synthetic rows ({size / 1e9:.1f} GB)"
    return comparison(subject, "CPU-s", costs, peaks, what, **extra)


def make_files(folder: Path, rows: int) -> dict[str, Path]:
    """Write the CSV in both encodings, unless it is there."""
    from tabtrail.data.sample import write_sample

    files = {"cp850": folder / f"sample-{rows}-cp850.csv", "utf-8": folder / f"sample-{rows}-utf8.csv"}
    if all(path.is_file() for path in files.values()):
        return files
    folder.mkdir(parents=True, exist_ok=True)
    block = folder / "block.csv"
    write_sample(block, rows=min(rows, BLOCK), force=True)
    head, _, body = block.read_bytes().partition(b"\n")
    texts = {"cp850": body, "utf-8": body.decode("cp850").encode()}
    for encoding, path in files.items():
        with path.open("wb") as out:
            out.write(head + b"\n")
            for _ in range(max(1, rows // BLOCK)):
                out.write(texts[encoding])
    block.unlink()
    return files


def ours(source: Path, target: Path) -> None:
    """The configured ingest: contract, rejects, statistics, hashes, manifest."""
    from tabtrail.config.load import load_config
    from tabtrail.data.ingest import ingest

    overrides = [f"paths.raw_csv={source}", f"paths.processed_dir={target}/sales_parquet", "source.encoding=auto"]
    ingest(load_config(ROOT / "config_v2.yaml", overrides))


def bare_polars(source: Path, target: Path) -> None:
    """What the engine needs for reading, types, dates, fills and partitions."""
    import polars as pl

    with source.open(encoding="utf-8") as file:
        header = file.readline().strip().split(",")
    schema = {name: pl.Int64 if name in NUMBERS else pl.Float64 if name in FLOATS else pl.String for name in header}
    date = pl.col("ORDERDATE").str.to_date("%m/%d/%Y %H:%M")
    rows = (
        pl.scan_csv(source, schema=schema)
        .drop("ADDRESSLINE2")
        .with_columns(date.alias("ORDERDATE"), pl.col("STATE", "POSTALCODE").fill_null("Unknown"))
        .with_columns(YEAR=pl.col("ORDERDATE").dt.year(), MONTH=pl.col("ORDERDATE").dt.month())
    )
    rows.sink_parquet(pl.PartitionBy(target, key="YEAR", include_key=False), mkdir=True, compression="zstd")


def by_pandas(source: Path, target: Path) -> None:
    """The job as it is usually written: types and dates by coercion, the main rules, partitions."""
    import pandas as pd

    rows = pd.read_csv(source, dtype=str, keep_default_na=False, na_values=[""], encoding="cp850")
    for name in (*NUMBERS, *FLOATS):
        rows[name] = pd.to_numeric(rows[name], errors="coerce")
    rows["ORDERDATE"] = pd.to_datetime(rows["ORDERDATE"], format="%m/%d/%Y %H:%M", errors="coerce")
    good = rows[[*NUMBERS, *FLOATS, "ORDERDATE"]].notna().all(axis=1)
    good &= rows["QUANTITYORDERED"].between(1, 100_000) & rows["PRICEEACH"].between(0, 100) & (rows["SALES"] >= 0)
    good &= (rows["ORDERDATE"].dt.year == rows["YEAR_ID"]) & (rows["ORDERDATE"].dt.month == rows["MONTH_ID"])
    good &= rows["DEALSIZE"].isin(["Small", "Medium", "Large"]) & (3 * rows["QTR_ID"] - 2 <= rows["MONTH_ID"])
    kept = rows[good].drop(columns="ADDRESSLINE2")
    kept["STATE"], kept["POSTALCODE"] = kept["STATE"].fillna("Unknown"), kept["POSTALCODE"].fillna("Unknown")
    kept["YEAR"], kept["MONTH"] = kept["ORDERDATE"].dt.year, kept["ORDERDATE"].dt.month
    kept.to_parquet(target, partition_cols=["YEAR"], compression="zstd")
    target.mkdir(exist_ok=True)
    rows[~good].to_csv(target / "rejects.csv")


CONTENDERS: dict[str, tuple[str, Callable[[Path, Path], None]]] = {
    "polars": ("utf-8", bare_polars),
    "ours": ("utf-8", ours),
    "ours_cp850": ("cp850", ours),
    "pandas": ("cp850", by_pandas),
}


if __name__ == "__main__":
    main()
