"""The benchmark tracked candidate by candidate, so that a killed one continues where it was."""

import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tabtrail.bundle.intervals import Intervals
from tabtrail.bundle.metadata import signature_name
from tabtrail.bundle.signing import require_key_pair
from tabtrail.config.tree import Config
from tabtrail.data.manifest import Manifest, read_manifest
from tabtrail.data.result_files import benchmark_table_files
from tabtrail.errors import NothingToDeployError
from tabtrail.modeling.benchmark import run_benchmark
from tabtrail.modeling.intervals import calibrate_all
from tabtrail.modeling.leaderboard import Leaderboard, Refit
from tabtrail.modeling.learned import Learned
from tabtrail.modeling.notes import notes
from tabtrail.modeling.ranking import Tracked, build_leaderboard
from tabtrail.modeling.result_tables import folds_table, predictions_table, ranked_table, runs_table
from tabtrail.modeling.results import Benchmark, Result
from tabtrail.modeling.slices import error_slices
from tabtrail.modeling.worth import objections
from tabtrail.progress import Progress
from tabtrail.project.paths import Artifacts
from tabtrail.project.training import benchmark_digest, tuned_candidates
from tabtrail.report.candidate_picture import CANDIDATE_PICTURE, candidate_picture
from tabtrail.report.figures import shown
from tabtrail.system.code import code_files
from tabtrail.system.files import atomic_file, require_writable, write_json, write_parquet
from tabtrail.system.hashes import sha256_json
from tabtrail.tracking.artifacts import list_files, log_artifact, log_files, log_folder, log_text
from tabtrail.tracking.finished import FITS, fits_to_bytes, result_from
from tabtrail.tracking.items import (
    benchmark_items,
    benchmark_name,
    candidate_items,
    comparison_items,
    held_out_items,
)
from tabtrail.tracking.libraries import library_versions
from tabtrail.tracking.models import LoggedModel, log_model
from tabtrail.tracking.pages import with_links
from tabtrail.tracking.provenance import GRAPH, JOBLIB, TWIN_GRAPH, Provenance, log_made, log_origin, provenance_of
from tabtrail.tracking.refusals import store_errors
from tabtrail.tracking.registry import register_challenger
from tabtrail.tracking.runs import (
    LoggedData,
    ModelOn,
    close_dead_runs,
    complete_children,
    dataset_link,
    find_run,
    log_dataset,
    log_items,
    log_metrics,
    read_run,
    running,
    set_primary_metric,
    set_tags,
)
from tabtrail.tracking.store import Store, open_store
from tabtrail.tracking.tags import BUNDLE, BUNDLE_FOLDER, KEY, LEARNED, MODEL, TAG, VERSION
from tabtrail.workflows.champion import (
    Explained,
    Exported,
    Parts,
    Proofs,
    bundle_model,
    explain_champion,
    fitted_model,
    made_at,
    registration,
)
from tabtrail.workflows.database import take_in_results
from tabtrail.workflows.default_candidates import with_default_candidates
from tabtrail.workflows.deploy import Challenger
from tabtrail.workflows.final import Final, final_of, keep_twin
from tabtrail.workflows.model_links import link_models
from tabtrail.workflows.prepare import Prepared, prepare
from tabtrail.workflows.promote import keep_deployed, nothing_to_deploy, settle, write_history


@dataclass(frozen=True)
class _Tracked:
    """A parent run at work, and the candidates that are already in it."""

    store: Store
    parent: str
    provenance: Provenance
    models: dict[str, LoggedModel] = field(default_factory=dict)
    finished: dict[str, Result] = field(default_factory=dict)

    @property
    def runs(self) -> dict[str, str]:
        """The run of each candidate."""
        return {name: model.run_id for name, model in self.models.items()}


@dataclass(frozen=True)
class _Ended:
    """A benchmark of which every candidate is fitted: the winner as it was measured, exported; explained as it is deployed; the
    intervals of each candidate; and the `final` fit of the winner (None: what was measured is deployed).
    """

    benchmark: Benchmark
    twin: Exported
    explained: Explained
    intervals: Mapping[str, Intervals | None]
    final: Final | None = None

    @property
    def winner(self) -> Result:
        return self.benchmark.champion

    @property
    def exported(self) -> Exported:
        """The winner as it is deployed."""
        return self.twin if self.final is None else self.final.exported

    @property
    def refit(self) -> Refit | None:
        """What came of fitting the winner again on all rows, if it was."""
        return None if self.final is None else self.final.refit

    @property
    def deployed(self) -> Benchmark:
        """The benchmark with the model that is deployed, where that is not the one that was measured."""
        return self.benchmark if self.final is None else self.final.put_in(self.benchmark)

    @property
    def own_intervals(self) -> Intervals | None:
        return self.intervals[self.winner.candidate.name]


