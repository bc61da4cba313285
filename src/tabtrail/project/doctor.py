"""What is wrong with a project, and what mends it. Reads only: nothing is created, repaired or locked."""

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from tabtrail.bundle.load import load_bundle
from tabtrail.config.tree import Config
from tabtrail.data.manifest import read_manifest, verify_dataset
from tabtrail.data.warehouse import check_database
from tabtrail.errors import BundleError, NotTrainedError, TabtrailError
from tabtrail.project.check import Check
from tabtrail.project.paths import Artifacts
from tabtrail.project.stage import Stage
from tabtrail.project.status import Status, status
from tabtrail.project.surroundings import (
    check_folders,
    check_input,
    check_leftovers,
    check_lock,
    check_space,
    check_versions,
)
from tabtrail.reading.find import find_sources
from tabtrail.system.files import move_aside
from tabtrail.tracking import sqlite_file


def examine(config: Config, stages: Sequence[Stage]) -> list[Check]:
    """Return every check of a project and its stages, what is broken among them."""
    paths = config.paths
    looks: dict[str, Callable[[], Iterable[Check]]] = {
        "versions": check_versions,
        "folders": lambda: [check_folders(paths, config.mlflow.sqlite_file)],
        "space": lambda: [check_space(paths, _sources(config))],
        "lock": lambda: [check_lock(paths)],
        "leftovers": lambda: check_leftovers(paths),
        "input": lambda: [check_input(paths.raw_csv, _sources(config))],
        "dataset": lambda: [_dataset(config)],
        "database": lambda: [_database(config)],
        "store": lambda: _store_and_bundle(config),
        "stages": lambda: [_stages(status(config, stages), Artifacts.of(config))],
    }
    return [check for name, look in looks.items() for check in _readable(name, look)]


def _readable(name: str, look: Callable[[], Iterable[Check]]) -> list[Check]:
    """Return what a look finds; what the system does not let be read is a finding too."""
    try:
        return list(look())
    except OSError as error:
        where = shlex.quote(str(error.filename or "."))
        return [
            Check(name, "broken", f"{where} cannot be read: {error.strerror}", f"check its owner and permissions: ls -ld {where}")
        ]


def _sources(config: Config) -> list[Path]:
    try:
        return list(find_sources(config.paths.raw_csv, config.root).values())
    except TabtrailError:
        return []


def _is_begun(config: Config) -> bool:
    """Tell whether a stage of this project ever ended: then a single command mends what is missing, not a whole run."""
    try:
        read_manifest(config.dataset)
    except TabtrailError:
        return config.paths.models_dir.joinpath(f"{config.model.name}.onnx").is_file()
    return True


def _dataset(config: Config) -> Check:
    if not config.paths.manifest.exists():
        return Check("dataset", "note", "there is none yet", "tabtrail ingest")
    try:
        manifest = verify_dataset(config.dataset, config.ingest_digest())
    except TabtrailError as error:
        return Check("dataset", "broken", str(error), "tabtrail ingest --force")
    return Check("dataset", "ok", f"{manifest.rows_kept:,} rows, every file has the hash of its manifest")


def _database(config: Config) -> Check:
    path = config.paths.duckdb_file
    if not path.is_file():
        return Check("database", "note", f"there is no {path} yet", "tabtrail eda" if _is_begun(config) else "tabtrail run")
    try:
        rows = check_database(config.database)
    except TabtrailError as error:
        return Check("database", "broken", str(error), "tabtrail eda --force")
    return Check("database", "ok", f"it opens, and table {config.duckdb.table} has {rows:,} rows")


def _store_and_bundle(config: Config) -> Iterator[Check]:
    store = _store(config.mlflow.sqlite_file)
    history = _history(config, store)
    yield from (store, history, _bundle(config, deployed=history.state == "ok"))


def _store(path: Path | None) -> Check:
    if path is None:
        return Check("store", "note", "a server's; not looked at")
    if not path.is_file() or not path.stat().st_size:
        return Check("store", "note", f"there is no {path} yet", "tabtrail train")
    away = f"{move_aside(path, '.damaged')}, then `tabtrail run` (or restore a backup)"
    found = sqlite_file.inspect(path)
    match found.state:
        case "journal":
            return Check("store", "note", "a killed process left a journal; the next that writes plays it back", "tabtrail run")
        case "unreadable":
            return Check("store", "broken", f"{path} cannot be read ({found.reason})", away)
        case "damaged":
            return Check("store", "broken", f"{path} is damaged: {found.reason}", away)
        case "foreign":
            remedy = f"set mlflow.tracking_uri to another file; or {move_aside(path, '.other')}"
            return Check("store", "broken", f"{path} is not an MLflow store: {found.reason}", remedy)
    return Check("store", "ok", f"integrity_check ok, {found.runs:,} runs")


def _history(config: Config, store: Check) -> Check:
    """Reading the history through MLflow would make its experiment, so that this is looked for in the file before."""
    path = config.mlflow.sqlite_file
    if store.state != "ok" or path is None:
        return Check("history", "note", "not looked at: there is no store to read it from")
    if not sqlite_file.has_experiment(path, f"{config.mlflow.experiment}_promotions"):
        return Check("history", "note", "no model was deployed yet", "tabtrail train")
    from tabtrail.tracking.history import (  # imports MLflow: seconds that a project without a history is spared
        Place,
        read_history,
    )

    try:
        entries = read_history(Place(config.mlflow.tracking_uri, config.mlflow.experiment, config.model.name))
    except TabtrailError as error:
        return Check(
            "history", "broken", str(error), "restore mlruns from a backup; the deployed model itself is not touched by this"
        )
    return Check("history", "ok", f"{len(entries):,} entries, their chain of hashes holds")


def _bundle(config: Config, *, deployed: bool) -> Check:
    try:
        bundle = load_bundle(config.paths.models_dir, config.model.name, config.bundle.public_key)
    except NotTrainedError as error:
        if deployed:
            return Check("bundle", "broken", f"the deployed one is gone: {error}", "tabtrail train")
        return Check("bundle", "note", str(error), "tabtrail train" if _is_begun(config) else "tabtrail run")
    except BundleError as error:
        return Check("bundle", "broken", str(error), "tabtrail train")
    return Check("bundle", "ok", f"{bundle.metadata['model']} of run {bundle.metadata['run_id']}, every file has its hash")


def _stages(found: Status, artifacts: Artifacts) -> Check:
    # The page may be that of an older run, and the database, which has a check of its own, takes results up at any time.
    free = (str(artifacts.page), str(artifacts.paths.duckdb_file))
    reasons = [reason for each in found.stages for reason in each.reasons if reason.kind in ("missing", "altered")]
    changed = [reason.what for reason in reasons if not reason.what.startswith(free)]
    if changed:
        return Check("stages", "broken", "; ".join(changed[:5]), found.next_command)
    stale = [each.stage for each in found.stages if not each.fresh]
    if stale:
        return Check("stages", "note", f"{', '.join(stale)} stale (`tabtrail status` says why)", found.next_command)
    return Check("stages", "ok", "all fresh")
