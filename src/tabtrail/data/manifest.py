"""The accounting of a dataset: what was read, kept and set aside, and whether its files are still those."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tabtrail.config.dataset import Dataset
from tabtrail.errors import DataError
from tabtrail.system.files import read_json
from tabtrail.system.hashes import known_sha256, sha256_file, sha256_folder, sha256_json
from tabtrail.system.temporary import temporary_siblings
from tabtrail.version import __version__

OLD_MANIFEST = "_manifest.json"  # within the folder, where earlier versions had it and plain readers stumbled over it
NEAR_POWER = 0.2  # so near to a power of ten, in decades (a factor of 1.6), a jump is taken for that
_LOOKS = 3  # an ingest may end while one looks, and another one begin


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

    `sums` are doubles that add up exactly to the sum of the numbers of all chunks of rows, so that the mean is the same whether
    files were ingested together or appended one by one: () where that is 0, None for other columns, and where a sum is beyond a
    double.
    """

    nulls: int
    min: float | str | None = None
    max: float | str | None = None
    mean: float | None = None
    longest: int | None = None
    sums: tuple[float, ...] | None = None

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "ColumnStatistics":
        """Rebuild the statistics of a column from their JSON form."""
        sums = value["sums"]
        return cls(**{**value, "sums": None if sums is None else tuple(sums)})


@dataclass(frozen=True)
class Shift:
    """A jump of a column: the medians of the rows just before and after, and how many times larger the values are then (a power
    of ten where it is near one; None where their signs differ). `file` and `row` (from 1, in that file; None: in the dataset
    before) are those of the first row after, `date` is its date (YYYY-MM-DD); `by_time` where only the order by date shows it.
    """

    column: str
    factor: float | None
    before: float
    after: float
    file: str | None
    row: int | None
    date: str | None
    by_time: bool

    @property
    def text(self) -> str:
        """What was found, without the column."""
        since = f"{self.date}" if self.by_time else f"row {self.row:,} of {self.file}" + (f" ({self.date})" if self.date else "")
        return f"from {since} on its values are {self._change} (median {self.before:.6g} before, {self.after:.6g} after)"

    @property
    def _change(self) -> str:
        if not self.factor:
            return f"about {abs(self.after - self.before):.4g} {'higher' if self.after > self.before else 'lower'}"
        power = float(math.log10(self.factor))
        guess = f", as if {10.0 ** round(power):g} times" if round(power) and 0 < abs(power - round(power)) <= NEAR_POWER else ""
        return f"about {self.factor:.3g} times those before{guess}"

    def __str__(self) -> str:
        return f"{self.column}: {self.text}"


@dataclass(frozen=True)
class Manifest:
    """What one ingest read, kept and set aside.

    `shifts` are the places where the unit of a number seems to change.

    `data_sha256` is the fingerprint of the kept rows (names and contents of the Parquet files), `rejects` and `warnings`
    count rows by rule (a row may break several), `partitions` rows by partition folder, `nulls` missing values by column as
    the source has them (dropped columns too), `nulls_after_filling` those of the dataset, `columns` are those of the first
    file's header, `files_sha256` says which Parquet files the manifest is of, by their names alone (they
    are named after their contents). Of several files `source` is the pattern that named them, `source_sha256` that of their
    hashes, and `sources` tells them apart. `date_formats` has the formats by column that dates were read in, within
    `plausible_years`.
    `findings` say what a person should look at before the figures are trusted;
    `target_sums` are those of `data.repeats`.
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
    nulls_after_filling: dict[str, int]
    findings: list[str]
    notes: list[str]
    sources: list[SourceRecord] = field(default_factory=list)
    statistics: dict[str, ColumnStatistics] = field(default_factory=dict)
    target_sums: list[int] = field(default_factory=list)
    files_sha256: str = ""
    date_formats: dict[str, list[str]] = field(default_factory=dict)
    plausible_years: list[int] = field(default_factory=list)
    shifts: list[Shift] = field(default_factory=list)
    tabtrail_version: str = __version__

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Manifest":
        """Rebuild a manifest from its JSON form."""
        sources = [SourceRecord(**each) for each in value["sources"]]
        statistics = {name: ColumnStatistics.from_dict(each) for name, each in value["statistics"].items()}
        shifts = [Shift(**each) for each in value["shifts"]]
        return cls(**{**value, "sources": sources, "statistics": statistics, "shifts": shifts})


def read_manifest(dataset: Dataset) -> Manifest:
    """Return the accounting of the current dataset. Raises `DataError` where there is none."""
    value = _current(dataset)
    if value is None:
        raise _missing(dataset)
    try:
        return Manifest.from_dict(value)
    except (TypeError, KeyError, AttributeError):
        raise DataError(f"{dataset.manifest} is not a manifest of this version; run `tabtrail ingest --force`") from None


def settle_dataset(dataset: Dataset) -> None:
    """Put in place what an ingest that was killed right after it exchanged the folder left beside it: manifest and rejects."""
    files = files_sha256(dataset.folder)
    beside = temporary_siblings(dataset.manifest.parent, dataset.manifest.name)
    if files and (path := next((each for each in beside if _is_of(read_json(each), files)), None)):
        path.replace(dataset.manifest)
    value = read_json(dataset.manifest)
    if value is None or not _is_of(value, files):
        return
    for path in temporary_siblings(dataset.rejects.parent, dataset.rejects.name):
        if path.is_file() and sha256_file(path) == value.get("rejects_sha256"):
            path.replace(dataset.rejects)


def files_sha256(folder: Path) -> str:
    """Return one hex sha256 over the names of the Parquet files of a dataset; "" where there are none."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet"))
    return sha256_json(names) if names else ""


def _current(dataset: Dataset) -> dict[str, Any] | None:
    """Return the manifest of the files in the folder, or the one in its place where none is.

    The exchange of the folder is what makes a dataset the current one. Its manifest follows a moment later, and until then
    lies beside its place.
    """
    value = None
    for _ in range(_LOOKS):
        files = files_sha256(dataset.folder)
        value = read_json(dataset.manifest) if files else None
        if not files or _is_of(value, files):
            break
        beside = map(read_json, temporary_siblings(dataset.manifest.parent, dataset.manifest.name))
        if found := next((each for each in beside if _is_of(each, files)), None):
            return found
    return value


def _is_of(manifest: Mapping[str, Any] | None, files: str) -> bool:
    return manifest is not None and manifest.get("files_sha256") == files


def _missing(dataset: Dataset) -> DataError:
    folder, manifest = dataset.folder, dataset.manifest
    if (folder / OLD_MANIFEST).is_file():
        return DataError(
            f"the dataset in {folder} was made by an older tabtrail (its manifest is the {OLD_MANIFEST} in it);"
            " run `tabtrail ingest` to make it again"
        )
    if files_sha256(folder):
        return DataError(f"the dataset in {folder} lacks {manifest}; put it back, or remove the folder and run `tabtrail ingest`")
    return DataError(f"there is no dataset in {folder}; run `tabtrail ingest` first")


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
    candidates = (
        rejects,
        *temporary_siblings(rejects.parent, rejects.name),
    )  # the rejects follow the folder, as the manifest does
    if not any(each.is_file() and known_sha256(each) == manifest.rejects_sha256 for each in candidates):
        raise DataError(f"{rejects} is not that of the last ingest; run `tabtrail ingest --force`")
    return manifest


def dataset_files(dataset: Dataset) -> list[Path]:
    """Return the files of the dataset: Parquet files, manifest and rejects."""
    return sorted([*dataset.folder.rglob("*.parquet"), dataset.manifest, dataset.rejects])
