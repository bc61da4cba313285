"""Whether somebody is at work in a project, for those that only look: `project.lock` takes the lock."""

from pathlib import Path

from tabtrail.system.imports import Late
from tabtrail.system.lock_owner import lock_path, read_owner

filelock = Late("filelock")  # brings all of asyncio, a tenth of `tabtrail status`


def is_held(output_dir: Path) -> bool:
    """Tell whether somebody is at work in the project, by asking the lock itself: a killed owner's file says nothing."""
    path = lock_path(output_dir)
    if not path.is_file():
        return False
    try:
        with filelock.FileLock(path, timeout=0):
            return False
    except filelock.Timeout:
        return True
    except OSError:
        owner = read_owner(output_dir)
        return owner is not None and owner.alive
