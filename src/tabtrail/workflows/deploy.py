"""What is deployed: read, put back where it is damaged, replaced by a bundle of the store.

Only this module writes the deployed folder. Each change stands in the history before it is made.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from tabtrail.bundle.build import as_bundle, deploy_bundle
from tabtrail.bundle.load import Bundle, load_bundle, read_whole_bundle
from tabtrail.config.tree import Config
from tabtrail.errors import BundleError, NotTrainedError, TabtrailError, UsageError
from tabtrail.modeling.gate import Verdict
from tabtrail.progress import Progress
from tabtrail.project.copies import publishing
from tabtrail.storage.copies import Copy
from tabtrail.system.files import make_folder
from tabtrail.system.temporary import scratch_folder
from tabtrail.tracking.artifacts import download_folder
from tabtrail.tracking.benchmarks import wanted_candidate
from tabtrail.tracking.entries import Deployed, Entry
from tabtrail.tracking.history import OWN_METRICS, WITHDRAWN, Change, Place, append_entry, read_history
from tabtrail.tracking.refusals import store_errors
from tabtrail.tracking.registry import run_of_version, set_champion
from tabtrail.tracking.runs import read_run
from tabtrail.tracking.store import Store
from tabtrail.tracking.tags import BUNDLE, BUNDLE_FOLDER, VERSION

_LOCK_SECONDS = 120.0


@dataclass(frozen=True)
class Site:
    """Where a model is deployed, and the store that its bundles come from."""

    folder: Path
    name: str
    public_key: Path | None
    place: Place
    store: Store
    copy: Copy | None = None

    @classmethod
    def of(cls, config: Config, store: Store) -> Self:
        """Return the site of a project."""
        return cls(
            config.paths.models_dir,
            config.model.name,
            config.bundle.public_key,
            place_of(config),
            store,
            config.paths.models_copy,
        )


@dataclass(frozen=True)
class Challenger:
    """A trained bundle, verified: its files, and the benchmark's run that it belongs to."""

    benchmark: str
    deployed: Deployed
    bundle: Bundle
    files: Mapping[str, bytes]

    @classmethod
    def built(cls, benchmark: str, version: str, files: Mapping[str, bytes], name: str) -> Self:
        """Return the challenger of a bundle that this process has just built."""
        bundle = as_bundle(files, name)
        return cls(benchmark, _deployed(bundle, version), bundle, files)


@dataclass(frozen=True)
class Decision:
    """What became of a challenger: whether it was deployed, what was there before, what was to come, and why."""

    promoted: bool
    action: str
    champion: Deployed | None
    challenger: Deployed
    reasons: tuple[str, ...] = ()
    verdict: Verdict | None = None

    def __str__(self) -> str:
        """Say in one line what happened, and what was measured."""
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


def place_of(config: Config) -> Place:
    """Place of the history of a project's model."""
    return Place(config.mlflow, config.model.name)


@contextmanager
def deploying(site: Site) -> Iterator[None]:
    """Let one process at a time deploy; errors of the store are named."""
    make_folder(site.folder.parent)
    lock = FileLock(site.folder.with_name(f".{site.folder.name}.promotion.lock"))
    try:
        lock.acquire(timeout=_LOCK_SECONDS)
    except Timeout:
        raise TabtrailError(f"another process has been promoting for {_LOCK_SECONDS:.0f} s; try again when it is done") from None
    try:
        if site.copy is not None:
            site.copy.refresh()  # what another machine promoted meanwhile is what a challenger is held to
        with store_errors(site.store.uri):
            yield
    finally:
        lock.release()


def fetch(site: Site, benchmark: str, holder: str | None = None) -> Challenger:
    """Return the bundle of a benchmark's winner from its run, or of another candidate from the run that holds it.

    Raises `BundleError` where it is not the one that was stored.
    """
    run_id = holder or benchmark
    run = read_run(site.store, run_id)
    tags: Mapping[str, str] = {} if run is None else run.tags
    if BUNDLE not in tags:
        raise UsageError(f"the run {run_id} holds no bundle: it was cut short, or made by an older version; train again")
    with scratch_folder() as folder:
        stored = download_folder(site.store, run_id, BUNDLE_FOLDER, Path(folder))
        try:
            bundle, files = read_whole_bundle(stored, site.name, site.public_key)
        except NotTrainedError:
            raise UsageError(f"the run {run_id} holds a bundle, but none of {site.name}") from None
        except BundleError as error:
            where = f"the bundle of run {run_id} in the MLflow store"
            raise BundleError(f"{where} cannot be deployed: {str(error).replace(str(stored) + '/', '')}") from None
    if bundle.sha256 != tags[BUNDLE]:
        raise BundleError(f"the bundle of run {run_id} in the MLflow store is not the one that was stored; train again")
    return Challenger(benchmark, _deployed(bundle, tags.get(VERSION)), bundle, files)


