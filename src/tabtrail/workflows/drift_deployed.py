"""The deployed model with what drift is measured against, and gathered rows compared with it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from tabtrail.bundle.load import Bundle, load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.errors import BundleError, DataError, UsageError
from tabtrail.monitor.outcome import Compared, DriftReport
from tabtrail.monitor.reference import Reference
from tabtrail.monitor.shapes import shapes_of
from tabtrail.workflows.drift_gather import Gathered
from tabtrail.workflows.drift_job import Job
from tabtrail.workflows.log_watch import Watched, read_reference, set_apart

# What is asked of a model of series follows its orders and the season, and all series err together on the same days: the rows of
# a few days would alarm without drift, and no number of them says otherwise.
OF_SERIES = (
    "the deployed model is one of series, whose questions and errors follow the season, so nothing is kept to hold them against;"
    " compare periods of its dataset, the same season of two years (tabtrail drift --between 2017-06 2018-06), after tabtrail"
    " ingest has read the newest rows; /metrics has how old its history is (tabtrail_history_age_periods)"
)


@dataclass(frozen=True)
class Deployed:
    """The deployed model with what drift is measured against."""

    bundle: Bundle
    predictor: Predictor
    reference: Reference

    @property
    def run_id(self) -> str:
        return str(self.bundle.metadata["run_id"])

    @property
    def days(self) -> float:
        """How many days ago the model was made."""
        made = datetime.fromisoformat(str(self.bundle.metadata["created"]))
        return (datetime.now(UTC) - made.astimezone(UTC)) / timedelta(days=1)

    @classmethod
    def of(cls, job: Job) -> Self:
        """Load the deployed model. Raises `BundleError` for one without a reference, `UsageError` for a model of series."""
        config = job.config
        bundle = load_bundle(config.paths.models_dir, config.model.name, config.bundle.public_key)
        if bundle.metadata.get("panel") is not None:
            raise UsageError(OF_SERIES)
        if bundle.reference is None:
            why = bundle.metadata.get("reference_missing") or "it was trained by an earlier version"
            raise BundleError(f"the deployed model has nothing that drift could be measured against: {why}; train again")
        return cls(bundle, Predictor(bundle), set_apart(read_reference(bundle.reference), job.config.drift.ignore))


def report_of(job: Job, found: Gathered, compared: Compared) -> DriftReport:
    """Check gathered rows once."""
    result = job.check(found.window, compared)
    performance = found.performance(job.config.model.random_state)
    return DriftReport(compared, result, result.alarm, performance=performance, shapes=shapes_of(found.window))


def require_rows(found: Gathered, name: str) -> None:
    """Raise `DataError` for a window without rows."""
    if not found.window.rows:
        raise DataError(f"{name} has no row to check")


def watched_of(job: Job, deployed: Deployed) -> Watched:
    """Return what the watch of a log needs of the deployed model."""
    return Watched(deployed.bundle.schema.features, deployed.reference, deployed.run_id, job.config.model.random_state)
