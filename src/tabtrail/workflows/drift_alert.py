"""What is told of drift: later rows that are no longer like those of the training. A comparison of past periods is not."""

from collections.abc import Sequence
from typing import Any

from tabtrail.monitor.outcome import DriftReport
from tabtrail.system.alert import Event, tell
from tabtrail.workflows.drift_job import TRAINING, Job

DRIFT_FOUND = 5  # the documented exit code


def tell_alarms(job: Job, reports: Sequence[DriftReport]) -> None:
    """Tell of the windows that alarm, where the config says to whom."""
    alarms = [each for each in reports if each.alarm and each.compared.reference == TRAINING]
    if alarms:
        tell(job.config.alert_channel("drift"), drift_event(alarms), job.progress)


def drift_event(alarms: Sequence[DriftReport]) -> Event:
    """Return what is told of windows that alarm: columns and figures, no value of a row."""
    windows = [_window(each) for each in alarms]
    columns = list(dict.fromkeys(name for each in windows for name in each["columns"]))
    what = f"; look first at {', '.join(columns)}" if columns else ""
    message = f"drift in {', '.join(each.compared.window for each in alarms)}{what}"
    return Event("drift", alarms[0].compared.model, message, DRIFT_FOUND, {"windows": windows})


def _window(report: DriftReport) -> dict[str, Any]:
    martingale = {} if report.martingale is None else {"martingale": report.martingale.largest}
    leading = [] if report.martingale is None else [name for name, _ in report.martingale.leading]
    columns = list(dict.fromkeys([*(each.name for each in report.check.alarming), *leading]))
    return {
        "window": report.compared.window,
        "source": report.compared.source,
        "run_id": report.compared.run_id,
        "rows": report.check.rows,
        "columns": columns,
        "files": list(report.files),
        **martingale,
    }
