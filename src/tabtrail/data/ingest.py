"""CSV to contract-checked, hive-partitioned Parquet, every row accounted for, in bounded memory."""

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from tabtrail import __version__
from tabtrail.config.tree import Config
from tabtrail.data.checks import Checked, Contract, Fences, break_circuit, outlier_rule
from tabtrail.data.outliers import sequential_fences
from tabtrail.data.partitions import ColumnStatistics, DatasetWriter, RejectWriter, link_files, merged
from tabtrail.data.records import RecordReader
from tabtrail.data.sample import mark_path
from tabtrail.errors import ConfigError, DataError, require_keys
from tabtrail.progress import SILENT, Progress
from tabtrail.reading.source import SourceText, UndecodableText, find_sources, read_header, readable
from tabtrail.system.files import TEMPORARY, atomic_file, atomic_folder, make_folder, read_json, write_json
from tabtrail.system.hashes import sha256_file, sha256_folder, sha256_json

_SAY_SECONDS = 0.5
_MB = 10**6
_LARGEST_TARGET = 1e100


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


def ingest(config: Config, *, append: bool = False, progress: Progress = SILENT) -> Manifest:
    """Replace the Parquet layer and the rejects by what the CSV files hold now, and return the accounting.

    With `append` the files that the dataset does not hold yet are added to it; what is there is not written again. Raises
    `ConfigError` or `DataError`; whatever is raised, the previous dataset stays as it was.
    """
    paths = config.paths
    _refuse_foreign_folder(paths.processed_dir, paths.manifest)
    sources = find_sources(config)
    dropping = config.profile.outliers.action == "drop"
    if append and dropping:
        raise ConfigError(
            "--append: with profile.outliers.action: drop, new rows move the fences; ingest all files anew without it"
        )
    _check_formats(config)
    known = verify_dataset(config) if append else None
    if known is not None:
        sources = _new_sources(sources, known)
    make_folder(paths.processed_dir.parent)
    forced: dict[Path, str] = {}
    while True:
        try:
            # The rejects come last: a dataset without its own is told by their hash in its manifest.
            with (
                atomic_file(paths.rejects) as rejects,
                _scratch(paths.processed_dir) as scratch,
                atomic_folder(paths.processed_dir) as folder,
            ):
                if known is not None:
                    link_files(paths.processed_dir, folder)
                within = _fences(config, scratch, forced, sources) if dropping else {}
                read = _Ingest(config, folder, scratch, forced, progress, within).read(sources, known)
                read.rejects.write(rejects, read.header, paths.rejects if known else None)
                manifest = _describe(config, read, folder, known, sha256_file(rejects))
                _require_learnable(config, manifest)
                if known is None:
                    keys = len(read.keys) if config.split.kind == "group" else manifest.rows_kept
                    require_keys(manifest.rows_kept, keys, config.split.folds)
                write_json(folder / "_manifest.json", asdict(manifest))
            return manifest
        except _WrongEncoding as error:
            forced[error.path] = error.encoding


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Make a folder beside the dataset: on the disk that has room for it, where the lock's next holder finds what is left."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}{TEMPORARY}") as name:
        yield Path(name)


def _fences(config: Config, scratch: Path, forced: Mapping[Path, str], sources: Mapping[str, Path]) -> Fences:
    """Return the fences of outliers, which are known when all rows were read once."""
    first, rejects = scratch / "first", scratch / "rejects"
    for folder in (first, rejects):
        folder.mkdir()
    _Ingest(config, first, rejects, forced, SILENT, {}).read(sources, None)
    found = sequential_fences(_scan_folder(config, first), config.outlier_columns, config.profile.outliers.factor)
    shutil.rmtree(first)
    return found


def _check_formats(config: Config) -> None:
    """Raise `ConfigError` for a date format from which the date that was written with it does not come back."""
    day = pl.Series([datetime(2003, 2, 24, 13, 30)])
    for form in config.cleaning.date_formats:
        try:
            found = day.dt.to_string(form).str.to_date(form, strict=False).to_list()
        except pl.exceptions.PolarsError:
            found = []
        if found != [day[0].date()]:
            raise ConfigError(f"cleaning.date_formats: '{form}' gives no date; write day, month and year, as %d.%m.%Y")


def _refuse_foreign_folder(folder: Path, manifest: Path) -> None:
    """The folder is replaced as a whole: whatever is in it that ingest did not write would be lost."""
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    own = {name for name in found if "=" in name or (name.startswith("part-") and name.endswith(".parquet"))}
    if found - own - {".gitkeep", manifest.name} or (own and not manifest.is_file()):
        raise ConfigError(f"paths.processed_dir: {folder} holds other files; name a folder that is for the dataset alone")


