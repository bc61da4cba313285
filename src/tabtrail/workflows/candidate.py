"""Any candidate of a finished benchmark as a bundle of its own: from the model that its run kept, or refitted; proven anew."""

import json
from dataclasses import replace
from pathlib import Path

from tabtrail.bundle.metadata import signature_name
from tabtrail.config.load import config_from_run
from tabtrail.config.tree import Config
from tabtrail.data.manifest import verify_files
from tabtrail.errors import PromotionError, UsageError, nearest
from tabtrail.modeling.baselines import BASELINES
from tabtrail.modeling.benchmark import run_benchmark
from tabtrail.modeling.intervals import calibrate_all
from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.modeling.results import Benchmark, Result
from tabtrail.progress import SILENT, Progress
from tabtrail.project.training import benchmark_digest
from tabtrail.tracking.artifacts import list_files, log_folder, read_artifact
from tabtrail.tracking.benchmarks import Wanted, is_of_series
from tabtrail.tracking.finished import result_from
from tabtrail.tracking.models import ModelGoneError, log_model
from tabtrail.tracking.provenance import Provenance, read_provenance
from tabtrail.tracking.refusals import store_errors
from tabtrail.tracking.registry import register_challenger
from tabtrail.tracking.runs import Run, complete_children, set_tags
from tabtrail.tracking.store import Store
from tabtrail.tracking.tags import BUNDLE, BUNDLE_FOLDER, CONFIG, MODEL, PREDICTIONS, TAG, VERSION
from tabtrail.workflows.champion import Exported, Parts, Proofs, bundle_model, fitted_model, made_at, registration
from tabtrail.workflows.deploy import Challenger, Site, fetch
from tabtrail.workflows.final import final_of, keep_twin
from tabtrail.workflows.prepare import Prepared, prepare
from tabtrail.workflows.refit import known_cause, only


def challenger_of(config: Config, site: Site, wanted: Wanted, progress: Progress = SILENT) -> Challenger:
    """Return the bundle of a candidate: the stored one, or one that is made now, stored in the candidate's run and registered.

    Raises `UsageError` for a candidate that the benchmark does not have, `PromotionError` for a baseline, for one whose proof
    fails, and where data or config are no longer those of the run.
    """
    with store_errors(site.store.uri):
        if is_of_series(wanted.benchmark):
            return _of_series(site, wanted)
        run = _run_of(site.store, wanted)
        if wanted.holder is not None and _is_signed(site, wanted.holder, config.bundle.signing_key):
            return fetch(site, wanted.benchmark.run_id, wanted.holder)
        progress.say(f"promote: making the bundle of {wanted.candidate}")
        return _made(config, site.store, wanted.benchmark, run, progress)


def _of_series(site: Site, wanted: Wanted) -> Challenger:
    """Return the bundle of a training on series, which keeps that of its chosen model alone."""
    winner, run_id = wanted.benchmark.tags[TAG + "champion"], wanted.benchmark.run_id
    if wanted.candidate != winner:
        raise UsageError(
            f"a training on series keeps the bundle of its chosen model alone, {winner}; to deploy {wanted.candidate}, leave it"
            " as the only one in demand.candidates and train again"
        )
    if wanted.holder is None:
        why = wanted.benchmark.tags.get(TAG + "objections", "it was cut short")
        raise UsageError(f"run {run_id} holds no bundle: {why}")
    return fetch(site, run_id, wanted.holder)


def _run_of(store: Store, wanted: Wanted) -> Run:
    children, name = complete_children(store, wanted.benchmark.run_id), wanted.candidate
    able = [each for each, run in children.items() if run.tags.get(TAG + "family") not in BASELINES]
    if name not in children:
        raise UsageError(f"this benchmark has no candidate '{name}'{nearest(name, able)}; it has {', '.join(sorted(able))}")
    if name not in able:
        others = f"; name another with --candidate: {', '.join(sorted(able))}" if able else ""
        raise PromotionError(f"{name} is a baseline, and never deployed{others}")
    return children[name]


def _is_signed(site: Site, holder: str, signing_key: Path | None) -> bool:
    """Whether a stored bundle can be deployed as it is: it may have been made before there was a key to sign it with."""
    signature = f"{BUNDLE_FOLDER}/{signature_name(site.name)}"
    return signing_key is None or signature in list_files(site.store, holder, BUNDLE_FOLDER)


