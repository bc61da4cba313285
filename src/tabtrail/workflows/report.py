"""From what a run left to the page and the pictures: gather, complete, draw, write, and add them to the run in MLflow."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from tabtrail.config.tree import Config
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.manifest import Manifest, verify_files
from tabtrail.data.profile import Profile
from tabtrail.data.result_files import benchmark_table_files, profile_files
from tabtrail.errors import UsageError
from tabtrail.explain.effects import Effect, partial_dependence
from tabtrail.explain.shapley import from_shap_table
from tabtrail.export.parity import open_graph
from tabtrail.modeling.benchmark import candidates_of
from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.modeling.learning_curve import LearningCurve, learning_curve
from tabtrail.modeling.problem import problem_of
from tabtrail.modeling.table import load_table, needed_columns, split_table
from tabtrail.progress import SILENT, Progress
from tabtrail.project.lock import project_lock
from tabtrail.project.paths import Artifacts
from tabtrail.project.training import tuned_candidates
from tabtrail.report.evidence import Evidence, ModelEvidence
from tabtrail.report.forecast_rows import read_results
from tabtrail.report.page import render_report
from tabtrail.report.pictures import place_pictures
from tabtrail.report.png import draw_all
from tabtrail.system.files import read_json, require_writable, write_json, write_text
from tabtrail.tracking.artifacts import download, list_files, log_files, read_artifact
from tabtrail.tracking.benchmarks import find_benchmark
from tabtrail.tracking.items import BUNDLE_FOLDER
from tabtrail.tracking.runs import read_run
from tabtrail.tracking.store import Store, open_store, store_errors

_PICTURES = "pictures"


@dataclass(frozen=True)
class ReportFiles:
    """What a report wrote."""

    page: Path
    pictures: tuple[Path, ...]


def forecast_files(config: Config) -> list[Path]:
    """Return the JSON documents of forecasts that lie in the output folder."""
    return sorted((config.paths.output_dir / "timeseries").glob("*.json"))


def work(config: Config, progress: Progress, _force: bool) -> None:
    """Draw the pictures and write the page of the last run."""
    require_writable(config.paths.output_dir)
    report_last_run(config.with_candidates(tuned_candidates(Artifacts.of(config).tuned)), progress)


def report_last_run(config: Config, progress: Progress = SILENT) -> ReportFiles:
    """Write page and pictures of the last run, with the learning curve and partial dependence that only it can have.

    Raises `UsageError` where there was no run.
    """
    files = _local_files(config)
    board = _board(files["leaderboard"])
    if board is None:
        raise UsageError("there is no run to report; `tabtrail run` makes one")
    _complete(config, board, progress)
    written = _write(config, _read(config, board, _local_files(config)), config.paths.output_dir / "plots", progress)
    _track(config, board.parent_run_id, written, progress)
    return written


def report_run(config: Config, run_id: str, progress: Progress = SILENT) -> ReportFiles:
    """Write page and pictures of any benchmark of the MLflow store, or of the one that a candidate's run belongs to.

    Raises `UsageError` for a run that is not there, or is not of a complete benchmark.
    """
    with project_lock(config, "report", progress):
        return _report_run(config, run_id, progress)


def _report_run(config: Config, run_id: str, progress: Progress) -> ReportFiles:
    store = open_store(config.mlflow.tracking_uri, config.mlflow.experiment)
    with store_errors(store.uri), _downloaded(store, find_benchmark(store, run_id).benchmark.run_id) as folder:
        paths = {name: folder / path.name for name, path in _local_files(config).items()}
        if not paths["leaderboard"].is_file() and (found := sorted(folder.glob("*_metrics.json"))):
            paths["leaderboard"] = found[0]
        board = _board(paths["leaderboard"])
        if board is None:
            raise UsageError(f"run {run_id} has no leaderboard of this version; `tabtrail train --force` makes a run that has")
        return _write(config, _read(config, board, paths), config.paths.output_dir / "plots" / board.parent_run_id, progress)


@contextmanager
def _downloaded(store: Store, run_id: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tabtrail-report-") as name:
        wanted = [path for path in list_files(store, run_id) if path.endswith((".json", ".parquet"))]
        download(store, run_id, wanted, Path(name))
        yield Path(name)


def _local_files(config: Config) -> dict[str, Path]:
    artifacts, tables = Artifacts.of(config), benchmark_table_files(config.paths.output_dir)
    return {
        "leaderboard": artifacts.leaderboard,
        "importance": artifacts.importance,
        "shap": artifacts.shap,
        "effects": artifacts.effects,
        "curve": artifacts.curve,
        "manifest": config.paths.manifest,
        "profile": profile_files(config.paths.output_dir)[0],
        **tables,
    }


def _board(path: Path) -> Leaderboard | None:
    try:
        value = read_json(path)
        return None if value is None else Leaderboard.from_dict(value)
    except (KeyError, TypeError):
        return None


def _complete(config: Config, board: Leaderboard, progress: Progress) -> None:
    """Compute what the page shows and training has no use for, unless it is there for this very run."""
    shap, effects = Artifacts.of(config).shap, read_json(Artifacts.of(config).effects)
    if shap.is_file() and (effects is None or _stale(effects, config, board)):
        explanation, rows = from_shap_table(pl.read_parquet(shap))
        graph = open_graph(_graph(config, board))
        found = partial_dependence(graph, rows, list(explanation.importance)[: config.report.top_features])
        write_json(Artifacts.of(config).effects, {**_made(config, board), "effects": [each.to_dict() for each in found]})
    known = read_json(Artifacts.of(config).curve)
    if config.report.learning_curve_folds and (known is None or _stale(known, config, board)):
        progress.say("report: the learning curve of the champion")
        curve = _curve(config, board, progress)
        write_json(Artifacts.of(config).curve, {**_made(config, board), "curve": None if curve is None else curve.to_dict()})


def _graph(config: Config, board: Leaderboard) -> bytes:
    """Return the graph of the benchmark's winner, which need not be the deployed model."""
    store = open_store(config.mlflow.tracking_uri, config.mlflow.experiment)
    with store_errors(store.uri):
        return read_artifact(store, board.parent_run_id, f"{BUNDLE_FOLDER}/{config.model.name}.onnx")