def _new_sources(sources: Mapping[str, Path], known: Manifest) -> dict[str, Path]:
    """Return the files that the dataset does not hold. The same file under another name, or nothing new, is refused."""
    held = {each.sha256: each.name for each in known.sources}
    digests = {name: _digest(name, path) for name, path in sources.items()}
    for name, digest in digests.items():
        if digest in held and (held[digest] != name or len(sources) == 1):
            raise DataError(f"{name} is in the dataset already (as {held[digest]}, the same sha256); nothing was appended")
    new = {name: sources[name] for name, digest in digests.items() if digest not in held}
    if not new:
        raise DataError(f"all {len(sources)} files are in the dataset already (the same sha256); nothing was appended")
    if gone := sorted(set(held.values()) - sources.keys()):
        raise DataError(f"{gone[0]} is in the dataset and gone; put it back, or run `tabtrail ingest` without --append")
    changed = sorted(new.keys() & set(held.values()))
    if changed:
        raise DataError(f"{changed[0]} has changed since it was ingested; run `tabtrail ingest` without --append")
    return new


def _digest(name: str, path: Path) -> str:
    with readable(name):
        return sha256_file(path)


def _require_learnable(config: Config, manifest: Manifest) -> None:
    """Refuse rows from which nothing can be learned before they replace rows from which something could."""
    target, kept = config.model.target, manifest.rows_kept
    found = manifest.statistics[target]
    if kept > 1 and not found.nulls and found.min == found.max:
        raise DataError(f"the target {target} has the same value in all {kept:,} rows; there is nothing to learn")
    beyond = max(abs(float(value)) for value in (found.min, found.max) if value is not None)
    if beyond > _LARGEST_TARGET:
        raise DataError(
            f"the target {target} is beyond {_LARGEST_TARGET:g} in some rows, where squared errors are no numbers;"
            " set contract.columns bounds (min, max) that reject such rows"
        )


def ingest_outputs(config: Config) -> dict[str, str]:
    """Return the files that ingest leaves, with their sha256."""
    folder = config.paths.processed_dir
    return {
        str(path): sha256_file(path) for path in sorted([*folder.rglob("*.parquet"), config.paths.manifest, config.paths.rejects])
    }


def read_manifest(config: Config) -> Manifest:
    """Return the accounting of the current dataset, or raise `DataError` where there is none."""
    value = read_json(config.paths.manifest)
    if value is None:
        raise DataError(f"there is no dataset in {config.paths.processed_dir}; run `tabtrail ingest` first")
    try:
        return Manifest.from_dict(value)
    except (TypeError, KeyError, AttributeError):
        raise DataError(f"{config.paths.manifest} is not a manifest of this version; run `tabtrail ingest --force`") from None


def verify_dataset(config: Config) -> Manifest:
    """Return the accounting as `verify_files` does. Raises `DataError` for a config that would ingest otherwise, too."""
    manifest = verify_files(config)
    if manifest.config_sha256 != config.ingest_digest():
        raise DataError(f"{config.paths.processed_dir} was made with another config; run `tabtrail ingest` first")
    return manifest


def verify_files(config: Config) -> Manifest:
    """Return the accounting after checking that Parquet files and rejects are those that it describes.

    Raises `DataError` for files that were added, removed or altered since.
    """
    manifest = read_manifest(config)
    if sha256_folder(config.paths.processed_dir, "*.parquet") != manifest.data_sha256:
        raise DataError(
            f"the files in {config.paths.processed_dir} are not those of the last ingest; run `tabtrail ingest --force`"
        )
    rejects = config.paths.rejects
    if not rejects.is_file() or sha256_file(rejects) != manifest.rejects_sha256:
        raise DataError(f"{rejects} is not that of the last ingest; run `tabtrail ingest --force`")
    return manifest


def scan_dataset(config: Config) -> pl.LazyFrame:
    """Return the kept rows, partition columns included."""
    read_manifest(config)
    return _scan_folder(config, config.paths.processed_dir)


def _scan_folder(config: Config, folder: Path) -> pl.LazyFrame:
    """Scan the Parquet files of a folder; partition columns keep their declared type, so that "007" stays text."""
    keys = {name: _HIVE_DTYPE[config.column_kind(name)] for name in config.parquet.partition_by}
    return pl.scan_parquet(folder / "**/*.parquet", hive_partitioning=bool(keys), hive_schema=keys or None)


