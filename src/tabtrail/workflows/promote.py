"""What is deployed, and how that changes: the gate after a training, `promote`, `rollback`, and the history of both.

Every training leaves its bundle in its MLflow run and registers it as challenger; only this module writes the deployed folder.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tabtrail.bundle.build import deploy_bundle
from tabtrail.bundle.load import Bundle, load_bundle, read_bundle_files
from tabtrail.config.load import config_from_run
from tabtrail.config.tree import Config
from tabtrail.data.warehouse import promotions_file
from tabtrail.errors import BundleError, ConfigError, DataError, NotTrainedError, PromotionError, TabtrailError, UsageError
from tabtrail.modeling.gate import Verdict, judge
from tabtrail.progress import SILENT, Progress
from tabtrail.project.lock import project_lock
from tabtrail.system.files import make_folder, write_parquet
from tabtrail.tracking.history import OWN_METRICS, Deployed, Entry, append_entry, history_table, read_history, stack
from tabtrail.tracking.items import BUNDLE, CONFIG, TAG, VERSION
from tabtrail.tracking.registry import run_of_version, set_champion
from tabtrail.tracking.store import Store, download_folder, open_store, read_artifact, read_run, store_errors
from tabtrail.workflows.compare import measure
from tabtrail.workflows.database import take_in_results

BUNDLE_FOLDER = "bundle"
_LOCK_SECONDS = 120.0


@dataclass(frozen=True)
class Outcome:
    """What came of a promotion: whether the deployed model was replaced, what was there, what was to come, and why."""

    promoted: bool
    action: str
    champion: Deployed | None
    challenger: Deployed
    reasons: tuple[str, ...] = ()
    verdict: Verdict | None = None

    def __str__(self) -> str:
        """Tell in one line what happened, and what was measured."""
        new, old = self.challenger, self.champion
        if self.action == "unchanged":
            return f"{_named(new)} is the deployed model"
        if not self.promoted:
            return f"{_named(new)} is registered as challenger and NOT deployed; the deployed model stays {_named(old)}"
        measured = "" if self.verdict is None or self.verdict.comparison is None else f": {self.verdict.comparison}"
        return f"{_named(new)} is deployed" + (f", in the place of {_named(old)}{measured}" if old is not None else "")

    def to_dict(self) -> dict[str, Any]:
        verdict = None if self.verdict is None else self.verdict.to_dict()
        return {**asdict(self), "verdict": verdict}


@dataclass(frozen=True)
class _Challenger:
    """A trained bundle from the store, verified: its files, and the benchmark's run that it belongs to."""

    parent: str
    deployed: Deployed
    bundle: Bundle
    files: dict[str, bytes]


def _named(model: Deployed | None) -> str:
    if model is None:
        return "none"
    return f"{model.model} ({f'version {model.version}, ' if model.version else ''}run {model.run_id})"


def settle(config: Config, store: Store, parent: str, progress: Progress = SILENT) -> Outcome:
    """Decide after a training whether its bundle is deployed, as `promotion.automatic` says; deploy it if so.

    Where nothing is deployed yet, it is. Deployed files that are damaged are put back first, so that damage is no way round
    the gate. The verdict is an artifact of the run, `gate.json`.
    """
    with _deploying(config), store_errors(store.uri):
        challenger = _fetch(config, store, parent)
        champion = _restored(config, store, progress)
        if champion is not None and champion.sha256 == challenger.deployed.bundle_sha256:
            return Outcome(False, "unchanged", challenger.deployed, challenger.deployed)
        entries = history(config)
        before = _noted(config, entries, champion)
        if champion is None:
            return _deploy(config, store, challenger, before, "first", "there was no model that can be read")
        if _taken_back(entries, challenger.deployed):
            why = ("it was taken back by `tabtrail rollback`",)
            return Outcome(False, "challenger", before, challenger.deployed, why)
        if config.promotion.automatic == "never":
            why = ("promotion.automatic is never",)
            return Outcome(False, "challenger", before, challenger.deployed, why)
        verdict = _judge(config, challenger.bundle, champion)
        store.client.log_dict(parent, verdict.to_dict(), "gate.json")
        if config.promotion.automatic == "gate" and not verdict.accepted:
            return Outcome(False, "refused", before, challenger.deployed, verdict.reasons, verdict)
        reason = f"promotion.automatic is {config.promotion.automatic}"
        return _deploy(config, store, challenger, before, "automatic", reason, verdict)


