"""Trainings from a page: the jobs of the service, so that pages and service together start one at a time, and what is said of
them.
"""

import hmac
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabtrail.bundle.predictor import Predictor
from tabtrail.config.demand import Demand
from tabtrail.config.operation import Serve
from tabtrail.dashboard.place import Place
from tabtrail.dashboard.runs import metric_label
from tabtrail.dashboard.wording import shown
from tabtrail.serving.jobs.desk import Jobs
from tabtrail.serving.jobs.log_tail import read_tail
from tabtrail.serving.jobs.record import ASKED, LOG, Job
from tabtrail.serving.state import read_key
from tabtrail.system.files import read_json
from tabtrail.system.lock_owner import read_owner

_MOST_BYTES = 65_536
_MOST_LINES = 60
_MOST_CHARACTERS = 4_000
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_EXCEPTION = re.compile(r"[\w.]+(Error|Exception|Interrupt)\b")
_STATES = {"running": "at work", "cancelling": "being cancelled"}


def jobs_of(at: Place) -> Jobs:
    """Return the jobs of a project, which its service and every dashboard share."""
    config = at.config
    series = () if config.demand is None else config.demand.series
    return Jobs(config.paths.output_dir, config.words, kept=config.serve.jobs_kept, series=series)


def has_key(serve: Serve) -> bool:
    """Tell whether there is an API key. Raises `ConfigError` for one that cannot be read."""
    return read_key(serve) is not None


def is_key(serve: Serve, given: str) -> bool:
    """Tell whether a text is the API key, in a time that says nothing of how much of it is right. Raises `ConfigError` for a key
    that cannot be read; without one nothing is.
    """
    key = read_key(serve)
    return key is not None and hmac.compare_digest(key, given.strip().encode())


@dataclass(frozen=True)
class Parts:
    """What of a project's models can be trained alone: the values of a column (`by`) with a net for each. `why` says why none
    can.
    """

    by: str = ""
    values: tuple[str, ...] = ()
    why: str = ""


def parts_of(demand: Demand | None, predictor: Predictor | None) -> Parts:
    """Return what can be trained alone by the model of series that is deployed."""
    if demand is None:
        return Parts(why="This project has one model, of single rows; a training is of all of it.")
    if predictor is None or predictor.demand is None:
        return Parts(why="No model of series is deployed yet; the first training is of all of it.")
    per = (predictor.metadata.get("window") or {}).get("per")
    if per is None:
        return Parts(
            why="One model learns from all series here, so some of them cannot be trained alone. A net for each value of a column"
            " can: `per` of a net in demand.candidates."
        )
    return Parts(str(per), tuple(sorted(set(predictor.demand.texts_of(per)))))


@dataclass(frozen=True)
class Report:
    """A training as a page shows it. `share` is how much is done (0 to 1), None where nothing counts; `lines` are the end of its
    log; `message` is why it failed, `outcome` what it chose.
    """

    job: Job
    state: str
    step: str
    share: float | None
    doing: str
    lines: tuple[str, ...]
    message: str
    outcome: str


def words_of(job: Job) -> str:
    """Return what a training is of: all, or the nets that were named."""
    groups = (read_json(job.folder / ASKED) or {}).get("groups") or ()
    return ", ".join(map(str, groups)) or "all"


def report_of(job: Job, deployed: Collection[str] = ()) -> Report:
    """Return how far a training is, or how it ended; `deployed` are the runs of the models in use."""
    log = job.folder / LOG
    progress = read_tail(log, job.exit_code).progress or {}
    done, of = progress.get("done"), progress.get("of")
    failed = job.state == "failed"
    message = "" if not failed else _failure(job, log)
    return Report(
        job=job,
        state=_STATES.get(job.state, job.state),
        step=job.step or "",
        share=None if not of or done is None or not job.at_work else min(1.0, done / of),
        doing=progress.get("message", "") if job.at_work else "",
        lines=_last_lines(log),
        message=message,
        outcome=_outcome(job.result, deployed) if job.result is not None else "",
    )


def holder_of(output_dir: Path) -> str | None:
    """Return who is at work in the project, None where nobody is. The lock itself is not asked, which would take it for a moment:
    a page that looks every two seconds must not be in the way of a command that begins.
    """
    owner = read_owner(output_dir)
    return str(owner) if owner is not None and owner.alive else None


def _failure(job: Job, log: Path) -> str:
    """Return the message that a command ended with, and its exit code; of one that an exception ended the last line."""
    lines = [line for line in _tail(log) if line.strip()]
    starts = [place for place, line in enumerate(lines) if line.startswith("error: ")]
    if starts:
        told = "\n".join(lines[starts[-1] :]).removeprefix("error: ")[:_MOST_CHARACTERS]
    else:
        told = f"{lines[-1][:_MOST_CHARACTERS]}: {job.detail}" if lines and _EXCEPTION.match(lines[-1]) else job.detail
    return told if job.exit_code is None or "exit code" in told else f"{told} (exit code {job.exit_code})"


def _outcome(printed: dict[str, Any], deployed: Collection[str]) -> str:
    """Say what a training chose, by what it printed, and whether that is in use."""
    rows = printed.get("models") or printed.get("candidates") or []
    model, metric = printed.get("champion"), str(printed.get("metric"))
    row: dict[str, Any] = next((each for each in rows if model in (each.get("model"), each.get("candidate"))), {})
    value = row.get(metric, row.get(f"cv_{metric}", (row.get("cv") or {}).get(metric)))
    where = "origins" if "models" in printed else "cv"
    reached = "" if value is None else f" with {metric_label(f'{where}_{metric}')} of {shown(float(value))}"
    if not model:
        return "the training ended"
    own = {printed.get("run_id"), printed.get("parent_run_id"), row.get("run_id")}
    used = "it is in use" if own & set(deployed) else "it is NOT in use: the log and `tabtrail history` say why"
    return f"{model} was chosen{reached}; {used}"


def _last_lines(log: Path) -> tuple[str, ...]:
    lines = (_COLOUR.sub("", line) for line in _tail(log)[-_MOST_LINES:])
    return tuple("".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line)[:500] for line in lines)


def _tail(log: Path) -> list[str]:
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _MOST_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()[1 if size > _MOST_BYTES else 0 :]
    except OSError:
        return []
