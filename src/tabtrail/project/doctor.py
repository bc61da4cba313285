"""What is wrong with a project, and what mends it. Reads only: nothing is created, repaired or locked."""

import os
import shlex
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any, Literal

from tabtrail import __version__
from tabtrail.bundle.load import load_bundle
from tabtrail.config.tree import Config
from tabtrail.data.manifest import read_manifest, verify_dataset
from tabtrail.data.warehouse import check_database
from tabtrail.errors import BundleError, NotTrainedError, TabtrailError
from tabtrail.project.lock import is_held, leftovers, read_owner
from tabtrail.project.paths import report_path
from tabtrail.project.status import status
from tabtrail.reading.find import find_sources
from tabtrail.system.files import move_aside

_LEAST_BYTES = 200_000_000
_SCRATCH_SECONDS = 3600.0
_SCRATCH = ("report", "profile", "metrics")
_SAME_MODULE = {"xgboost-cpu": "xgboost"}
_STORE_TABLES = {"experiments", "runs", "alembic_version"}
State = Literal["ok", "note", "broken"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. A `note` is worth knowing and harms nothing; `remedy` is what to type or do."""

    name: str
    state: State
    found: str
    remedy: str = ""

    def to_dict(self) -> dict[str, str]:
        return asdict(self)


def examine(config: Config) -> list[Check]:
    """Return every check, what is broken among them."""
    started = read_manifest_or_none(config) is not None or config.paths.models_dir.joinpath(f"{config.model.name}.onnx").is_file()
    looks: dict[str, Callable[[], Iterable[Check]]] = {
        "versions": _versions,
        "folders": lambda: _folders(config),
        "space": lambda: [_space(config)],
        "lock": lambda: [_lock(config)],
        "leftovers": lambda: _leftovers(config),
        "input": lambda: [_input(config)],
        "dataset": lambda: [_dataset(config)],
        "database": lambda: [_database(config, started=started)],
        "store": lambda: _store_and_bundle(config, started=started),
        "stages": lambda: [_stages(config)],
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


def _store_and_bundle(config: Config, *, started: bool) -> Iterator[Check]:
    store = _store(config)
    history = _history(config, store)
    yield from (store, history, _bundle(config, started=started, deployed=history.state == "ok"))


def read_manifest_or_none(config: Config) -> Any:
    """Return the manifest, None where there is none that can be read."""
    try:
        return read_manifest(config.dataset)
    except TabtrailError:
        return None


def _versions() -> Iterator[Check]:
    """What is declared against what is installed; a missing extra is a note."""
    from packaging.requirements import Requirement

    extras: dict[str, list[str]] = {}
    wrong = []
    for text in requires("tabtrail") or []:
        needed = Requirement(text)
        extra = next((each for each in ("train", "arrow", "tune", "risk", "dask", "sign", "") if _applies(needed, each)), None)
        if extra is None or needed.name == "tabtrail":
            continue
        found = _version(needed.name) or _version(_SAME_MODULE.get(needed.name, needed.name))
        if found is None:
            extras.setdefault(extra, []).append(needed.name)
            continue
        if not needed.specifier.contains(found, prereleases=True):
            wrong.append(f"{needed.name} {found}, wanted {needed.specifier}")
    if wrong:
        yield Check("versions", "broken", "; ".join(wrong), "pip install --require-hashes -r requirements.lock")
    else:
        yield Check("versions", "ok", f"tabtrail {__version__}, and all that is installed is within the declared ranges")
    for extra, names in extras.items():
        where = f"tabtrail[{extra}]" if extra else "tabtrail"
        state: State = "note" if extra else "broken"
        yield Check("extras", state, f"{', '.join(names)} not installed", f"pip install {shlex.quote(where)} where you need it")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _applies(needed: Any, extra: str) -> bool:
    """Tell whether a requirement is of an extra ("" is the base install) on this platform."""
    if needed.marker is None:
        return not extra
    return bool(needed.marker.evaluate({"extra": extra})) and (not extra or not needed.marker.evaluate({"extra": ""}))


def _folders(config: Config) -> Iterator[Check]:
    paths = config.paths
    folders = [paths.processed_dir.parent, paths.duckdb_file.parent, paths.models_dir.parent, paths.models_dir, paths.output_dir]
    if (store := config.mlflow.sqlite_file) is not None:
        folders.append(store.parent)
    inner = [each for folder in (paths.output_dir, paths.processed_dir) for each in folder.rglob("*") if each.is_dir()]
    closed = sorted({str(each) for each in (*map(_nearest, folders), *inner) if not os.access(each, os.W_OK | os.X_OK)})
    if store is not None and store.is_file() and not os.access(store, os.W_OK):
        closed.append(str(store))
    if closed:
        said = f"cannot be written: {', '.join(closed)}"
        yield Check("folders", "broken", said, "check the owner and the permissions (ls -ld), or whether it is mounted read-only")
    else:
        yield Check("folders", "ok", "all that a run writes to can be written")


def _nearest(folder: Path) -> Path:
    """Return the folder, or the closest one above it that exists."""
    return next(each for each in (folder, *folder.parents) if each.exists())


def _space(config: Config) -> Check:
    needed = _LEAST_BYTES + 2 * sum(path.stat().st_size for path in _sources(config))
    folders = {_nearest(each) for each in (config.paths.output_dir, config.paths.processed_dir, Path(tempfile.gettempdir()))}
    least = min(folders, key=lambda each: shutil.disk_usage(each).free)
    free = shutil.disk_usage(least).free
    said = f"{free / 1e9:,.2f} GB free on the disk of {least}; a run wants {needed / 1e9:,.2f} GB"
    if free < needed:
        return Check(
            "space", "broken", said, "make room, or name folders on another disk in `paths` (TMPDIR for temporary files)"
        )
    return Check("space", "ok", said)


def _lock(config: Config) -> Check:
    owner = read_owner(config)
    if owner is None:
        return Check("lock", "ok", "nobody is at work in this project")
    if is_held(config):
        return Check("lock", "note", f"{owner} is at work; what follows may change under the eyes")
    return Check("lock", "note", f"{owner} was killed", "the next `tabtrail run` takes over and tidies up")


def _leftovers(config: Config) -> Iterator[Check]:
    found = leftovers(config)
    if is_held(config):
        return
    now, temporary = time.time(), Path(tempfile.gettempdir())
    scratch = [each for kind in _SCRATCH for each in temporary.glob(f"tabtrail-{kind}-*")]
    found += [each for each in scratch if now - each.lstat().st_mtime > _SCRATCH_SECONDS]
    if not found:
        yield Check("leftovers", "ok", "no temporary files of killed processes")
        return
    size = sum(file.lstat().st_size for each in found for file in (each, *each.rglob("*")) if file.is_file())
    shown = " ".join(shlex.quote(str(each)) for each in found[:5])
    more = f" (and {len(found) - 5} more)" if len(found) > 5 else ""
    yield Check("leftovers", "note", f"{len(found)} temporary files of killed processes, {size:,} bytes", f"rm -r {shown}{more}")


def _input(config: Config) -> Check:
    sources, named = _sources(config), config.paths.raw_csv
    if not sources:
        remedy = "put the CSV there, or set paths.raw_csv (`tabtrail sample` makes one up)"
        return Check("input", "broken", f"there is no file {named}", remedy)
    if closed := next((path for path in sources if not os.access(path, os.R_OK)), None):
        return Check("input", "broken", f"{closed} cannot be read", f"chmod u+r {shlex.quote(str(closed))}")
    files = "" if len(sources) == 1 else f"{len(sources)} files, "
    return Check("input", "ok", f"{named} ({files}{sum(path.stat().st_size for path in sources):,} bytes)")


def _sources(config: Config) -> list[Path]:
    try:
        return list(find_sources(config.paths.raw_csv, config.root).values())
    except TabtrailError:
        return []


def _dataset(config: Config) -> Check:
    if not config.paths.manifest.exists():
        return Check("dataset", "note", "there is none yet", "tabtrail ingest")
    try:
        manifest = verify_dataset(config.dataset, config.ingest_digest())
    except TabtrailError as error:
        return Check("dataset", "broken", str(error), "tabtrail ingest --force")
    return Check("dataset", "ok", f"{manifest.rows_kept:,} rows, every file has the hash of its manifest")


def _database(config: Config, *, started: bool) -> Check:
    path = config.paths.duckdb_file
    if not path.is_file():
        return Check("database", "note", f"there is no {path} yet", "tabtrail eda" if started else "tabtrail run")
    try:
        rows = check_database(config.database)
    except TabtrailError as error:
        return Check("database", "broken", str(error), "tabtrail eda --force")
    return Check("database", "ok", f"it opens, and table {config.duckdb.table} has {rows:,} rows")


def _store(config: Config) -> Check:
    path = config.mlflow.sqlite_file
    if path is None:
        return Check("store", "note", "a server's; not looked at")
    if not path.is_file() or not path.stat().st_size:
        return Check("store", "note", f"there is no {path} yet", "tabtrail train")
    away = f"{move_aside(path, '.damaged')}, then `tabtrail run` (or restore a backup)"
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            said = connection.execute("PRAGMA integrity_check").fetchone()[0]
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            runs = connection.execute("SELECT count(*) FROM runs").fetchone()[0] if tables >= _STORE_TABLES else 0
    except sqlite3.Error as error:
        journal = any(Path(f"{path}{part}").exists() for part in ("-journal", "-wal"))
        if journal and isinstance(error, sqlite3.OperationalError):
            return Check("store", "note", "a killed process left a journal; whoever writes next plays it back", "tabtrail run")
        return Check("store", "broken", f"{path} cannot be read ({error})", away)
    if said != "ok":
        return Check("store", "broken", f"{path} is damaged: {said.splitlines()[0]}", away)
    if missing := sorted(_STORE_TABLES - tables):
        said = f"{path} is no MLflow store: it has no table {', '.join(missing)}"
        return Check("store", "broken", said, f"set mlflow.tracking_uri to another file; or {move_aside(path, '.other')}")
    return Check("store", "ok", f"integrity_check ok, {runs:,} runs")


def _history(config: Config, store: Check) -> Check:
    """Reading it through MLflow would make the experiment, so that it is looked for in the file before."""
    path = config.mlflow.sqlite_file
    if store.state != "ok" or path is None:
        return Check("history", "note", "not looked at: there is no store to read it from")
    name = f"{config.mlflow.experiment}_promotions"
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        there = connection.execute("SELECT count(*) FROM experiments WHERE name = ?", (name,)).fetchone()[0]
    if not there:
        return Check("history", "note", "no model was deployed yet", "tabtrail train")
    from tabtrail.tracking.history import read_history  # imports MLflow: seconds that a project without a store is spared

    try:
        entries = read_history(config.mlflow.tracking_uri, config.mlflow.experiment, config.model.name)
    except TabtrailError as error:
        return Check(
            "history", "broken", str(error), "restore mlruns from a backup; the deployed model itself is not touched by this"
        )
    return Check("history", "ok", f"{len(entries):,} entries, their chain of hashes holds")


def _bundle(config: Config, *, started: bool, deployed: bool) -> Check:
    try:
        bundle = load_bundle(config.paths.models_dir, config.model.name, config.bundle.public_key)
    except NotTrainedError as error:
        if deployed:
            return Check("bundle", "broken", f"the deployed one is gone: {error}", "tabtrail train")
        return Check("bundle", "note", str(error), "tabtrail train" if started else "tabtrail run")
    except BundleError as error:
        return Check("bundle", "broken", str(error), "tabtrail train")
    return Check("bundle", "ok", f"{bundle.metadata['model']} of run {bundle.metadata['run_id']}, every file has its hash")


def _stages(config: Config) -> Check:
    found = status(config)
    # The page may be that of an older run, and the database, which has a check of its own, takes results up at any time.
    free = (str(report_path(config)), str(config.paths.duckdb_file))
    reasons = [reason for each in found.stages for reason in each.reasons if reason.kind in ("missing", "altered")]
    touched = [reason.what for reason in reasons if not reason.what.startswith(free)]
    if touched:
        return Check("stages", "broken", "; ".join(touched[:5]), found.next_command)
    stale = [each.stage for each in found.stages if not each.fresh]
    if stale:
        return Check("stages", "note", f"{', '.join(stale)} stale (`tabtrail status` says why)", found.next_command)
    return Check("stages", "ok", "all fresh")
