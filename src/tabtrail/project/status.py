"""What a run would do: for each stage whether it is fresh, and if not, why. Reads only, and takes no lock."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tabtrail.bundle.load import read_metadata
from tabtrail.config.tree import Config
from tabtrail.errors import BundleError, ConfigError, DatabaseError, DataError, MissingExtraError
from tabtrail.project.project import Project
from tabtrail.project.reason import Reason
from tabtrail.project.stage import Stage
from tabtrail.system.held import is_held
from tabtrail.system.lock_owner import Owner, read_owner


@dataclass(frozen=True)
class StageStatus:
    """A stage, why it is stale (fresh where there is no reason), and the command that runs it alone."""

    stage: str
    reasons: tuple[Reason, ...]
    command: str

    @property
    def fresh(self) -> bool:
        return not self.reasons

    @property
    def blocked_by(self) -> Reason | None:
        """The missing input without which neither this stage nor those after it can run."""
        return next((reason for reason in self.reasons if reason.kind == "input"), None)


@dataclass(frozen=True)
class Model:
    """A deployed model: the candidate's name and its run."""

    model: str
    run_id: str

    def __str__(self) -> str:
        return f"{self.model} (run {self.run_id})"


@dataclass(frozen=True)
class Status:
    """The stages in the order of a run, who is at work in the project, and which model is deployed (None: nobody, none); of a
    project with a model of rows and one of series the second too.
    """

    stages: tuple[StageStatus, ...]
    at_work: Owner | None
    deployed: Model | None = None
    deployed_demand: Model | None = None

    @property
    def next_command(self) -> str:
        """What makes all of it fresh; empty where it is, or where the input is missing."""
        if any(each.blocked_by for each in self.stages):
            return ""
        stale = [each.command for each in self.stages if not each.fresh]
        return "" if not stale else f"tabtrail {stale[0]}" if len(stale) == 1 else "tabtrail run"

    def to_dict(self) -> dict[str, Any]:
        return {
            "stages": [
                {"stage": each.stage, "fresh": each.fresh, "reasons": list(map(asdict, each.reasons))} for each in self.stages
            ],
            "deployed": None if self.deployed is None else asdict(self.deployed),
            **({} if self.deployed_demand is None else {"deployed_demand": asdict(self.deployed_demand)}),
            "at_work": None if self.at_work is None else asdict(self.at_work),
            "next_command": self.next_command,
        }


def status(config: Config, stages: Sequence[Stage], *, ask_lock: bool = True) -> Status:
    """Return what a run would repeat of these stages, as far as the config has something for them to do, and why.

    To ask the lock is to take it for a moment, in which a run that starts would be refused. Whoever looks again and again, as a
    page does, goes by the note of its holder alone.
    """
    owner = read_owner(config.paths.output_dir)
    at_work = owner is not None and (is_held(config.paths.output_dir) if ask_lock else owner.alive)
    owner = owner if at_work else None
    of_demand = config.for_demand()
    deployed = _deployed(config), _deployed(of_demand) if of_demand.is_view else None
    try:
        return Status(_look_at(Project(config), stages), owner, *deployed)
    except FileNotFoundError:  # another process, which is at work, exchanged a folder meanwhile
        return Status(_look_at(Project(config), stages), owner, *deployed)


def _deployed(config: Config) -> Model | None:
    try:
        metadata = read_metadata(config.paths.models_dir, config.model.name, config.bundle.public_key)
    except BundleError:
        return None
    return Model(metadata["model"], metadata["run_id"])


def _look_at(project: Project, stages: Sequence[Stage]) -> tuple[StageStatus, ...]:
    found: dict[str, StageStatus] = {}
    for stage in stages:
        if not stage.applies(project):
            continue
        earlier = [found[name] for name in stage.after if name in found]
        found[stage.name] = StageStatus(stage.name, tuple(_reasons(project, stage, earlier)), stage.command or stage.name)
    return tuple(found.values())


def _reasons(project: Project, stage: Stage, earlier: Sequence[StageStatus]) -> list[Reason]:
    if blocked := next((each.blocked_by for each in earlier if each.blocked_by), None):
        return [blocked]
    stale = [each.stage for each in earlier if not each.fresh]
    before = [Reason("before", f"{' and '.join(stale)} {'is' if len(stale) == 1 else 'are'} stale")] if stale else []
    try:
        if stage.check is not None and not stale:  # what a stale stage left is about to be replaced
            stage.check(project)
        return [*before, *stage.reasons(project)]
    except (ConfigError, DatabaseError, MissingExtraError) as error:
        return [Reason("input", str(error))]
    except DataError as error:
        return [*before, Reason("before", str(error))]