def _taken_back(entries: Sequence[Entry], model: Deployed) -> bool:
    """Tell whether the last decision, repairs aside, was to go back from this very model."""
    decisions = [entry for entry in entries if entry.action not in ("restore", "found")]
    last = decisions[-1] if decisions else None
    return (
        last is not None
        and last.action == "rollback"
        and last.before is not None
        and last.before.bundle_sha256 == model.bundle_sha256
    )


def promote(config: Config, what: str, *, force: bool = False, reason: str = "", progress: Progress = SILENT) -> Outcome:
    """Deploy the bundle of a run or of a registered version, if the gate lets it, or `force` with a reason.

    Raises `UsageError` for a run or version that is not there or has no bundle, `BundleError` for a bundle that was altered,
    `PromotionError` with the reasons of the gate.
    """
    with project_lock(config, "promote", progress):
        outcome = _promote(config, what, force=force, reason=reason)
        write_history(config)
        take_in_results(config)
        return outcome


def _promote(config: Config, what: str, *, force: bool, reason: str) -> Outcome:
    if force and not reason.strip():
        raise UsageError("--force needs --reason: the history keeps why the gate was overruled")
    store = open_store(config.mlflow.tracking_uri, config.mlflow.experiment)
    with _deploying(config), store_errors(store.uri):
        challenger = _fetch(config, store, _benchmark_of(config, store, what))
        champion = _restored(config, store, SILENT)
        before = _noted(config, history(config), champion)
        if champion is not None and champion.sha256 == challenger.deployed.bundle_sha256:
            return Outcome(False, "unchanged", challenger.deployed, challenger.deployed)
        verdict = None
        if champion is not None:
            try:
                verdict = _judge(_recorded(config, store, challenger), challenger.bundle, champion)
            except DataError as error:
                verdict = Verdict((f"it cannot be compared with the champion: {error}",), ())
            if not verdict.accepted and not force:
                raise PromotionError(
                    f"version {challenger.deployed.version} is not promoted, the deployed model stays:\n  "
                    + "\n  ".join(verdict.reasons)
                    + f'\nto deploy it all the same: tabtrail promote {what} --force --reason "…"'
                )
        forced = force and verdict is not None and not verdict.accepted
        return _deploy(config, store, challenger, before, "promote", reason, verdict, forced=forced)


def rollback(config: Config, *, reason: str = "", progress: Progress = SILENT) -> Outcome:
    """Deploy again, byte for byte, what was deployed before; again and again back to the first.

    Raises `UsageError` where nothing was deployed before, `BundleError` where the store no longer has it as it was.
    """
    with project_lock(config, "rollback", progress):
        outcome = _roll_back(config, reason)
        write_history(config)
        take_in_results(config)
        return outcome


def _roll_back(config: Config, reason: str) -> Outcome:
    store = open_store(config.mlflow.tracking_uri, config.mlflow.experiment)
    with _deploying(config), store_errors(store.uri):
        entries = history(config)
        before = _noted(config, entries, _loaded(config))
        models = stack(history(config))
        if len(models) < 2:
            raise UsageError("there is nothing to go back to: no other model was deployed before; `tabtrail history` lists them")
        earlier = models[-2]
        challenger = _fetch_deployed(config, store, earlier)
        return _deploy(config, store, challenger, before, "rollback", reason)


