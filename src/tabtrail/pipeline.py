"""The program on one page: CSV → checked Parquet → SQL summaries → benchmark → champion, explained, proven and bundled."""

import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tabtrail.artifacts import artifact_paths, importance_path, leaderboard_path, promotion_path, tuned_path
from tabtrail.bundle import load_bundle, read_metadata
from tabtrail.config import Config
from tabtrail.data.ingest import Manifest, ingest, ingest_outputs, ingested_key, read_manifest, source_key, verify_dataset
from tabtrail.data.summaries import summarise, summary_files
from tabtrail.data.warehouse import benchmark_table_files, build_database, promotions_file, refresh_benchmark_tables
from tabtrail.errors import BundleError, DataError
from tabtrail.files import read_json, record_stage, require_writable, stage_is_fresh, write_parquet
from tabtrail.hashes import code_version, sha256_file, sha256_json
from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.progress import SILENT, Progress
from tabtrail.signing import require_key_pair

if TYPE_CHECKING:
    from tabtrail.promotion import Outcome

_SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Report:
    """What a run found and where it lies. `repeated` tells for each stage whether it did its work or was unchanged."""

    manifest: Manifest
    leaderboard: Leaderboard
    importance: dict[str, float]
    artifacts: dict[str, Path]
    deployment: "Deployment"
    seconds: float
    repeated: dict[str, bool] = field(default_factory=dict)


def run(config: Config, *, force: bool = False, progress: Progress = SILENT) -> Report:
    """Run the whole job; stages whose inputs, config and code are unchanged are not repeated unless forced.

    Raises a `TabtrailError` of the stage that failed; what the earlier stages made stays, and so does the last good result
    of the failed one.
    """
    start = time.perf_counter()
    manifest, ingested = run_ingest(config, force=force, progress=progress)
    summarised = run_eda(config, force=force, progress=progress)
    leaderboard, trained = run_train(config, force=force, progress=progress)
    return Report(
        manifest=manifest,
        leaderboard=leaderboard,
        importance=dict((read_json(importance_path(config)) or {}).get("mean_absolute_shap", {})),
        artifacts=artifact_paths(config),
        deployment=deployment(config, leaderboard),
        seconds=round(time.perf_counter() - start, 2),
        repeated={"ingest": ingested, "eda": summarised, "train": trained},
    )


def run_ingest(
    config: Config, *, force: bool = False, append: bool = False, progress: Progress = SILENT
) -> tuple[Manifest, bool]:
    """Ingest the CSV files unless nothing changed; return the accounting and whether the work was done.

    With `append` those that the dataset does not hold yet are added to it.
    """
    record = config.paths.output_dir / ".stages" / "ingest.json"
    if not force and not append and record.is_file() and _Stage(config, "ingest", source_key(config)).is_fresh():
        progress.say("ingest: unchanged")
        return read_manifest(config), False
    require_writable(config.paths.processed_dir.parent, config.paths.output_dir)
    before = read_manifest(config) if append else None
    manifest = ingest(config, append=append, progress=progress)
    _Stage(config, "ingest", ingested_key(manifest)).record(ingest_outputs(config))
    if before is not None:
        progress.say(f"ingest: {manifest.rows_kept - before.rows_kept:,} rows appended to {before.rows_kept:,}")
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


def run_train(config: Config, *, force: bool = False, progress: Progress = SILENT) -> tuple[Leaderboard, bool]:
    """Benchmark, track, explain, prove and bundle unless nothing changed; return leaderboard and whether the work was done.

    What is deployed is no result of the stage, so that a promotion or rollback stands; a damaged bundle is put back, though.
    """
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
    if not force and stored is not None and _store_exists(config) and stage.is_fresh() and _is_deployed(config):
        progress.say("train: unchanged")
        return Leaderboard.from_dict(stored), False
    require_writable(config.paths.models_dir.parent, config.paths.models_dir, config.paths.output_dir)
    require_key_pair(config.bundle.signing_key, config.bundle.public_key)
    from tabtrail.training import train_models  # seconds of imports that an unchanged run does not need

    leaderboard = train_models(config, manifest, progress, force=force)
    _write_promotions(config)
    _refresh_tables(config, manifest)
    tables = benchmark_table_files(config).values()
    outputs = (leaderboard_path(config), importance_path(config), *tables)
    stage.record({str(path): sha256_file(path) for path in outputs})
    return leaderboard, True


@dataclass(frozen=True)
class Deployment:
    """Which model is deployed, and why the benchmark's winner is not; `next_command` puts that in, or takes it out again."""

    model: str
    run_id: str
    is_winner: bool
    reasons: tuple[str, ...]
    next_command: str


def deployment(config: Config, leaderboard: Leaderboard) -> Deployment:
    """Return what is deployed after a benchmark. `model` is empty where nothing is, or nothing that can be read."""
    winner = leaderboard.champion_row.run_id
    said = read_json(promotion_path(config)) or {}
    try:
        metadata = read_metadata(config.paths.models_dir, config.model.name, config.bundle.public_key)
    except BundleError as error:
        return Deployment("", "", False, (str(error),), "tabtrail train")
    if metadata["run_id"] == winner:
        replaced = said.get("promoted") and said.get("champion")
        return Deployment(metadata["model"], winner, True, (), "tabtrail rollback" if replaced else "")
    challenger = said.get("challenger") or {}
    concerned = challenger.get("run_id") == winner
    reasons = tuple(said.get("reasons") or ()) if concerned else ()
    what = challenger.get("version") if concerned and challenger.get("version") else winner
    forced = ' --force --reason "…"' if reasons and said.get("action") == "refused" else ""
    return Deployment(metadata["model"], metadata["run_id"], False, reasons, f"tabtrail promote {what}{forced}")


def run_promote(config: Config, what: str, *, force: bool, reason: str) -> "Outcome":
    """Promote a run or version as `promotion.promote` does, and bring the history into the database."""
    from tabtrail.promotion import promote

    return _recorded(config, promote(config, what, force=force, reason=reason))


def run_rollback(config: Config, *, reason: str) -> "Outcome":
    """Go back to the model before as `promotion.rollback` does, and bring the history into the database."""
    from tabtrail.promotion import rollback

    return _recorded(config, rollback(config, reason))


def _recorded(config: Config, outcome: "Outcome") -> "Outcome":
    _write_promotions(config)
    with suppress(DataError):  # what is deployed does not wait for a dataset; its database takes the table up when it is built
        _refresh_tables(config, verify_dataset(config))
    return outcome


def _write_promotions(config: Config) -> None:
    from tabtrail.promotion import history
    from tabtrail.tracking.history import history_table

    write_parquet(promotions_file(config), history_table(history(config)))


def _refresh_tables(config: Config, manifest: Manifest) -> None:
    """The database is an output of the stage `eda`, which is not stale because tables of the benchmark changed."""
    eda = _eda_stage(config, manifest)
    summarised = eda.is_fresh()
    refresh_benchmark_tables(config)
    if summarised:
        eda.record(_eda_outputs(config))


def _is_deployed(config: Config) -> bool:
    try:
        load_bundle(config.paths.models_dir, config.model.name, config.bundle.public_key)
    except BundleError:
        return False
    return True


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
