"""The program on one page: CSV → checked Parquet → SQL summaries → benchmark → champion, explained, proven and bundled."""

import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from tabtrail.artifacts import (
    artifact_paths,
    bundle_files,
    importance_path,
    leaderboard_path,
    predictions_path,
    shap_path,
    tuned_path,
)
from tabtrail.config import Config
from tabtrail.data.ingest import Manifest, ingest, ingest_outputs, read_manifest, source_key, verify_dataset
from tabtrail.data.profile import Profile, profile_data, profile_files, write_profile
from tabtrail.data.summaries import summarise, summary_files
from tabtrail.data.warehouse import benchmark_table_files, build_database, refresh_benchmark_tables
from tabtrail.files import read_json, record_stage, require_writable, stage_is_fresh
from tabtrail.hashes import code_version, sha256_file, sha256_folder, sha256_json
from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.progress import SILENT, Progress

_SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Report:
    """What a run found and where it lies. `repeated` tells for each stage whether it did its work or was unchanged,
    `durations` its wall time in seconds.
    """

    manifest: Manifest
    leaderboard: Leaderboard
    importance: dict[str, float]
    artifacts: dict[str, Path]
    seconds: float
    repeated: dict[str, bool] = field(default_factory=dict)
    durations: dict[str, float] = field(default_factory=dict)


def run(config: Config, *, force: bool = False, report: bool = True, progress: Progress = SILENT) -> Report:
    """Run the whole job; stages whose inputs, config and code are unchanged are not repeated unless forced.

    Without `report` there are no profile, pictures and page.

    Raises a `TabtrailError` of the stage that failed; what the earlier stages made stays, and so does the last good result
    of the failed one.
    """
    start = time.perf_counter()
    marks = [start]

    def lap() -> None:
        marks.append(time.perf_counter())

    manifest, ingested = run_ingest(config, force=force, progress=progress)
    lap()
    summarised = run_eda(config, force=force, progress=progress)
    lap()
    profiled = run_profile(config, force=force, progress=progress)[1] if report else False
    lap()
    leaderboard, trained = run_train(config, force=force, progress=progress)
    lap()
    reported = run_report(config, force=force, progress=progress) if report else False
    lap()
    repeated = {"ingest": ingested, "eda": summarised, "profile": profiled, "train": trained, "report": reported}
    return Report(
        manifest=manifest,
        leaderboard=leaderboard,
        importance=dict((read_json(importance_path(config)) or {}).get("mean_absolute_shap", {})),
        artifacts=artifact_paths(config),
        seconds=round(time.perf_counter() - start, 2),
        repeated=repeated,
        durations={name: round(end - begin, 2) for name, (begin, end) in zip(repeated, pairwise(marks), strict=True)},
    )


def run_ingest(config: Config, *, force: bool = False, progress: Progress = SILENT) -> tuple[Manifest, bool]:
    """Ingest the CSV unless nothing changed; return the accounting and whether the work was done."""
    stage = _Stage(config, "ingest", source_key(config))
    if not force and stage.is_fresh():
        progress.say("ingest: unchanged")
        return read_manifest(config), False
    require_writable(config.paths.processed_dir.parent, config.paths.output_dir)
    manifest = ingest(config)
    stage.record(ingest_outputs(config))
    progress.say(f"ingest: {manifest.rows_in:,} rows in, {manifest.rows_kept:,} kept, {manifest.rows_rejected:,} rejected")
    for note in manifest.notes:
        progress.say(f"ingest: {note}")
    return manifest, True


def run_eda(config: Config, *, force: bool = False, progress: Progress = SILENT) -> bool:
    """Rebuild the DuckDB file and the summaries unless nothing changed; return whether the work was done."""
    manifest = verify_dataset(config)
    stage = _eda_stage(config, manifest)
    if not force and stage.is_fresh():
        progress.say("eda: unchanged")
        return False
    require_writable(config.paths.duckdb_file.parent, config.paths.output_dir)
    rows = build_database(config)
    summarise(config, synthetic=manifest.synthetic)
    stage.record(_eda_outputs(config))
    progress.say(f"eda: {rows:,} rows in {config.paths.duckdb_file.name}, {len(config.aggregations)} summaries")
    return True