_HIVE_DTYPE: dict[str, pl.DataType] = {"int": pl.Int64(), "float": pl.Float64(), "string": pl.String(), "date": pl.Date()}


class _WrongEncoding(Exception):  # noqa: N818
    """A file was taken for UTF-8 by its beginning, and is to be read again in another encoding."""

    def __init__(self, path: Path, encoding: str) -> None:
        super().__init__(path, encoding)
        self.path, self.encoding = path, encoding


class _Ingest:
    """One pass over the files: rows to the writers, counts, and the first distinct split keys."""

    def __init__(
        self, config: Config, folder: Path, scratch: Path, forced: Mapping[Path, str], progress: Progress, within: Fences
    ) -> None:
        self._config, self._forced, self._within = config, forced, within
        self._progress = _Meter(progress)
        self.writer = DatasetWriter(folder, config.parquet.partition_by)
        self.rejects = RejectWriter(scratch)
        self.header: tuple[str, ...] = ()
        self.sources = list[SourceRecord]()
        self.notes = list[str]()
        self.counts, self.rejected, self.warned = Counter[str](), Counter[str](), Counter[str]()
        self.keys = set[Any]()
        self._held: tuple[SourceRecord, ...] = ()

    def read(self, sources: Mapping[str, Path], known: Manifest | None) -> "_Ingest":
        """Read all files; `DataError` where they have no rows, too many rejects, other columns or a file twice."""
        config = self._config
        for name, path in sources.items():
            with readable(name):
                self._progress.of += path.stat().st_size
        self.header = () if known is None else tuple(known.columns)
        self._held = () if known is None else tuple(known.sources)
        for name, path in sources.items():
            self._read_file(name, path)
        label = self.sources[0].name if len(sources) == 1 else f"{len(sources)} files"
        rows, rejected = self.counts["rows"], self.counts["rows"] - self.counts["kept"]
        rules = self.rejected + Counter(known.rejects if known else {})
        all_rows, all_rejected = rows + (known.rows_in if known else 0), rejected + (known.rows_rejected if known else 0)
        outliers = sum(self.rejected[outlier_rule(config, name)] for name in self._within)  # no breach of it
        first = self.rejects.first
        break_circuit(label, all_rows, rules, all_rejected - outliers, config.contract.max_reject_share, first)
        if all_rejected == all_rows:
            raise DataError(f"{label}: every row was rejected")
        self._progress.finish(rows)
        return self

    def _read_file(self, name: str, path: Path) -> None:
        config = self._config
        source = SourceText(name, path, config.source.encoding, self._forced.get(path))
        before = Counter(self.counts)
        try:
            self._read_rows(source)
        except UndecodableText as error:
            if source.tried_utf8:
                raise _WrongEncoding(path, source.fallback()) from None
            raise source.refuse(error.line) from None
        rows, kept = (self.counts[name] - before[name] for name in ("rows", "kept"))
        if rows == 0:
            raise DataError(f"{source.name} has a header and no rows")
        known = (*self._held, *self.sources)
        if twin := next((each.name for each in known if each.content_sha256 == source.content_sha256), None):
            raise DataError(f"{source.name} and {twin} hold the same (the same sha256); remove one of them")
        self.writer.end_file()
        self._progress.done += source.size
        self.notes += source.notes
        synthetic = is_synthetic(path, source.sha256)
        self.sources.append(
            SourceRecord(
                source.name,
                source.sha256,
                source.content_sha256,
                source.size,
                source.encoding,
                source.replaced,
                synthetic,
                rows,
                kept,
            )
        )

    def _read_rows(self, source: SourceText) -> None:
        config = self._config
        blocks = source.blocks()
        first = next(blocks, b"")
        header, start, lines = read_header(source.name, first, config)
        if self.header and set(header) != set(self.header):
            odd = sorted(set(header) ^ set(self.header))[0]
            raise DataError(f"{source.name}, line 1: its columns are not those of the other files (column '{odd}')")
        self.header = self.header or header
        contract = Contract(config, source.name, header, config.source.delimiter, self._within)
        reader = RecordReader(contract, source, header, config.source.delimiter, lines + 1)
        for checked in reader.read(_starting(first[start:], blocks)):
            self._take(checked, header)
            self._progress.show(self.counts["rows"], source.done)

    def _take(self, checked: Checked, header: tuple[str, ...]) -> None:
        kept, rejects = checked.kept, checked.rejects
        if header != self.header:
            rejects = rejects.select("_file", "_line", "_rules", *self.header, "_text")
            kept = kept.select(name for name in dict.fromkeys((*self.header, *kept.columns)) if name in kept.columns)
        self.writer.add(kept, checked.size)
        self.rejects.add(rejects)
        self.counts.update(rows=checked.rows, kept=kept.height)
        self.rejected.update(checked.rejected)
        self.warned.update(checked.warned)
        key = self._config.split.group_key
        if key is not None and len(self.keys) <= self._config.split.folds:
            self.keys.update(kept.get_column(key).unique().to_list())


