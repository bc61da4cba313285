"""CSV to contract-checked, hive-partitioned Parquet, every row accounted for, in bounded memory."""

import shutil
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from uuid import uuid4

import polars as pl

from tabtrail.config.dataset import Dataset, TableRules
from tabtrail.config.model import Split
from tabtrail.config.operation import Engine
from tabtrail.config.tree import Config
from tabtrail.data.account import Account, Found, Outputs, SplitKeys
from tabtrail.data.append import new_sources
from tabtrail.data.dataset import count_partitions, link_files, refuse_foreign_folder, scan_folder
from tabtrail.data.date_proof import DateProof
from tabtrail.data.duplicates import Duplicates, KeyHashes, KeyLook, KnownKeys, known_keys
from tabtrail.data.fan_out import Task, read_elsewhere
from tabtrail.data.far_dates import find_far_dates, is_far_date
from tabtrail.data.file_sample import FileSample, sample_dataset
from tabtrail.data.loading import Loader, Sources, WrongEncoding
from tabtrail.data.manifest import ColumnStatistics, Manifest, Shift, files_sha256, settle_dataset, verify_dataset
from tabtrail.data.origin import find_origin
from tabtrail.data.outliers import Fences, sequential_fences
from tabtrail.data.partitions import DatasetWriter
from tabtrail.data.rejects import RejectWriter, TooManyRejectsError
from tabtrail.data.repeats import is_repeated, repeated, times_repeated
from tabtrail.data.row_rules import LOST_TIME
from tabtrail.data.shifts import find_shifts
from tabtrail.data.spellings import find_spellings, is_spelling
from tabtrail.data.statistics import merge
from tabtrail.errors import ConfigError, DataError, require_keys
from tabtrail.progress import SILENT, Progress
from tabtrail.reading.postgres import Relation
from tabtrail.storage.objects import StoredFile
from tabtrail.system.files import atomic_file, atomic_folder_and_files, json_bytes, make_folder
from tabtrail.system.hashes import sha256_file, sha256_folder, sha256_json
from tabtrail.system.temporary import scratch_beside

LARGEST_TARGET = 1e100
"""Squared errors of larger values come near the largest double, 1.8e308, when they are added up."""


@dataclass(frozen=True)
class _Plan:
    """What an ingest reads and replaces; `known` is the account of the dataset that it adds to.

    Outliers of `outlier_columns`, `outlier_factor` × IQR beyond the quartiles, are rejected. `named` is the file or pattern
    that named the sources, `config_sha256` the digest of all that the result depends on but them.
    """

    rules: TableRules
    dataset: Dataset
    sources: Sources
    named: str
    config_sha256: str
    known: Manifest | None
    outlier_columns: tuple[str, ...]
    outlier_factor: float
    split: Split | None
    engine: Engine
    has_series: bool


def ingest(config: Config, *, append: bool = False, progress: Progress = SILENT) -> Manifest:
    """Replace the Parquet layer and the rejects by what the CSV files hold now, and return the accounting.

    With `append` the files that the dataset does not hold yet are added to it; what is there is not written again. Raises
    `ConfigError` or `DataError`; whatever is raised, the previous dataset stays as it was.
    """
    dataset, outliers, digest = config.dataset, config.profile.outliers, config.ingest_digest()
    dropping = outliers.action == "drop"
    settle_dataset(dataset)
    refuse_foreign_folder(dataset)
    sources = find_origin(config.paths, config.source, config.root)
    if append and config.paths.raw_csv is None:
        raise ConfigError("--append: a table is read as a whole, so that changed rows are seen; ingest without it")
    if append and dropping:
        raise ConfigError(
            "--append: with profile.outliers.action: drop, new rows move the fences; ingest all files again without it"
        )
    known = verify_dataset(dataset, digest) if append else None
    plan = _Plan(
        rules=replace(config.table_rules, last_dates=_last_dates(config.table_rules, known)),
        dataset=dataset,
        sources=sources if known is None else new_sources(_files(sources), known, config.paths.cache_dir),
        named=Path(config.origin).name,
        config_sha256=digest,
        known=known,
        outlier_columns=config.outlier_columns if dropping else (),
        outlier_factor=outliers.factor,
        split=None if config.is_demand_only else config.split,
        engine=config.engine,
        has_series=config.demand is not None,
    )
    return _read_until_decoded(plan, progress)


def _files(sources: Mapping[str, StoredFile | Relation]) -> dict[str, StoredFile]:
    return {name: each for name, each in sources.items() if not isinstance(each, Relation)}


