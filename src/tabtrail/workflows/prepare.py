"""What a benchmark starts from: the rows, split and audited for leakage, and a plan that fits into memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from tabtrail.config.operation import Engine
from tabtrail.config.tree import Config
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.dates import to_doubles
from tabtrail.data.manifest import Manifest, Shift, read_manifest
from tabtrail.data.parts import parts_of
from tabtrail.data.rows_place import RowsPlace
from tabtrail.errors import EngineError, LeakageError
from tabtrail.jobs.run import ask_workers, check_engine
from tabtrail.modeling.benchmark import candidates_of, fitting_libraries
from tabtrail.modeling.capacity import memory_limit, plan
from tabtrail.modeling.devices import require_devices
from tabtrail.modeling.final_fit import Source, require_room
from tabtrail.modeling.leakage.audit import audit, sample_of
from tabtrail.modeling.leakage.columns import read_numbers, read_texts, with_numbers
from tabtrail.modeling.leakage.findings import UNIT_CHANGE, Finding, columns_to_drop
from tabtrail.modeling.leakage.left_out import MOST_COLUMNS, left_out_leaks
from tabtrail.modeling.preprocess import derive
from tabtrail.modeling.problem import Problem, problem_of
from tabtrail.modeling.sampled import Sample, sampled
from tabtrail.modeling.split import Split
from tabtrail.modeling.table import Table, load_table, needed_columns, require_sound_split, split_table
from tabtrail.progress import Progress


@dataclass(frozen=True)
class Beyond:
    """The dataset beyond the `sample` of it that is read here: its number of `rows`, and where workers read them."""

    sample: Sample
    source: Source
    rows: int


@dataclass(frozen=True)
class Prepared:
    """The config (less the columns that the leakage policy drops), the problem that it states, rows, split and findings; those on
    columns that the config has `left_out`; and what is `beyond` the rows, where those are a sample (None: they are all).

    `data` has the columns of the dataset, and its `height` rows only where they are a sample, which the final fit looks up: a fit
    takes them from `table`, and the memory of a second copy is worth more to it.
    """

    config: Config
    problem: Problem
    data: pl.DataFrame
    height: int
    table: Table
    split: Split
    findings: tuple[Finding, ...] = ()
    left_out: tuple[Finding, ...] = ()
    beyond: Beyond | None = None

    @classmethod
    def of(cls, config: Config, problem: Problem, data: pl.DataFrame, place: RowsPlace | None) -> Self:
        """Split the rows. Raises `DataError` for too few."""
        table = load_table(problem, data, place)
        return cls(config, problem, data, data.height, table, split_table(problem, table))


def prepare(config: Config, progress: Progress) -> Prepared:
    """Read the rows, split them, and audit columns and split for leakage, as the config's policy says.

    Raises `LeakageError` where the policy is `error` and there are findings, `ConfigError` for a split that leaks by itself,
    `CapacityError` where memory is short, `EngineError` where the cluster is not there.
    """
    check_engine(config.engine, fitting_libraries())
    require_devices(candidates_of(problem_of(config)), config.engine, fitting_libraries())
    problem, found = problem_of(config), RowsPlace.of(config.dataset, config.paths.dataset_copy)
    beyond = beyond_sample(problem, read_manifest(config.dataset), found, config.dataset.folder)
    every = sampled(scan_dataset(config.dataset), None if beyond is None else beyond.sample)
    dataset = every.select(needed_columns(problem))
    problem = _within_memory(problem, dataset, progress, beyond)
    place = None
    if config.engine.kind == "dask" and beyond is None:
        place = _workers_place(found, config.engine, progress)
    data = dataset.collect(engine="auto" if beyond is None else "streaming")
    require_sound_split(problem, data)
    prepared = Prepared.of(config, problem, data, place)
    if planned := data.height - len(prepared.table.row):
        progress.say(f"train: {planned:,} rows without a target (of a plan) are left out")
    findings = look_for_leaks(problem, prepared.table, prepared.split, read_manifest(config.dataset))
    for finding in findings:
        progress.say(f"train: {finding.label.lower()}: {finding}")
    left_out = look_at_left_out(problem, every, prepared.table, prepared.split)
    if config.leakage.policy == "error":
        _refuse(findings)
    columns = sorted(columns_to_drop((finding.column, finding.kind) for finding in findings))
    if config.leakage.policy == "drop" and columns:
        config = config.without_columns(columns)
        progress.say(f"train: leakage.policy drop: {', '.join(columns)} left out")
        problem = replace(problem_of(config), engine=problem.engine, final_workers=problem.final_workers)
        prepared = Prepared.of(config, problem, data, place)
    kept = data.clear() if beyond is None else data
    return replace(prepared, data=kept, findings=findings, left_out=left_out, beyond=beyond)


def beyond_sample(problem: Problem, manifest: Manifest, place: RowsPlace, folder: Path) -> Beyond | None:
    """Return what a final fit takes beyond the sample. Raises `EngineError` for a worker that cannot read the rows itself."""
    sample = Sample.of(problem, manifest)
    if sample is None:
        return None
    engine = problem.engine.model_copy(update={"kind": "dask"})
    answers = ask_workers(engine, place.problem, libraries=fitting_libraries())
    for worker, why in answers.items():
        if why:
            raise EngineError(
                f"the Dask worker {worker} cannot read the dataset: {why}; engine.final dask needs paths.processed_dir on a disk"
                " that all workers see, or in a bucket (s3://…) to which they have keys of their own"
            )
    return Beyond(sample, Source(place, parts_of(folder, len(answers))), manifest.rows_kept)


def _workers_place(place: RowsPlace, engine: Engine, progress: Progress) -> RowsPlace | None:
    """Return where the workers of a cluster read the rows themselves; None where one of them cannot.

    Raises `EngineError` for a worker that cannot read a bucket, as one that has no keys. That a worker does not see a disk is no
    error: the rows are sent to it.
    """
    answers = ask_workers(engine, place.problem, libraries=fitting_libraries())
    worker, problem = next(((worker, each) for worker, each in answers.items() if each), ("", ""))
    if not problem:
        progress.say(f"train: the Dask workers read the rows themselves, from {place.where}")
        return place
    if place.is_shared:
        raise EngineError(
            f"the Dask worker {worker} cannot read the dataset in {place.where}: {problem} (on the worker, which takes keys and"
            " endpoint from its own environment: they are never sent)"
        )
    progress.say(
        f"train: the Dask worker {worker} does not see the dataset ({problem}), so the rows are sent to every worker; with"
        " paths.processed_dir on a disk that all share, or in a bucket (s3://…), workers read them themselves"
    )
    return None


def _within_memory(problem: Problem, dataset: pl.LazyFrame, progress: Progress, beyond: Beyond | None) -> Problem:
    """Return the problem with as many workers as the fits of so many rows leave memory for."""
    texts = problem.model.text_features
    sizes = dataset.select(pl.len().alias("_rows"), pl.col(texts).n_unique()).collect(engine="streaming").row(0, named=True)
    capacity = plan(problem, sizes.pop("_rows"), sizes, memory_limit(problem.engine))
    progress.say(f"train: {capacity}")
    if beyond is not None:
        require_room(problem, beyond.rows, sizes, fitting_libraries())
    engine = problem.engine
    if capacity.fold_workers:
        engine = engine.model_copy(update={"workers": capacity.fold_workers})
    return replace(problem, engine=engine, final_workers=capacity.final_workers or None)


def look_for_leaks(problem: Problem, table: Table, split: Split, manifest: Manifest) -> tuple[Finding, ...]:
    """Return what gives the target away, and where the unit of a column changes."""
    return (*_audit(problem, table, split), *_unit_changes(problem, manifest.shifts))


def look_at_left_out(problem: Problem, dataset: pl.LazyFrame, table: Table, split: Split) -> tuple[Finding, ...]:
    """Return which columns of the dataset that the model does not take give the target away, by the audit's sample of rows."""
    known = {*needed_columns(problem), *problem.model.inputs}
    kinds = {name: kind for name, kind in dataset.collect_schema().items() if name not in known}
    names = [name for name, kind in kinds.items() if kind.is_numeric() or kind == pl.String][:MOST_COLUMNS]
    if not names:
        return ()
    rows = sample_of(split.train, problem.seed)
    values = dataset.select(pl.col(names).gather(table.row[rows])).collect()
    columns = {
        name: read_numbers(to_doubles(values[name]))
        if kinds[name].is_numeric()
        else with_numbers(read_texts(texts := values[name].fill_null("").to_numpy()), texts)
        for name in names
    }
    return left_out_leaks(columns, table.y[rows], problem.seed)