def work(config: Config, progress: Progress, force: bool) -> None:
    """Benchmark, track, explain, prove and bundle. What is deployed changes as `promotion.automatic` says.

    A benchmark of the same data, config and code that was cut short is continued: its finished candidates are not fitted
    again, unless `force`. One that is complete is only written out again. All that can be refused (the data for the folds, a
    candidate's parameters, leakage, the proof, the explanation) is refused before the first file is replaced. Raises the
    `TabtrailError` of what failed; runs that were begun are then marked as failed. Raises `NothingToDeployError` where no
    candidate is worth deploying: its evidence, leaderboard and runs, is written, and what is deployed stays.
    """
    require_writable(config.paths.models_dir.parent, config.paths.models_dir, config.paths.output_dir)
    require_key_pair(config.bundle.signing_key, config.bundle.public_key)
    config = with_default_candidates(config, progress)
    if tuned := tuned_candidates(Artifacts.of(config).tuned):
        config = config.with_candidates(tuned)
        progress.say(f"train: with {', '.join(tuned)} of `tabtrail tune`")
    manifest = read_manifest(config.dataset)
    started = time.time()
    with ThreadPoolExecutor(1) as pool:
        # Opening the MLflow store takes a second or two (making it, more); meanwhile the columns are looked at.
        opening = pool.submit(open_store, config.mlflow)
        prepared = prepare(config, progress)
        store = opening.result()
    if store.note:
        progress.say(f"train: {store.note}")
    with _tracked(config, store, manifest, started, progress, force=force) as tracked:
        _take_up(tracked, prepared, progress)
        refusal = _benchmark(prepared, manifest, tracked, progress)
    write_history(config)
    take_in_results(config)
    if refusal is not None:
        raise NothingToDeployError(refusal)


@contextmanager
def _tracked(
    config: Config, store: Store, manifest: Manifest, started: float, progress: Progress, *, force: bool
) -> Iterator[_Tracked]:
    """Begin the run of a benchmark, or take up that of the same one; it ends complete, or failed where an exception passes."""
    settings = benchmark_digest(config)
    key = benchmark_key(settings, manifest)
    with store_errors(store.uri):
        dead = close_dead_runs(store)
        resumed = None if force else find_run(store, key)
    if dead:
        progress.say(f"train: {dead} runs of a process that is gone are closed as killed")
    provenance = provenance_of(manifest, config_sha256=settings, root=config.root)
    name = benchmark_name(config.model.name)
    with running(store, name, {**provenance.tags, KEY: key}, started=started, resumed=resumed) as parent:
        text = config.model_dump_json(indent=2, exclude={"paths", "mlflow", "bundle", "promotion"})
        log_origin(store, parent, provenance, text)
        yield _Tracked(store, parent, provenance)


def benchmark_key(settings: str, manifest: Manifest) -> str:
    """Return what two benchmarks with the same result have in common: data, config, code, library versions."""
    return sha256_json([manifest.data_sha256, settings, code_files(__name__), library_versions()])


def _take_up(tracked: _Tracked, prepared: Prepared, progress: Progress) -> None:
    """Take the finished candidates of an earlier process into this one's benchmark."""
    for name, run in complete_children(tracked.store, tracked.parent).items():
        found = result_from(tracked.store, run, prepared.problem, prepared.table, prepared.split)
        if found is not None:
            tracked.finished[name], tracked.models[name] = found
    if tracked.finished:
        progress.say(f"train: continuing benchmark {tracked.parent}, {len(tracked.finished)} candidates are finished")


def _benchmark(prepared: Prepared, manifest: Manifest, tracked: _Tracked, progress: Progress) -> str | None:
    """Fit, choose, explain, write out, deploy as the gate says. Returns why nothing is worth deploying, if so."""
    config, artifacts = prepared.config, Artifacts.of(prepared.config)
    ended = _fit(prepared, tracked, progress)
    leaderboard = _log_results(prepared, manifest, tracked, ended)
    # All that can be refused comes before the first file that is replaced.
    trained = None if ended.winner.is_baseline else _store_bundle(config, tracked, ended, leaderboard)
    parity = ended.exported.parity
    progress.say(
        f"train: ONNX equals Python on {parity.rows:,} rows (data, thresholds, missing, unseen, extremes), within"
        f" {parity.max_difference:.2g} target standard deviations"
    )
    write_json(artifacts.importance, ended.explained.importance.to_dict())
    write_parquet(artifacts.shap, ended.explained.table)
    _write_tables(benchmark_table_files(config.paths.output_dir), ended, leaderboard, tracked.provenance.flat())
    link_models(artifacts, tracked.models)
    with atomic_file(artifacts.leaderboard_csv) as temporary:
        ranked_table(leaderboard).write_csv(temporary)
    write_json(artifacts.leaderboard, leaderboard.to_dict())
    _log_results_files(prepared, tracked, ended)
    if trained is None:
        return _deploy_nothing(prepared, tracked, ended, progress)
    decision = settle(config, tracked.store, trained, progress)
    write_json(artifacts.verdict, decision.to_dict())
    progress.say(f"train: {decision}")
    return None