def _read_until_decoded(plan: _Plan, progress: Progress) -> Manifest:
    """Start again, for each file whose beginning was UTF-8 and whose rest is not, with another encoding for it."""
    make_folder(plan.dataset.folder.parent)
    forced: dict[StoredFile, str] = {}
    while True:
        try:
            return _replace(plan, forced, progress)
        except WrongEncoding as error:
            forced[error.path] = error.encoding


def _replace(plan: _Plan, forced: Mapping[StoredFile, str], progress: Progress) -> Manifest:
    dataset, known = plan.dataset, plan.known
    # The rejects come last: the hash in the manifest of the dataset shows whether they are its own.
    with (
        scratch_beside(dataset.folder) as scratch,
        atomic_folder_and_files(dataset.folder, dataset.manifest, dataset.rejects) as (folder, described, rejects),
    ):
        if known is not None:
            link_files(dataset.folder, folder)
        outputs = _outputs(plan, folder, scratch)
        plan, date_notes = _with_proven_dates(plan, outputs, forced)
        fences = _fences(plan, scratch, forced)
        outputs = replace(outputs, duplicates=_duplicates(plan, scratch, forced, fences))
        loader = Loader(plan.rules, outputs, known=known, fences=fences, forced=forced)
        account = _read(plan, loader, outputs, progress, found=_elsewhere(plan, fences, scratch, progress))
        account.notes += [*date_notes, *(outputs.duplicates.notes() if outputs.duplicates else ())]
        outputs.rejects.write(rejects, account.header, dataset.rejects if known else None)
        manifest = _describe(plan, account, outputs.rows.statistics(), folder, sha256_file(rejects))
        sample = outputs.sample.rows()
        manifest = replace(manifest, shifts=_shifts(plan, sample), findings=_with_spellings(plan, manifest, account, folder))
        manifest = replace(manifest, findings=_with_far_dates(plan, manifest, folder, sample))
        _require_learnable(plan.rules, manifest)
        if known is None and plan.split is not None:
            keys = len(outputs.keys.values) if plan.split.kind == "group" else manifest.rows_kept
            require_keys(manifest.rows_kept, keys, plan.split.folds)
        described.write_bytes(json_bytes(asdict(manifest)))
    dataset.refused.unlink(missing_ok=True)
    return manifest


def _read(plan: _Plan, loader: Loader, outputs: Outputs, progress: Progress, *, found: Generator[Found | None]) -> Account:
    """Read all files. Rows for which the whole is refused are written to a file of their own: the rejects of the dataset stay."""
    try:
        with closing(found):
            return loader.read(plan.sources, progress, found)
    except TooManyRejectsError as error:
        refused = plan.dataset.refused
        with atomic_file(refused) as temporary:
            outputs.rejects.write(temporary, loader.header)
        raise type(error)(f"{error} The rows are in {refused}", error.counts) from None


def _elsewhere(plan: _Plan, fences: Fences, scratch: Path, progress: Progress) -> Generator[Found | None]:
    """Yield what the workers of a cluster found in each file, None for one to read here; nothing where all are read here."""
    files = _files(plan.sources)
    if plan.engine.kind != "dask" or len(files) < 2:
        return
    if plan.rules.cleaning.deduplicate is not None:
        progress.say(
            "ingest: with cleaning.deduplicate rows of one file depend on those of another, so this machine reads them all"
        )
        return
    keys, outbox = _split_keys(plan), scratch / uuid4().hex
    outbox.mkdir()
    task = Task(plan.rules, fences, tuple(plan.dataset.keys), keys, outbox)
    yield from read_elsewhere(files, task, plan.engine, progress)


def _split_keys(plan: _Plan) -> SplitKeys:
    return SplitKeys(None, 0) if plan.split is None else SplitKeys(plan.split.group_key, plan.split.folds + 1)


def _outputs(plan: _Plan, folder: Path, scratch: Path) -> Outputs:
    before = None if plan.known is None else sample_dataset(plan.dataset.folder, plan.dataset.keys, plan.known.rows_kept)
    return Outputs(DatasetWriter(folder, list(plan.dataset.keys)), RejectWriter(scratch), _split_keys(plan), FileSample(before))


