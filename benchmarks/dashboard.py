"""The dashboard: seconds to its first usable page and to Explore, and its memory, over 3,000 and 5 million rows; and two of them
beside runs that train without pause.

    python benchmarks/dashboard.py [--rows 3000 5000000] [--pages overview explore] [--output benchmarks/results/dashboard.json]
    python benchmarks/dashboard.py --minutes 20

Measures in temporary folders, in Chromium (CHROMIUM names another), on the synthetic sample: its Parquet file is repeated with
other days, amounts and orders until there are as many rows as are wanted. A page is usable when its title stands and Streamlit
has nothing more to do. The memory is resident, of the one process: after all pages, and at its peak. Exits with 1 where the first
page takes longer than 3 s (5 s from a million rows on), where more than 400 MB are taken, or, with --minutes, where a page shows
an error or a run fails.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
from playwright.sync_api import Page, sync_playwright

from tabtrail.system.hashes import sha256_folder

REPO = Path(__file__).resolve().parents[1]
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
MOST_MB = 400
ALL_PAGES = ("overview", "explore", "model", "predict", "forecast", "drift", "runs", "train")
IDLE = "document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning' && !!document.querySelector('h1')"
CHEAP = ("--set", "candidates={LinearRegression: {}}", "--set", "split.repeats=1", "--set", "explain.max_rows=50")


def main() -> None:
    """Measure and print as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[3_000, 5_000_000])
    parser.add_argument("--pages", nargs="+", default=["overview", "explore"])
    parser.add_argument(
        "--minutes", type=float, default=0.0, help="Look on while runs train, for so long, in place of measuring."
    )
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    found = (
        beside_runs(options.minutes) if options.minutes else {"projects": [measure(rows, options.pages) for rows in options.rows]}
    )
    text = json.dumps(found, indent=2)
    print(text)
    if options.output is not None:
        options.output.write_text(text + "\n", encoding="utf-8")
    sys.exit(bool(found.get("errors")) or any(not each["within_limits"] for each in found.get("projects", [])))