def history(config: Config) -> list[Entry]:
    """Return every change of what is deployed, oldest first."""
    return read_history(config.mlflow.tracking_uri, config.mlflow.experiment, config.model.name)


def write_history(config: Config) -> None:
    """Write the history as the table `promotions`."""
    write_parquet(promotions_file(config.paths.output_dir), history_table(history(config)))


def _judge(config: Config, challenger: Bundle, champion: Bundle) -> Verdict:
    comparison, coverage = measure(config, challenger, champion)
    return judge(
        config.promotion,
        challenger.metadata,
        champion.metadata,
        policy=config.leakage.policy,
        parity_tolerance=config.export.parity_tolerance,
        comparison=comparison,
        coverage=coverage,
    )


def _deploy(
    config: Config,
    store: Store,
    challenger: _Challenger,
    before: Deployed | None,
    action: str,
    reason: str,
    verdict: Verdict | None = None,
    *,
    forced: bool = False,
) -> Outcome:
    """Note it, then do it: a deployment that was cut short stands in the history and is followed by what was found."""
    after = challenger.deployed
    said = None if verdict is None else verdict.to_dict()
    _append(config, action, before, challenger.bundle, after, reason, forced=forced, verdict=said)
    deploy_bundle(config.paths.models_dir, config.model.name, challenger.files)
    if after.version is not None:
        set_champion(store, config.model.name, after.version)
    return Outcome(True, action, before, after, () if verdict is None else verdict.reasons, verdict)


def _append(
    config: Config, action: str, before: Deployed | None, bundle: Bundle, after: Deployed, reason: str, **more: Any
) -> None:
    uri, experiment, name = config.mlflow.tracking_uri, config.mlflow.experiment, config.model.name
    own = bundle.metadata.get("metrics") or {}
    metrics = {key: float(own[key]) for key in OWN_METRICS if isinstance(own.get(key), int | float)}
    append_entry(uri, experiment, name, action=action, before=before, after=after, reason=reason, metrics=metrics, **more)


def _loaded(config: Config) -> Bundle | None:
    try:
        return load_bundle(config.paths.models_dir, config.model.name, config.bundle.public_key)
    except BundleError:
        return None


def _restored(config: Config, store: Store, progress: Progress) -> Bundle | None:
    """Return the deployed bundle; where it is missing or damaged, after putting back what the history has last."""
    try:
        return load_bundle(config.paths.models_dir, config.model.name, config.bundle.public_key)
    except BundleError as error:
        entries = history(config)
        if not entries:
            return None
        problem = error
    last = entries[-1].after
    try:
        again = _fetch_deployed(config, store, last)
    except TabtrailError as error:
        progress.say(f"the deployed model cannot be read ({problem}) and not be put back ({error})")
        return None
    what = "is missing" if isinstance(problem, NotTrainedError) else "cannot be read"
    _append(config, "restore", None, again.bundle, last, f"the deployed bundle {what}")
    deploy_bundle(config.paths.models_dir, config.model.name, again.files)
    progress.say(f"the deployed bundle {what}; version {last.version} was put back")
    return again.bundle


def _noted(config: Config, entries: list[Entry], champion: Bundle | None) -> Deployed | None:
    """Return what is deployed, after noting it where the history does not end with it."""
    if champion is None:
        return None
    last = entries[-1].after if entries else None
    if last is not None and last.bundle_sha256 == champion.sha256:
        return last
    known = next((each.after for each in reversed(entries) if each.after.bundle_sha256 == champion.sha256), None)
    found = known or Deployed(champion.metadata["model"], champion.metadata["run_id"], None, champion.sha256)
    _append(
        config, "found", last, champion, found, "the deployed folder was exchanged by other means, or a promotion was cut short"
    )
    return found


