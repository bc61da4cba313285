"""What the page shows and training has no use for: partial dependence and learning curve of the last benchmark's champion."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from tabtrail.config.summaries import Page
from tabtrail.config.tree import Config
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.manifest import verify_files
from tabtrail.data.result_files import benchmark_table_files
from tabtrail.explain.effects import Effect, partial_dependence
from tabtrail.explain.shapley import from_shap_table
from tabtrail.export.outputs import open_graph
from tabtrail.modeling.benchmark import candidates_of
from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.modeling.leakage.findings import columns_to_drop
from tabtrail.modeling.learning_curve import LearningCurve, learning_curve
from tabtrail.modeling.problem import problem_of
from tabtrail.modeling.table import load_table, needed_columns, split_table
from tabtrail.progress import Progress
from tabtrail.project.paths import Artifacts
from tabtrail.system.files import read_json, write_json
from tabtrail.tracking.artifacts import list_files, read_artifact
from tabtrail.tracking.refusals import store_errors
from tabtrail.tracking.store import Store
from tabtrail.tracking.tags import BUNDLE_FOLDER


def complete(config: Config, board: Leaderboard, store: Store, progress: Progress) -> None:
    """Compute and write what is not there yet for this very run and these settings of the page."""
    artifacts = Artifacts.of(config)
    made = _made(config.report, board)
    if artifacts.shap.is_file() and not _is_made(read_json(artifacts.effects), made):
        graph = _graph(store, board, config.model.name)
        effects = [] if graph is None else _effects(graph, pl.read_parquet(artifacts.shap), config.report.top_features)
        write_json(artifacts.effects, {**made, "effects": [each.to_dict() for each in effects]})
    if config.report.learning_curve_folds and not _is_made(read_json(artifacts.curve), made):
        progress.say("report: the learning curve of the champion")
        curve = _curve(config, board, progress)
        write_json(artifacts.curve, {**made, "curve": None if curve is None else curve.to_dict()})


def _made(settings: Page, board: Leaderboard) -> dict[str, Any]:
    return {"run_id": board.parent_run_id, "settings": settings.model_dump()}


def _is_made(document: Mapping[str, Any] | None, made: Mapping[str, Any]) -> bool:
    return document is not None and {name: document.get(name) for name in made} == made


def _graph(store: Store, board: Leaderboard, model: str) -> bytes | None:
    """Return the graph of the benchmark's winner, which need not be the deployed model; None where it has no bundle."""
    file = f"{BUNDLE_FOLDER}/{model}.onnx"
    with store_errors(store.uri):
        known = list_files(store, board.parent_run_id, BUNDLE_FOLDER)
        return read_artifact(store, board.parent_run_id, file) if file in known else None


def _effects(graph: bytes, shap: pl.DataFrame, top: int) -> list[Effect]:
    explanation, rows = from_shap_table(shap)
    columns = [str(name) for name in rows.columns] if explanation is None else list(explanation.importance)
    return partial_dependence(open_graph(graph), rows, columns[:top])


def _curve(config: Config, board: Leaderboard, progress: Progress) -> LearningCurve | None:
    """Return the learning curve of the champion, or of a blend's heaviest member; None where the data is not the run's."""
    if config.leakage.policy == "drop":
        gone = columns_to_drop((each.column, each.kind) for each in board.findings)
        config = config.without_columns(gone) if gone else config
    name = max(board.weights, key=lambda each: board.weights[each]) if board.weights else board.champion
    problem = problem_of(config)
    candidates = {each.name: each for each in candidates_of(problem)}
    folds = benchmark_table_files(config.paths.output_dir)["folds"]
    if name not in candidates or not folds.is_file() or verify_files(config.dataset).data_sha256 != board.data_sha256:
        return None
    scored = pl.read_parquet(folds).filter(pl.col("candidate") == name, pl.col("repeat") == 0).sort("fold")
    table = load_table(problem, scan_dataset(config.dataset).select(needed_columns(problem)).collect())
    return learning_curve(
        problem,
        candidates[name],
        table,
        split_table(problem, table),
        known=scored.get_column(board.metric).to_list(),
        most=config.report.learning_curve_folds,
        progress=lambda done, of: progress.advance(done, of, "fits of the learning curve"),
    )