def _audit(problem: Problem, table: Table, split: Split) -> tuple[Finding, ...]:
    x, model = table.x, problem.model
    columns = {name: x[name].to_numpy(dtype=np.float64) for name in model.number_inputs}
    derived = {name: derive(formula, columns) for name, formula in model.formulas.items()}
    return audit(
        x.assign(**derived),
        table.y,
        numeric=[*model.numeric_features, *derived],
        categorical=model.text_features,
        train=split.train,
        test=split.test,
        folds=[(fold.train, fold.valid) for fold in split.folds if fold.repeat == 0],
        groups=None if table.groups is None else [str(group) for group in table.groups],
        dates=table.keys.date,
        random_split=problem.split.kind == "random",
        seed=problem.seed,
    )


def _unit_changes(problem: Problem, shifts: Sequence[Shift]) -> tuple[Finding, ...]:
    """Return where ingest saw the unit of the target or of an input change."""
    named = (problem.model.target, *problem.model.inputs)
    return tuple(Finding(name, UNIT_CHANGE, each.text, None, None) for name in named for each in shifts if each.column == name)


def _refuse(findings: Sequence[Finding]) -> None:
    if findings:
        raise LeakageError(
            f"leakage.policy is error, and {len(findings)} {'finding stands' if len(findings) == 1 else 'findings stand'}"
            " against the benchmark: "
            + "; ".join(map(str, findings))
            + ". Drop the columns, change the split, mend the units, or set leakage.policy: warn"
        )