def _deploy_nothing(prepared: Prepared, tracked: _Tracked, ended: _Ended, progress: Progress) -> str:
    """Leave what is deployed as it is, write the verdict, and return in words which candidates failed, why, and what to do."""
    artifacts, reasons = Artifacts.of(prepared.config), objections(ended.benchmark)
    deployed = keep_deployed(prepared.config, tracked.store, progress)
    verdict = {"promoted": False, "action": "nothing", "champion": deployed and asdict(deployed), "challenger": None}
    write_json(artifacts.verdict, {**verdict, "reasons": reasons, "verdict": None})
    set_tags(tracked.store, tracked.parent, {TAG + "deployed": "false", TAG + "objections": "; ".join(reasons)})
    return nothing_to_deploy(tracked.parent, reasons, deployed, artifacts.leaderboard_csv)


def _fit(prepared: Prepared, tracked: _Tracked, progress: Progress) -> _Ended:
    """Fit and prove every candidate that is not finished yet, and say what came of it."""
    with Proofs(prepared.config, prepared.table, prepared.split) as proofs:
        benchmark = run_benchmark(
            prepared.problem,
            prepared.table,
            prepared.split,
            export=proofs.prove_fit,
            prove=proofs.job,
            row_us=proofs.row_us,
            finished=tracked.finished,
            on_result=lambda result: _log_candidate(prepared, tracked, result),
            progress=progress.advance,
        )
        final = _final_fit(prepared, tracked, benchmark, progress)
        twin = proofs.export(benchmark.champion)
    for result in benchmark.results:
        if result.parity is not None and not result.deployable:
            progress.say(f"train: {result.candidate.name} is not deployable: {result.parity.complaint}")
    metric, champion = benchmark.problem.metric, benchmark.champion
    errors = champion.mean(metric.name), champion.std(metric.name)
    error = " ± ".join("–" if each is None else shown(each) for each in errors)
    title = "no champion, the best is the baseline" if champion.is_baseline else "champion"
    progress.say(f"train: {title} {champion.candidate.name}, cross-validated {metric.label} {error}")
    deployed = benchmark if final is None else final.put_in(benchmark)
    graph = twin.onnx if final is None else final.exported.onnx
    explained = explain_champion(prepared.config.explain.max_rows, deployed, tracked.runs[champion.candidate.name], graph)
    if explained.importance.missing is not None:
        progress.say(f"train: there is no explanation of {champion.candidate.name}: {explained.importance.missing}")
    return _Ended(benchmark, twin, explained, calibrate_all(benchmark), final)


def _final_fit(prepared: Prepared, tracked: _Tracked, benchmark: Benchmark, progress: Progress) -> Final | None:
    champion = benchmark.champion
    return None if champion.is_baseline else final_of(prepared, champion, tracked.store, tracked.parent, progress)


def _log_results(prepared: Prepared, manifest: Manifest, tracked: _Tracked, ended: _Ended) -> Leaderboard:
    """Log what is known when all candidates are fitted, to their runs and the benchmark's; return the leaderboard."""
    config, store, parent = prepared.config, tracked.store, tracked.parent
    own = notes(ended.benchmark, ended.own_intervals, missing_explanation=ended.explained.importance.missing)
    metric = ended.benchmark.problem.metric
    said = (*manifest.findings, *_on_final_fit(prepared, ended), *own)
    order, greater = f"cv_{metric.mlflow_name}", metric.better == "larger"
    items = benchmark_items(ended.benchmark, manifest, prepared.findings, said, refit=ended.refit)
    log_items(store, parent, with_links(items, store, parent, order, greater=greater))
    set_primary_metric(store, order, greater=greater)
    data = LoggedData(prepared.data.schema, prepared.height, config.model.target, config.origin)
    log_dataset(store, [parent, *tracked.runs.values()], data, manifest.data_sha256)
    leaderboard = build_leaderboard(
        ended.benchmark,
        manifest,
        findings=prepared.findings,
        left_out=prepared.left_out,
        notes=said,
        intervals=ended.intervals,
        tracked=Tracked(parent, tracked.runs, ended.refit),
    )
    for row in leaderboard.candidates:
        log_metrics(store, row.run_id, comparison_items(row))
    log_metrics(store, parent, [*comparison_items(leaderboard.champion_row), *held_out_items(leaderboard.held_out)])
    return leaderboard


