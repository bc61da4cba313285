"""What each stage reads and leaves: the functions that the declarations in `pipeline` name."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tabtrail.bundle.load import load_bundle
from tabtrail.config.tree import Config
from tabtrail.data.manifest import dataset_files, read_manifest, verify_dataset
from tabtrail.data.profile import profile_files
from tabtrail.data.summaries import summary_files
from tabtrail.data.warehouse import benchmark_table_files
from tabtrail.errors import BundleError, ConfigError
from tabtrail.project.paths import Artifacts
from tabtrail.project.stage import Reason
from tabtrail.project.training import tuned_candidates
from tabtrail.reading.find import find_sources
from tabtrail.system.files import read_json
from tabtrail.system.hashes import known_sha256, sha256_json
from tabtrail.tracking import sqlite_file

_SOURCES = "the source files"


def source_inputs(config: Config) -> dict[str, str]:
    """Return the sha256 of the source files, as they lie there."""
    try:
        sources = {name: known_sha256(path) for name, path in find_sources(config.paths.raw_csv, config.root).items()}
    except (ConfigError, OSError):
        sources = {}
    return {_SOURCES: sha256_json(sources)}


def require_sources(config: Config) -> None:
    """Raise `ConfigError` where there are no source files."""
    find_sources(config.paths.raw_csv, config.root)


def ingested_inputs(config: Config) -> dict[str, str]:
    """Return the `source_inputs` of the files that the last ingest read."""
    return {_SOURCES: sha256_json({each.name: each.sha256 for each in read_manifest(config.dataset).sources})}


def column_settings(config: Config) -> dict[str, Any]:
    """Return what ingest takes from the sections of others: the columns that must be there, and the outliers to drop."""
    columns, outliers = config.columns, config.profile.outliers
    inputs = {name: columns.rule(name).dtype for name in config.model.inputs}
    dropped = {"profile": {"outliers": {**outliers.model_dump(mode="json"), "columns": list(config.outlier_columns)}}}
    return {
        "model": {"target": config.model.target, "inputs": inputs},
        "split": {"group_key": config.split.group_key},
        **(dropped if outliers.action == "drop" else {}),
    }


def ingest_outputs(config: Config) -> list[Path]:
    """Return the Parquet files, their manifest and the rejects."""
    return list(dataset_files(config.dataset))


def require_dataset(config: Config) -> None:
    """Raise `DataError` for a dataset that is missing or altered, or that this config would not make."""
    verify_dataset(config.dataset, config.ingest_digest())


def dataset_inputs(config: Config) -> dict[str, str]:
    """Return what stands for the dataset. Raises `DataError` where there is none."""
    manifest = read_manifest(config.dataset)
    return {"the dataset": sha256_json([manifest.data_sha256, manifest.synthetic])}


def eda_outputs(config: Config) -> list[Path]:
    """Return the database and the files of the summaries."""
    return [config.paths.duckdb_file, *summary_files(config.aggregations, config.paths.output_dir)]


def profile_outputs(config: Config) -> list[Path]:
    """Return the files that describe the data."""
    return list(profile_files(config.paths.output_dir))


def check_new_names(config: Config) -> None:
    """Raise `ConfigError` for an unknown family or metric, before any work is spent; the last run's names are known."""
    stored = read_json(Artifacts.of(config).leaderboard) or {}
    rows = stored.get("candidates")
    trained = {row.get("candidate") for row in rows if isinstance(row, dict)} if isinstance(rows, list) else set()
    if config.choice.metric == stored.get("metric", "rmse") and trained.issuperset(config.candidates):
        return
    from tabtrail.project.names import check_names  # a second of imports that an unchanged run does not need

    check_names(config)


def training_inputs(config: Config) -> dict[str, str]:
    """Return the dataset, and the candidates that a search added. Raises `DataError` where there is no dataset."""
    return {**dataset_inputs(config), "the candidates of `tabtrail tune`": sha256_json(tuned_candidates(config))}


def training_outputs(config: Config) -> list[Path]:
    """Return the figures of the benchmark. What is deployed is not among them, so that a promotion or rollback stands."""
    artifacts = Artifacts.of(config)
    return [artifacts.leaderboard, artifacts.importance, artifacts.shap, *benchmark_table_files(config.paths.output_dir).values()]


def training_complaints(config: Config) -> Iterator[Reason]:
    """Yield a store that is gone or damaged, and a deployed bundle that cannot be read: a training puts both back."""
    file = config.mlflow.sqlite_file
    if file is not None and (complaint := sqlite_file.complaint(file)):
        yield Reason("store", complaint)
    try:
        load_bundle(config.paths.models_dir, config.model.name, config.bundle.public_key)
    except BundleError as error:
        yield Reason("bundle", str(error))


def shown_inputs(config: Config) -> dict[str, str]:
    """Return the results that the page shows."""
    artifacts, output_dir = Artifacts.of(config), config.paths.output_dir
    shown = [artifacts.leaderboard, artifacts.shap, config.paths.manifest, profile_files(output_dir)[0]]
    shown += [*benchmark_table_files(output_dir).values(), *sorted((output_dir / "timeseries").glob("*.json"))]
    return {"what it shows": sha256_json({str(path): known_sha256(path) for path in shown if path.is_file()})}


def report_outputs(config: Config) -> list[Path]:
    """Return the page and its pictures: those that no summary drew."""
    artifacts = Artifacts.of(config)
    own = set(artifacts.plots.glob("*.png")) - set(summary_files(config.aggregations, config.paths.output_dir))
    return [artifacts.page, *sorted(own)]
