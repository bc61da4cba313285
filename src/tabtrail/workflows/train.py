"""The benchmark tracked candidate by candidate, so that a killed one continues where it was."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from tabtrail.bundle.intervals import Intervals
from tabtrail.bundle.metadata import signature_name
from tabtrail.bundle.signing import require_key_pair
from tabtrail.config.tree import Config
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.manifest import Manifest, read_manifest
from tabtrail.data.result_files import benchmark_table_files
from tabtrail.errors import LeakageError
from tabtrail.jobs.run import check_engine
from tabtrail.modeling.benchmark import fitting_libraries, run_benchmark
from tabtrail.modeling.capacity import memory_limit, plan
from tabtrail.modeling.families import model_libraries
from tabtrail.modeling.intervals import calibrate_all
from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.modeling.leakage.audit import audit
from tabtrail.modeling.leakage.findings import Finding
from tabtrail.modeling.notes import notes
from tabtrail.modeling.preprocess import derive
from tabtrail.modeling.problem import Problem, problem_of
from tabtrail.modeling.ranking import Tracked, build_leaderboard
from tabtrail.modeling.result_tables import folds_table, predictions_table, ranked_table, runs_table
from tabtrail.modeling.results import Benchmark, Result
from tabtrail.modeling.slices import error_slices
from tabtrail.modeling.split import Split
from tabtrail.modeling.table import Table, load_table, needed_columns, require_sound_split, split_table
from tabtrail.progress import Progress
from tabtrail.project.paths import Artifacts
from tabtrail.project.training import BENCHMARK_SECTIONS, tuned_candidates
from tabtrail.system.code import code_files
from tabtrail.system.files import atomic_file, require_writable, write_json, write_parquet
from tabtrail.system.hashes import sha256_json
from tabtrail.system.versions import installed_versions
from tabtrail.tracking.artifacts import list_files, log_artifact, log_files, log_folder, log_text
from tabtrail.tracking.finished import fits_to_bytes, result_from
from tabtrail.tracking.items import (
    BUNDLE,
    BUNDLE_FOLDER,
    CONFIG,
    GRAPH,
    JOBLIB,
    KEY,
    MODEL,
    TAG,
    VERSION,
    benchmark_items,
    benchmark_name,
    candidate_items,
    comparison_items,
    library_versions,
    provenance_tags,
)
from tabtrail.tracking.models import FittedModel, LoggedModel, log_model
from tabtrail.tracking.registry import register_challenger
from tabtrail.tracking.runs import (
    close_dead_runs,
    complete_children,
    find_run,
    log_dataset,
    log_items,
    log_metrics,
    read_run,
    running,
    set_tags,
)
from tabtrail.tracking.store import Store, open_store, store_errors
from tabtrail.workflows.champion import Proofs, bundle_champion, describe_model, explain_champion
from tabtrail.workflows.database import take_in_results
from tabtrail.workflows.deploy import Challenger
from tabtrail.workflows.model_links import link_models
from tabtrail.workflows.promote import settle, write_history

FITS = "fits.npz"
_LOADING = ("numpy", "pandas", "cloudpickle")  # what opening a logged model takes beside the library of its family


@dataclass(frozen=True)
class Prepared:
    """What a benchmark starts from: the config (less the columns that the leakage policy drops), rows, split, findings."""

    config: Config
    problem: Problem
    data: pl.DataFrame
    table: Table
    split: Split
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Tracked:
    """A parent run at work, and the candidates that are already in it."""

    store: Store
    parent: str
    tags: dict[str, str]
    models: dict[str, LoggedModel] = field(default_factory=dict)
    finished: dict[str, Result] = field(default_factory=dict)


def work(config: Config, progress: Progress, force: bool) -> None:
    """Benchmark, track, explain, prove and bundle. What is deployed changes as `promotion.automatic` says."""
    require_writable(config.paths.models_dir.parent, config.paths.models_dir, config.paths.output_dir)
    require_key_pair(config.bundle.signing_key, config.bundle.public_key)
    if tuned := tuned_candidates(Artifacts.of(config).tuned):
        config = config.with_candidates(tuned)
        progress.say(f"train: with {', '.join(tuned)} of `tabtrail tune`")
    train_models(config, read_manifest(config.dataset), progress, force=force)
    write_history(config)
    take_in_results(config)


def train_models(config: Config, manifest: Manifest, progress: Progress, *, force: bool = False) -> Leaderboard:
    """Run the benchmark on the dataset, log it, and replace importance, tables and leaderboard by the champion's.

    Its bundle is left in the run, and deployed where there is none yet or the gate lets it.

    A benchmark of the same data, config and code that was cut short is continued: its finished candidates are not fitted
    again, unless `force`. One that is complete is only written out again. All that can be refused (the data for the folds, a
    candidate's parameters, leakage, the proof, the explanation) is refused before the first file is replaced. Raises the
    `TabtrailError` of what failed; runs that were begun are then marked as failed.
    """
    started = time.time()
    with ThreadPoolExecutor(1) as pool:
        # Opening the MLflow store takes a second or two (making it, more); meanwhile the columns are looked at.
        opening = pool.submit(open_store, config.mlflow.tracking_uri, config.mlflow.experiment)
        prepared = prepare(config, progress)
        store = opening.result()
    key = benchmark_key(config, manifest)
    with store_errors(store.uri):
        dead = close_dead_runs(store)
        resumed = None if force else find_run(store, key)
    if dead:
        progress.say(f"train: {dead} runs of a process that is gone are closed as killed")
    provenance = provenance_tags(manifest, config_sha256=config.digest(*BENCHMARK_SECTIONS), root=config.root)
    tags = {**provenance, KEY: key}
    with running(store, benchmark_name(config.model.name), tags, started=started, resumed=resumed) as parent:
        tracked = _Tracked(store, parent, {name: value for name, value in tags.items() if name != KEY})
        if resumed:
            _take_up(tracked, prepared)
            progress.say(f"train: continuing benchmark {parent}, {len(tracked.finished)} candidates are finished")
        else:
            log_text(store, parent, config.model_dump_json(indent=2, exclude={"paths", "mlflow", "bundle", "promotion"}), CONFIG)
        return _benchmark(prepared, manifest, tracked, progress)


def prepare(config: Config, progress: Progress) -> Prepared:
    """Read the rows, split them, and audit columns and split for leakage, as the config's policy says.

    Raises `LeakageError` where the policy is `error` and there are findings, `ConfigError` for a split that leaks by itself,
    `CapacityError` where memory is short, `EngineError` where the cluster is not there.
    """
    check_engine(config.engine, fitting_libraries())
    problem = problem_of(config)
    dataset = scan_dataset(config.dataset).select(needed_columns(problem))
    texts = config.model.text_features
    sizes = dataset.select(pl.len().alias("_rows"), pl.col(texts).n_unique()).collect(engine="streaming").row(0, named=True)
    capacity = plan(problem, sizes.pop("_rows"), sizes, memory_limit(config.engine))
    progress.say(f"train: {capacity}")
    if capacity.fold_workers:
        engine = config.engine.model_copy(update={"workers": capacity.fold_workers})
        config = config.changed(engine=engine)
    data = dataset.collect()
    require_sound_split(problem, data)
    table = load_table(problem, data)
    split = split_table(problem, table)
    findings = _audit(problem, table, split)
    for finding in findings:
        progress.say(f"train: leakage: {finding}")
    columns = sorted({finding.column for finding in findings if finding.column is not None})
    if config.leakage.policy == "error" and findings:
        raise LeakageError(
            f"leakage.policy is error, and {len(findings)} {'finding stands' if len(findings) == 1 else 'findings stand'}"
            " against the benchmark: "
            + "; ".join(map(str, findings))
            + ". Drop the columns, change the split, or set leakage.policy: warn"
        )
    if config.leakage.policy == "drop" and columns:
        config = config.without_columns(columns)
        progress.say(f"train: leakage.policy drop: {', '.join(columns)} left out")
        problem = problem_of(config)
        table = load_table(problem, data)
        split = split_table(problem, table)
    problem = replace(problem_of(config), final_workers=capacity.final_workers or None)
    return Prepared(config, problem, data, table, split, findings)


def _audit(problem: Problem, table: Table, split: Split) -> tuple[Finding, ...]:
    x = table.x
    columns = {name: x[name].to_numpy(dtype=np.float64) for name in problem.model.number_inputs}
    derived = {name: derive(formula, columns) for name, formula in problem.model.formulas.items()}
    return audit(
        x.assign(**derived),
        table.y,
        numeric=[*problem.model.numeric_features, *derived],
        categorical=problem.model.text_features,
        train=split.train,
        test=split.test,
        folds=[(fold.train, fold.valid) for fold in split.folds if fold.repeat == 0],
        groups=None if table.groups is None else [str(group) for group in table.groups],
        dates=table.keys.date,
        random_split=problem.split.kind == "random",
        seed=problem.model.random_state,
    )


def benchmark_key(config: Config, manifest: Manifest) -> str:
    """Return what two benchmarks with the same result have in common: data, config, code, library versions."""
    return sha256_json([manifest.data_sha256, config.digest(*BENCHMARK_SECTIONS), code_files(__name__), library_versions()])


def _take_up(tracked: _Tracked, prepared: Prepared) -> None:
    """Take the finished candidates of an earlier process into this one's benchmark."""
    for name, run in complete_children(tracked.store, tracked.parent).items():
        found = result_from(tracked.store, run, prepared.problem, prepared.table, prepared.split, FITS)
        if found is not None:
            tracked.finished[name], tracked.models[name] = found


def _benchmark(prepared: Prepared, manifest: Manifest, tracked: _Tracked, progress: Progress) -> Leaderboard:
    config, store, parent = prepared.config, tracked.store, tracked.parent
    artifacts = Artifacts.of(config)
    with Proofs(config, prepared.table, prepared.split) as proofs:
        benchmark = run_benchmark(
            prepared.problem,
            prepared.table,
            prepared.split,
            export=proofs.prove,
            finished=tracked.finished,
            on_result=lambda result: _log_candidate(prepared, tracked, result),
            progress=progress.advance,
        )
        champion = benchmark.champion
        exported = proofs.export(champion)
    for result in benchmark.results:
        if result.parity is not None and not result.deployable:
            progress.say(f"train: {result.candidate.name} is not deployable: {result.parity.complaint}")
    metric, intervals = benchmark.problem.metric, calibrate_all(benchmark)
    own = intervals[champion.candidate.name]
    mean, std = champion.mean(metric.name), champion.std(metric.name)
    progress.say(f"train: champion {champion.candidate.name}, cross-validated {metric.label} {mean} ± {std}")
    said = notes(benchmark, own)
    log_items(store, parent, benchmark_items(benchmark, manifest, prepared.findings, said))
    runs = {name: model.run_id for name, model in tracked.models.items()}
    source, target = str(config.paths.raw_csv), config.model.target
    log_dataset(store, [parent, *runs.values()], prepared.data, target, source, manifest.data_sha256)
    leaderboard = build_leaderboard(
        benchmark, manifest, findings=prepared.findings, notes=said, intervals=intervals, tracked=Tracked(parent, runs)
    )
    for row in leaderboard.candidates:
        log_metrics(store, row.run_id, comparison_items(row))
    log_metrics(store, parent, comparison_items(leaderboard.champion_row))
    # All that can be refused comes before the first file that is replaced.
    importance, shap_values = explain_champion(config, benchmark, runs[champion.candidate.name], exported.onnx)
    trained = _store_bundle(config, tracked, benchmark, lambda: bundle_champion(config, benchmark, leaderboard, exported, own))
    progress.say(
        f"train: ONNX equals Python on {exported.parity.rows:,} rows (data, thresholds, missing, unseen, extremes), within"
        f" {exported.parity.max_difference:.2g} target standard deviations"
    )
    write_json(artifacts.importance, importance.to_dict())
    write_parquet(artifacts.shap, shap_values)
    _write_tables(config, benchmark, leaderboard, own, tracked.tags)
    link_models(artifacts, tracked.models)
    with atomic_file(artifacts.leaderboard_csv) as temporary:
        ranked_table(leaderboard).write_csv(temporary)
    write_json(artifacts.leaderboard, leaderboard.to_dict())
    tables = [*benchmark_table_files(config.paths.output_dir).values(), artifacts.shap, config.paths.manifest]
    log_files(store, parent, [artifacts.leaderboard, artifacts.leaderboard_csv, artifacts.importance, *tables])
    log_text(store, parent, json.dumps([each.to_dict() for each in prepared.findings], indent=2), "leakage.json")
    set_tags(store, parent, {GRAPH: exported.onnx_sha256, JOBLIB: exported.joblib_sha256})
    decision = settle(config, store, trained, progress)
    write_json(artifacts.verdict, decision.to_dict())
    progress.say(f"train: {decision}")
    return leaderboard


def _store_bundle(
    config: Config, tracked: _Tracked, benchmark: Benchmark, build: Callable[[], dict[str, bytes]]
) -> Challenger | str:
    """Leave the winner's bundle in the benchmark's run, and register it: once, however often the run is written out.

    Again, under the same version, where it was stored before there was a key to sign it with. Returns the bundle that was
    built, or the run that holds the one of before.
    """
    store, name, run = tracked.store, config.model.name, read_run(tracked.store, tracked.parent)
    known = {} if run is None else run.tags
    signature = f"{BUNDLE_FOLDER}/{signature_name(name)}"
    signed = config.bundle.signing_key is None or signature in list_files(store, tracked.parent, BUNDLE_FOLDER)
    if BUNDLE in known and signed:
        return tracked.parent
    files = build()
    log_folder(store, tracked.parent, BUNDLE_FOLDER, files)
    winner = benchmark.champion.candidate.name
    version = known.get(VERSION) or register_challenger(store, name, tracked.models[winner], {TAG + "candidate": winner})
    built = Challenger.built(tracked.parent, version, files, name)
    set_tags(store, tracked.parent, {BUNDLE: built.bundle.sha256, VERSION: version})
    return built


def _log_candidate(prepared: Prepared, tracked: _Tracked, result: Result) -> None:
    """Log a candidate as soon as it is done: complete, so that an interrupted benchmark never fits it again."""
    store, items = tracked.store, candidate_items(result)
    requirements = [f"{name}=={found}" for name, found in installed_versions((*model_libraries(), *_LOADING)).items()]
    schema = describe_model(prepared.config, prepared.table.take(prepared.split.train))
    first = np.arange(len(prepared.table.y)) < 3
    with running(store, items.name, tracked.tags, parent=tracked.parent) as run_id:
        log_items(store, run_id, items)
        log_artifact(store, run_id, FITS, fits_to_bytes(result))
        fitted = FittedModel(items.name, result.model, schema, prepared.table.take(first).x, requirements)
        model = log_model(store, run_id, fitted)
        set_tags(store, run_id, {MODEL: model.sha256})
    tracked.models[items.name] = model


def _write_tables(
    config: Config, benchmark: Benchmark, leaderboard: Leaderboard, intervals: Intervals | None, tags: dict[str, str]
) -> None:
    files = benchmark_table_files(config.paths.output_dir)
    write_parquet(files["runs"], runs_table(leaderboard, tags))
    write_parquet(files["folds"], folds_table(benchmark, leaderboard))
    write_parquet(files["error_slices"], error_slices(benchmark, benchmark.champion))
    write_parquet(files["predictions"], predictions_table(benchmark, benchmark.champion, intervals))
