"""What lies in the buckets of a project: whether it can be reached, and what interrupted uploads left there."""

from collections.abc import Iterator

from tabtrail.config.data import Paths
from tabtrail.errors import TabtrailError
from tabtrail.project.check import Check
from tabtrail.project.copies import copies
from tabtrail.storage.mirror import mirror_folder
from tabtrail.storage.versions import Version

REMEDY = "check the addresses in `paths`, AWS_PROFILE, AWS_ENDPOINT_URL and the other AWS_ variables, then `tabtrail doctor`"
_PATIENCE_SECONDS = 5.0  # a person waits for the answer


def check_buckets(paths: Paths) -> Iterator[Check]:
    """Look at each address that is published to; of those that cannot be read, say why."""
    for copy in copies(paths):
        try:
            place = copy.place(_PATIENCE_SECONDS)
            current, left = place.current(), place.leftovers()
        except TabtrailError as error:
            yield Check("bucket", "broken", str(error), REMEDY)
            continue
        what = "nothing is published yet" if current is None else f"version {current.name}, {len(current.files)} files"
        yield Check("bucket", "ok", f"{copy.address}: {what}{_difference(copy.known(), current)}")
        if left:
            size = sum(each.size for each in left)
            said = f"{copy.address}: {len(left)} objects of interrupted uploads, {size:,} bytes"
            yield Check("bucket", "note", said, "tabtrail doctor --tidy")


def _difference(known: Version | None, current: Version | None) -> str:
    """Say that the copy here is of another version; empty where it is not."""
    same = current is None or (known is not None and known.name == current.name)
    return "" if same else "; the next command that works in the project fetches it"


def tidy_buckets(paths: Paths) -> int:
    """Delete what interrupted uploads left, and return how many objects. Raises `StorageError`."""
    removed = 0
    for copy in copies(paths):
        place = copy.place(_PATIENCE_SECONDS)
        left = place.leftovers()
        place.remove(left)
        removed += len(left)
    return removed


def mirror_output(paths: Paths) -> None:
    """Send what changed among the results to their mirror, where there is one. Raises `ConfigError`, `StorageError`."""
    address = paths.address("output_mirror")
    if address is not None:
        mirror_folder(paths.output_dir, address, paths.cache_dir)
