"""Where workers on other machines find the rows of the dataset, so that nobody has to send them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tabtrail.config.dataset import Dataset
from tabtrail.data.dataset import scan_folder
from tabtrail.data.manifest import files_sha256, read_manifest
from tabtrail.data.parts import Part
from tabtrail.errors import EngineError, StorageError, TabtrailError
from tabtrail.storage.address import Address
from tabtrail.storage.bucket import Bucket
from tabtrail.storage.copies import Copy, fetch_files, fetch_prefix
from tabtrail.system.hashes import sha256_folder
from tabtrail.system.temporary import scratch_folder

_PATIENCE_SECONDS = 5.0  # of a first look, before which nothing is fitted


@dataclass(frozen=True)
class RowsPlace:
    """The Parquet files of one state of the dataset: a folder on a disk that workers share with this machine, or a prefix in a
    bucket that stays as it is when the dataset is replaced.

    `files_sha256` is over their names, `data_sha256` over their contents too, as the manifest has both. Neither keys nor rows
    are in it.
    """

    where: Path | Address
    keys: Mapping[str, str]
    files_sha256: str
    data_sha256: str

    @classmethod
    def of(cls, dataset: Dataset, copy: Copy | None) -> "RowsPlace":
        """Return the place of the rows that this machine works on. Raises `DataError` where there is no dataset."""
        manifest, version = read_manifest(dataset), copy.known() if copy else None
        where = dataset.folder if copy is None or version is None else copy.prefix(version)
        return cls(where, dataset.keys, manifest.files_sha256, manifest.data_sha256)

    @property
    def is_shared(self) -> bool:
        """Whether every machine reaches it that has the keys."""
        return isinstance(self.where, Address)

    def problem(self) -> str | None:
        """Return why this process cannot read the rows, None where it can; no row is read for it."""
        try:
            if isinstance(self.where, Path):
                return None if files_sha256(self.where) == self.files_sha256 else f"{self.where} is not there, or not the same"
            bucket = Bucket.of(self.where, _PATIENCE_SECONDS)
            first = next(bucket.list(self.where.key), None)
            if first is None:
                return f"there is nothing in {self.where}"
            next(bucket.stream(first.name, 1))
        except (TabtrailError, OSError) as error:
            return str(error)
        return None

    def read(self, columns: Sequence[str]) -> pl.DataFrame:
        """Return columns of all rows, in the order in which this machine reads them.

        Raises `EngineError` where they cannot be read or are not those of the manifest.
        """
        try:
            if isinstance(self.where, Path):
                return self._read(self.where, columns)
            with scratch_folder() as folder:
                fetch_prefix(self.where, Path(folder))
                return self._read(Path(folder), columns)
        except (TabtrailError, OSError) as error:
            raise EngineError(f"a Dask worker cannot read the rows: {error}") from None

    def read_part(self, part: Part, columns: Sequence[str]) -> pl.DataFrame:
        """Return columns of the rows of some files. Raises `EngineError` where they cannot be read."""
        try:
            if isinstance(self.where, Path):
                return part.scan(self.where, self.keys).select(columns).collect()
            with scratch_folder() as folder:
                fetch_files(self.where, part.files, Path(folder))
                return part.scan(Path(folder), self.keys).select(columns).collect()
        except (TabtrailError, OSError) as error:
            raise EngineError(f"a Dask worker cannot read the rows: {error}") from None

    def _read(self, folder: Path, columns: Sequence[str]) -> pl.DataFrame:
        if sha256_folder(folder, "*.parquet") != self.data_sha256:
            raise StorageError(
                f"{self.where} does not hold the rows that the command began with (it was replaced, or cannot be seen from here);"
                " type the command again"
            )
        return scan_folder(folder, self.keys).select(columns).collect()
