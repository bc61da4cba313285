"""The dataset on the disk: hive-partitioned Parquet files."""

import os
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from tabtrail.config.dataset import Dataset
from tabtrail.data.manifest import OLD_MANIFEST, read_manifest
from tabtrail.errors import ConfigError
from tabtrail.storage.copies import MARK

_HIVE_DTYPE: dict[str, pl.DataType] = {"int": pl.Int64(), "float": pl.Float64(), "string": pl.String(), "date": pl.Date()}


def scan_dataset(dataset: Dataset) -> pl.LazyFrame:
    """Return the kept rows, partition columns included. Raises `DataError` where there is no dataset."""
    read_manifest(dataset)
    return scan_folder(dataset.folder, dataset.keys)


def scan_folder(folder: Path, keys: Mapping[str, str]) -> pl.LazyFrame:
    """Scan the Parquet files of a folder; partition columns keep their declared type, so that "007" stays text."""
    dtypes = hive_dtypes(keys)
    return pl.scan_parquet(folder / "**/*.parquet", hive_partitioning=bool(dtypes), hive_schema=dtypes or None)


def hive_dtypes(keys: Mapping[str, str]) -> dict[str, pl.DataType]:
    """Return the types of partition columns, as Polars has them."""
    return {name: _HIVE_DTYPE[kind] for name, kind in keys.items()}


def count_partitions(folder: Path) -> dict[str, int]:
    """Return the number of rows by partition folder, as `YEAR=2003`."""
    rows = Counter[str]()
    for path in sorted(folder.rglob("*.parquet")):
        found = pl.scan_parquet(path, hive_partitioning=False).select(pl.len()).collect().item()
        rows[str(path.parent.relative_to(folder))] += found
    return dict(rows)


def link_files(source: Path, target: Path) -> None:
    """Put the Parquet files of a dataset into another folder, without copying them where the file system can link."""
    for path in source.rglob("*.parquet"):
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, place)
        except OSError:
            shutil.copyfile(path, place)


def refuse_foreign_folder(dataset: Dataset) -> None:
    """Raise `ConfigError` where the folder holds what ingest did not write: the folder is replaced as a whole."""
    folder, manifest = dataset.folder, dataset.manifest
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    own = {name for name in found if "=" in name or (name.startswith("part-") and name.endswith(".parquet"))}
    if found - own - {".gitkeep", OLD_MANIFEST, MARK}:
        raise ConfigError(f"paths.processed_dir: {folder} holds other files; name a folder that is for the dataset alone")
    if own and not (manifest.is_file() or OLD_MANIFEST in found):
        raise ConfigError(
            f"paths.processed_dir: {folder} holds other files, or a dataset without {manifest}; put that back, name another"
            " folder, or remove this one"
        )
