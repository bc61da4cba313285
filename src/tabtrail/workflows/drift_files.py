"""Rows of a file or of a table compared with what the deployed model learned from."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from tabtrail.contract.schema import Feature
from tabtrail.errors import UsageError
from tabtrail.monitor.outcome import DriftReport
from tabtrail.monitor.spans import Span
from tabtrail.project.lock import project_lock
from tabtrail.system.files import require_writable
from tabtrail.workflows.drift_deployed import Deployed, report_of, require_rows
from tabtrail.workflows.drift_gather import gather
from tabtrail.workflows.drift_job import TRAINING, Job
from tabtrail.workflows.drift_keep import keep
from tabtrail.workflows.drift_rows import RowReader, Rows
from tabtrail.workflows.drift_sources import file_rows, table_rows


def check_file(job: Job, path: Path, period: Span | None = None) -> list[DriftReport]:
    """Compare the rows of a file with what the deployed model learned from. Errors as `score_file` and `Deployed.of`."""
    deployed = Deployed.of(job)
    reader = RowReader(deployed.predictor, _target(job), path.name)
    return _check_rows(job, deployed, reader, (path.stem, "file"), _within(file_rows(path, reader), period, reader))


def check_table(job: Job, table: str, period: Span | None = None) -> list[DriftReport]:
    """Compare the rows of a table of PostgreSQL with what the deployed model learned from."""
    deployed = Deployed.of(job)
    reader = RowReader(deployed.predictor, _target(job), table)
    rows = table_rows(table, job.config.source, reader)
    return _check_rows(job, deployed, reader, (table, "table"), _within(rows, period, reader))


def _check_rows(
    job: Job, deployed: Deployed, reader: RowReader, named: tuple[str, str], rows: Iterable[Rows]
) -> list[DriftReport]:
    require_writable(job.config.paths.output_dir)
    with project_lock(job.config, "drift", job.progress):
        found = gather(deployed.reference, rows)
        require_rows(found, named[0])
        left_out = {reason: count for reason, count in reader.left_out.items() if count}
        compared = job.compared(named[0], TRAINING, named[1], deployed.run_id, left_out)
        compared = replace(compared, synthetic=bool(deployed.bundle.metadata["synthetic"]), notes=reader.notes())
        return keep(job, [report_of(job, found, compared)])


def _target(job: Job) -> Feature:
    name, rules = job.config.model.target, job.config.table_rules
    return Feature(name, "numeric", rules.columns.rule(name), reading=rules.reading(name), optional=True)


def _within(rows: Iterable[Rows], period: Span | None, reader: RowReader) -> Iterator[Rows]:
    """Yield the rows of a period, all where there is none. Raises `UsageError` where rows have no date."""
    for each in rows:
        if period is None:
            yield each
            continue
        if each.days is None or np.isnan(each.days).all():
            raise UsageError("--period: the rows have no date; leave it out")
        mask = period.holds(each.days)
        reader.left_out[f"not of {period.name}"] += int((~mask).sum())
        yield each.taken(mask)
