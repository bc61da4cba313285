"""CSV to contract-checked, hive-partitioned Parquet, every row accounted for."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl

from tabtrail import __version__
from tabtrail.config import Config
from tabtrail.data.contract import RAW, Rules, break_circuit, build_rules, typed
from tabtrail.data.outliers import sequential_outliers
from tabtrail.data.source import ParsedSource, SourceFile, open_source, parse_lines, parse_records
from tabtrail.errors import ConfigError, DataError, require_keys
from tabtrail.files import atomic_file, atomic_folder, make_folder, read_json, write_json
from tabtrail.hashes import sha256_file, sha256_folder
from tabtrail.sample import mark_path

_RULES = "_rules"
_LARGEST_TARGET = 1e100
_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class Manifest:
    """What one ingest read, kept and set aside.

    `data_sha256` is the fingerprint of the kept rows (names and contents of the Parquet files), `rejects` and `warnings`
    count rows by rule (a row may break several), `partitions` rows by partition folder, `nulls` nulls by column.
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
    warnings: dict[str, int]
    partitions: dict[str, int]
    schema: dict[str, str]
    nulls: dict[str, int]
    notes: list[str]
    tabtrail_version: str = __version__


def ingest(config: Config) -> Manifest:
    """Replace the Parquet layer and the rejects by what the CSV holds now, and return the accounting.

    Raises `ConfigError` or `DataError`; whatever is raised, the previous dataset stays as it was.
    """
    paths = config.paths
    _refuse_foreign_folder(paths.processed_dir, paths.manifest)
    make_folder(paths.processed_dir.parent)
    with tempfile.TemporaryDirectory(prefix="tabtrail-") as scratch_name:
        scratch = Path(scratch_name)
        source = open_source(config, scratch)
        parsed, checked = _parse_and_check(config, source, scratch)
        rules = build_rules(config)
        broken = checked.filter(pl.col(_RULES).is_not_null()).height
        checked = _drop_outliers(config, checked)
        rejects = pl.concat([_rejected_rows(checked, source.header), _ragged_rows(parsed, source.header)], how="vertical").sort(
            "_line"
        )
        counts = _count(checked, rules, parsed)
        _require_rows(source, counts, broken + len(parsed.ragged.lines), config.contract.max_reject_share, rejects)
        kept = _kept_rows(config, checked, source.header)
        _require_learnable(config, kept)
        with atomic_folder(paths.processed_dir) as folder:
            _write_partitions(kept, folder, config.parquet.partition_by)
            manifest = _describe(config, source, counts, folder)
            write_json(folder / "_manifest.json", asdict(manifest))
            with atomic_file(paths.rejects) as temporary:
                rejects.write_parquet(temporary, compression="zstd")
    return manifest


def _refuse_foreign_folder(folder: Path, manifest: Path) -> None:
    """The folder is replaced as a whole: whatever is in it that ingest did not write would be lost."""
    found = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    if found and found != [".gitkeep"] and not manifest.is_file():
        raise ConfigError(f"paths.processed_dir: {folder} holds other files; name a folder that is for the dataset alone")


def _require_learnable(config: Config, kept: pl.DataFrame) -> None:
    """Refuse rows from which nothing can be learned before they replace rows from which something could."""
    target, split = config.model.target, config.split
    if kept.get_column(target).n_unique() == 1 and kept.height > 1:
        raise DataError(f"the target {target} has the same value in all {kept.height:,} rows; there is nothing to learn")
    beyond = int((kept.get_column(target).cast(pl.Float64).abs() > _LARGEST_TARGET).sum())
    if beyond:
        raise DataError(
            f"the target {target} is beyond {_LARGEST_TARGET:g} in {beyond:,} rows, where squared errors are no numbers;"
            " set contract.columns bounds (min, max) that reject such rows"
        )
    key = split.group_key if split.kind == "group" else None
    require_keys(kept.height, kept.get_column(key).n_unique() if key else kept.height, split.folds)


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
        return Manifest(**value)
    except TypeError:
        raise DataError(f"{config.paths.manifest} is not a manifest of this version; run `tabtrail ingest --force`") from None