def measure(rows: int, pages: list[str]) -> dict[str, Any]:
    """Return seconds and memory of a dashboard over so many rows."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as player:
        root = Path(name)
        make_rows(root, rows)
        browser = player.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        with dashboard(root) as (address, process):
            seconds = {page: round(opened(browser.new_page(), address, page), 2) for page in pages}
            again = {page: round(opened(browser.new_page(), address, page), 2) for page in pages}
            memory = memory_mb(process.pid)
    most = 3 if rows < 1_000_000 else 5
    fine = seconds[pages[0]] <= most and memory["peak_mb"] <= MOST_MB
    return {"rows": rows, "seconds": seconds, "seconds_again": again, **memory, "within_limits": fine}


def beside_runs(minutes: float) -> dict[str, Any]:
    """Open page after page in two dashboards while `tabtrail run --force` works again and again; return what went wrong."""
    errors: list[str] = []
    looks = runs = 0
    with tempfile.TemporaryDirectory() as name, sync_playwright() as player:
        root = Path(name)
        place(root)
        browser = player.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        with dashboard(root) as (first, _), dashboard(root) as (second, _), (root / "run.log").open("w+") as log:
            views = [(browser.new_page(), first), (browser.new_page(), second)]
            end, run = time.monotonic() + 60 * minutes, start_run(root, log)
            while time.monotonic() < end or run.poll() is None:
                if run.poll() is not None:
                    runs, run = runs + ended(run, log, errors), start_run(root, log)
                for view, address in views:
                    page = ALL_PAGES[looks // 2 % len(ALL_PAGES)]
                    opened(view, address, page)
                    errors += [f"{page}: {text}" for text in failures(view)]
                    looks += 1
            runs += ended(run, log, errors)
    return {"minutes": minutes, "pages_opened": looks, "runs": runs, "errors": errors[:20]}


def ended(run: subprocess.Popen[str], log: Any, errors: list[str]) -> int:
    """Count a run that has ended, with what it said where it failed."""
    if run.returncode:
        log.seek(0)
        errors.append(f"run ended with {run.returncode}: {log.read()[-500:]}")
    return 1


def start_run(root: Path, log: Any) -> subprocess.Popen[str]:
    """Start a whole run, whose log replaces that of the last one."""
    log.seek(0)
    log.truncate()
    words = [sys.executable, "-m", "tabtrail", "run", "--force", *CHEAP]
    return subprocess.Popen(words, cwd=root, stdout=log, stderr=log, text=True)


def failures(view: Page) -> list[str]:
    """Return the errors that a page shows, with what stands as code beside them: the reason."""
    shown = view.locator('[data-testid="stException"], [data-testid="stAlertContentError"]').all_inner_texts()
    reasons = " · ".join(view.locator('[data-testid="stCode"]').all_inner_texts())
    return [f"{text} ({reasons})" for text in shown if "drift" not in text]


def opened(view: Page, address: str, page: str) -> float:
    """Open a page and return the seconds until it is usable."""
    start = time.perf_counter()
    view.goto(f"{address}/{'' if page == 'overview' else page}")
    view.wait_for_function(IDLE, timeout=120_000)
    return time.perf_counter() - start


def make_rows(root: Path, rows: int) -> None:
    """Make a project with a Parquet layer of so many rows and its DuckDB file."""
    place(root)
    call(root, "ingest", "--quiet", *CHEAP)
    (folder,) = (root / "data" / "processed").glob("*_parquet")
    for file in sorted(folder.rglob("*.parquet")):
        repeat(file, rows / 3_000)
    (manifest,) = folder.parent.glob("*_manifest.json")
    known = json.loads(manifest.read_text(encoding="utf-8"))
    manifest.write_text(
        json.dumps({**known, "data_sha256": sha256_folder(folder, "*.parquet"), "rows_kept": rows}), encoding="utf-8"
    )
    call(root, "eda", "--quiet", *CHEAP)


def repeat(file: Path, times: float) -> None:
    """Replace a Parquet file by one whose rows are repeated with other orders, days and amounts. Its name stays: the manifest
    knows the files by their names.
    """
    beside = file.with_suffix(".new")
    day = "ORDERDATE + CAST(hash(again, ORDERNUMBER) % 28 AS INTEGER)"
    amount = "SALES * (0.9 + (hash(again, SALES) % 2000) / 10000.0)"
    changed = f"ORDERNUMBER + 1000000 * again AS ORDERNUMBER, {amount} AS SALES, {day} AS ORDERDATE"
    with duckdb.connect() as connection:
        count = f"(SELECT count(*) * {times} FROM read_parquet('{file}', hive_partitioning = false))"
        source = f"read_parquet('{file}', hive_partitioning = false), range(CAST(ceil({times}) AS BIGINT)) AS numbers(again)"
        rows = f"SELECT * EXCLUDE (again) REPLACE ({changed}) FROM {source} LIMIT {count}"
        connection.execute(f"COPY ({rows}) TO '{beside}' (FORMAT parquet, COMPRESSION zstd)")
    beside.replace(file)


def place(root: Path) -> None:
    """Make a project of the synthetic sample."""
    shutil.copy(REPO / "config_v2.yaml", root)
    call(root, "sample", "--rows", "3000")


@contextmanager
def dashboard(root: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Start a dashboard on a free port, and stop it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, "-m", "tabtrail", "dashboard", "--port", str(port)]
    process = subprocess.Popen(words, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.kill()  # a browser is still connected, and it holds nothing
        process.wait()


def call(root: Path, *words: str) -> None:
    """Run a command of tabtrail in a folder."""
    subprocess.run([sys.executable, "-m", "tabtrail", *words], cwd=root, check=True, stdout=subprocess.DEVNULL)


def memory_mb(pid: int) -> dict[str, int]:
    """Return the resident memory of a process in MB: now, and at its peak."""
    names = {"VmRSS": "resident_mb", "VmHWM": "peak_mb"}
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines())
    return {names[words[0].rstrip(":")]: int(words[1]) // 1024 for words in lines if words[0].rstrip(":") in names}


if __name__ == "__main__":
    main()
