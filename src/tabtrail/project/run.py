"""Running declared stages: in order, under the lock of the project, and only where there is something to do."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tabtrail.config.tree import Config
from tabtrail.errors import LeakageError, NothingToDeployError, ParityError
from tabtrail.progress import Progress
from tabtrail.project.lock import project_lock
from tabtrail.project.project import Project
from tabtrail.project.stage import Stage
from tabtrail.system.alert import Event, tell


@dataclass(frozen=True)
class Ran:
    """For each stage by name: whether it did its work or was unchanged, and its wall time in seconds."""

    repeated: dict[str, bool] = field(default_factory=dict)
    durations: dict[str, float] = field(default_factory=dict)


def run_stages(stages: Sequence[Stage], config: Config, *, force: bool, progress: Progress) -> Ran:
    """Run stages one after the other. Raises a `TabtrailError` of the one that failed; what came before it stays."""
    for stage in stages:
        stage.require_config(Project(config))
    ran = Ran()
    for place, stage in enumerate(stages, 1):
        progress.begin(stage.name, place, len(stages))
        start = time.perf_counter()
        ran.repeated[stage.name] = run_one(stage, config, force=force, progress=progress)
        ran.durations[stage.name] = round(time.perf_counter() - start, 2)
    return ran


def run_one(stage: Stage, config: Config, *, force: bool, progress: Progress) -> bool:
    """Do the work of a stage unless it is fresh, record it, and return whether the work was done.

    Waits for another process that is at work in the project (`LockedError` in the end).
    """
    project = Project(config)
    stage.require_config(project)
    with project_lock(config, stage.name, progress):
        if stage.check is not None:
            stage.check(project)
        if not force and not stage.reasons(project):
            progress.say(f"{stage.name}: unchanged")
            return False
        # What is read is noted before it is read: a change meanwhile makes the stage stale, and is not missed.
        inputs = None if stage.used else stage.inputs(project)
        stage.record_begin(project)
        try:
            stage.work(config, progress, force)
        except (
            LeakageError,
            NothingToDeployError,
            ParityError,
        ) as error:  # refused, not failed: `status` says so until it is mended
            stage.record_refusal(project, str(error))
            event = Event("gate", config.model.name, f"{stage.name} was refused; `tabtrail status` says why", error.exit_code)
            tell(config.alert_channel("gate"), event, progress)
            raise
        except Exception:  # failed with its reason, not interrupted
            stage.forget_begin(project)
            raise
        stage.record(project, inputs)
        return True
