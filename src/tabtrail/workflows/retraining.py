"""The training that an alarm of the prediction log asks for: once for each deployment, when labels of later rows are there.

What was asked for and what came of it lies in the log's folder, beside the state of the watch.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from tabtrail.bundle.load import read_metadata
from tabtrail.bundle.logged import RETRAINING_STATE
from tabtrail.data.manifest import read_manifest
from tabtrail.monitor.outcome import DriftReport
from tabtrail.system.files import read_json, write_json
from tabtrail.workflows.drift_deployed import Deployed, watched_of
from tabtrail.workflows.drift_job import Job, log_folder
from tabtrail.workflows.log_watch import logged_rows

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Retraining:
    """An alarm of the deployed model of `run_id`, first seen when the log's newest row was of `alarmed` (UTC), and its training.

    `labelled` counts rows that were predicted after that and have a label by now, of which `needed` are waited for. `trained` is
    the time of the training (UTC), None before it; then `action` says what became of the challenger, as the gate's decision has
    it, `challenger` names its run, and `reasons` are the gate's.
    """

    run_id: str
    alarmed: str
    labelled: int
    needed: int
    trained: str | None = None
    action: str = ""
    challenger: str | None = None
    reasons: tuple[str, ...] = ()

    @property
    def is_due(self) -> bool:
        return self.trained is None and self.labelled >= self.needed

    def __str__(self) -> str:
        if self.trained is not None:
            why = f": {'; '.join(self.reasons)}" if self.reasons else ""
            return f"retraining of {self.trained[:19]}: {self.action}{why}"
        left = f"{self.labelled:,} of the {self.needed:,} labels of later rows are there (drift.min_labels)"
        return f"retraining is due: {left}" if self.is_due else f"retraining waits: {left}"


def retraining_for(job: Job, reports: Sequence[DriftReport]) -> Retraining | None:
    """Return the training that the alarm of a log asks for, and remember it; None where nothing asks for one."""
    alarm = any(each.alarm and each.martingale is not None for each in reports)
    if job.config.drift.on_alarm != "retrain" or not alarm:
        return None
    folder = log_folder(job)
    watched = watched_of(job, Deployed.of(job))
    known = next((each for each in _read(folder) if each.run_id == watched.run_id), None)
    if known is not None and known.trained is not None:
        return known
    parts = [(rows.days, rows.actual) for rows in logged_rows(folder, watched) if rows.days is not None and len(rows.actual)]
    newest = max((float(days.max()) for days, _ in parts), default=0.0)
    alarmed = known.alarmed if known is not None else (_EPOCH + timedelta(days=newest)).isoformat()
    since = (datetime.fromisoformat(alarmed) - _EPOCH) / timedelta(days=1)
    # Days are doubles with microseconds, which a text of the same time gives back within half of one.
    labelled = sum(int(((days > since + 1e-11) & ~np.isnan(actual)).sum()) for days, actual in parts)
    found = Retraining(watched.run_id, alarmed, labelled, job.config.drift.min_labels)
    _keep(folder, found)
    return found


def has_newer_data(job: Job) -> bool:
    """Whether the dataset is another one than the deployed model learned from."""
    config = job.config
    metadata = read_metadata(config.paths.models_dir, config.model.name, config.bundle.public_key)
    return read_manifest(config.dataset).data_sha256 != str(metadata["data_sha256"])


def record_retraining(job: Job, retraining: Retraining, error: Exception | None = None) -> Retraining:
    """Remember what came of the training, as its verdict says, or the `error` that ended it, and return it."""
    verdict = read_json(job.artifacts.verdict) or {}
    challenger = verdict.get("challenger") or {}
    done = replace(
        retraining,
        trained=datetime.now(UTC).isoformat(timespec="seconds"),
        action="failed" if error is not None else str(verdict.get("action")),
        challenger=None if error is not None else challenger.get("run_id"),
        reasons=(str(error),) if error is not None else tuple(verdict.get("reasons") or ()),
    )
    _keep(log_folder(job), done)
    return done


def retrainings(job: Job) -> list[Retraining]:
    """Return every training that an alarm of the log asked for, oldest first; none where no log is configured."""
    folder = job.config.serve.prediction_log_dir
    return [] if folder is None else _read(folder)


def _read(folder: Path) -> list[Retraining]:
    told: Any = (read_json(folder / RETRAINING_STATE) or {}).get("retrainings", [])
    try:
        return [Retraining(**{**each, "reasons": tuple(each["reasons"])}) for each in told]
    except (TypeError, KeyError):
        return []


def _keep(folder: Path, changed: Retraining) -> None:
    others = [each for each in _read(folder) if each.run_id != changed.run_id]
    write_json(folder / RETRAINING_STATE, {"retrainings": [asdict(each) for each in (*others, changed)]})
