"""The program on one page: CSV → checked Parquet → SQL summaries → benchmark → champion, explained, proven and bundled."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from tabtrail.bundle.load import read_metadata
from tabtrail.bundle.signing import require_key_pair
from tabtrail.config.tree import Config
from tabtrail.data.ingest import ingest
from tabtrail.data.manifest import Manifest, dataset_files, read_manifest, verify_dataset
from tabtrail.data.profile import Profile, profile_files, write_profile
from tabtrail.data.profiling import profile_data
from tabtrail.data.summaries import plot_path, summary_frames, write_summaries
from tabtrail.data.warehouse import benchmark_table_files, build_database, promotions_file, refresh_result_tables
from tabtrail.errors import BundleError, DataError, UsageError
from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.progress import SILENT, Progress
from tabtrail.project.lock import project_lock
from tabtrail.project.paths import artifact_paths, importance_path, leaderboard_path, promotion_path, shap_path
from tabtrail.project.stages import (
    eda_outputs,
    eda_stage,
    has_run,
    ingest_stage,
    profile_stage,
    report_stage,
    train_reasons,
    train_stage,
    tuned_candidates,
)
from tabtrail.system.files import read_json, require_writable, write_parquet
from tabtrail.system.hashes import sha256_file

if TYPE_CHECKING:
    from tabtrail.forecast.champion_errors import ChampionErrors
    from tabtrail.forecast.result import SegmentResult
    from tabtrail.forecast.sweep import Sweep
    from tabtrail.workflows.forecast import Written
    from tabtrail.workflows.promote import Outcome


@dataclass(frozen=True)
class Report:
    """What a run found and where it lies. `repeated` tells for each stage whether it did its work or was unchanged,
    `durations` its wall time in seconds.
    """

    manifest: Manifest
    leaderboard: Leaderboard
    importance: dict[str, float]
    artifacts: dict[str, Path]
    deployment: "Deployment"
    seconds: float
    repeated: dict[str, bool] = field(default_factory=dict)
    durations: dict[str, float] = field(default_factory=dict)


def run(config: Config, *, force: bool = False, report: bool = True, progress: Progress = SILENT) -> Report:
    """Run the whole job; stages whose inputs, config and code are unchanged are not repeated unless forced.

    Without `report` there are no profile, pictures and page.

    Raises a `TabtrailError` of the stage that failed; what the earlier stages made stays, and so does the last good result
    of the failed one. Stages take the lock of the project: another run of it is waited for (`LockedError` in the end).
    """
    start = time.perf_counter()
    marks = [start]

    def lap() -> None:
        marks.append(time.perf_counter())

    _check_new_names(config)
    with project_lock(config, "run", progress):
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
            deployment=deployment(config, leaderboard),
            seconds=round(time.perf_counter() - start, 2),
            repeated=repeated,
            durations={name: round(end - begin, 2) for name, (begin, end) in zip(repeated, pairwise(marks), strict=True)},
        )


def run_ingest(
    config: Config, *, force: bool = False, append: bool = False, progress: Progress = SILENT
) -> tuple[Manifest, bool]:
    """Ingest the CSV files unless nothing changed; return the accounting and whether the work was done.

    With `append` those that the dataset does not hold yet are added to it.
    """
    with project_lock(config, "ingest", progress):
        if not force and not append and has_run(config, "ingest") and ingest_stage(config).is_fresh():
            progress.say("ingest: unchanged")
            return read_manifest(config.dataset), False
        require_writable(config.paths.processed_dir.parent, config.paths.output_dir)
        before = read_manifest(config.dataset) if append else None
        if before is not None and any(reason.kind == "code" for reason in ingest_stage(config, before).reasons()):
            raise UsageError("the dataset was made by other code of tabtrail; run `tabtrail ingest --force` with all files")
        manifest = ingest(config, append=append, progress=progress)
        ingest_stage(config, manifest).record({str(path): sha256_file(path) for path in dataset_files(config.dataset)})
        if before is not None:
            progress.say(f"ingest: {manifest.rows_kept - before.rows_kept:,} rows appended to {before.rows_kept:,}")
        progress.say(f"ingest: {manifest.rows_in:,} rows in, {manifest.rows_kept:,} kept, {manifest.rows_rejected:,} rejected")
        for note in manifest.notes:
            progress.say(f"ingest: {note}")
        return manifest, True


def run_eda(config: Config, *, force: bool = False, progress: Progress = SILENT) -> bool:
    """Rebuild the DuckDB file and the summaries unless nothing changed; return whether the work was done."""
    with project_lock(config, "eda", progress):
        manifest = verify_dataset(config.dataset, config.ingest_digest())
        stage = eda_stage(config, manifest)
        if not force and stage.is_fresh():
            progress.say("eda: unchanged")
            return False
        require_writable(config.paths.duckdb_file.parent, config.paths.output_dir)
        rows = build_database(config.database)
        from tabtrail.report.summary_plots import draw_bars  # matplotlib: half a second that an unchanged run does not need

        frames = summary_frames(config.aggregations, config.database)
        write_summaries(frames, config.paths.output_dir)
        units = {config.model.target: config.model.currency}
        for each in config.aggregations:
            if each.plot == "bar":
                path = plot_path(each.name, config.paths.output_dir)
                draw_bars(each, frames[each.name], path, units=units, synthetic=manifest.synthetic)
        stage.record(eda_outputs(config))
        progress.say(f"eda: {rows:,} rows in {config.paths.duckdb_file.name}, {len(config.aggregations)} summaries")
        return True


def run_profile(config: Config, *, force: bool = False, progress: Progress = SILENT) -> tuple[Profile, bool]:
    """Describe the data unless nothing changed; return the profile and whether the work was done."""
    with project_lock(config, "profile", progress):
        stage, stored = (
            profile_stage(config, verify_dataset(config.dataset, config.ingest_digest())),
            read_json(profile_files(config.paths.output_dir)[0]),
        )
        if not force and stored is not None and stage.is_fresh():
            progress.say("profile: unchanged")
            return Profile.from_dict(stored), False
        require_writable(config.paths.output_dir)
        profile = profile_data(config.database, config.profile, model=config.model, outlier_columns=config.outlier_columns)
        write_profile(profile, config.paths.output_dir)
        stage.record({str(path): sha256_file(path) for path in profile_files(config.paths.output_dir)})
        progress.say(f"profile: {profile.rows:,} rows, {len(profile.columns)} columns")
        return profile, True


def run_report(config: Config, *, force: bool = False, progress: Progress = SILENT) -> bool:
    """Draw the pictures and write the page of the last run unless nothing changed; return whether the work was done."""
    with project_lock(config, "report", progress):
        stage = report_stage(config)
        if not force and stage.is_fresh():
            progress.say("report: unchanged")
            return False
        require_writable(config.paths.output_dir)
        from tabtrail.workflows.report import report_last_run

        written = report_last_run(config.with_candidates(tuned_candidates(config)), progress)
        stage.record({str(path): sha256_file(path) for path in (written.page, *written.pictures)})
        return True


def run_train(config: Config, *, force: bool = False, progress: Progress = SILENT) -> tuple[Leaderboard, bool]:
    """Benchmark, track, explain, prove and bundle unless nothing changed; return leaderboard and whether the work was done.

    What is deployed is no result of the stage, so that a promotion or rollback stands; a damaged bundle is put back, though.
    """
    _check_new_names(config)
    with project_lock(config, "train", progress):
        manifest = verify_dataset(config.dataset, config.ingest_digest())
        tuned = tuned_candidates(config)
        if tuned:
            config = config.with_candidates(tuned)
            progress.say(f"train: with {', '.join(tuned)} of `tabtrail tune`")
        stage, stored = train_stage(config, manifest), read_json(leaderboard_path(config))
        if not force and stored is not None and not train_reasons(config, stage):
            progress.say("train: unchanged")
            return Leaderboard.from_dict(stored), False
        require_writable(config.paths.models_dir.parent, config.paths.models_dir, config.paths.output_dir)
        require_key_pair(config.bundle.signing_key, config.bundle.public_key)
        from tabtrail.workflows.train import train_models  # seconds of imports that an unchanged run does not need

        leaderboard = train_models(config, manifest, progress, force=force)
        _write_promotions(config)
        _refresh_tables(config, manifest)
        tables = benchmark_table_files(config.paths.output_dir).values()
        outputs = (leaderboard_path(config), importance_path(config), shap_path(config), *tables)
        stage.record({str(path): sha256_file(path) for path in outputs})
        return leaderboard, True


def _check_new_names(config: Config) -> None:
    """Raise `ConfigError` for an unknown family or metric, before any work is spent; the last run's names are known."""
    stored = read_json(leaderboard_path(config)) or {}
    rows = stored.get("candidates")
    trained = {row.get("candidate") for row in rows if isinstance(row, dict)} if isinstance(rows, list) else set()
    if config.choice.metric == stored.get("metric", "rmse") and trained.issuperset(config.candidates):
        return
    from tabtrail.workflows.names import check_names  # a second of imports that an unchanged run does not need

    check_names(config)


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


