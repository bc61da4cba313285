"""Forecast and risk, one segment or all: computed, drawn, tracked and written."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tabtrail.bundle.stored_forecasts import forecast_folder, result_path
from tabtrail.config.tree import Config
from tabtrail.data.manifest import Manifest, verify_dataset
from tabtrail.data.warehouse import benchmark_table_files
from tabtrail.errors import NotTrainedError, UsageError, nearest
from tabtrail.forecast.champion_errors import ChampionErrors, analyse_champion
from tabtrail.forecast.local.series import Segment, Series, find_segment, list_segments, read_series
from tabtrail.forecast.result import SegmentResult
from tabtrail.forecast.segments import Facts, analyse, library_versions
from tabtrail.forecast.sweep import Sweep, analyse_all, outer_outcome, ranking, reconcile
from tabtrail.progress import SILENT, Progress
from tabtrail.project.lock import project_lock
from tabtrail.system.files import atomic_file, require_writable, write_json, write_parquet
from tabtrail.tracking.artifacts import log_files
from tabtrail.tracking.items import TAG, provenance_tags
from tabtrail.tracking.risk_items import segment_items, sweep_items
from tabtrail.tracking.runs import log_items, running
from tabtrail.tracking.store import Store, open_store
from tabtrail.workflows.database import take_in_results


@dataclass(frozen=True)
class Written:
    """A result and its file."""

    result: SegmentResult
    path: Path


def sweep_path(config: Config) -> Path:
    """Return where the summary of the last sweep lies."""
    return forecast_folder(config.paths.output_dir) / f"{_prefix(config)}_segments_sweep.json"


def ranking_path(config: Config) -> Path:
    """Return where the ranked table of the last sweep lies, as Parquet; the CSV and the picture lie beside it."""
    return forecast_folder(config.paths.output_dir) / f"{_prefix(config)}_ts_risk_ranking.parquet"


def forecast_segment(config: Config, wanted: Mapping[str, str], *, progress: Progress = SILENT) -> Written:
    """Forecast one segment (all rows where nothing is wanted), track it and write its JSON and pictures.

    Raises `UsageError` for a segment that has no rows, `DataError` for data without dates.
    """
    with project_lock(config, "forecast", progress):
        manifest = verify_dataset(config.dataset, config.ingest_digest())
        require_writable(config.paths.output_dir)
        return _forecast_segment(config, manifest, wanted, progress)


def _forecast_segment(config: Config, manifest: Manifest, wanted: Mapping[str, str], progress: Progress) -> Written:
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(open_store, config.mlflow.tracking_uri, config.risk.experiment)
        series = read_series(config, [find_segment(config, wanted)])[0]
        for note in series.notes:
            progress.say(f"forecast: {note}")
        result = analyse(series, config.risk, _facts(config, manifest))
        store = opening.result()
    tags = _tags(config, manifest)
    with running(store, "forecast", tags) as parent:
        written = _keep(config, store, parent, tags, result, draw_it=True)
        log_items(store, parent, sweep_items(config, [result], outer_outcome([result])))
    return written


def forecast_all(config: Config, by: Sequence[str] = (), *, progress: Progress = SILENT) -> tuple[list[SegmentResult], Sweep]:
    """Forecast all segments by the given names (by all of them, each alone, and everything where none is given).

    Each segment has a file and a run; a ranked table and a summary are written beside them. Raises `UsageError` for a
    name that the config does not have, and for a config without segments.
    """
    with project_lock(config, "forecast --all", progress):
        manifest = verify_dataset(config.dataset, config.ingest_digest())
        require_writable(config.paths.output_dir)
        found = _forecast_all(config, manifest, by, progress)
        take_in_results(config)
        return found


def _forecast_all(config: Config, manifest: Manifest, by: Sequence[str], progress: Progress) -> tuple[list[SegmentResult], Sweep]:
    started = time.perf_counter()
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(open_store, config.mlflow.tracking_uri, config.risk.experiment)
        series = read_series(config, _segments(config, by))
        progress.say(f"forecast: {len(series)} segments")
        store = opening.result()
    facts, tags = _facts(config, manifest), _tags(config, manifest)
    drawn = _largest(series, config.risk.sweep_plots)
    results: list[SegmentResult] = []
    with running(store, "forecast", tags) as parent:
        for done, (each, result) in enumerate(analyse_all(config, series, facts), 1):
            results.append(_keep(config, store, parent, tags, result, draw_it=each.segment in drawn).result)
            progress.advance(done, len(series))
        order = {each.segment: place for place, each in enumerate(series)}
        results.sort(key=lambda each: order[Segment.of(each.segment)])
        sweep = Sweep(
            statuses=dict(Counter(each.status for each in results).most_common()),
            outer=outer_outcome(results),
            reconciliation=reconcile(results),
            seconds=round(time.perf_counter() - started, 2),
            run_id=parent,
        )
        log_files(store, parent, _write_sweep(config, results, sweep))
        log_items(store, parent, sweep_items(config, results, sweep.outer))
    return results, sweep


def champion_path(config: Config) -> Path:
    """Return where the champion's error over time lies."""
    return forecast_folder(config.paths.output_dir) / f"{_prefix(config)}_champion_error.json"


