"""The prediction log of the service checked, and labels that came late joined to it."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path

from tabtrail.config.drift import Drift
from tabtrail.monitor.martingale import Martingale
from tabtrail.monitor.outcome import DriftReport
from tabtrail.monitor.spans import Span
from tabtrail.project.lock import project_lock
from tabtrail.system.files import read_json, require_writable
from tabtrail.workflows.drift_deployed import Deployed, report_of, require_rows, watched_of
from tabtrail.workflows.drift_gather import Gathered, gather
from tabtrail.workflows.drift_job import TRAINING, Job, file_stem, log_folder
from tabtrail.workflows.drift_keep import keep
from tabtrail.workflows.log_watch import Watched, logged_rows, look, state_of, today


def check_log(job: Job, period: Span | None = None) -> list[DriftReport]:
    """Check the log of the deployed model: a period of it once, else all of it by the martingale, and describe its newest days.

    A model that was deployed lately and was not asked yet has no report. Raises `UsageError` where no log is configured,
    `DataError` where it has no rows of the deployed model otherwise.
    """
    folder = log_folder(job)
    require_writable(job.config.paths.output_dir)
    with project_lock(job.config, "drift", job.progress):
        deployed = Deployed.of(job)
        watched = watched_of(job, deployed)
        report = _described(job, deployed, watched, period)
        if report is None:
            return []
        if period is None:
            report = _watched_report(report, look(folder, watched))
        return keep(job, [report])


def _described(job: Job, deployed: Deployed, watched: Watched, period: Span | None) -> DriftReport | None:
    """Check the rows of a period, or the newest, once; None where a model of late has none. What was gathered is not kept."""
    folder = log_folder(job)
    found, notes = _period(folder, watched, period) if period is not None else _newest(folder, watched, job.config.drift)
    name = period.name if period is not None else _name_of_day(job, deployed.run_id)
    rows = f"the prediction log {folder}, of the deployed model (run {deployed.run_id}) and this time,"
    if period is None and not found.window.rows and deployed.days < job.config.drift.window_days:
        job.progress.say(f"drift: {rows} has no row yet; there is nothing to check")
        return None
    require_rows(found, rows)
    compared = replace(job.compared(name, TRAINING, "log", deployed.run_id), notes=notes)
    return report_of(job, found, replace(compared, synthetic=bool(deployed.bundle.metadata["synthetic"])))


def _name_of_day(job: Job, run_id: str) -> str:
    """Name of today's window. A model that was deployed today has one of its own, so that the alarm of the last one stays."""
    day = f"log_{datetime.now(UTC):%Y-%m-%d}"

    def is_own(name: str) -> bool:
        known = read_json(job.folder / f"{file_stem(job.compared(name, TRAINING, 'log', run_id))}.json")
        return known is None or known["compared"]["run_id"] == run_id

    return next(filter(is_own, chain([day], (f"{day}_{number}" for number in count(2)))))


def _period(folder: Path, watched: Watched, period: Span) -> tuple[Gathered, tuple[str, ...]]:
    rows = (each.taken(period.holds(each.days)) for each in logged_rows(folder, watched) if each.days is not None)
    return gather(watched.reference, rows), ()


def _newest(folder: Path, watched: Watched, drift: Drift) -> tuple[Gathered, tuple[str, ...]]:
    """Gather the rows of the last `drift.window_days`, where there are none all: late labels of theirs may have come."""
    found = gather(watched.reference, logged_rows(folder, watched, since=today() - drift.window_days))
    if found.window.rows:
        return found, ()
    note = f"no row is of the last {drift.window_days:g} days (drift.window_days), so all of this model are described"
    return gather(watched.reference, logged_rows(folder, watched)), (note,)


def _watched_report(report: DriftReport, martingale: Martingale) -> DriftReport:
    """Let the martingale decide: looked at every day, a check of a single window would alarm without drift sooner or later."""
    state = state_of(martingale)
    return replace(report, alarm=state.alarmed, martingale=state)