def _on_final_fit(prepared: Prepared, ended: _Ended) -> Iterator[str]:
    if ended.final is not None and ended.final.fit is not None:
        yield ended.final.fit.note(ended.winner.candidate.name, ended.benchmark.problem.metric)
    elif prepared.beyond is not None:
        yield f"measured on a sample of {prepared.height:,} of {prepared.beyond.rows:,} rows (engine.final: dask)"


def _log_results_files(prepared: Prepared, tracked: _Tracked, ended: _Ended) -> None:
    store, parent, artifacts = tracked.store, tracked.parent, Artifacts.of(prepared.config)
    tables = [*benchmark_table_files(artifacts.paths.output_dir).values(), artifacts.shap, artifacts.paths.manifest]
    log_files(store, parent, [artifacts.leaderboard, artifacts.leaderboard_csv, artifacts.importance, *tables])
    log_text(store, parent, json.dumps([each.to_dict() for each in prepared.findings], indent=2), "leakage.json")
    if prepared.beyond is None or prepared.problem.split.refit == "all":
        # Of what the twin learned from. Without one, a model of a cluster knows all rows but its test part: too many to list.
        log_artifact(store, parent, LEARNED, Learned.of(prepared.table.keys.take(prepared.split.train).key).to_bytes())
    missing = ended.explained.importance.missing
    if missing is not None:
        set_tags(store, parent, {TAG + "explanation_missing": missing})
    twin = {} if ended.refit is None else {TWIN_GRAPH: ended.twin.onnx_sha256}
    log_made(store, parent, {GRAPH: ended.exported.onnx_sha256, JOBLIB: ended.exported.joblib_sha256, **twin})


def _store_bundle(config: Config, tracked: _Tracked, ended: _Ended, leaderboard: Leaderboard) -> Challenger | str:
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
    created = made_at(store, tracked.parent, name)
    winner, stated = ended.winner.candidate.name, {}
    if ended.final is not None:
        stated = ended.final.stated(ended.benchmark.split, ended.twin)
        keep_twin(store, tracked.runs[winner], ended.final, ended.twin)
    parts = Parts(ended.exported, ended.own_intervals, created, ended.explained.importance.missing, stated)
    files = bundle_model(config, ended.deployed, leaderboard, parts)
    log_folder(store, tracked.parent, BUNDLE_FOLDER, files)
    version = register_challenger(store, registration(tracked.runs[winner], files, name))
    built = Challenger.built(tracked.parent, version, files, name)
    set_tags(store, tracked.parent, {BUNDLE: built.bundle.sha256, VERSION: version})
    return built


def _log_candidate(prepared: Prepared, tracked: _Tracked, result: Result) -> None:
    """Log a candidate as soon as it is done: complete, so that an interrupted benchmark never fits it again."""
    store, items = tracked.store, candidate_items(result)
    with running(store, items.name, tracked.provenance.tags, parent=tracked.parent) as run_id:
        fitted = fitted_model(prepared.config, prepared.table, prepared.split, result)
        model = log_model(store, run_id, fitted, items.params)
        used = dataset_link(prepared.config.origin, tracked.provenance.data_sha256)
        log_items(store, run_id, items, ModelOn(model.model_id, *used))
        log_artifact(store, run_id, FITS, fits_to_bytes(result))
        _log_picture(prepared, store, run_id, result)
        set_tags(store, run_id, {MODEL: model.sha256})
    tracked.models[items.name] = model


def _log_picture(prepared: Prepared, store: Store, run_id: str, result: Result) -> None:
    """By one name in every run, so that MLflow's comparison of runs shows it for all of them."""
    drawn = candidate_picture(result.out_of_fold(prepared.split), prepared.table.y, prepared.config.model)
    if drawn is not None:
        log_text(store, run_id, drawn, CANDIDATE_PICTURE)


def _write_tables(files: Mapping[str, Path], ended: _Ended, leaderboard: Leaderboard, tags: dict[str, str]) -> None:
    write_parquet(files["runs"], runs_table(leaderboard, tags))
    write_parquet(files["folds"], folds_table(ended.benchmark, leaderboard))
    write_parquet(files["error_slices"], error_slices(ended.benchmark, ended.winner))
    write_parquet(files["predictions"], predictions_table(ended.benchmark, ended.winner, ended.own_intervals))