def _fetch(config: Config, store: Store, parent: str) -> _Challenger:
    """Return the bundle of a benchmark from its run. Raises `BundleError` where it is not the one that was stored."""
    run = read_run(store, parent)
    tags: Mapping[str, str] = {} if run is None else run.tags
    if BUNDLE not in tags:
        raise UsageError(f"the run {parent} holds no bundle: it was cut short, or made by an older version; train anew")
    with tempfile.TemporaryDirectory() as folder:
        stored = download_folder(store, parent, BUNDLE_FOLDER, Path(folder))
        try:
            files = read_bundle_files(stored, config.model.name, config.bundle.public_key)
            bundle = load_bundle(stored, config.model.name, config.bundle.public_key)
        except NotTrainedError:
            raise UsageError(f"the run {parent} holds a bundle, but none of {config.model.name}") from None
        except BundleError as error:
            where = f"the bundle of run {parent} in the MLflow store"
            raise BundleError(f"{where} cannot be deployed: {str(error).replace(str(stored) + '/', '')}") from None
    if bundle.sha256 != tags[BUNDLE]:
        raise BundleError(f"the bundle of run {parent} in the MLflow store is not the one that was stored; train anew")
    deployed = Deployed(bundle.metadata["model"], bundle.metadata["run_id"], tags.get(VERSION), bundle.sha256)
    return _Challenger(parent, deployed, bundle, files)


def _fetch_deployed(config: Config, store: Store, wanted: Deployed) -> _Challenger:
    """Return the bundle that was deployed once, from its run, the same to the last byte."""
    challenger = _fetch(config, store, _benchmark_of(config, store, wanted.run_id))
    if challenger.deployed.bundle_sha256 != wanted.bundle_sha256:
        raise BundleError(f"the MLflow store no longer has the bundle of run {wanted.run_id} as it was deployed")
    return challenger


def _benchmark_of(config: Config, store: Store, what: str) -> str:
    """Return the run of the benchmark that a version, a candidate's run or a benchmark's run stands for."""
    name, run_id = config.model.name, what
    if what.isdecimal() and len(what) < 10:
        found = run_of_version(store, name, what)
        if found is None:
            raise UsageError(f"there is no version {what} of {name} in the registry; `tabtrail history` lists what was deployed")
        run_id = found
    run = read_run(store, run_id)
    if run is None:
        raise UsageError(f"there is no run {what} in the MLflow store; give a run id or a version of {name}")
    parent = run if run.tags.get(TAG + "kind") == "benchmark" else read_run(store, run.tags.get("mlflow.parentRunId", ""))
    if parent is None or TAG + "champion" not in parent.tags:
        raise UsageError(f"the run {what} is not of a benchmark of tabtrail that is complete")
    winner = parent.tags[TAG + "champion"]
    if run is not parent and run.tags.get(TAG + "candidate") != winner:
        raise UsageError(
            f"the run {what} is of {run.tags.get(TAG + 'candidate')}; only the winner of a benchmark is bundled, here {winner}"
        )
    return parent.run_id


def _recorded(config: Config, store: Store, challenger: _Challenger) -> Config:
    """Return the config that the challenger was trained with, as far as it places rows, with the gate's rules of today."""
    try:
        recorded = config_from_run(json.loads(read_artifact(store, challenger.parent, CONFIG)), config)
        columns = {each["column"] for each in challenger.bundle.metadata["leakage"]} - {None}
        if recorded.leakage.policy == "drop" and columns:
            recorded = recorded.without_columns(columns)
    except ConfigError:
        return config
    return recorded


@contextmanager
def _deploying(config: Config) -> Iterator[None]:
    """One deployment at a time."""
    folder = config.paths.models_dir
    make_folder(folder.parent)
    lock = FileLock(folder.with_name(f".{folder.name}.promotion.lock"))
    try:
        lock.acquire(timeout=_LOCK_SECONDS)
    except Timeout:
        raise TabtrailError(f"another process has been promoting for {_LOCK_SECONDS:.0f} s; try again when it is done") from None
    try:
        yield
    finally:
        lock.release()
