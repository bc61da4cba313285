"""What the trail costs: CPU and peak memory of a tracked training, of the same work with nothing logged, and of the same fits
logged to MLflow as it is usually written; each in a process of its own, in turn, imports and workers included.

    python benchmarks/tracking.py data/raw/sales_data_sample.csv [--repeats 3] [--output benchmarks/results/tracking.json]

- `ours`: `tabtrail train --force`: every candidate's run and model in MLflow, the registered version, gate, history,
  deployment;
- `engine`: all that such a training computes, and nothing logged, registered, deployed or written: leakage audit, the same
  fits, the ONNX graph of every candidate with its proof, SHAP of the champion, its bundle;
- `fits`: the fits alone, for orientation: no audit, no graph, no explanation;
- `usual`: the fits, then for each candidate `start_run`, `log_params`, `log_metrics` of every fold and
  `mlflow.sklearn.log_model`.

The store is made beforehand. The bar: ours at most 1.25 × engine.
"""

import argparse
import contextlib
import os
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
from measure import ROOT, Spent, comparison, report, spend


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        config = load(options.csv, Path(options.one[1]))
        WORK[options.one[0]](config)
        print(tree_cpu())
        return
    with tempfile.TemporaryDirectory() as folder:
        words = [__file__, str(options.csv.resolve()), "--one"]
        spend([*words, "prepare", folder])
        names = [name for name in WORK if name != "prepare"]
        runs: dict[str, list[Spent]] = {name: [] for name in names}
        for _ in range(options.repeats):
            for name in names:
                runs[name].append(spend([*words, name, folder], {"MLFLOW_DISABLE_TELEMETRY": "true"}))
    costs = {name: round(statistics.median(float(run.stdout.split()[-1]) for run in done), 2) for name, done in runs.items()}
    walls = {name: round(statistics.median(run.wall_seconds for run in done), 2) for name, done in runs.items()}
    peaks = {name: max(run.peak_mb for run in done) for name, done in runs.items()}
    what = {"ours": "`tabtrail train`", "engine": "the same, nothing logged", "usual": "the fits and plain MLflow"}
    extra = {"repeats": options.repeats, "wall_seconds": walls, "fits": costs["fits"]}
    report(comparison("tracked training of the sales data", "CPU-s", costs, peaks, what, **extra), options.output)


def load(csv: Path, folder: Path) -> Any:
    from tabtrail.config.load import load_config

    paths = {"processed_dir": "data/sales_parquet", "duckdb_file": "sales.duckdb", "models_dir": "models", "output_dir": "output"}
    overrides = [f"paths.{key}={folder}/{value}" for key, value in paths.items()]
    overrides += [f"paths.raw_csv={csv}", f"mlflow.tracking_uri=sqlite:///{folder}/mlruns/mlflow.db"]
    return load_config(ROOT / "config_v2.yaml", overrides)


def prepare(config: Any) -> None:
    from tabtrail import pipeline
    from tabtrail.tracking.store import open_store

    pipeline.run_stage("ingest", config)
    open_store(config.mlflow)


def fits(config: Any) -> Any:
    from tabtrail.data.dataset import scan_dataset
    from tabtrail.modeling.benchmark import run_benchmark
    from tabtrail.modeling.problem import problem_of
    from tabtrail.modeling.table import load_table

    problem = problem_of(config)
    return run_benchmark(problem, load_table(problem, scan_dataset(config.dataset).collect()))


def untracked(config: Any) -> None:
    from tabtrail.data.manifest import read_manifest
    from tabtrail.modeling.benchmark import run_benchmark
    from tabtrail.modeling.intervals import calibrate_all
    from tabtrail.modeling.notes import notes
    from tabtrail.modeling.ranking import Tracked, build_leaderboard
    from tabtrail.modeling.refit import refit
    from tabtrail.progress import SILENT
    from tabtrail.workflows.champion import Parts, Proofs, bundle_model, explain_champion
    from tabtrail.workflows.prepare import prepare

    ready = prepare(config, SILENT)
    with Proofs(ready.config, ready.table, ready.split) as proofs:
        benchmark = run_benchmark(ready.problem, ready.table, ready.split, export=proofs.prove_fit)
        winner = benchmark.champion
        again = refit(ready.problem, ready.table, ready.split, winner.candidate, winner.model).model
        deployed = replace(winner, final=replace(winner.final, model=again), parity=proofs.prove(again)[1])
        exported = proofs.export(deployed)
    runs = {each.candidate.name: "-" for each in benchmark.results}
    intervals, manifest = calibrate_all(benchmark), read_manifest(config.dataset)
    own = intervals[benchmark.champion.candidate.name]
    said, tracked = notes(benchmark, own), Tracked("-", runs)
    leaderboard = build_leaderboard(
        benchmark, manifest, findings=ready.findings, notes=said, intervals=intervals, tracked=tracked
    )
    explain_champion(ready.config, benchmark, "-", exported.onnx)
    bundle_model(ready.config, benchmark, leaderboard, Parts(exported, own))


def tracked(config: Any) -> None:
    from tabtrail import pipeline

    pipeline.run_stage("train", config, force=True)


def usual(config: Any) -> None:
    benchmark = fits(config)
    import mlflow

    mlflow.set_tracking_uri(config.mlflow.tracking_uri)
    mlflow.set_experiment("plain")
    for result in benchmark.results:
        with mlflow.start_run(run_name=result.candidate.name):
            mlflow.log_params(result.candidate.params)
            for step, fit in enumerate(result.folds):
                mlflow.log_metrics({"rmse": fit.scores["rmse"], "mae": fit.scores["mae"], "r2": fit.scores["r2"]}, step=step)
            mlflow.sklearn.log_model(result.final.model, name="model", serialization_format="cloudpickle")


def tree_cpu() -> float:
    """Return the CPU seconds so far of this process, of its living descendants, and of those that ended and were waited for."""
    me = psutil.Process()
    spent = 0.0
    for process in (me, *me.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            spent += sum(process.cpu_times()[:4])
    return round(spent, 2)


WORK: dict[str, Callable[[Any], object]] = {
    "prepare": prepare,
    "fits": fits,
    "engine": untracked,
    "ours": tracked,
    "usual": usual,
}


if __name__ == "__main__":
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    main()
