"""Which files an append adds to the dataset."""

from collections.abc import Mapping
from pathlib import Path

from tabtrail.data.manifest import Manifest
from tabtrail.errors import DataError
from tabtrail.reading.compressed import SourceFile, readable
from tabtrail.storage.known import read_sha256
from tabtrail.storage.objects import StoredFile


def new_sources(sources: Mapping[str, StoredFile], known: Manifest, cache_dir: Path) -> dict[str, StoredFile]:
    """Return the files that the dataset does not hold yet, by name.

    Objects whose hashes are kept in `cache_dir` are not read. Raises `DataError` where there are none, for a file that it holds
    under another name, and for a file that it holds and that was changed or removed since.
    """
    held = {each.sha256: each.name for each in known.sources}
    digests = {name: _sha256(name, path, cache_dir) for name, path in sources.items()}
    for name, digest in digests.items():
        if digest in held and (held[digest] != name or len(sources) == 1):
            raise DataError(f"{name} is in the dataset already (as {held[digest]}, the same sha256); nothing was appended")
    new = {name: sources[name] for name, digest in digests.items() if digest not in held}
    if not new:
        raise DataError(f"all {len(sources)} files are in the dataset already (the same sha256); nothing was appended")
    if gone := sorted(set(held.values()) - sources.keys()):
        raise DataError(f"{gone[0]} is in the dataset and gone; put it back, or run `tabtrail ingest` without --append")
    if changed := sorted(new.keys() & set(held.values())):
        raise DataError(f"{changed[0]} has changed since it was ingested; run `tabtrail ingest` without --append")
    return new


def _sha256(name: str, path: StoredFile, cache_dir: Path) -> str:
    with readable(SourceFile(path, name)):
        return read_sha256(path, cache_dir)