def forecast_champion(config: Config, *, progress: Progress = SILENT) -> ChampionErrors:
    """Return what became of the champion's error over time, and write its JSON and picture.

    Raises `NotTrainedError` where there is no benchmark of this version.
    """
    with project_lock(config, "forecast --champion", progress):
        require_writable(config.paths.output_dir)
        return _forecast_champion(config)


def _forecast_champion(config: Config) -> ChampionErrors:
    path = benchmark_table_files(config.paths.output_dir)["predictions"]
    if not path.is_file():
        raise NotTrainedError(f"there is no {path}; run `tabtrail train --force` first")
    found = analyse_champion(config, pl.read_parquet(path))
    write_json(champion_path(config), found.model_dump(mode="json"))
    if found.status == "ok":
        from tabtrail.report.forecast_plots import draw_champion

        draw_champion(found, champion_path(config).with_suffix(".png"))
    return found


def _segments(config: Config, by: Sequence[str]) -> list[Segment]:
    names = list(config.risk.segments)
    if not names:
        raise UsageError("risk.segments is empty: name the columns that rows are told apart by")
    columns = {column: name for name, column in config.risk.segments.items()}
    chosen = [columns.get(each, each) for each in by]
    for each in chosen:
        if each not in names:
            raise UsageError(f"risk.segments has no '{each}' (it has {', '.join(names)}){nearest(each, names)}")
    if chosen:
        return [Segment(), *list_segments(config, [name for name in names if name in chosen])]
    alone = [segment for name in names for segment in list_segments(config, [name])]
    together = list_segments(config, names) if len(names) > 1 else []
    return [Segment(), *alone, *together]


def _largest(series: Sequence[Series], count: int) -> set[Segment]:
    ordered = sorted(series, key=lambda each: -float(each.values.sum()))
    return {each.segment for each in ordered[:count]}


def _keep(config: Config, store: Store, parent: str, tags: Mapping[str, str], result: SegmentResult, *, draw_it: bool) -> Written:
    """Write a result with the id of its run, then log it."""
    items = segment_items(result)
    path = result_path(config.paths.output_dir, _prefix(config), result.segment, list(config.risk.segments))
    with running(store, items.name, {**tags, **items.tags}, parent=parent) as run_id:
        plots: list[Path] = []
        if draw_it:
            from tabtrail.report.forecast_plots import draw

            plots = draw(result, path, config.risk.ewma_decay)
        result = result.model_copy(update={"run_id": run_id, "plots": [each.name for each in plots]})
        write_json(path, result.model_dump(mode="json"))
        log_files(store, run_id, [path, *plots])
        log_items(store, run_id, items)
    return Written(result, path)


def _write_sweep(config: Config, results: Sequence[SegmentResult], sweep: Sweep) -> list[Path]:
    from tabtrail.report.forecast_plots import draw_sweep

    table, path = ranking(results, list(config.risk.segments)), ranking_path(config)
    write_parquet(path, table)
    with atomic_file(path.with_suffix(".csv")) as temporary:
        table.write_csv(temporary)
    write_json(sweep_path(config), sweep.model_dump(mode="json"))
    synthetic = any(each.synthetic for each in results)
    steps = config.risk.forecast_steps
    picture = draw_sweep(table, path.with_suffix(".png"), unit=_unit(config), steps=steps, synthetic=synthetic)
    return [path, path.with_suffix(".csv"), sweep_path(config), picture]


def _facts(config: Config, manifest: Manifest) -> Facts:
    return Facts(
        unit=_unit(config),
        columns=config.risk.segments,
        synthetic=manifest.synthetic,
        data_sha256=manifest.data_sha256,
        config_sha256=config.digest("risk"),
    )


def _unit(config: Config) -> str:
    return config.model.currency if config.risk.value in (None, config.model.target) else str(config.risk.value)


def _tags(config: Config, manifest: Manifest) -> dict[str, str]:
    libraries = {f"{TAG}lib.{name}": found for name, found in library_versions().items()}
    return {**provenance_tags(manifest, config_sha256=config.digest("risk"), root=config.root), **libraries}


def _prefix(config: Config) -> str:
    return config.model.name.removesuffix("_regressor")
