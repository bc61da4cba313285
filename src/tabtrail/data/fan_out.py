"""Many files read by the workers of a cluster, a task a file, to the same dataset as one machine makes of them.

A worker reads a file as if there were no other, and sends what it found: compressed Parquet files, rejected rows, and what the
account needs. Files are joined in their order. The driver itself reads a file that a worker cannot read, or that differs from the
others, with the same message or result as without workers.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self
from uuid import uuid4

from tabtrail.config.dataset import TableRules
from tabtrail.config.operation import Engine
from tabtrail.data.account import Found, Outputs, SplitKeys
from tabtrail.data.file_sample import FileSample
from tabtrail.data.loading import Loader, WrongEncoding
from tabtrail.data.outliers import Fences
from tabtrail.data.partitions import DatasetWriter
from tabtrail.data.rejects import RejectLog
from tabtrail.errors import EngineError, TabtrailError
from tabtrail.jobs.job import Shared
from tabtrail.jobs.run import ask_workers, run
from tabtrail.progress import Progress
from tabtrail.storage.address import Address
from tabtrail.storage.bucket import Bucket
from tabtrail.storage.objects import ObjectFile, StoredFile
from tabtrail.system.hashes import known_sha256
from tabtrail.system.temporary import scratch_folder

LIBRARIES = ("polars", "numpy", "pyarrow")
_PATIENCE_SECONDS = 5.0
MARK = "outbox"  # the file that tells a worker that a folder is the driver's


@dataclass(frozen=True)
class Wanted:
    """A source file as a worker finds it: a path that it sees too, or an object in the state that was listed, without keys."""

    name: str
    where: Path | Address
    size: int
    etag: str = ""

    @classmethod
    def of(cls, name: str, file: StoredFile) -> Self:
        """Return how others find a file."""
        if isinstance(file, ObjectFile):
            return cls(name, file.address, file.size, file.etag)
        return cls(name, file, file.stat().st_size)

    def file(self) -> StoredFile:
        """Return the file as this process reads it. Raises `ConfigError` without keys for its bucket."""
        if isinstance(self.where, Path):
            return self.where
        return ObjectFile(self.where, self.size, self.etag, Bucket.of(self.where))

    def problem(self) -> str | None:
        """Return why this process cannot read it, None where it can."""
        try:
            if isinstance(self.where, Path):
                there = self.where.is_file() and self.where.stat().st_size == self.size
                return None if there else f"{self.where} is not there, or not the same"
            Bucket.of(self.where, _PATIENCE_SECONDS).read_range(self.where.key, self.etag, 0, 1)
        except (TabtrailError, OSError) as error:
            return str(error)
        return None


@dataclass(frozen=True)
class Task:
    """What the tasks of all files have in common: rules, outlier fences, partition columns, the split's key; the folder `outbox`
    into which a worker that sees it writes, rather than send.
    """

    rules: TableRules
    fences: Fences
    partition_by: tuple[str, ...]
    keys: SplitKeys
    outbox: Path


def read_elsewhere(files: Mapping[str, StoredFile], task: Task, engine: Engine, progress: Progress) -> Iterator[Found | None]:
    """Yield what workers found in each file, in the order of the files; None for a file that this machine has to read.

    Nothing where workers do not see the files on a disk, which is reported. Raises `EngineError` for a worker that cannot read a
    bucket, and where the cluster cannot be used.
    """
    wanted = [Wanted.of(name, file) for name, file in files.items()]
    if not _all_can_read(wanted, engine, progress):
        return
    (task.outbox / MARK).write_text(task.outbox.name)
    shared, landed, following = Shared(task), dict[int, Found | str](), 0
    jobs = [(number, each, shared) for number, each in enumerate(wanted)]
    with closing(run(read_there, jobs, engine, libraries=LIBRARIES)) as results:
        for number, result in results:
            # Not held in memory until its turn comes: the first file may take the longest.
            landed[number] = result if isinstance(result, str) else _landed(result, task.outbox, number)
            while following in landed:
                yield from _checked(landed.pop(following), wanted[following], progress)
                following += 1


def _checked(found: Found | str, wanted: Wanted, progress: Progress) -> Iterator[Found | None]:
    if isinstance(found, str):
        why = found
    elif isinstance(wanted.where, Path) and known_sha256(wanted.where) != found.account.sources[0].sha256:
        why = f"a Dask worker has another file at {wanted.where}"
    else:
        yield found
        return
    yield None
    progress.say(f"ingest: {wanted.name} was read on this machine: {why}")


def _all_can_read(wanted: list[Wanted], engine: Engine, progress: Progress) -> bool:
    for worker, problem in ask_workers(engine, first_problem, wanted, libraries=LIBRARIES).items():
        if problem is None:
            continue
        if isinstance(wanted[0].where, Address):
            raise EngineError(
                f"the Dask worker {worker} cannot read {wanted[0].where}: {problem} (on the worker, which takes keys and endpoint"
                " from its own environment: they are never sent)"
            )
        progress.say(
            f"ingest: the Dask worker {worker} does not see the files ({problem}), so this machine reads them all; on a disk that"
            " all share, or in a bucket (s3://…), workers read them"
        )
        return False
    return True


def first_problem(wanted: list[Wanted]) -> str | None:
    """Return why this process cannot read the files, None where it can; of a bucket one object stands for all."""
    looked_at = wanted[:1] if isinstance(wanted[0].where, Address) else wanted
    return next((problem for each in looked_at if (problem := each.problem()) is not None), None)


def read_there(number: int, wanted: Wanted, task: Task) -> tuple[int, Found | str]:
    """Read one file on a worker. Returns its number, and what was found or why nothing was."""
    forced = dict[StoredFile, str]()
    try:
        file = wanted.file()
        while True:
            try:
                return number, _read(wanted.name, file, task, forced)
            except WrongEncoding as error:
                forced[error.path] = error.encoding
    except (TabtrailError, OSError) as error:
        return number, str(error)


def _read(name: str, file: StoredFile, task: Task, forced: Mapping[StoredFile, str]) -> Found:
    if _is_seen(task.outbox):
        own = task.outbox / uuid4().hex  # of this try: a file whose worker was killed is read again
        own.mkdir()
        return _read_into(own, name, file, task, forced)
    with scratch_folder() as scratch:
        found = _read_into(Path(scratch), name, file, task, forced)
        parts = tuple((part, path.read_bytes()) for part, path in found.rows.parts if isinstance(path, Path))
        return replace(found, rows=replace(found.rows, parts=parts))


def _is_seen(outbox: Path) -> bool:
    """Tell whether this process writes to the driver's disk: not to a folder of the same name elsewhere."""
    try:
        return (outbox / MARK).read_text() == outbox.name and os.access(outbox, os.W_OK)
    except OSError:
        return False


def _read_into(folder: Path, name: str, file: StoredFile, task: Task, forced: Mapping[StoredFile, str]) -> Found:
    outputs = Outputs(DatasetWriter(folder, task.partition_by), RejectLog(), replace(task.keys, values=set()), FileSample())
    return Loader(task.rules, outputs, known=None, fences=task.fences, forced=forced).read_alone(name, file)


def _landed(found: Found, outbox: Path, number: int) -> Found:
    """Return what was found with the contents of its Parquet files on the disk."""
    parts = tuple((name, _on_disk(part, outbox / f"{number}-{place}")) for place, (name, part) in enumerate(found.rows.parts))
    return replace(found, rows=replace(found.rows, parts=parts))


def _on_disk(part: Path | bytes, path: Path) -> Path:
    if isinstance(part, Path):
        return part
    path.write_bytes(part)
    return path
