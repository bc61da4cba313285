"""What of a project lies in a bucket: its copies on this machine, brought up to date and published."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

from tabtrail.config.data import Paths
from tabtrail.storage.copies import Copy


def copies(paths: Paths) -> Iterator[Copy]:
    """Yield the copies that work is done on: of the dataset, of the models, and of those of series."""
    found = (paths.dataset_copy, paths.models_copy, paths.of_demand().models_copy)
    yield from (each for each in found if each is not None)


def refresh_copies(paths: Paths) -> None:
    """Fetch what was published since into the copies. Raises `ConfigError`, `StorageError`."""
    for each in copies(paths):
        each.refresh()


def publishing(copy: Copy | None) -> AbstractContextManager[None]:
    """Publish what the work within changes in a copy; nothing is done where there is none."""
    return nullcontext() if copy is None else copy.changing()
