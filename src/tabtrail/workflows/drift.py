"""Windows of later rows compared with what the model learned from, or with an earlier period of the dataset."""

from dataclasses import dataclass, replace

from tabtrail.monitor.outcome import DriftReport
from tabtrail.monitor.spans import Span, Step, parse_span
from tabtrail.monitor.window import Window
from tabtrail.project.lock import project_lock
from tabtrail.system.files import require_writable, write_json
from tabtrail.workflows.drift_job import Job, file_stem
from tabtrail.workflows.drift_periods import Periods


@dataclass(frozen=True)
class Between:
    """Periods of the dataset to compare: one with another, or with each of its years, quarters or months."""

    reference: Span
    windows: tuple[Span, ...]

    @classmethod
    def of(cls, reference: str, window: str, by: Step | None = None) -> "Between":
        """Read the spans. Raises `UsageError`."""
        later = parse_span(window)
        return cls(parse_span(reference), tuple(later.cut(by)) if by else (later,))


def check_periods(job: Job, between: Between) -> list[DriftReport]:
    """Compare periods of the dataset, and keep the result of each window. Raises `UsageError` for one without rows."""
    require_writable(job.config.paths.output_dir)
    with project_lock(job.config, "drift", job.progress):
        periods = Periods.of(job)
        for span in between.windows:
            periods.require(span)
        reference = job.without_ignored(periods.reference(between.reference))
        reports = []
        for span in between.windows:
            mask = span.holds(periods.days)
            window = Window(reference)
            window.add(periods.taken(mask), days=periods.days[mask])
            compared = job.compared(span.name, between.reference.name, "dataset", periods.run_id)
            compared = replace(compared, synthetic=periods.synthetic)
            reports.append(DriftReport(compared, job.check(window, compared), periods.plain(between.reference, span)))
        return _kept(job, reports)


def _kept(job: Job, reports: list[DriftReport]) -> list[DriftReport]:
    for each in reports:
        write_json(job.folder / f"{file_stem(each.compared)}.json", each.to_dict())
    return reports
