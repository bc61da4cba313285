"""The benchmark tracked, its champion explained, proven and bundled."""

import io
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import joblib
import numpy as np

from tabtrail.artifacts import bundle_files, importance_path, leaderboard_path
from tabtrail.bundle import save_bundle
from tabtrail.config import Config
from tabtrail.data.ingest import Manifest, scan_dataset
from tabtrail.evidence.explain import Importance, explain, sample_rows
from tabtrail.evidence.parity import Parity, export_onnx, prove_parity
from tabtrail.files import write_json
from tabtrail.modeling.benchmark import Benchmark, Result, Table, load_table, needed_columns, run_benchmark
from tabtrail.modeling.leaderboard import Leaderboard, build_leaderboard
from tabtrail.modeling.metrics import rounded
from tabtrail.progress import Progress
from tabtrail.schema import Feature, ModelSchema, rules_over
from tabtrail.tracking.items import TAG, benchmark_items, candidate_items, library_versions, provenance_tags
from tabtrail.tracking.registry import register_champion
from tabtrail.tracking.store import (
    LoggedModel,
    Store,
    log_dataset,
    log_files,
    log_items,
    log_model,
    log_text,
    open_store,
    running,
)


def train_models(config: Config, manifest: Manifest, progress: Progress) -> Leaderboard:
    """Run the benchmark on the dataset, log it, and replace bundle, importance and leaderboard by the champion's.

    All that can be refused (the data for the folds, a candidate's parameters, the proof, the explanation) is refused before
    the first file is replaced. Raises the `TabtrailError` of what failed; runs that were begun are then marked as failed.
    """
    data = scan_dataset(config).select(needed_columns(config)).collect()
    table = load_table(config, data)
    started = time.time()
    with ThreadPoolExecutor(1) as pool:
        # Making a fresh MLflow store takes seconds; it happens while the workers fit.
        opening = pool.submit(open_store, config.mlflow.tracking_uri, config.mlflow.experiment)
        benchmark = run_benchmark(config, table, progress=progress.advance)
        store = opening.result()
    champion = benchmark.champion
    progress.say(
        f"train: champion {champion.candidate.name}, cross-validated RMSE {champion.mean('rmse')} ± {champion.std('rmse')}"
    )
    tags = provenance_tags(config, manifest)
    items = benchmark_items(config, benchmark, manifest)
    with running(store, items.name, tags, started=started) as parent:
        log_items(store, parent, items)
        models = _log_candidates(store, config, benchmark, parent, tags)
        log_dataset(
            store,
            [parent, *(m.run_id for m in models.values())],
            data,
            config.model.target,
            str(config.paths.raw_csv),
            manifest.data_sha256,
        )
        leaderboard = build_leaderboard(
            config, benchmark, manifest, parent, {name: model.run_id for name, model in models.items()}
        )
        winner = models[champion.candidate.name]
        # All that can be refused comes before the first file that is replaced.
        graph, parity = _prove_champion(config, benchmark)
        importance = _explain_champion(config, benchmark, winner.run_id)
        _bundle_champion(config, benchmark, leaderboard, graph, parity)
        write_json(importance_path(config), importance.to_dict())
        progress.say(
            f"train: ONNX equals Python on {parity.rows:,} rows, within {parity.max_difference:.2g} target standard deviations"
        )
        write_json(leaderboard_path(config), leaderboard.to_dict())
        log_files(store, parent, [leaderboard_path(config), importance_path(config), *bundle_files(config)[::2]])
        log_text(store, parent, config.model_dump_json(indent=2, exclude={"paths", "mlflow"}), "config.json")
        version = register_champion(store, config.model.name, winner, {TAG + "candidate": champion.candidate.name})
    progress.say(f"train: registered {config.model.name} version {version} as champion")
    return leaderboard


