"""The results of checked windows kept: JSON and page, PSI under the names that people look for, a table, and runs in MLflow."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import polars as pl

from tabtrail.data.result_files import drift_table_file
from tabtrail.errors import StoreError
from tabtrail.monitor.outcome import DriftReport
from tabtrail.report.drift_page import render_drift
from tabtrail.report.drift_pictures import drift_columns, plain_picture, plain_stem
from tabtrail.report.png import draw
from tabtrail.system.files import read_json, write_json, write_parquet, write_text
from tabtrail.tracking.artifacts import log_files
from tabtrail.tracking.drift_items import DRIFT_EXPERIMENT, drift_items
from tabtrail.tracking.runs import log_items, running
from tabtrail.tracking.store import Store, open_store
from tabtrail.workflows.database import take_in_results
from tabtrail.workflows.drift_alert import tell_alarms
from tabtrail.workflows.drift_job import Job, file_stem

_COLUMNS = {
    "window": pl.String,
    "reference": pl.String,
    "source": pl.String,
    "created": pl.String,
    "run_id": pl.String,
    "rows": pl.Int64,
    "alarm": pl.Boolean,
    "column": pl.String,
    "psi": pl.Float64,
    "psi_by_chance": pl.Float64,
    "wasserstein": pl.Float64,
    "missing": pl.Float64,
    "p_value": pl.Float64,
    "column_alarm": pl.Boolean,
    "why": pl.String,
    "apart": pl.String,
}


def keep(job: Job, reports: Sequence[DriftReport]) -> list[DriftReport]:
    """Write and track what each window's check found, and return the reports with their files.

    A store that cannot be reached is reported and hides no alarm.
    """
    kept = [_written(job, each) for each in reports]
    write_parquet(drift_table_file(job.config.paths.output_dir), drift_table(job.folder))
    take_in_results(job.config)
    tell_alarms(job, kept)
    try:
        store = open_store(job.config.mlflow.of(job.config.model.name + DRIFT_EXPERIMENT))
        for each in kept:
            _track(job, store, each)
    except StoreError as error:
        job.progress.say(f"drift: the runs are not tracked: {error}")
    return kept


def _written(job: Job, report: DriftReport) -> DriftReport:
    stem = file_stem(report.compared)
    json_file, page = job.folder / f"{stem}.json", job.folder / f"{stem}.html"
    files = [json_file, page, *_write_plain(job, report)]
    report = replace(report, files=tuple(str(each.relative_to(job.config.paths.output_dir)) for each in files))
    write_json(json_file, report.to_dict())
    write_text(page, render_drift(report, drift_columns(report), {}))
    return report


def _track(job: Job, store: Store, report: DriftReport) -> None:
    with running(store, report.compared.window, {}) as run_id:
        log_items(store, run_id, drift_items(report))
        log_files(store, run_id, [job.config.paths.output_dir / each for each in report.files])


def _write_plain(job: Job, report: DriftReport) -> list[Path]:
    """Write the PSI of each number column, and a picture of those that a person asks about: the target and what alarms."""
    folder, drawn = job.config.paths.output_dir / "monitoring", {report.compared.target}
    drawn |= {each.name for each in report.check.alarming}
    files = []
    for column, plain in report.plain_psi.items():
        stem = plain_stem(report, column)
        files.append(folder / f"psi_{stem}.json")
        named = {"column": column, "reference": report.compared.reference, "window": report.compared.window}
        write_json(files[-1], {**named, "psi": plain.value, **asdict(plain)})
        if column in drawn:
            files.append(folder / f"{stem}.png")
            draw(plain_picture(report, column), files[-1], synthetic=report.compared.synthetic)
    return files


def drift_table(folder: Path) -> pl.DataFrame:
    """Return a row for each column of each window whose JSON lies in a folder."""
    documents = [found for path in sorted(folder.glob("*.json")) if (found := read_json(path)) is not None]
    return pl.DataFrame([row for each in documents for row in _table_rows(each)], schema=_COLUMNS)


def _table_rows(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    compared, check = document["compared"], document["check"]
    common = {name: compared[name] for name in ("window", "reference", "source", "created", "run_id")}
    for column in (*check["columns"], *check["apart"]):
        yield {
            **common,
            "rows": check["rows"],
            "alarm": document["alarm"],
            "column": column["name"],
            **{name: column[name] for name in ("psi", "psi_by_chance", "wasserstein", "apart")},
            "missing": column["missing"]["now"],
            "p_value": min(column["adjusted"].values(), default=None),
            "column_alarm": column["alarm"],
            "why": "; ".join(column["why"]),
        }
