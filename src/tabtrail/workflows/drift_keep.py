"""The results of checked windows kept: JSON, tables, pictures, page, and a run in MLflow."""

from collections.abc import Sequence

from tabtrail.monitor.outcome import DriftReport
from tabtrail.system.files import write_json
from tabtrail.workflows.drift_job import Job, file_stem


def keep(job: Job, reports: Sequence[DriftReport]) -> list[DriftReport]:
    """Write what each window's check found, and return the reports with their files."""
    for each in reports:
        write_json(job.folder / f"{file_stem(each.compared)}.json", each.to_dict())
    return list(reports)