def run_promote(config: Config, what: str, *, force: bool, reason: str, progress: Progress = SILENT) -> "Outcome":
    """Promote a run or version as `promotion.promote` does, and bring the history into the database."""
    from tabtrail.workflows.promote import promote

    with project_lock(config, "promote", progress):
        return _recorded(config, promote(config, what, force=force, reason=reason))


def run_rollback(config: Config, *, reason: str, progress: Progress = SILENT) -> "Outcome":
    """Go back to the model before as `promotion.rollback` does, and bring the history into the database."""
    from tabtrail.workflows.promote import rollback

    with project_lock(config, "rollback", progress):
        return _recorded(config, rollback(config, reason))


def _recorded(config: Config, outcome: "Outcome") -> "Outcome":
    _write_promotions(config)
    with suppress(DataError):  # what is deployed does not wait for a dataset; its database takes the table up when it is built
        _refresh_tables(config, verify_dataset(config.dataset, config.ingest_digest()))
    return outcome


def _write_promotions(config: Config) -> None:
    from tabtrail.tracking.history import history_table
    from tabtrail.workflows.promote import history

    write_parquet(promotions_file(config.paths.output_dir), history_table(history(config)))


def run_forecast(config: Config, segment: Mapping[str, str], *, progress: Progress = SILENT) -> "Written":
    """Forecast one segment, given by its values, with its risk; return the result and its file."""
    with project_lock(config, "forecast", progress):
        manifest = verify_dataset(config.dataset, config.ingest_digest())
        require_writable(config.paths.output_dir)
        from tabtrail.workflows.forecast import forecast_segment

        return forecast_segment(config, manifest, segment, progress)


def run_sweep(config: Config, by: Sequence[str] = (), *, progress: Progress = SILENT) -> tuple[list["SegmentResult"], "Sweep"]:
    """Forecast every segment with its risk; return the results and what they come to."""
    with project_lock(config, "forecast --all", progress):
        manifest = verify_dataset(config.dataset, config.ingest_digest())
        require_writable(config.paths.output_dir)
        from tabtrail.workflows.forecast import forecast_all

        found = forecast_all(config, manifest, by, progress)
        _refresh_tables(config, manifest)
        return found


def run_champion_errors(config: Config, *, progress: Progress = SILENT) -> "ChampionErrors":
    """Look at the champion's errors over time; return what became of them."""
    with project_lock(config, "forecast --champion", progress):
        require_writable(config.paths.output_dir)
        from tabtrail.workflows.forecast import forecast_champion

        return forecast_champion(config)


def _refresh_tables(config: Config, manifest: Manifest) -> None:
    """The database is an output of the stage `eda`, which is not stale because tables of the benchmark changed."""
    eda = eda_stage(config, manifest)
    summarised = eda.is_fresh()
    refresh_result_tables(config.database)
    if summarised:
        eda.record(eda_outputs(config))
