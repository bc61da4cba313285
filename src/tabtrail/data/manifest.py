"""The accounting of a dataset: what was read, kept and set aside, and whether its files are still those."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tabtrail import __version__
from tabtrail.config.dataset import Dataset
from tabtrail.errors import DataError
from tabtrail.system.files import read_json
from tabtrail.system.hashes import known_sha256, sha256_folder


@dataclass(frozen=True)
class SourceRecord:
    """One CSV that the dataset was made from: the file (and what it holds decompressed), how it was decoded, and its rows."""

    name: str
    sha256: str
    content_sha256: str
    bytes: int
    encoding: str
    replaced_characters: int
    synthetic: bool
    rows_in: int
    rows_kept: int


@dataclass(frozen=True)
class ColumnStatistics:
    """What the kept rows hold in a column: nulls, the range and mean of numbers, the range of dates (YYYY-MM-DD), the bytes of
    the longest text in UTF-8. None where there is no such value.
    """

    nulls: int
    min: float | str | None = None
    max: float | str | None = None
    mean: float | None = None
    longest: int | None = None


@dataclass(frozen=True)
class Manifest:
    """What one ingest read, kept and set aside.

    `data_sha256` is the fingerprint of the kept rows (names and contents of the Parquet files), `rejects` and `warnings`
    count rows by rule (a row may break several), `partitions` rows by partition folder, `nulls` nulls by column, `columns` are
    those of the first file's header. Of several files `source` is the pattern that named them, `source_sha256` that of their
    hashes, and `sources` tells them apart.
    """

    source: str
    source_sha256: str
    source_bytes: int
    encoding: str
    replaced_characters: int
    synthetic: bool
    config_sha256: str
    data_sha256: str
    rows_in: int
    rows_kept: int
    rows_rejected: int
    rejects: dict[str, int]
    rejects_sha256: str
    warnings: dict[str, int]
    partitions: dict[str, int]
    columns: list[str]
    schema: dict[str, str]
    nulls: dict[str, int]
    notes: list[str]
    sources: list[SourceRecord] = field(default_factory=list)
    statistics: dict[str, ColumnStatistics] = field(default_factory=dict)
    tabtrail_version: str = __version__

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Manifest":
        """Rebuild a manifest from its JSON form."""
        sources = [SourceRecord(**each) for each in value["sources"]]
        statistics = {name: ColumnStatistics(**each) for name, each in value["statistics"].items()}
        return cls(**{**value, "sources": sources, "statistics": statistics})


def read_manifest(dataset: Dataset) -> Manifest:
    """Return the accounting of the current dataset. Raises `DataError` where there is none."""
    value = read_json(dataset.manifest)
    if value is None:
        raise DataError(f"there is no dataset in {dataset.folder}; run `tabtrail ingest` first")
    try:
        return Manifest.from_dict(value)
    except (TypeError, KeyError, AttributeError):
        raise DataError(f"{dataset.manifest} is not a manifest of this version; run `tabtrail ingest --force`") from None


def verify_dataset(dataset: Dataset, config_sha256: str) -> Manifest:
    """Return the accounting as `verify_files` does. Raises `DataError` for a config that would ingest otherwise, too.

    `config_sha256` is the config's `ingest_digest`.
    """
    manifest = verify_files(dataset)
    if manifest.config_sha256 != config_sha256:
        raise DataError(f"{dataset.folder} was made with another config; run `tabtrail ingest` first")
    return manifest


def verify_files(dataset: Dataset) -> Manifest:
    """Return the accounting after checking that Parquet files and rejects are those that it describes.

    Raises `DataError` for files that were added, removed or altered since.
    """
    manifest = read_manifest(dataset)
    if sha256_folder(dataset.folder, "*.parquet") != manifest.data_sha256:
        raise DataError(f"the files in {dataset.folder} are not those of the last ingest; run `tabtrail ingest --force`")
    rejects = dataset.rejects
    if not rejects.is_file() or known_sha256(rejects) != manifest.rejects_sha256:
        raise DataError(f"{rejects} is not that of the last ingest; run `tabtrail ingest --force`")
    return manifest


def dataset_files(dataset: Dataset) -> list[Path]:
    """Return the files of the dataset: Parquet files, manifest and rejects."""
    return sorted([*dataset.folder.rglob("*.parquet"), dataset.manifest, dataset.rejects])
