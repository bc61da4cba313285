"""One job at a time that writes in a project: who holds the lock, since when, and what a killed one left behind."""

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tabtrail.config.data import Paths
from tabtrail.config.file import demand_folder
from tabtrail.config.tree import Config
from tabtrail.data.manifest import settle_dataset
from tabtrail.errors import LockedError
from tabtrail.progress import SILENT, Progress
from tabtrail.project.buckets import mirror_output
from tabtrail.project.copies import refresh_copies
from tabtrail.system.files import make_folder, storage_errors, write_json
from tabtrail.system.imports import Late
from tabtrail.system.lock_owner import Owner, duration, lock_path, owner_path, read_owner
from tabtrail.system.process import this_process
from tabtrail.system.temporary import abandoned_scratch, is_of, maker_has_ended, remove, temporary_siblings
from tabtrail.tracking.moved import left_folder, take_over
from tabtrail.tracking.sqlite_file import lock_file

if TYPE_CHECKING:
    from filelock import FileLock

filelock = Late("filelock")  # brings all of asyncio, and `tabtrail status` takes no lock

_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
_POLL_SECONDS = 0.2


@contextmanager
def project_lock(config: Config, command: str, progress: Progress = SILENT) -> Iterator[None]:
    """Let one process at a time write in the project; within the lock it can be taken again.

    The system frees the lock of a process that ends, however it ends; what a killed one left half-written beside its targets
    is removed. What another machine published into a bucket is fetched first, and the results go to their mirror in the end. In
    a folder that cannot be written the lock is not taken: there is nothing to guard. Raises `LockedError` naming the holder where
    it is not free within `engine.lock_seconds`, `StorageError` for a bucket. A full or failing disk raises `TabtrailError`.
    """
    paths = config.paths
    with storage_errors(paths.output_dir):
        lock = filelock.FileLock(lock_path(paths.output_dir), is_singleton=True)
        if lock.is_locked or not _acquire(paths, lock, config.engine.lock_seconds, progress):
            yield
            return
        try:
            _take_over(config, progress)
            refresh_copies(paths)
            _take_over_store(config.mlflow.sqlite_file, progress)
            write_json(owner_path(paths.output_dir), asdict(Owner(this_process(), command, _now())))
            yield
            mirror_output(paths)
        finally:
            owner_path(paths.output_dir).unlink(missing_ok=True)
            lock.release()


def leftovers(config: Config) -> list[Path]:
    """Return the temporary files and folders of a project: while nobody is at work in it, those of killed processes."""
    paths, store = config.paths, config.mlflow.sqlite_file
    targets = [paths.processed_dir, paths.manifest, paths.rejects, paths.duckdb_file, paths.models_dir]
    targets += [paths.raw_csv] if paths.raw_csv else []
    targets.append(demand_folder(paths.models_dir))
    resolved = [each.resolve() for each in (*targets, *([store] if store else []))]
    found = {sibling for target in resolved for sibling in temporary_siblings(target.parent, target.name)}
    folders = [
        paths.output_dir,
        paths.models_dir,
        demand_folder(paths.models_dir),
        *(each for each in paths.output_dir.rglob("*") if each.is_dir()),
    ]
    return sorted(found.union(*(temporary_siblings(folder) for folder in folders)))


def _acquire(paths: Paths, lock: "FileLock", seconds: float, progress: Progress) -> bool:
    """Take the lock, saying whom it waits for; False where the folder is read-only."""
    try:
        make_folder(lock_path(paths.output_dir).parent)
        if not _can_write(lock_path(paths.output_dir).parent):
            return False
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            if seconds:
                progress.say(f"waiting, up to {duration(seconds)}, for {_holder(paths)}")
            lock.acquire(timeout=seconds, poll_interval=_POLL_SECONDS)
    except filelock.Timeout:
        raise LockedError(
            f"{_holder(paths)} is at work in this project; try again when it is done, or wait longer with"
            " --set engine.lock_seconds=3600"
        ) from None
    return True


def _can_write(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError as error:
        return error.errno not in _READ_ONLY


def _take_over(config: Config, progress: Progress) -> None:
    """Tidy up after processes that were killed: the last holder of the lock, and those that work without it."""
    owner = read_owner(config.paths.output_dir)
    settle_dataset(config.dataset)  # before what it would put in place is removed
    stale = [path for path in leftovers(config) if maker_has_ended(path) or (owner is not None and is_of(path, owner.process))]
    for path in (*stale, *abandoned_scratch()):
        remove(path)
    if owner is not None:
        removed = f"; {len(stale)} temporary files of it are removed" if stale else ""
        progress.say(f"the lock of {owner}, which was killed, is taken over{removed}")


def _take_over_store(file: Path | None, progress: Progress) -> None:
    """Let the store of a project that was copied or moved write into itself."""
    if file is None or left_folder(file) is None:
        return
    with filelock.FileLock(lock_file(file)):
        left = take_over(file)
    if left is not None:
        progress.say(f"the MLflow store was copied or moved: its addresses, which led to {left}, lead to its own files now")


def _holder(paths: Paths) -> str:
    owner = read_owner(paths.output_dir)
    return str(owner) if owner is not None else "another process"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