def _made(config: Config, store: Store, benchmark: Run, run: Run, progress: Progress) -> Challenger:
    provenance, name = read_provenance(store, benchmark), run.tags[TAG + "candidate"]
    prepared = _prepared(config, store, benchmark, provenance)
    result = _result(store, prepared, run, provenance, progress)
    board = _leaderboard(store, benchmark)
    alone = Benchmark(prepared.problem, prepared.table, prepared.split, (result,), name)
    twin = _exported(prepared, result)
    final = final_of(prepared, result, store, run.run_id, progress)
    created = made_at(store, run.run_id, config.model.name)
    if final is None:
        parts = Parts(twin, calibrate_all(alone)[name], created)
    else:
        keep_twin(store, run.run_id, final, twin)
        parts = Parts(final.exported, calibrate_all(alone)[name], created, fitted_after=final.stated(prepared.split, twin))
    files = bundle_model(prepared.config, alone if final is None else final.put_in(alone), board, parts)
    log_folder(store, run.run_id, BUNDLE_FOLDER, files)
    version = register_challenger(store, registration(run.run_id, files, config.model.name))
    built = Challenger.built(benchmark.run_id, version, files, config.model.name)
    set_tags(store, run.run_id, {BUNDLE: built.bundle.sha256, VERSION: version})
    return built


def _exported(prepared: Prepared, result: Result) -> Exported:
    """Return a candidate as it was measured, proven. Raises `PromotionError` where its proof fails."""
    with Proofs(prepared.config, prepared.table, prepared.split) as proofs:
        _, parity = proofs.prove(result.model)
        if not parity.passed:
            raise PromotionError(f"{result.candidate.name} is not deployable: {parity.complaint}")
        return proofs.export(replace(result, parity=parity))


def _prepared(config: Config, store: Store, benchmark: Run, provenance: Provenance) -> Prepared:
    """Return rows and split of a benchmark. Raises `PromotionError` where data or config are no longer the run's."""
    manifest, then = verify_files(config.dataset), provenance.data_sha256
    if manifest.data_sha256 != then:
        raise PromotionError(
            f"the candidate cannot be proven: its data was {then[:12]}, the dataset is {manifest.data_sha256[:12]} now; ingest"
            " that data again, or train on this"
        )
    recorded = config_from_run(json.loads(read_artifact(store, benchmark.run_id, CONFIG)), config)
    if benchmark_digest(recorded) != provenance.config_sha256:
        raise PromotionError("the config of the run is not read as it was when the run was made; train again")
    return prepare(recorded, SILENT)


def _result(store: Store, prepared: Prepared, run: Run, provenance: Provenance, progress: Progress) -> Result:
    """Return the result of a candidate with the model that its run kept; refitted, and kept again, where that is gone."""
    problem, table, split = prepared.problem, prepared.table, prepared.split
    try:
        found = result_from(store, run, problem, table, split)
    except ModelGoneError:
        found = None
    if found is not None:
        return found[0]
    name = run.tags[TAG + "candidate"]
    progress.say(f"promote: the model of {name} was not kept, and is refitted")
    result = run_benchmark(only(problem, [name]), table, split, progress=progress.advance).result(name)
    if result.predictions_sha256 != run.tags[PREDICTIONS]:
        raise PromotionError(
            f"{name}, refitted, does not predict what the run's model predicted ({known_cause(provenance)}); train again"
        )
    model = log_model(store, run.run_id, fitted_model(prepared.config, table, split, result))
    set_tags(store, run.run_id, {MODEL: model.sha256})
    return result


def _leaderboard(store: Store, benchmark: Run) -> Leaderboard:
    files = [path for path in list_files(store, benchmark.run_id) if path.endswith("_metrics.json")]
    try:
        return Leaderboard.from_dict(json.loads(read_artifact(store, benchmark.run_id, files[0])))
    except (IndexError, KeyError, TypeError):
        raise UsageError(
            f"run {benchmark.run_id} has no leaderboard of this version; `tabtrail train --force` makes one"
        ) from None