def verify_dataset(config: Config) -> Manifest:
    """Return the accounting after checking that the Parquet files are those that it describes, made with this config.

    Raises `DataError` for files that were added, removed or altered since, and for a config that would ingest otherwise.
    """
    manifest = read_manifest(config)
    if sha256_folder(config.paths.processed_dir, "*.parquet") != manifest.data_sha256:
        raise DataError(
            f"the files in {config.paths.processed_dir} are not those of the last ingest; run `tabtrail ingest --force`"
        )
    if manifest.config_sha256 != config.ingest_digest():
        raise DataError(f"{config.paths.processed_dir} was made with another config; run `tabtrail ingest` first")
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


@dataclass(frozen=True)
class _Counts:
    rows: int
    rejected: int
    rejects: dict[str, int]
    warnings: dict[str, int]


def _parse_and_check(config: Config, source: SourceFile, scratch: Path) -> tuple[ParsedSource, pl.DataFrame]:
    """Parse line by line, which is fast, and record by record where the file turns out to need it."""
    delimiter = config.source.delimiter
    parsed = parse_lines(source, delimiter)
    if parsed is not None:
        with contextlib.suppress(pl.exceptions.ComputeError):
            return parsed, _check_rows(config, source, parsed)
    parsed = parse_records(source, delimiter, scratch)
    try:
        return parsed, _check_rows(config, source, parsed)
    except pl.exceptions.PolarsError as error:
        # Its text may quote the file.
        raise DataError(f"{source.name}: Polars cannot parse it ({type(error).__name__}); is it a CSV?") from None


def _check_rows(config: Config, source: SourceFile, parsed: ParsedSource) -> pl.DataFrame:
    """Return typed columns, their raw texts, `_line`, and `_rules`: what the row breaks, joined, null for a good row."""
    null_values = config.source.null_values
    texts = [
        pl.when(~pl.col(name).is_in(["", *null_values.get(name, ())])).then(pl.col(name)).alias(name) for name in source.header
    ]
    raw = [pl.col(name).alias(RAW + name) for name in source.header]
    rules = build_rules(config)
    broken = [pl.when(expression).then(pl.lit(name)) for name, expression in rules.reject.items()]
    warned = [expression.alias(f"_warn_{name}") for name, expression in rules.warn.items()]
    joined = pl.concat_str(broken, separator="; ", ignore_nulls=True)
    return (
        parsed.rows.with_columns(texts)
        .with_columns(raw)
        .with_columns([typed(config, name) for name in source.header])
        .with_columns(pl.when(joined != "").then(joined).alias(_RULES), *warned)
        .collect(engine="streaming")
    )


def _drop_outliers(config: Config, checked: pl.DataFrame) -> pl.DataFrame:
    """Set outliers aside where the config wants that: rejected rows like the others, but no breach of the contract."""
    outliers = config.profile.outliers
    if outliers.action != "drop":
        return checked
    good = checked.get_column(_RULES).is_null()
    for name, rows in sequential_outliers(checked.filter(good), config.outlier_columns, outliers.factor).items():
        places = good.arg_true().filter(rows)
        rule = f"{name}: outlier beyond {outliers.factor:g} IQR"
        checked = checked.with_columns(checked.get_column(_RULES).scatter(places, rule) if len(places) else pl.col(_RULES))
    return checked


def _kept_rows(config: Config, checked: pl.DataFrame, header: tuple[str, ...]) -> pl.DataFrame:
    cleaning = config.cleaning
    names = [name for name in header if name not in cleaning.drop_columns]
    fills = [pl.col(name).fill_null(cleaning.fill_value) for name in cleaning.fill_unknown_columns if name in names]
    kept = checked.filter(pl.col(_RULES).is_null()).select(names).with_columns(fills)
    if cleaning.date_column is None:
        return kept
    date = pl.col(cleaning.date_column).dt
    return kept.with_columns(date.year().cast(pl.Int32).alias("YEAR"), date.month().cast(pl.Int32).alias("MONTH"))


def _rejected_rows(checked: pl.DataFrame, header: tuple[str, ...]) -> pl.DataFrame:
    columns = [pl.col("_line"), pl.col(_RULES), *(pl.col(RAW + name).alias(name) for name in header)]
    return checked.filter(pl.col(_RULES).is_not_null()).select(*columns, pl.lit(None, dtype=pl.String).alias("_text"))