def _made(config: Config, board: Leaderboard) -> dict[str, Any]:
    return {"run_id": board.parent_run_id, "settings": config.report.model_dump()}


def _stale(document: Mapping[str, Any], config: Config, board: Leaderboard) -> bool:
    made = _made(config, board)
    return {name: document.get(name) for name in made} != made


def _curve(config: Config, board: Leaderboard, progress: Progress) -> LearningCurve | None:
    """Return the learning curve of the champion, or of a blend's heaviest member."""
    if config.leakage.policy == "drop":
        gone = {each.column for each in board.findings if each.column is not None}
        config = config.without_columns(gone) if gone else config
    name = max(board.weights, key=lambda each: board.weights[each]) if board.weights else board.champion
    problem = problem_of(config)
    candidates = {each.name: each for each in candidates_of(problem)}
    folds = benchmark_table_files(config.paths.output_dir)["folds"]
    if name not in candidates or not folds.is_file():
        return None
    if verify_files(config.dataset).data_sha256 != board.data_sha256:
        return None
    scored = pl.read_parquet(folds).filter(pl.col("candidate") == name, pl.col("repeat") == 0).sort("fold")
    table = load_table(problem, scan_dataset(config.dataset).select(needed_columns(problem)).collect())
    split = split_table(problem, table)
    known = scored.get_column(board.metric).to_list()[: config.report.learning_curve_folds]
    return learning_curve(
        problem,
        candidates[name],
        table,
        split,
        known=known,
        progress=lambda done, of: progress.advance(done, of, "fits of the learning curve"),
    )


def _read(config: Config, board: Leaderboard, files: Mapping[str, Path]) -> Evidence:
    effects, curve = read_json(files["effects"]), read_json(files["curve"])
    made = board.parent_run_id
    effects = effects if effects is not None and effects.get("run_id") == made else None
    known = curve["curve"] if curve is not None and curve.get("run_id") == made else None
    manifest, profile = read_json(files["manifest"]), read_json(files["profile"])
    same_data = manifest is not None and manifest["data_sha256"] == board.data_sha256
    shap = _frame(files["shap"])
    runs = _frame(files["runs"])
    stored = (found for path in forecast_files(config) if (found := read_json(path)) is not None)
    model = ModelEvidence(
        board=board,
        folds=_frame(files["folds"]),
        slices=_frame(files["error_slices"]),
        predictions=_frame(files["predictions"]),
        curve=None if known is None else LearningCurve.from_dict(known),
    )
    return Evidence(
        model=model,
        manifest=Manifest(**manifest) if manifest is not None and same_data else None,
        profile=Profile.from_dict(profile) if profile is not None and same_data else None,
        explanation=None if shap is None else from_shap_table(shap),
        effects=() if effects is None else tuple(Effect.from_dict(each) for each in effects["effects"]),
        forecasts=tuple(read_results(stored, board.data_sha256)),
        tags={} if runs is None else json.loads(runs.get_column("tags")[0]),
        inputs=config.model.inputs,
        labels=dict(_labels(config)),
        points=config.profile.points,
        top=config.report.top_features,
        ewma_decay=config.risk.ewma_decay,
        store=_shown_store(config),
    )


def _frame(path: Path) -> pl.DataFrame | None:
    return pl.read_parquet(path) if path.is_file() else None


def _labels(config: Config) -> Iterator[tuple[str, str]]:
    for name, rule in config.contract.columns.items():
        if rule.description:
            yield name, f"{name}, {rule.description}"
    if config.model.currency:
        yield config.model.target, f"{config.model.target}, {config.model.currency}"


def _shown_store(config: Config) -> str:
    path = config.mlflow.sqlite_file
    return "" if path is None else f"sqlite:///{path.relative_to(config.root) if path.is_relative_to(config.root) else path}"


def _write(config: Config, evidence: Evidence, folder: Path, progress: Progress) -> ReportFiles:
    placed, page = place_pictures(evidence), Artifacts.of(config).page
    write_text(page, render_report(evidence, placed))
    files = draw_all(
        [each.picture for each in placed], folder, synthetic=evidence.model.board.synthetic, progress=progress.advance
    )
    progress.say(f"report: {page.name}, {page.stat().st_size / 1000:,.0f} kB, and {len(files)} pictures")
    return ReportFiles(page, tuple(files))


def _track(config: Config, run_id: str, written: ReportFiles, progress: Progress) -> None:
    """Add page, pictures and what they were drawn from to the run, where it is still in the store."""
    store = open_store(config.mlflow.tracking_uri, config.mlflow.experiment)
    with store_errors(store.uri):
        if read_run(store, run_id) is None:
            progress.say(f"report: run {run_id} is not in the MLflow store any more; the page is in {written.page.parent} alone")
            return
        artifacts = Artifacts.of(config)
        made = [written.page, artifacts.effects, artifacts.curve, *profile_files(config.paths.output_dir)]
        log_files(store, run_id, [path for path in made if path.is_file()])
        log_files(store, run_id, written.pictures, _PICTURES)