def _log_candidates(
    store: Store, config: Config, benchmark: Benchmark, parent: str, tags: dict[str, str]
) -> dict[str, LoggedModel]:
    schema = describe_model(config, benchmark.table.take(benchmark.split.train))
    example = benchmark.table.x.head(3)
    requirements = [f"{name}=={version}" for name, version in library_versions().items() if name in _MODEL_LIBRARIES]
    models = {}
    for result in benchmark.results:
        items = candidate_items(result)
        with running(store, items.name, tags, parent) as run_id:
            log_items(store, run_id, items)
            models[items.name] = log_model(store, run_id, items.name, result.pipeline, schema, example, requirements)
    return models


_MODEL_LIBRARIES = {"scikit-learn", "xgboost-cpu", "xgboost", "lightgbm", "catboost", "numpy", "pandas", "cloudpickle"}


def _prove_champion(config: Config, benchmark: Benchmark) -> tuple[bytes, Parity]:
    champion, model = benchmark.champion, config.model
    graph = export_onnx(champion.pipeline, list(model.numeric_features), list(model.categorical_features), model.name)
    scale = float(np.std(benchmark.table.y[benchmark.split.train], ddof=1))
    return graph, prove_parity(graph, champion.pipeline, benchmark.table.x, scale, config.export.parity_tolerance)


def _bundle_champion(config: Config, benchmark: Benchmark, leaderboard: Leaderboard, graph: bytes, parity: Parity) -> None:
    champion = benchmark.champion
    schema = describe_model(config, benchmark.table.take(benchmark.split.train))
    pickled = io.BytesIO()
    joblib.dump(champion.pipeline, pickled, compress=3)
    row = leaderboard.candidates[0]
    metadata: dict[str, Any] = {
        "model": champion.candidate.name,
        "family": champion.candidate.family,
        "target": config.model.target,
        "currency": config.model.currency,
        "run_id": row.run_id,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "synthetic": leaderboard.synthetic,
        "schema": schema.to_dict(),
        "metrics": {key: value for key, value in asdict(row).items() if key.startswith(("cv_", "test_"))},
        "parity": parity.to_dict(),
        "versions": library_versions(),
        "data_sha256": leaderboard.data_sha256,
        "config_sha256": config.digest(),
    }
    save_bundle(config.paths.models_dir, config.model.name, onnx=graph, joblib=pickled.getvalue(), metadata=metadata)


def _explain_champion(config: Config, benchmark: Benchmark, run_id: str) -> Importance:
    champion: Result = benchmark.champion
    train = benchmark.table.take(benchmark.split.train)
    rows = sample_rows(train.x, config.explain.max_rows, config.model.random_state)
    explanation = explain(champion.pipeline, train.x, rows)
    return Importance(
        model=champion.candidate.name,
        run_id=run_id,
        rows=len(rows),
        unit=config.model.currency or f"units of {config.model.target}",
        base_value=rounded(explanation.base_value),
        additivity_error=explanation.additivity_error,
        mean_absolute_shap=explanation.importance,
    )


def describe_model(config: Config, train: Table) -> ModelSchema:
    """Return what the model takes: the contract of each feature, what the training rows hold of it, and an example that works.

    The example is the training row nearest to the medians, so that it keeps the row rules.
    """
    model = config.model
    numbers = train.x[list(model.numeric_features)]
    if numbers.shape[1]:
        spread = numbers.std().replace(0, 1).fillna(1)
        typical = int(((numbers - numbers.median()) / spread).abs().sum(axis=1).to_numpy().argmin())
    else:
        typical = 0
    features: list[Feature] = []
    for name in model.features:
        rule, values = config.column_rule(name), train.x[name]
        example = values.iloc[typical]
        if name in model.categorical_features:
            features.append(Feature(name, "categorical", rule, str(example), categories=tuple(sorted(set(values)))))
            continue
        low, high = (None, None) if values.isna().all() else (float(values.min()), float(values.max()))
        shown = None if np.isnan(example) else int(example) if rule.dtype == "int" else float(example)
        features.append(Feature(name, "numeric", rule, shown, seen_min=low, seen_max=high))
    return ModelSchema(model.target, tuple(features), rules_over(config.contract.rows, set(model.features)))