def _ragged_rows(parsed: ParsedSource, header: tuple[str, ...]) -> pl.DataFrame:
    ragged = parsed.ragged
    empty = [pl.lit(None, dtype=pl.String).alias(name) for name in header]
    frame = pl.DataFrame(
        {"_line": ragged.lines, _RULES: ragged.rules, "_text": ragged.raw},
        schema_overrides={"_line": pl.Int64, _RULES: pl.String, "_text": pl.String},
    )
    return frame.with_columns(empty).select("_line", _RULES, *header, "_text")


def _count(checked: pl.DataFrame, rules: Rules, parsed: ParsedSource) -> _Counts:
    broken = checked.get_column(_RULES).drop_nulls().str.split("; ").explode()
    rejects = dict(broken.value_counts(sort=True).iter_rows())
    for rule in parsed.ragged.rules:
        rejects[rule] = rejects.get(rule, 0) + 1
    good = checked.filter(pl.col(_RULES).is_null())
    warnings = {name: int(good.get_column(f"_warn_{name}").sum()) for name in rules.warn}
    ragged = len(parsed.ragged.lines)
    return _Counts(checked.height + ragged, checked.height - good.height + ragged, rejects, warnings)


def _require_rows(source: SourceFile, counts: _Counts, broken: int, max_share: float, rejects: pl.DataFrame) -> None:
    if counts.rows == 0:
        raise DataError(f"{source.name} has a header and no rows")
    first_line = rejects.get_column("_line")[0] if rejects.height else None
    break_circuit(source.name, counts.rows, counts.rejects, broken, max_share, first_line)
    if counts.rejected == counts.rows:
        raise DataError(f"{source.name}: every row was rejected")


def _write_partitions(kept: pl.DataFrame, folder: Path, keys: tuple[str, ...]) -> None:
    if not keys:
        kept.write_parquet(folder / "part-0.parquet", compression="zstd")
        return
    for values, part in kept.partition_by(keys, as_dict=True, include_key=False, maintain_order=True).items():
        names = (_NULL_PARTITION if value is None else quote(str(value), safe="") for value in values)
        target = folder.joinpath(*(f"{key}={name}" for key, name in zip(keys, names, strict=True)))
        target.mkdir(parents=True)
        part.write_parquet(target / "part-0.parquet", compression="zstd")


def _describe(config: Config, source: SourceFile, counts: _Counts, folder: Path) -> Manifest:
    data = _scan_folder(config, folder)
    schema = data.collect_schema()
    nulls = data.null_count().collect()
    return Manifest(
        source=source.name,
        source_sha256=source.sha256,
        source_bytes=source.size,
        encoding=source.encoding,
        replaced_characters=source.replaced,
        synthetic=is_synthetic(config.paths.raw_csv, source.sha256),
        config_sha256=config.ingest_digest(),
        data_sha256=sha256_folder(folder, "*.parquet"),
        rows_in=counts.rows,
        rows_kept=counts.rows - counts.rejected,
        rows_rejected=counts.rejected,
        rejects=counts.rejects,
        warnings=counts.warnings,
        partitions=dict(_partition_rows(folder)),
        schema={name: str(dtype) for name, dtype in schema.items()},
        nulls={name: nulls.get_column(name)[0] for name in nulls.columns},
        notes=list(source.notes),
    )


def is_synthetic(raw_csv: Path, sha256: str) -> bool:
    """Tell whether this very file was written by `tabtrail sample`, which leaves a mark with the file's sha256 beside it."""
    mark = read_json(mark_path(raw_csv))
    return mark is not None and mark.get("sha256") == sha256


def _partition_rows(folder: Path) -> Iterator[tuple[str, int]]:
    for path in sorted(folder.rglob("*.parquet")):
        yield (
            str(path.parent.relative_to(folder)),
            pl.scan_parquet(path, hive_partitioning=False).select(pl.len()).collect().item(),
        )


def source_key(config: Config) -> dict[str, Any]:
    """Return what the result of an ingest depends on, apart from the code."""
    raw = config.paths.raw_csv
    return {"source": sha256_file(raw) if raw.is_file() else None, "name": raw.name, "config": config.ingest_digest()}
