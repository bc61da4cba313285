"""One job at a time that writes in a project: who holds the lock, since when, and what a killed one left behind."""

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from tabtrail.config.data import Paths
from tabtrail.config.file import demand_folder
from tabtrail.config.tree import Config
from tabtrail.data.manifest import settle_dataset
from tabtrail.errors import LockedError
from tabtrail.progress import SILENT, Progress
from tabtrail.system.files import make_folder, read_json, storage_errors, write_json
from tabtrail.system.process import is_alive, this_process
from tabtrail.system.temporary import abandoned_scratch, is_of, maker_has_ended, remove, temporary_siblings

_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Owner:
    """Who holds or held the lock: `process` as `process.this_process` has it, `since` in UTC (ISO 8601)."""

    process: str
    command: str
    since: str

    @property
    def alive(self) -> bool:
        return is_alive(self.process)

    @property
    def age_seconds(self) -> float:
        return (datetime.now(UTC) - datetime.fromisoformat(self.since)).total_seconds()

    def __str__(self) -> str:
        host, pid, _ = self.process.rsplit(":", 2)
        return f"`tabtrail {self.command}` (process {pid} on {host}, for {_duration(self.age_seconds)})"


def lock_path(paths: Paths) -> Path:
    """Lock file of a project, in the folder of its results."""
    return paths.output_dir / ".lock"


def read_owner(paths: Paths) -> Owner | None:
    """Return who holds the lock, or held it and was killed; None where nobody does."""
    value = read_json(_owner_path(paths))
    try:
        owner = Owner(**value) if value else None
        return owner if owner and owner.age_seconds > float("-inf") and owner.process.count(":") >= 2 else None
    except (TypeError, ValueError, AttributeError):
        return None


def is_held(paths: Paths) -> bool:
    """Tell whether somebody is at work in the project, by asking the lock itself: a killed owner's file says nothing."""
    path = lock_path(paths)
    if not path.is_file():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        owner = read_owner(paths)
        return owner is not None and owner.alive


@contextmanager
def project_lock(config: Config, command: str, progress: Progress = SILENT) -> Iterator[None]:
    """Let one process at a time write in the project; within the lock it can be taken again.

    The system frees the lock of a process that ends, however it ends; what a killed one left half-written beside its targets
    is removed. In a folder that cannot be written the lock is not taken: there is nothing to guard. Raises `LockedError`
    naming the holder where it is not free within `engine.lock_seconds`. A full or failing disk raises `TabtrailError`.
    """
    paths = config.paths
    with storage_errors(paths.output_dir):
        lock = FileLock(lock_path(paths), is_singleton=True)
        if lock.is_locked or not _acquire(paths, lock, config.engine.lock_seconds, progress):
            yield
            return
        try:
            _take_over(config, progress)
            write_json(_owner_path(paths), asdict(Owner(this_process(), command, _now())))
            yield
        finally:
            _owner_path(paths).unlink(missing_ok=True)
            lock.release()


def leftovers(config: Config) -> list[Path]:
    """Return the temporary files and folders of a project: while nobody is at work in it, those of killed processes."""
    paths, store = config.paths, config.mlflow.sqlite_file
    targets = [paths.processed_dir, paths.manifest, paths.rejects, paths.duckdb_file, paths.models_dir, paths.raw_csv]
    targets.append(demand_folder(paths.models_dir))
    resolved = [each.resolve() for each in (*targets, *([store] if store else []))]
    found = {sibling for target in resolved for sibling in temporary_siblings(target.parent, target.name)}
    folders = [paths.output_dir, *(each for each in paths.output_dir.rglob("*") if each.is_dir())]
    return sorted(found.union(*(temporary_siblings(folder) for folder in folders)))


def _acquire(paths: Paths, lock: FileLock, seconds: float, progress: Progress) -> bool:
    """Take the lock, saying whom it waits for; False where the folder is read-only."""
    try:
        make_folder(lock_path(paths).parent)
        if not _can_write(lock_path(paths).parent):
            return False
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if seconds:
                progress.say(f"waiting, up to {_duration(seconds)}, for {_holder(paths)}")
            lock.acquire(timeout=seconds, poll_interval=_POLL_SECONDS)
    except Timeout:
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
    owner = read_owner(config.paths)
    settle_dataset(config.dataset)  # before what it would put in place is removed
    stale = [path for path in leftovers(config) if maker_has_ended(path) or (owner is not None and is_of(path, owner.process))]
    for path in (*stale, *abandoned_scratch()):
        remove(path)
    if owner is not None:
        removed = f"; {len(stale)} temporary files of it are removed" if stale else ""
        progress.say(f"the lock of {owner}, which was killed, is taken over{removed}")


def _holder(paths: Paths) -> str:
    owner = read_owner(paths)
    return str(owner) if owner is not None else "another process"


def _owner_path(paths: Paths) -> Path:
    return lock_path(paths).with_name(".lock.owner.json")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