def fetch_again(site: Site, wanted: Deployed) -> Challenger:
    """Return the bundle that was deployed once, from its run, the same to the last byte."""
    known = wanted_candidate(site.store, wanted.run_id)
    challenger = fetch(site, known.benchmark.run_id, known.holder)
    if challenger.deployed.bundle_sha256 != wanted.bundle_sha256:
        raise BundleError(f"the MLflow store no longer has the bundle of run {wanted.run_id} as it was deployed")
    return challenger


def read_deployed(site: Site) -> Bundle | None:
    """Return the deployed bundle, None where there is none that can be read."""
    try:
        return load_bundle(site.folder, site.name, site.public_key)
    except BundleError:
        return None


def repair_deployed(site: Site, progress: Progress) -> Bundle | None:
    """Put back what the history has last where the deployed bundle is missing or damaged; return what is deployed then.

    None where nothing was deployed yet, or the store no longer has it.
    """
    try:
        return load_bundle(site.folder, site.name, site.public_key)
    except BundleError as error:
        problem = error
    entries = read_history(site.place)
    if not entries:
        return None
    last = entries[-1].after
    try:
        again = fetch_again(site, last)
    except TabtrailError as error:
        progress.say(f"the deployed model cannot be read ({problem}) and not be put back ({error})")
        return None
    what = "is missing" if isinstance(problem, NotTrainedError) else "cannot be read"
    _record(site, Change("restore", None, last, f"the deployed bundle {what}"), again.bundle)
    with publishing(site.copy):
        deploy_bundle(site.folder, site.name, again.files)
    progress.say(f"the deployed bundle {what}; version {last.version} was put back")
    return again.bundle


def record_found(site: Site, entries: list[Entry], champion: Bundle | None) -> Deployed | None:
    """Return what is deployed; where the history does not end with it, add it there first."""
    if champion is None:
        return None
    last = entries[-1].after if entries else None
    if last is not None and last.bundle_sha256 == champion.sha256:
        return last
    found = _as_recorded(entries, champion)
    reason = "the deployed folder was exchanged by other means, or a promotion was cut short"
    _record(site, Change("found", last, found, reason), champion)
    return found


def deploy(site: Site, challenger: Challenger, change: Change, verdict: Verdict | None = None) -> Decision:
    """Note a change, then make it: one that cannot be made is withdrawn in the history; one that is killed is followed there by
    what was found.
    """
    _record(site, replace(change, verdict=None if verdict is None else verdict.to_dict()), challenger.bundle)
    try:
        with publishing(site.copy):
            deploy_bundle(site.folder, site.name, challenger.files)
    except Exception as error:
        with suppress(TabtrailError):  # the store or bucket is away: the next command finds what is deployed
            _withdraw(site, change, str(error))
        raise
    confirm_champion(site, change.after)
    reasons = () if verdict is None else verdict.reasons
    return Decision(True, change.action, change.before, change.after, reasons, verdict)


def _withdraw(site: Site, change: Change, why: str) -> None:
    """Let the history end with what is deployed all the same, by whoever it was."""
    if site.copy is not None:
        site.copy.refresh()
    deployed, entries = read_deployed(site), read_history(site.place)
    if deployed is None or deployed.sha256 == entries[-1].after.bundle_sha256:
        return
    _record(site, Change(WITHDRAWN, change.after, _as_recorded(entries, deployed), f"it was not deployed: {why}"), deployed)


def confirm_champion(site: Site, deployed: Deployed) -> None:
    """Let the registry call what is deployed its champion; a promotion that was killed had no time to."""
    version = deployed.version
    if version is not None and run_of_version(site.store, site.name, version) is not None:
        set_champion(site.store, site.name, version)


def _record(site: Site, change: Change, bundle: Bundle) -> None:
    own = bundle.metadata.get("metrics") or {}
    metrics = {key: float(own[key]) for key in OWN_METRICS if isinstance(own.get(key), int | float)}
    append_entry(site.place, replace(change, metrics=metrics))


def _as_recorded(entries: list[Entry], bundle: Bundle) -> Deployed:
    """Return a bundle as the history has it, without a version where it has it not."""
    known = next((each.after for each in reversed(entries) if each.after.bundle_sha256 == bundle.sha256), None)
    return known or _deployed(bundle, None)


def _deployed(bundle: Bundle, version: str | None) -> Deployed:
    return Deployed(bundle.metadata["model"], bundle.metadata["run_id"], version, bundle.sha256)


def _named(model: Deployed | None) -> str:
    if model is None:
        return "none"
    return f"{model.model} ({f'version {model.version}, ' if model.version else ''}run {model.run_id})"
