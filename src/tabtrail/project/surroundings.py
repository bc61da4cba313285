"""What a project stands on: versions, folders, disk space, lock, leftovers and the source files. Reads only."""

import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from tabtrail.config.data import Paths
from tabtrail.project.check import Check, State
from tabtrail.storage.address import Address
from tabtrail.storage.objects import StoredFile, size_of
from tabtrail.system.held import is_held
from tabtrail.system.lock_owner import read_owner
from tabtrail.system.temporary import abandoned_scratch
from tabtrail.version import __version__

# The results, models and MLflow runs of one benchmark take about a tenth of this; twice the source is added for the dataset.
_LEAST_BYTES = 200_000_000
_SAME_MODULE = {"xgboost-cpu": "xgboost"}
_EXTRAS = ("train", "arrow", "tune", "risk", "dask", "sign", "s3", "postgres", "")


def check_versions() -> Iterator[Check]:
    """Compare what is declared with what is installed; a missing extra is a note."""
    extras: dict[str, list[str]] = {}
    wrong = []
    for text in requires("tabtrail") or []:
        needed = Requirement(text)
        extra = next((each for each in _EXTRAS if _applies(needed, each)), None)
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


def _applies(needed: Requirement, extra: str) -> bool:
    """Tell whether a requirement is of an extra ("" is the base install) on this platform."""
    if needed.marker is None:
        return not extra
    return bool(needed.marker.evaluate({"extra": extra})) and (not extra or not needed.marker.evaluate({"extra": ""}))


def check_folders(paths: Paths, store: Path | None) -> Check:
    """Find folders, and the file of the MLflow store where it is one, that a run could not write to."""
    folders = [paths.processed_dir.parent, paths.duckdb_file.parent, paths.models_dir.parent, paths.models_dir, paths.output_dir]
    if store is not None:
        folders.append(store.parent)
    inner = [each for folder in (paths.output_dir, paths.processed_dir) for each in folder.rglob("*") if each.is_dir()]
    closed = sorted({str(each) for each in (*map(_nearest, folders), *inner) if not os.access(each, os.W_OK | os.X_OK)})
    if store is not None and store.is_file() and not os.access(store, os.W_OK):
        closed.append(str(store))
    if closed:
        said = f"cannot be written: {', '.join(closed)}"
        return Check(
            "folders", "broken", said, "check the owner and the permissions (ls -ld), or whether it is mounted read-only"
        )
    return Check("folders", "ok", "all that a run writes to can be written")


def _nearest(folder: Path) -> Path:
    """Return the folder, or the closest one above it that exists."""
    return next(each for each in (folder, *folder.parents) if each.exists())


def check_space(paths: Paths, sources: Sequence[StoredFile]) -> Check:
    """Compare the free space, on the fullest disk that a run writes to, with what a run over these files wants."""
    needed = _LEAST_BYTES + 2 * sum(map(size_of, sources))
    folders = {_nearest(each) for each in (paths.output_dir, paths.processed_dir, Path(tempfile.gettempdir()))}
    least = min(folders, key=lambda each: shutil.disk_usage(each).free)
    free = shutil.disk_usage(least).free
    said = f"{free / 1e9:,.2f} GB free on the disk of {least}; a run wants {needed / 1e9:,.2f} GB"
    if free < needed:
        return Check(
            "space", "broken", said, "make room, or name folders on another disk in `paths` (TMPDIR for temporary files)"
        )
    return Check("space", "ok", said)


def check_lock(paths: Paths) -> Check:
    """Say who is at work in the project, or was killed there."""
    owner = read_owner(paths.output_dir)
    if owner is None:
        return Check("lock", "ok", "no process is at work in this project")
    if is_held(paths.output_dir):
        return Check("lock", "note", f"{owner} is at work; what follows may change while it is read")
    return Check("lock", "note", f"{owner} was killed", "the next `tabtrail run` takes over and tidies up")


def check_leftovers(paths: Paths, of_project: Sequence[Path]) -> Iterator[Check]:
    """List the temporary files of killed processes, unless a process that may own them is at work."""
    found = [*of_project, *abandoned_scratch()]
    if is_held(paths.output_dir):
        return
    if not found:
        yield Check("leftovers", "ok", "no temporary files of killed processes")
        return
    size = sum(file.lstat().st_size for each in found for file in (each, *each.rglob("*")) if file.is_file())
    shown = " ".join(shlex.quote(str(each)) for each in found[:5])
    more = f" (and {len(found) - 5} more)" if len(found) > 5 else ""
    yield Check("leftovers", "note", f"{len(found)} temporary files of killed processes, {size:,} bytes", f"rm -r {shown}{more}")


def check_input(named: Path | Address, sources: Sequence[StoredFile]) -> Check:
    """Look whether the source files are there and can be read; `named` is what the config says."""
    if not sources:
        remedy = "put the CSV there, or set paths.raw_csv (`tabtrail sample` makes one up)"
        return Check("input", "broken", f"there is no file {named}", remedy)
    if closed := next((path for path in sources if isinstance(path, Path) and not os.access(path, os.R_OK)), None):
        return Check("input", "broken", f"{closed} cannot be read", f"chmod u+r {shlex.quote(str(closed))}")
    files = "" if len(sources) == 1 else f"{len(sources)} files, "
    return Check("input", "ok", f"{named} ({files}{sum(map(size_of, sources)):,} bytes)")
