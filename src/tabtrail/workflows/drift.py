"""Windows of later rows compared with what the model learned from, or with an earlier period of the dataset."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from tabtrail.bundle.load import Bundle, load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.contract.schema import Feature
from tabtrail.errors import BundleError, DataError, UsageError
from tabtrail.monitor.outcome import Compared, DriftReport
from tabtrail.monitor.reference import Reference
from tabtrail.monitor.shapes import shapes_of
from tabtrail.monitor.spans import Span, Step, parse_span
from tabtrail.monitor.window import Window
from tabtrail.project.lock import project_lock
from tabtrail.system.files import require_writable
from tabtrail.workflows.drift_gather import Gathered, gather
from tabtrail.workflows.drift_job import TRAINING, Job
from tabtrail.workflows.drift_keep import keep
from tabtrail.workflows.drift_periods import Periods
from tabtrail.workflows.drift_rows import RowReader, Rows
from tabtrail.workflows.drift_sources import file_rows, table_rows
from tabtrail.workflows.log_watch import read_reference, set_apart


@dataclass(frozen=True)
class Between:
    """Periods of the dataset to compare: one with another, or with each of its years, quarters or months."""

    reference: Span
    windows: tuple[Span, ...]

    @classmethod
    def of(cls, reference: str, window: str, by: Step | None = None) -> Self:
        """Read the spans. Raises `UsageError`."""
        later = parse_span(window)
        return cls(parse_span(reference), tuple(later.cut(by)) if by else (later,))


@dataclass(frozen=True)
class Deployed:
    """The deployed model with what drift is measured against."""

    bundle: Bundle
    predictor: Predictor
    reference: Reference

    @property
    def run_id(self) -> str:
        return str(self.bundle.metadata["run_id"])

    @classmethod
    def of(cls, job: Job) -> Self:
        """Load the deployed model. Raises `BundleError` for one without a reference, `UsageError` for a model of series."""
        config = job.config
        bundle = load_bundle(config.paths.models_dir, config.model.name, config.bundle.public_key)
        if bundle.metadata.get("panel") is not None:
            raise UsageError("the deployed model is one of series; compare periods of its dataset: tabtrail drift --between A B")
        if bundle.reference is None:
            why = bundle.metadata.get("reference_missing") or "it was trained by an earlier version"
            raise BundleError(f"the deployed model has nothing that drift could be measured against: {why}; train again")
        return cls(bundle, Predictor(bundle), set_apart(read_reference(bundle.reference), job.config.drift.ignore))


def check_periods(job: Job, between: Between, *, together: bool = False) -> list[DriftReport]:
    """Compare periods of the dataset, and keep the result of each window. Raises `UsageError` for one without rows.

    With `together` a model is fitted that tells each window from the reference, which takes seconds.
    """
    require_writable(job.config.paths.output_dir)
    with project_lock(job.config, "drift", job.progress):
        periods = Periods.of(job)
        spans = [each for each in between.windows if each.holds(periods.days).any()]
        if not spans:
            periods.require(between.windows[0])
        if empty := [each.name for each in between.windows if each not in spans]:
            job.progress.say(f"drift: no row of the dataset is of {', '.join(empty)}")
        reference = set_apart(periods.reference(between.reference), job.config.drift.ignore)
        reports = [_check_period(job, periods, reference, (between.reference, span)) for span in spans]
        if together:
            seed, own = job.config.model.random_state, reference.apart
            told = [periods.together(between.reference, span, own, seed) for span in spans]
            reports = [replace(report, together=each) for report, each in zip(reports, told, strict=True)]
        return keep(job, reports)


def _check_period(job: Job, periods: Periods, reference: Reference, spans: tuple[Span, Span]) -> DriftReport:
    before, span = spans
    mask = span.holds(periods.days)
    window = Window(reference)
    window.add(periods.taken(mask), days=periods.days[mask])
    compared = replace(job.compared(span.name, before.name, "dataset", periods.run_id), synthetic=periods.synthetic)
    found = job.check(window, compared)
    return DriftReport(compared, found, found.alarm, shapes=shapes_of(window), plain_psi=periods.plain(before, span))


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


def report_of(job: Job, found: Gathered, compared: Compared) -> DriftReport:
    """Check gathered rows once."""
    result = job.check(found.window, compared)
    performance = found.performance(job.config.model.random_state)
    return DriftReport(compared, result, result.alarm, performance=performance, shapes=shapes_of(found.window))


def require_rows(found: Gathered, name: str) -> None:
    """Raise `DataError` for a window without rows."""
    if not found.window.rows:
        raise DataError(f"{name} has no row to check")


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
