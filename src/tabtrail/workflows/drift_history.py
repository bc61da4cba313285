"""What was checked and what came of it: windows with their alarms, and the deployments between them, in their order."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from tabtrail.system.files import read_json
from tabtrail.tracking.entries import Entry
from tabtrail.tracking.history import Place, read_history
from tabtrail.workflows.drift_job import Job
from tabtrail.workflows.retraining import Retraining, retrainings


@dataclass(frozen=True)
class Event:
    """A checked window (`kind` is check), a retraining, or a change of what is deployed (its action); `alarm` is of the first.

    `about` names what drifted, or what was deployed in the place of what; `measured` is the largest martingale or the difference
    of the two models in the metric of the choice.
    """

    when: str
    kind: str
    name: str
    alarm: bool | None
    about: str
    measured: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def drift_history(job: Job) -> list[Event]:
    """Return every window that was checked and every deployment, oldest first."""
    documents = [found for path in job.folder.glob("*.json") if (found := read_json(path)) is not None and "compared" in found]
    asked = [event for each in retrainings(job) for event in _retraining(each)]
    events = [*map(_check, documents), *map(_deployment, read_history(Place(job.config.mlflow, job.config.model.name))), *asked]
    return sorted(events, key=lambda each: (each.when, each.name))


def _check(document: dict[str, Any]) -> Event:
    compared, check, watched = document["compared"], document["check"], document["martingale"]
    columns = [each["name"] for each in check["columns"] if each["alarm"]] + [f"{name} (absent)" for name in check["absent"]]
    return Event(
        when=compared["created"][:19],
        kind="check",
        name=f"{compared['window']} against {compared['reference']}",
        alarm=document["alarm"],
        about=", ".join(columns),
        measured="" if watched is None else f"martingale {watched['largest']:.3g}",
    )


def _deployment(entry: Entry) -> Event:
    figures = (entry.verdict or {}).get("comparison") or {}
    text = f"{figures.get('metric', 'rmse')} {figures['difference']:+.4g}" if figures else ""
    before = "" if entry.before is None else f", before {entry.before.model}"
    return Event(entry.when[:19], entry.action, f"run {entry.after.run_id}", None, f"{entry.after.model}{before}", text)


def _retraining(asked: Retraining) -> Iterator[Event]:
    """Yield the training that an alarm asked for, once there was one."""
    if asked.trained is not None:
        about = "; ".join((asked.action, *asked.reasons))
        yield Event(asked.trained[:19], "retraining", f"alarm of run {asked.run_id}", None, about, f"{asked.labelled:,} labels")
