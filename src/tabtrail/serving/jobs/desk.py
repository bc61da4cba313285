"""Where trainings are asked for, looked at and cancelled: a folder that all workers, and the next start of the service, share."""

import json
import logging
import os
import re
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tabtrail.errors import TabtrailError
from tabtrail.serving.jobs.record import ASKED, CANCEL, Job, now, read_job
from tabtrail.serving.problems import Refused
from tabtrail.system.files import make_folder, write_json
from tabtrail.system.process import is_alive

logger = logging.getLogger("tabtrail.serve")
FOLDER = "jobs"
_WATCHER = "tabtrail.serving.jobs.watch"
_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
_ANSWER_SECONDS = 30.0
_KILL_SECONDS = 10.0  # a command ends within four seconds of SIGTERM; what is left then does not listen
_NOT_HANDED_ON = ("TABTRAIL_API_KEY", "PROMETHEUS_MULTIPROC_DIR")


@dataclass(frozen=True)
class Request:
    """What is asked for: `kind` is `train` (named series) or `train_all`; `groups` have the nets that are trained (none: all)."""

    kind: str
    experiment: str | None = None
    force: bool = False
    groups: tuple[str, ...] = ()


class Jobs:
    """The jobs of a project. Only what is on disk counts, so that any worker answers for any job.

    `words` name the config for a command, `series` are the columns that make a series in it.
    """

    def __init__(self, output_dir: Path, words: tuple[str, ...], *, kept: int, series: tuple[str, ...] = ()) -> None:
        self.output_dir, self.folder, self.series = output_dir, output_dir / FOLDER, series
        self._words, self._kept = words, kept

    def all(self) -> list[Job]:
        """Return the jobs that are known, the newest first."""
        return list(self._jobs())

    def find(self, job_id: str) -> Job:
        """Return a job. Raises `Refused` (404) for one that is not known."""
        job = read_job(self.folder / job_id, self.output_dir) if _ID.fullmatch(job_id) else None
        if job is None:
            raise Refused(404, "there is no such job; GET /jobs lists those that are known")
        return job

    def begin(self, request: Request) -> Job:
        """Start a job. Raises `Refused`: 409 naming who is at work in the project, 503 where it cannot be started."""
        if running := next((each for each in self._jobs() if each.at_work), None):
            raise _occupied(f"the job /jobs/{running.id}")
        folder = self.folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        try:
            make_folder(self.folder)
            folder.mkdir(mode=0o700)  # the log of a refused ingest quotes the data
            write_json(folder / ASKED, {**vars(request), "asked_at": now()})
            at_work = self._start(folder)
        except (OSError, TabtrailError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            logger.warning("a job cannot be started: %s", error)
            raise Refused(503, "the job cannot be started; the service's log says why", headers={"Retry-After": "10"}) from None
        if at_work is not None:
            shutil.rmtree(folder, ignore_errors=True)
            running = next((each for each in self._jobs() if each.at_work), None)
            raise _occupied(at_work if running is None else f"the job /jobs/{running.id}")
        logger.info("job started", extra={"fields": {"job": folder.name, "kind": request.kind}})
        self.forget_old()
        return self.find(folder.name)

    def cancel(self, job_id: str) -> Job:
        """Let a job end: SIGTERM to its processes, and SIGKILL to what is left of them ten seconds later.

        Raises `Refused`: 404 for a job that is not known, 409 for one that has ended or runs on another machine.
        """
        job = self.find(job_id)
        if not job.at_work:
            raise Refused(409, f"the job has ended ({job.state}); there is nothing to cancel")
        if job.processes and not any(map(_is_here, job.processes)):
            raise Refused(409, "the job runs on another machine; cancel it there")
        write_json(job.folder / CANCEL, {"at": now()})
        _signal(self.find(job_id), signal.SIGTERM)
        threading.Thread(target=self._kill, args=(job_id,), daemon=True).start()
        return self.find(job_id)

    def forget_old(self) -> None:
        """Delete what has ended past the number that is kept."""
        for job in self.all()[self._kept :]:
            if not job.at_work:
                shutil.rmtree(job.folder, ignore_errors=True)

    def _start(self, folder: Path) -> str | None:
        """Start the watcher, in a session of its own, which outlives the service; return who is at work, None where it begins."""
        variables = {name: value for name, value in os.environ.items() if name not in _NOT_HANDED_ON}
        command = [sys.executable, "-m", _WATCHER, str(folder), *self._words]
        process = subprocess.Popen(  # noqa: S603 - our own words
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=variables, start_new_session=True
        )
        threading.Thread(target=process.wait, daemon=True).start()  # so that no zombie is left of it
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        with process.stdout as out:
            ready, _, _ = select.select([out], [], [], _ANSWER_SECONDS)
            line = out.readline() if ready else b""
        try:
            at_work = json.loads(line)["at_work"]
        except (ValueError, KeyError, TypeError):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise TabtrailError(f"the process that watches a job did not begin within {_ANSWER_SECONDS:.0f} s") from None
        return None if at_work is None else str(at_work)

    def _kill(self, job_id: str) -> None:
        time.sleep(_KILL_SECONDS)
        with suppress(Refused):
            job = self.find(job_id)
            if job.at_work:
                _signal(job, signal.SIGKILL)

    def _jobs(self) -> Iterator[Job]:
        try:
            folders = sorted((each for each in self.folder.iterdir() if _ID.fullmatch(each.name)), reverse=True)
        except OSError:
            return
        for folder in folders:
            job = read_job(folder, self.output_dir)
            if job is not None:
                yield job


def brief(job: Job) -> Mapping[str, Any]:
    """Return what a list says of a job."""
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "experiment": job.experiment,
        "asked_at": job.asked_at,
        "ended_at": job.ended_at,
        "link": f"/jobs/{job.id}",
    }


def _occupied(who: str) -> Refused:
    return Refused(409, f"{who} is at work in this project; try again when it is done", headers={"Retry-After": "30"})


def _is_here(process: str) -> bool:
    return process.rsplit(":", 2)[0] == socket.gethostname()


def _signal(job: Job, number: signal.Signals) -> None:
    """Signal the processes of a job: they are one group, also those that the training started."""
    for process in filter(_is_here, job.processes):
        if is_alive(process):
            with suppress(ProcessLookupError):
                os.killpg(os.getpgid(int(process.rsplit(":", 2)[1])), number)
            return
