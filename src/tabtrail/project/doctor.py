"""What is wrong with a project, and what mends it. Reads only: nothing is created, repaired or locked."""

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from tabtrail.config.dataset import Database
from tabtrail.config.tree import Config
from tabtrail.data.manifest import read_manifest
from tabtrail.data.warehouse import check_database
from tabtrail.errors import BundleError, NotTrainedError, TabtrailError
from tabtrail.project.buckets import REMEDY, check_buckets
from tabtrail.project.check import Check
from tabtrail.project.lock import leftovers
from tabtrail.project.paths import Artifacts
from tabtrail.project.project import Project
from tabtrail.project.stage import Stage
from tabtrail.project.status import Status, status
from tabtrail.project.store_checks import check_history, check_store
from tabtrail.project.surroundings import (
    check_folders,
    check_input,
    check_leftovers,
    check_lock,
    check_space,
    check_versions,
)
from tabtrail.storage.address import Address
from tabtrail.storage.objects import StoredFile


def examine(config: Config, stages: Sequence[Stage]) -> list[Check]:
    """Return every check of a project and its stages, what is broken among them."""
    project, paths = Project(config), config.paths
    looks: dict[str, Callable[[], Iterable[Check]]] = {
        "versions": check_versions,
        "folders": lambda: [check_folders(paths, config.mlflow.sqlite_file)],
        "space": lambda: [check_space(paths, _files(project))],
        "lock": lambda: [check_lock(paths)],
        "leftovers": lambda: check_leftovers(paths, leftovers(config)),
        "input": lambda: [_input(project)],
        "bucket": lambda: check_buckets(paths),
        "dataset": lambda: [_dataset(project)],
        "database": lambda: [_database(config.database, begun=_is_begun(project))],
        "warehouse": lambda: _warehouse(project),
        "store": lambda: _store_and_bundles(project),
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


def _files(project: Project) -> list[StoredFile]:
    try:
        return project.files()
    except TabtrailError:
        return []


def _input(project: Project) -> Check:
    """Look at the source; a bucket or table that cannot be read is another fault than a file that is not there."""
    source = project.config.paths.source
    if source is None:
        return _table(project)
    try:
        return check_input(source, project.files())
    except TabtrailError as error:
        return Check("input", "broken", str(error), REMEDY) if isinstance(source, Address) else check_input(source, [])


def _table(project: Project) -> Check:
    """Look whether the table that the rows come from is there, with what its order needs."""
    try:
        project.require_sources()
    except TabtrailError as error:
        return Check("input", "broken", str(error), "correct what that names; psql shows what the server says")
    return Check("input", "ok", f"{project.config.origin} of PostgreSQL can be read")


def _warehouse(project: Project) -> Iterator[Check]:
    """Look whether the tables of the warehouse are there, where there is one."""
    if not project.has_warehouse():
        return
    try:
        missing = project.missing_tables()
    except TabtrailError as error:
        yield Check("warehouse", "broken", str(error), "correct what that names; psql shows what the server says")
        return
    if missing:
        yield Check("warehouse", "note", f"{', '.join(missing)} not there", "tabtrail load")
    else:
        yield Check("warehouse", "ok", f"{', '.join(project.warehouse_tables())} are there")


def _is_begun(project: Project) -> bool:
    """Tell whether a stage of this project ever ended: then a single command mends what is missing, not a whole run."""
    try:
        read_manifest(project.config.dataset)
    except TabtrailError:
        return project.artifacts.graph.is_file()
    return True


def _dataset(project: Project) -> Check:
    dataset = project.config.dataset
    if not dataset.manifest.exists() and not any(dataset.folder.rglob("*.parquet")):
        return Check("dataset", "note", "there is none yet", "tabtrail ingest")
    try:
        manifest = project.require_dataset()
    except TabtrailError as error:
        return Check("dataset", "broken", str(error), "tabtrail ingest --force")
    return Check("dataset", "ok", f"{manifest.rows_kept:,} rows, every file has the hash of its manifest")


def _database(database: Database, *, begun: bool) -> Check:
    if not database.file.is_file():
        return Check("database", "note", f"there is no {database.file} yet", "tabtrail eda" if begun else "tabtrail run")
    try:
        rows = check_database(database)
    except TabtrailError as error:
        return Check("database", "broken", str(error), "tabtrail eda --force")
    return Check("database", "ok", f"it opens, and table {database.table} has {rows:,} rows")


def _store_and_bundles(project: Project) -> Iterator[Check]:
    mlflow = project.config.mlflow
    store, of_demand = check_store(mlflow), project.of_demand()
    yield store
    for each, ending in [(project, ""), *([] if of_demand == project else [(of_demand, " of series")])]:
        history = check_history(mlflow, each.config.model.name, store)
        bundle = _bundle(each, deployed=history.state == "ok")
        yield from (replace(found, name=found.name + ending) for found in (history, bundle))


def _bundle(project: Project, *, deployed: bool) -> Check:
    try:
        bundle = project.require_bundle()
    except NotTrainedError as error:
        if deployed:
            return Check("bundle", "broken", f"the deployed one is gone: {error}", "tabtrail train")
        return Check("bundle", "note", str(error), "tabtrail train" if _is_begun(project) else "tabtrail run")
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
