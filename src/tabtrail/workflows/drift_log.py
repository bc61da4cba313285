"""The prediction log of the service checked, and labels that came late joined to it."""

from dataclasses import replace
from datetime import UTC, datetime

from tabtrail.monitor.martingale import Martingale
from tabtrail.monitor.outcome import DriftReport
from tabtrail.monitor.spans import Span
from tabtrail.project.lock import project_lock
from tabtrail.system.files import require_writable
from tabtrail.workflows.drift_deployed import Deployed, report_of, require_rows, watched_of
from tabtrail.workflows.drift_gather import gather
from tabtrail.workflows.drift_job import TRAINING, Job, log_folder
from tabtrail.workflows.drift_keep import keep
from tabtrail.workflows.log_watch import logged_rows, look, state_of, today


def check_log(job: Job, period: Span | None = None) -> list[DriftReport]:
    """Check the log of the deployed model: a period of it once, else all of it by the martingale, and describe its newest days.

    Raises `UsageError` where no log is configured, `DataError` where it has no rows of the deployed model.
    """
    folder = log_folder(job)
    require_writable(job.config.paths.output_dir)
    with project_lock(job.config, "drift", job.progress):
        deployed = Deployed.of(job)
        watched = watched_of(job, deployed)
        since = None if period is not None else today() - job.config.drift.window_days
        rows = logged_rows(folder, watched, since=since)
        if period is not None:
            rows = (each.taken(period.holds(each.days)) for each in rows if each.days is not None)
        found = gather(deployed.reference, rows)
        name = period.name if period is not None else f"log_{datetime.now(UTC):%Y-%m-%d}"
        require_rows(found, f"the prediction log {folder}, of the deployed model (run {deployed.run_id}) and this time,")
        compared = job.compared(name, TRAINING, "log", deployed.run_id)
        report = report_of(job, found, replace(compared, synthetic=bool(deployed.bundle.metadata["synthetic"])))
        if period is None:
            report = _watched_report(report, look(folder, watched))
        return keep(job, [report])


def _watched_report(report: DriftReport, martingale: Martingale) -> DriftReport:
    """Let the martingale decide: looked at every day, a check of a single window would alarm without drift sooner or later."""
    state = state_of(martingale)
    return replace(report, alarm=state.alarmed, martingale=state)