def run_profile(config: Config, *, force: bool = False, progress: Progress = SILENT) -> tuple[Profile, bool]:
    """Describe the data unless nothing changed; return the profile and whether the work was done."""
    manifest = verify_dataset(config)
    known = {"data": manifest.data_sha256, "config": config.digest("profile", "model", "duckdb", "parquet")}
    stage = _Stage(config, "profile", known)
    stored = read_json(profile_files(config)[0])
    if not force and stored is not None and stage.is_fresh():
        progress.say("profile: unchanged")
        return Profile.from_dict(stored), False
    require_writable(config.paths.output_dir)
    profile = profile_data(config)
    write_profile(config, profile)
    stage.record({str(path): sha256_file(path) for path in profile_files(config)})
    progress.say(f"profile: {profile.rows:,} rows, {len(profile.columns)} columns")
    return profile, True


def run_report(config: Config, *, force: bool = False, progress: Progress = SILENT) -> bool:
    """Draw the pictures and write the page of the last run unless nothing changed; return whether the work was done."""
    shown = [
        leaderboard_path(config),
        shap_path(config),
        predictions_path(config),
        config.paths.manifest,
        profile_files(config)[0],
    ]
    shown += [*benchmark_table_files(config).values(), *sorted((config.paths.output_dir / "timeseries").glob("*.json"))]
    known = {
        "shown": {str(path): sha256_file(path) for path in shown if path.is_file()},
        "config": config.digest("profile", "report"),
        "mlflow": config.mlflow.model_dump(),
        "templates": sha256_folder(Path(__file__).parent / "evidence" / "templates", "*"),
    }
    stage = _Stage(config, "report", known)
    if not force and stage.is_fresh():
        progress.say("report: unchanged")
        return False
    require_writable(config.paths.output_dir)
    from tabtrail.reporting import report_last_run

    written = report_last_run(config, progress)
    stage.record({str(path): sha256_file(path) for path in (written.page, *written.pictures)})
    return True


def run_train(config: Config, *, force: bool = False, progress: Progress = SILENT) -> tuple[Leaderboard, bool]:
    """Benchmark, track, explain, prove and bundle unless nothing changed; return leaderboard and whether the work was done."""
    manifest = verify_dataset(config)
    tuned = (read_json(tuned_path(config)) or {}).get("candidates", {})
    if tuned:
        config = config.with_candidates(tuned)
        progress.say(f"train: with {', '.join(tuned)} of `tabtrail tune`")
    known = {
        "data": manifest.data_sha256,
        "config": config.digest(),
        "mlflow": config.mlflow.model_dump(),
        "synthetic": manifest.synthetic,
    }
    stage = _Stage(config, "train", known)
    stored = read_json(leaderboard_path(config))
    if not force and stored is not None and _store_exists(config) and stage.is_fresh():
        progress.say("train: unchanged")
        return Leaderboard.from_dict(stored), False
    require_writable(config.paths.models_dir.parent, config.paths.models_dir, config.paths.output_dir)
    from tabtrail.training import train_models  # seconds of imports that an unchanged run does not need

    leaderboard = train_models(config, manifest, progress, force=force)
    eda = _eda_stage(config, manifest)
    summarised = eda.is_fresh()
    refresh_benchmark_tables(config)
    if summarised:
        eda.record(_eda_outputs(config))
    tables = benchmark_table_files(config).values()
    outputs = (
        leaderboard_path(config),
        importance_path(config),
        shap_path(config),
        predictions_path(config),
        *tables,
        *bundle_files(config),
    )
    stage.record({str(path): sha256_file(path) for path in outputs})
    return leaderboard, True


def _eda_stage(config: Config, manifest: Manifest) -> "_Stage":
    sections = config.digest("aggregations", "duckdb", "model", "parquet")
    return _Stage(config, "eda", {"data": manifest.data_sha256, "config": sections, "synthetic": manifest.synthetic})


def _eda_outputs(config: Config) -> dict[str, str]:
    return {str(path): sha256_file(path) for path in (config.paths.duckdb_file, *summary_files(config))}


@dataclass(frozen=True)
class _Stage:
    config: Config
    name: str
    depends_on: dict[str, Any]

    @property
    def _record(self) -> Path:
        return self.config.paths.output_dir / ".stages" / f"{self.name}.json"

    @property
    def _key(self) -> str:
        paths = self.config.paths.model_dump(mode="json")
        return sha256_json({**self.depends_on, "paths": paths, "code": code_version()})

    def is_fresh(self) -> bool:
        return stage_is_fresh(self._record, self._key)

    def record(self, outputs: dict[str, str]) -> None:
        record_stage(self._record, self._key, outputs)


def _store_exists(config: Config) -> bool:
    uri = config.mlflow.tracking_uri
    return not uri.startswith(_SQLITE) or Path(uri.removeprefix(_SQLITE)).is_file()