def _fences(plan: _Plan, scratch: Path, forced: Mapping[StoredFile, str]) -> Fences:
    """Return the fences of outliers, which are known when all rows were read once."""
    none = Fences(plan.outlier_factor)
    if not plan.outlier_columns:
        return none
    first, rejects = scratch / "first", scratch / "rejects"
    for folder in (first, rejects):
        folder.mkdir()
    outputs = replace(_outputs(plan, first, rejects), duplicates=_duplicates(plan, rejects, forced, none))
    loader = Loader(plan.rules, outputs, known=None, fences=none, forced=forced)
    _read(plan, loader, outputs, SILENT, found=_elsewhere(plan, none, scratch, SILENT))
    found = sequential_fences(scan_folder(first, plan.dataset.keys), plan.outlier_columns, plan.outlier_factor)
    shutil.rmtree(first)
    return found


def _duplicates(plan: _Plan, scratch: Path, forced: Mapping[StoredFile, str], fences: Fences) -> Duplicates | None:
    """Return what tells which rows are set aside for their key; None where the config names no key.

    Of `last` and `none` all rows are read once before. Raises `DataError` where rows of the dataset would have to go.
    """
    deduplicate, dataset = plan.rules.cleaning.deduplicate, plan.dataset
    if deduplicate is None:
        return None
    hashes = KeyHashes(deduplicate.key, plan.rules)
    known = KnownKeys() if plan.known is None else known_keys(hashes, scan_folder(dataset.folder, dataset.keys))
    if deduplicate.keep == "first":
        return Duplicates(hashes, deduplicate.rule, known)
    look = KeyLook(hashes)
    loader = Loader(plan.rules, _outputs(plan, scratch, scratch), known=plan.known, fences=fences, forced=forced)
    loader.look_at_keys(plan.sources, look)
    if repeats := look.repeats_of(known):
        rows = f"{repeats:,} {'row has the key of a row' if repeats == 1 else 'rows have keys of rows'}"
        raise DataError(
            f"--append: {rows} that the dataset holds, and with cleaning.deduplicate.keep: {deduplicate.keep} that would have to"
            " go, which an append never writes again; run `tabtrail ingest` without it, or set keep: first"
        )
    return Duplicates(hashes, deduplicate.rule, judged=look.judge(deduplicate))


def _with_proven_dates(plan: _Plan, outputs: Outputs, forced: Mapping[StoredFile, str]) -> tuple[_Plan, list[str]]:
    """Return the plan with the formats of dates that the files prove, and notes on them. Only formats that contradict each
    other make the files be read twice.
    """
    proof = DateProof(plan.rules, {} if plan.known is None else plan.known.date_formats)
    if not proof.contradictions:
        return plan, []
    Loader(plan.rules, outputs, known=plan.known, fences=Fences(1), forced=forced).look(plan.sources, proof)
    return replace(plan, rules=replace(plan.rules, proven_formats=proof.proven())), proof.notes()


def _date_formats(rules: TableRules) -> dict[str, list[str]]:
    dated = [name for name in rules.columns.required if rules.columns.rule(name).is_date]
    return {name: list(rules.date_format(name).formats) for name in dated}


def _last_dates(rules: TableRules, known: Manifest | None) -> dict[str, date]:
    dated = [] if known is None else [name for name in known.statistics if rules.columns.rule(name).is_date]
    return {
        name: date.fromisoformat(str(known.statistics[name].max)[:10]) for name in dated if known and known.statistics[name].max
    }


def _describe(
    plan: _Plan, account: Account, statistics: Mapping[str, ColumnStatistics], folder: Path, rejects_sha256: str
) -> Manifest:
    known, named_warnings = plan.known, [row.name for row in plan.rules.contract.rows if row.action == "warn"]
    sources, notes, findings = account.sources, account.notes, account.findings
    rows_in, rows_kept, missing = account.rows, account.kept, account.missing
    rejects, warnings = Counter(account.rejected), Counter(account.warned)
    if known is not None:
        sources = sorted([*known.sources, *sources], key=lambda each: each.name)  # as a whole ingest reads them
        notes = [*known.notes, *notes]
        findings = [*(each for each in known.findings if not is_repeated(each)), *findings]
        statistics = merge(known.statistics, known.rows_kept, statistics, rows_kept) if statistics else known.statistics
        rows_in, rows_kept = rows_in + known.rows_in, rows_kept + known.rows_kept
        rejects.update(known.rejects)
        missing.update({name: known.nulls[name] for name in missing})
        warnings.update(known.warnings)
    schema = scan_folder(folder, plan.dataset.keys).collect_schema()
    after = {name: statistics[name].nulls for name in schema.names()}
    digests = [each.sha256 for each in sources]
    return Manifest(
        source=sources[0].name if len(sources) == 1 else plan.named,
        source_sha256=digests[0] if len(sources) == 1 else sha256_json(sorted(digests)),
        source_bytes=sum(each.bytes for each in sources),
        encoding=", ".join(dict.fromkeys(each.encoding for each in sources)),
        replaced_characters=sum(each.replaced_characters for each in sources),
        synthetic=any(each.synthetic for each in sources),
        config_sha256=plan.config_sha256,
        data_sha256=sha256_folder(folder, "*.parquet"),
        rows_in=rows_in,
        rows_kept=rows_kept,
        rows_rejected=rows_in - rows_kept,
        rejects=dict(sorted(rejects.items(), key=lambda item: (-item[1], item[0]))),
        rejects_sha256=rejects_sha256,
        warnings={name: warnings[name] for name in named_warnings} | {name: count for name, count in warnings.items() if count},
        partitions=count_partitions(folder),
        columns=list(account.header),
        schema={name: str(dtype) for name, dtype in schema.items()},
        nulls={name: missing[name] if name in missing else after[name] for name in dict.fromkeys((*account.header, *after))},
        nulls_after_filling=after,
        findings=[*_repeats(plan, account, folder, rows_kept), *findings],
        notes=notes,
        sources=sources,
        statistics={name: statistics[name] for name in schema.names()},
        files_sha256=files_sha256(folder),
        date_formats=_date_formats(plan.rules),
        plausible_years=list(plan.rules.cleaning.plausible_years),
        target_sums=account.repeats.sums,
    )


