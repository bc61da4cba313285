"""Forecast and risk, one segment or all: computed, drawn, tracked and written."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from tabtrail.bundle.stored_forecasts import forecast_folder, result_path
from tabtrail.config.dataset import TableRules
from tabtrail.config.forecast import Risk
from tabtrail.config.operation import Mlflow
from tabtrail.config.tree import Config
from tabtrail.contract.aliases import SegmentReading
from tabtrail.data.manifest import verify_dataset
from tabtrail.data.result_files import benchmark_table_files
from tabtrail.data.warehouse import parquet_view
from tabtrail.errors import NotTrainedError, UsageError, nearest
from tabtrail.forecast.dataset import SeriesSource, find_segment, list_segments, read_series, view_without_plan
from tabtrail.forecast.error_over_time import ErrorOverTime, analyse_errors
from tabtrail.forecast.local.neighbours import ALONE, Neighbours
from tabtrail.forecast.ranking import ranking
from tabtrail.forecast.result import SegmentResult
from tabtrail.forecast.segment import Facts, analyse, deciding_versions
from tabtrail.forecast.series import Segment, Series
from tabtrail.forecast.sweep import Sweep, analyse_all, evaluate, learn_from, reconcile
from tabtrail.progress import SILENT, Progress
from tabtrail.project.forecaster_names import check_forecasters
from tabtrail.project.lock import project_lock
from tabtrail.report.png import draw
from tabtrail.report.segment_pictures import error_picture, ranking_picture, segment_pictures
from tabtrail.system.files import atomic_file, require_writable, write_json, write_parquet
from tabtrail.tracking.artifacts import log_files
from tabtrail.tracking.provenance import Provenance, log_origin, provenance_of
from tabtrail.tracking.refusals import store_errors
from tabtrail.tracking.risk_items import segment_items, sweep_items
from tabtrail.tracking.runs import close_dead_runs, log_items, running
from tabtrail.tracking.store import Store, open_store
from tabtrail.workflows.database import take_in_results


@dataclass(frozen=True)
class StoredForecast:
    """A result and its file; the pictures are beside it."""

    result: SegmentResult
    path: Path


@dataclass(frozen=True)
class ForecastFiles:
    """The files that are not of one segment: of the last sweep, and of the model's error over time.

    The CSV and the picture of the ranking have the name of its Parquet file, the picture of the error that of its JSON.
    """

    sweep: Path
    ranking: Path
    error: Path


@dataclass(frozen=True)
class _Job:
    """What the results of one call have in common: settings, provenance, and where they go."""

    risk: Risk
    facts: Facts
    provenance: Provenance
    opening: Future[Store]
    output_dir: Path
    prefix: str

    @property
    def store(self) -> Store:
        """The MLflow store, waited for until it is open."""
        return self.opening.result()


def forecast_segment(config: Config, wanted: Mapping[str, str], *, progress: Progress = SILENT) -> StoredForecast:
    """Forecast one segment (all rows where nothing is wanted), track it and write its JSON and pictures.

    Raises `UsageError` for a segment that has no rows, `DataError` for data without dates.
    """
    with _at_work(config, "forecast", progress) as job:
        with _source(config) as source:
            segment = _as_read(config.table_rules, source.segments, find_segment(source.segments, wanted))
            series = read_series(source, [segment])[0]
            neighbours = _neighbours(source, job.risk)
        for note in series.notes:
            progress.say(f"forecast: {note}")
        result = analyse(series, job.risk, job.facts, neighbours)
        with running(job.store, "forecast", job.provenance.tags) as parent:
            log_origin(job.store, parent, job.provenance)
            stored = _keep(job, parent, result, draw_it=True)
            log_items(job.store, parent, sweep_items(job.risk, [result], evaluate([result])))
        return stored


def forecast_all(config: Config, by: Sequence[str] = (), *, progress: Progress = SILENT) -> tuple[list[SegmentResult], Sweep]:
    """Forecast all segments by the given names (by all of them, each alone, and everything where none is given).

    Each segment has a file and a run; a ranked table and a summary are written beside them. Raises `UsageError` for a
    name that the config does not have, and for a config without segments.
    """
    started = time.perf_counter()
    with _at_work(config, "forecast --all", progress) as job:
        with _source(config) as source:
            series = read_series(source, _segments(source, by))
            neighbours = _neighbours(source, job.risk)
        progress.say(f"forecast: {len(series)} segments")
        with running(job.store, "forecast", job.provenance.tags) as parent:
            log_origin(job.store, parent, job.provenance)
            found = analyse_all(series, job.risk, job.facts, config.engine, neighbours=neighbours)
            results = _forecast_each(job, parent, series, found, progress)
            sweep = Sweep(
                statuses=dict(Counter(each.status for each in results).most_common()),
                outer=evaluate(results),
                reconciliation=reconcile(results),
                seconds=round(time.perf_counter() - started, 2),
                run_id=parent,
            )
            log_files(job.store, parent, _write_sweep(job, results, sweep))
            log_items(job.store, parent, sweep_items(job.risk, results, sweep.outer))
        take_in_results(config)
        return results, sweep


def measure_error_over_time(config: Config, *, progress: Progress = SILENT) -> ErrorOverTime:
    """Write how the error of the last benchmark's champion went over time, as JSON and as a picture, and return it.

    Raises `NotTrainedError` where there is no benchmark of this version.
    """
    with project_lock(config, "forecast --champion", progress):
        require_writable(config.paths.output_dir)
        path = benchmark_table_files(config.paths.output_dir)["predictions"]
        if not path.is_file():
            raise NotTrainedError(f"there is no {path}; run `tabtrail train --force` first")
        found = analyse_errors(pl.read_parquet(path), config.risk, config.model.currency, honest=config.split.by_time)
        file = forecast_files(config.paths.output_dir, config.model.name).error
        write_json(file, found.model_dump(mode="json"))
        if found.status == "ok":
            draw(error_picture(found), file.with_suffix(".png"))
        return found


def forecast_files(output_dir: Path, model: str) -> ForecastFiles:
    """Return the paths of the files that are not of one segment; `model` is the configured name."""
    folder, prefix = forecast_folder(output_dir), _prefix(model)
    return ForecastFiles(
        sweep=folder / f"{prefix}_segments_sweep.json",
        ranking=folder / f"{prefix}_ts_risk_ranking.parquet",
        error=folder / f"{prefix}_champion_error.json",
    )


@contextmanager
def _at_work(config: Config, command: str, progress: Progress) -> Iterator[_Job]:
    """Take the lock, check what is needed, and open the store in a thread.

    Opening an MLflow store takes a second (making one, several), in which the series can be read and forecast.
    """
    check_forecasters(config)
    with project_lock(config, command, progress), ThreadPoolExecutor(1) as pool:
        manifest = verify_dataset(config.dataset, config.ingest_digest())
        require_writable(config.paths.output_dir)
        digest = config.digest("risk")
        provenance = provenance_of(manifest, config_sha256=digest, root=config.root)
        yield _Job(
            risk=config.risk,
            facts=Facts(
                unit=config.model.currency if config.risk.value in (None, config.model.target) else str(config.risk.value),
                columns=config.risk.segments,
                synthetic=manifest.synthetic,
                data_sha256=manifest.data_sha256,
                config_sha256=digest,
            ),
            provenance=replace(provenance, libraries={**provenance.libraries, **deciding_versions()}),
            opening=pool.submit(_open_store, config.mlflow.of(config.risk.experiment)),
            output_dir=config.paths.output_dir,
            prefix=_prefix(config.model.name),
        )


def _open_store(mlflow: Mlflow) -> Store:
    """Open the store, and end in it the runs of forecasts that were killed."""
    store = open_store(mlflow)
    with store_errors(store.uri):
        close_dead_runs(store)
    return store


@contextmanager
def _source(config: Config) -> Iterator[SeriesSource]:
    table, target = config.duckdb.table, config.model.target
    with parquet_view(config.database) as connection:
        if config.keeps_plans:
            table = view_without_plan(connection, table, target)
        yield SeriesSource(
            connection=connection,
            table=table,
            date_column=config.cleaning.date_column,
            value_column=config.risk.value or target,
            segments=config.risk.segments,
            frequency=config.risk.frequency,
            drop_incomplete=config.risk.drop_incomplete,
        )


def _as_read(rules: TableRules, columns: Mapping[str, str], segment: Segment) -> Segment:
    """Return the segment of the texts that the dataset holds: trimmed, folded and without other spellings, as its cells are."""
    return Segment(tuple(SegmentReading.of(columns, rules.reading, rules.aliases).read(segment.values).items()))


def _segments(source: SeriesSource, by: Sequence[str]) -> list[Segment]:
    names = list(source.segments)
    if not names:
        raise UsageError("risk.segments is empty: name the columns that rows are told apart by")
    columns = {column: name for name, column in source.segments.items()}
    chosen = [columns.get(each, each) for each in by]
    for each in chosen:
        if each not in names:
            raise UsageError(f"risk.segments has no '{each}' (it has {', '.join(names)}){nearest(each, names)}")
    if chosen:
        return [Segment(), *list_segments(source, [name for name in names if name in chosen])]
    alone = [segment for name in names for segment in list_segments(source, [name])]
    together = list_segments(source, names) if len(names) > 1 else []
    return [Segment(), *alone, *together]


def _neighbours(source: SeriesSource, risk: Risk) -> Neighbours:
    """Return what the largest segments of every set of names show, the same for one segment and for a sweep."""
    if not risk.neighbours or not source.segments:
        return ALONE
    sets = [[name] for name in source.segments] + ([list(source.segments)] if len(source.segments) > 1 else [])
    largest = [segment for names in sets for segment in list_segments(source, names, risk.neighbours)]
    return learn_from(read_series(source, [Segment(), *largest]), risk)


def _forecast_each(
    job: _Job, parent: str, series: Sequence[Series], found: Iterable[tuple[Series, SegmentResult]], progress: Progress
) -> list[SegmentResult]:
    """Forecast and keep every series, and return the results in the order of the series."""
    drawn = _largest(series, job.risk.sweep_plots)
    results = {}
    for done, (each, result) in enumerate(found, 1):
        results[each.segment] = _keep(job, parent, result, draw_it=each.segment in drawn).result
        progress.advance(done, len(series))
    return [results[each.segment] for each in series]


def _largest(series: Sequence[Series], count: int) -> set[Segment]:
    ordered = sorted(series, key=lambda each: -float(each.values.sum()))
    return {each.segment for each in ordered[:count]}


def _keep(job: _Job, parent: str, result: SegmentResult, *, draw_it: bool) -> StoredForecast:
    """Draw a result, write it with the id of its run, and log both."""
    items = segment_items(result)
    path = result_path(job.output_dir, job.prefix, result.segment, list(job.risk.segments))
    with running(job.store, items.name, {**job.provenance.tags, **items.tags}, parent=parent) as run_id:
        plots = _draw(result, path, job.risk.ewma_decay) if draw_it else []
        result = result.model_copy(update={"run_id": run_id, "plots": [each.name for each in plots]})
        write_json(path, result.model_dump(mode="json"))
        log_files(job.store, run_id, [path, *plots])
        log_items(job.store, run_id, items)
    return StoredForecast(result, path)


def _draw(result: SegmentResult, path: Path, ewma_decay: float) -> list[Path]:
    """Write the pictures of a result beside its JSON file, and return their paths."""
    files = []
    for picture in segment_pictures(result, ewma_decay):
        files.append(path.with_name(f"{path.stem}_{picture.name}.png"))
        draw(picture, files[-1], synthetic=result.synthetic)
    return files


def _write_sweep(job: _Job, results: Sequence[SegmentResult], sweep: Sweep) -> list[Path]:
    files, table = forecast_files(job.output_dir, job.prefix), ranking(results, list(job.risk.segments))
    csv, png = files.ranking.with_suffix(".csv"), files.ranking.with_suffix(".png")
    write_parquet(files.ranking, table)
    with atomic_file(csv) as temporary:
        table.write_csv(temporary)
    write_json(files.sweep, sweep.model_dump(mode="json"))
    draw(ranking_picture(table, job.facts.unit, job.risk.forecast_steps), png, synthetic=job.facts.synthetic)
    return [files.ranking, csv, files.sweep, png]


def _prefix(model: str) -> str:
    return model.removesuffix("_regressor")