def _starting(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from blocks


class _Meter:
    """Says how far the reading is, now and then."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._start, self._said = progress, time.monotonic(), 0.0
        self.of = self.done = 0

    def show(self, rows: int, done: int) -> None:
        now = time.monotonic()
        if now - self._said >= _SAY_SECONDS:
            self._said = now
            self._tell(rows, (self.done + done) // _MB)

    def finish(self, rows: int) -> None:
        self._tell(rows, max(1, self.of // _MB))

    def _tell(self, rows: int, megabytes: int) -> None:
        rate = rows / max(time.monotonic() - self._start, 1e-9)
        self._progress.advance(megabytes, max(1, self.of // _MB), f"MB: {rows:,} rows, {rate:,.0f} rows/s")


def _describe(config: Config, read: _Ingest, folder: Path, known: Manifest | None, rejects_sha256: str) -> Manifest:
    sources = [*(known.sources if known else ()), *read.sources]
    statistics: Mapping[str, ColumnStatistics] = read.writer.statistics()
    rows_in, rows_kept = read.counts["rows"], read.counts["kept"]
    rejects, warnings = Counter(read.rejected), Counter({name: read.warned[name] for name in _warnings(config)})
    notes = read.notes
    if known is not None:
        old = known.statistics
        statistics = merged(old, known.rows_kept, statistics, rows_kept) if statistics else old
        rows_in, rows_kept = rows_in + known.rows_in, rows_kept + known.rows_kept
        rejects.update(known.rejects)
        warnings.update(known.warnings)
        notes = [*known.notes, *notes]
    schema = _scan_folder(config, folder).collect_schema()
    digests = [each.sha256 for each in sources]
    return Manifest(
        source=sources[0].name if len(sources) == 1 else config.paths.raw_csv.name,
        source_sha256=digests[0] if len(sources) == 1 else sha256_json(sorted(digests)),
        source_bytes=sum(each.bytes for each in sources),
        encoding=", ".join(dict.fromkeys(each.encoding for each in sources)),
        replaced_characters=sum(each.replaced_characters for each in sources),
        synthetic=any(each.synthetic for each in sources),
        config_sha256=config.ingest_digest(),
        data_sha256=sha256_folder(folder, "*.parquet"),
        rows_in=rows_in,
        rows_kept=rows_kept,
        rows_rejected=rows_in - rows_kept,
        rejects=dict(sorted(rejects.items(), key=lambda item: (-item[1], item[0]))),
        rejects_sha256=rejects_sha256,
        warnings={name: warnings[name] for name in _warnings(config)},
        partitions=_partition_rows(folder),
        columns=list(read.header),
        schema={name: str(dtype) for name, dtype in schema.items()},
        nulls={name: statistics[name].nulls for name in schema.names()},
        notes=notes,
        sources=sources,
        statistics={name: statistics[name] for name in schema.names()},
    )


def _warnings(config: Config) -> list[str]:
    return [row.name for row in config.contract.rows if row.action == "warn"]


def is_synthetic(raw_csv: Path, sha256: str) -> bool:
    """Tell whether this very file was written by `tabtrail sample`, which leaves a mark with the file's sha256 beside it."""
    mark = read_json(mark_path(raw_csv))
    return mark is not None and mark.get("sha256") == sha256


def _partition_rows(folder: Path) -> dict[str, int]:
    rows = Counter[str]()
    for path in sorted(folder.rglob("*.parquet")):
        rows[str(path.parent.relative_to(folder))] += (
            pl.scan_parquet(path, hive_partitioning=False).select(pl.len()).collect().item()
        )
    return dict(rows)


def source_key(config: Config) -> dict[str, Any]:
    """Return what the result of an ingest depends on, apart from the code."""
    try:
        sources = {name: sha256_file(path) for name, path in find_sources(config).items()}
    except (ConfigError, OSError):
        sources = {}
    return {"sources": sources, "config": config.ingest_digest()}


def ingested_key(manifest: Manifest) -> dict[str, Any]:
    """Return the `source_key` of the files that were read."""
    return {"sources": {each.name: each.sha256 for each in manifest.sources}, "config": manifest.config_sha256}
