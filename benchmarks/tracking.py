"""What MLflow tracking adds, in CPU, to the same fits with nothing logged.

Measured in turn, on the same rows, folds and candidates, in wall and CPU seconds (CPU of the whole process tree, loky's
workers included):

- `fits`: `load_table` and `run_benchmark` alone, for orientation: no audit, no graph, no explanation, nothing written;
- `untracked`: all that a training computes: leakage audit, the same fits, the ONNX graph of every candidate with its proof,
  SHAP of the champion, its bundle. Nothing is logged, registered, deployed or written;
- `tracked`: `run_train(force=True)`, all that a user gets: the same, with nine candidates' runs and models in MLflow, the
  registered version, gate, history and deployment, tables in the database.

The promise is `tracked` over `untracked`: both prove and explain, so that what remains is the price of the trail. `logging`
is the part of `tracked` that is spent in MLflow calls of the training, `deployment` in the gate, its history and the folder.

By default all happen in this one process, whose imports and loky workers are paid before the first round. With `--fresh`
every measurement is a process of its own, imports and workers included, as a user starts it. The MLflow store is made
beforehand. Everything is written to a temporary folder. Run from anywhere:

    python benchmarks/tracking.py [--csv FILE] [--rounds 3] [--fresh] [--json] [--output FILE]
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from tabtrail.config import Config, load_config
from tabtrail.data.ingest import scan_dataset
from tabtrail.errors import reported
from tabtrail.modeling.benchmark import run_benchmark
from tabtrail.modeling.table import load_table

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 1.25
LOGGING = (
    "log_items",
    "log_model",
    "log_dataset",
    "log_files",
    "log_text",
    "log_artifact",
    "log_metrics",
    "log_folder",
    "set_tags",
    "register_challenger",
)
RUNS = ("start_run", "finish_run")
DEPLOYMENT = ("settle",)
Seconds = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", type=Path, default=ROOT / "data/raw/sales_data_sample.csv")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--fresh", action="store_true", help="a new process for every measurement")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the JSON there")
    parser.add_argument("--only", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.csv.is_file():
        print(f"there is no {options.csv}; name a CSV with --csv", file=sys.stderr)
        raise SystemExit(2)
    if options.only:
        WORK[options.only[0]](configure(options.csv, Path(options.only[1])))
        return
    with reported(), tempfile.TemporaryDirectory() as folder:
        report = measure(options.csv.resolve(), Path(folder), options.rounds, fresh=options.fresh)
    text = json.dumps(report, indent=2)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    print(text if options.json else as_table(report))


def configure(csv: Path, folder: Path) -> Config:
    """Return the repository's config with every path inside `folder`."""
    paths = {"processed_dir": "data/sales_parquet", "duckdb_file": "sales.duckdb", "models_dir": "models", "output_dir": "output"}
    overrides = [f"paths.{key}={json.dumps(str(folder / value))}" for key, value in paths.items()]
    overrides += [f"paths.raw_csv={json.dumps(str(csv))}", f'mlflow.tracking_uri="sqlite:///{folder}/mlruns/mlflow.db"']
    return load_config(ROOT / "config_v2.yaml", overrides)


def measure(csv: Path, folder: Path, rounds: int, *, fresh: bool) -> dict[str, Any]:
    """Prepare what both sides share, then measure them in turn."""
    from tabtrail import pipeline
    from tabtrail.tracking.store import open_store

    config = configure(csv, folder)
    rows = pipeline.run_ingest(config)[0].rows_kept
    creation = timed(lambda: open_store(config.mlflow.tracking_uri, config.mlflow.experiment))
    if not fresh:
        for work in WORK.values():
            work(config)
    found: dict[str, list[Seconds]] = defaultdict(list)
    for _ in range(rounds):
        for name, work in WORK.items():
            if fresh:
                command = [sys.executable, __file__, "--csv", str(csv), "--only", name, str(folder)]
                found[name].append(timed(lambda command=command: subprocess.run(command, check=True, cwd=folder)))
                continue
            with timed_parts() as parts:
                found[name].append(timed(lambda work=work: work(config)))
            if name == "tracked":
                found["logging"].append(total(parts, (*LOGGING, *RUNS)))
                found["deployment"].append(total(parts, DEPLOYMENT))
    figures = {name: summary(each) for name, each in found.items()}
    keys = figures["tracked"]
    ratios = {key: round(figures["tracked"][key] / figures["untracked"][key], 3) for key in keys if key != "rounds"}
    return {
        "rows": rows,
        "workers": config.engine.workers,
        "fresh": fresh,
        "store_creation": creation,
        "seconds": figures,
        "tracked_over_untracked": ratios,
        "limit": LIMIT,
        "tracked_over_fits_cpu": round(figures["tracked"]["cpu_median"] / figures["fits"]["cpu_median"], 3),
        "kept": ratios["cpu_median"] <= LIMIT,
    }


