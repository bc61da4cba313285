"""Windows of later rows compared with what the model learned from, or with an earlier period of the dataset."""

from dataclasses import dataclass, replace
from typing import Self

from tabtrail.monitor.outcome import DriftReport
from tabtrail.monitor.reference import Reference
from tabtrail.monitor.shapes import shapes_of
from tabtrail.monitor.spans import Span, Step, parse_span
from tabtrail.monitor.window import Window
from tabtrail.project.lock import project_lock
from tabtrail.system.files import require_writable
from tabtrail.workflows.drift_job import Job
from tabtrail.workflows.drift_keep import keep
from tabtrail.workflows.drift_periods import Periods
from tabtrail.workflows.log_watch import set_apart


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