def _repeats(plan: _Plan, account: Account, folder: Path, rows: int) -> list[str]:
    """Return the finding that all rows occur several times over, else that on single copies among the rows of this ingest.

    The rows are read for it only where the target's hashes say so.
    """
    suspected = account.repeats.suspected(rows)
    times = times_repeated(folder, suspected) if suspected else None
    left_out = _left_out(plan, account)
    if times is not None:
        return [repeated(rows, times, left_out)]
    copies = account.copies.finding(left_out, added_up=plan.has_series)
    return [] if copies is None else [copies]


def _left_out(plan: _Plan, account: Account) -> str:
    """Return what of the file is not in the rows that are compared, so that rows that differ there look alike."""
    dropped = ["those of cleaning.drop_columns"] if plan.rules.cleaning.drop_columns else []
    times = ["times of day"] if any(count for name, count in account.warned.items() if name.endswith(LOST_TIME)) else []
    return " and ".join(dropped + times)


def _with_spellings(plan: _Plan, manifest: Manifest, account: Account, folder: Path) -> list[str]:
    """Return the findings with those on spellings. Columns are counted only where texts may be one, or rows were added."""
    names = account.categories.columns if plan.known else account.categories.doubtful()
    before = [each for each in manifest.findings if not is_spelling(each, names)]
    return [*before, *find_spellings(folder, plan.dataset.keys, names, plan.rules.source.null_values)]


def _with_far_dates(plan: _Plan, manifest: Manifest, folder: Path, sample: pl.DataFrame) -> list[str]:
    """Return the findings with those on dates far from all others."""
    stated = {name: each for name, each in manifest.statistics.items() if plan.rules.columns.rule(name).is_date}
    before = [each for each in manifest.findings if not is_far_date(each, stated)]
    return [*before, *find_far_dates(folder, plan.dataset.keys, stated, sample)]


def _shifts(plan: _Plan, rows: pl.DataFrame) -> list[Shift]:
    """Return where the unit of a number changes, in the files of before and in the new ones."""
    columns, earlier = plan.rules.columns, [] if plan.known is None else plan.known.shifts
    numbers = [
        name for name in columns.dataset if name in rows.columns and columns.is_number(name) and name not in columns.derived
    ]
    found = find_shifts(rows, numbers, plan.rules.cleaning.date_column)
    return [*earlier, *(shift for shift in found if shift.file is not None)]


def _require_learnable(rules: TableRules, manifest: Manifest) -> None:
    """Refuse rows from which nothing can be learned before they replace rows from which something could.

    Rows of demand may all be 1, one a sale: what counts is the sum of a period.
    """
    target = rules.target
    found, kept = manifest.statistics[target], manifest.rows_kept
    if rules.needed and kept > 1 and not found.nulls and found.min == found.max:
        raise DataError(f"the target {target} has the same value in all {kept:,} rows; there is nothing to learn")
    beyond = max((abs(float(value)) for value in (found.min, found.max) if value is not None), default=0.0)
    if beyond > LARGEST_TARGET:
        raise DataError(
            f"the target {target} is beyond {LARGEST_TARGET:g} in some rows, whose squared errors overflow;"
            " set contract.columns bounds (min, max) that reject such rows"
        )