def fit_alone(config: Config) -> None:
    run_benchmark(config, load_table(config, scan_dataset(config).collect()))


def train_untracked(config: Config) -> None:
    # Imported here, as below.
    from tabtrail.champion import bundle_champion, explain_champion, export_champion, prove
    from tabtrail.data.ingest import read_manifest
    from tabtrail.modeling.leaderboard import build_leaderboard
    from tabtrail.progress import SILENT
    from tabtrail.training import prepare

    ready = prepare(config, SILENT)
    benchmark = run_benchmark(
        ready.config, ready.table, export=lambda model: prove(ready.config, ready.table, ready.split, model), split=ready.split
    )
    runs = {each.candidate.name: "-" for each in benchmark.results}
    leaderboard = build_leaderboard(ready.config, benchmark, read_manifest(config), ready.findings, "-", runs)
    exported = export_champion(ready.config, benchmark)
    explain_champion(ready.config, benchmark, "-", exported.onnx)
    bundle_champion(ready.config, benchmark, leaderboard, exported)


def train_tracked(config: Config) -> None:
    # Imported here, so that a fresh process that only fits does not pay for what the rest of training needs.
    from tabtrail.pipeline import run_train

    run_train(config, force=True)


WORK: dict[str, Callable[[Config], None]] = {"fits": fit_alone, "untracked": train_untracked, "tracked": train_tracked}


def timed(work: Callable[[], object]) -> Seconds:
    """Return the wall and CPU seconds of a call, those of child processes included."""
    cpu, wall = tree_cpu(), time.perf_counter()
    work()
    return {"wall": round(time.perf_counter() - wall, 3), "cpu": round(tree_cpu() - cpu, 3)}


def tree_cpu() -> float:
    """Return the CPU seconds so far of this process, of its living descendants, and of those that ended and were waited for."""
    me = psutil.Process()
    spent = 0.0
    for process in (me, *me.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            spent += sum(process.cpu_times()[:4])
    return spent


@contextlib.contextmanager
def timed_parts() -> Iterator[dict[str, Seconds]]:
    """Time the steps that `run_train` calls by name, each call added to what its name has."""
    from tabtrail import training
    from tabtrail.tracking import store

    parts: dict[str, Seconds] = defaultdict(lambda: {"wall": 0.0, "cpu": 0.0})
    places = [(training, name) for name in (*LOGGING, *DEPLOYMENT)] + [(store, name) for name in RUNS]
    originals = [(module, name, getattr(module, name)) for module, name in places]
    for module, name, function in originals:
        setattr(module, name, _timer(function, parts[name]))
    try:
        yield parts
    finally:
        for module, name, function in originals:
            setattr(module, name, function)


def _timer(function: Callable[..., Any], spent: Seconds) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            return function(*args, **kwargs)
        finally:
            spent["wall"] += time.perf_counter() - wall
            spent["cpu"] += time.process_time() - cpu

    return call


def total(parts: dict[str, Seconds], names: tuple[str, ...]) -> Seconds:
    return {key: round(sum(parts[name][key] for name in names), 3) for key in ("wall", "cpu")}


def summary(rounds: list[Seconds]) -> dict[str, Any]:
    columns = {key: [each[key] for each in rounds] for key in ("wall", "cpu")}
    figures = {f"{key}_{what.__name__}": round(what(values), 3) for key, values in columns.items() for what in (median, min)}
    return figures | {"rounds": rounds}


def as_table(report: dict[str, Any]) -> str:
    ratios, creation = report["tracked_over_untracked"], report["store_creation"]
    how = "a fresh process each" if report["fresh"] else "warm"
    lines = [f"{report['rows']:,} rows, {report['workers']} workers, {how}; store made in {creation['wall']} s, apart"]
    lines.append(f"{'seconds':<22}" + "".join(f"{key:>13}" for key in ratios) + "  wall of each round")
    for name, row in report["seconds"].items():
        each = " ".join(f"{one['wall']:.2f}" for one in row["rounds"])
        lines.append(f"{name:<22}" + "".join(f"{row[key]:>13.3f}" for key in ratios) + f"  {each}")
    lines.append(f"{'tracked / untracked':<22}" + "".join(f"{value:>13.3f}" for value in ratios.values()))
    lines.append(f"tracked / fits alone, CPU median: {report['tracked_over_fits_cpu']}")
    lines.append(f"promise: at most {report['limit']} of the CPU median: {'kept' if report['kept'] else 'BROKEN'}")
    return "\n".join(lines)


if __name__ == "__main__":
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    main()
