"""What a run would do: for each stage whether it is fresh, and if not, why. Reads only, and takes no lock."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from tabtrail.config.tree import Config
from tabtrail.data.manifest import Manifest, read_manifest, verify_dataset
from tabtrail.errors import ConfigError, DataError
from tabtrail.project.lock import Owner, is_held, read_owner
from tabtrail.project.stages import (
    Reason,
    eda_stage,
    ingest_stage,
    profile_stage,
    report_stage,
    train_reasons,
    train_stage,
    tuned_candidates,
)
from tabtrail.reading.find import find_sources

_AFTER_INGEST = ("eda", "profile", "train", "report")


@dataclass(frozen=True)
class StageStatus:
    """A stage and why it is stale; fresh where there is no reason."""

    stage: str
    reasons: tuple[Reason, ...]

    @property
    def fresh(self) -> bool:
        return not self.reasons


@dataclass(frozen=True)
class Status:
    """The stages in the order of a run, and who is at work in the project (None where nobody is)."""

    stages: tuple[StageStatus, ...]
    at_work: Owner | None

    @property
    def next_command(self) -> str:
        """What makes all of it fresh; empty where it is, or where the input is missing."""
        if any(reason.kind == "input" for each in self.stages for reason in each.reasons):
            return ""
        stale = [each.stage for each in self.stages if not each.fresh]
        return "" if not stale else f"tabtrail {stale[0]}" if len(stale) == 1 else "tabtrail run"

    def to_dict(self) -> dict[str, Any]:
        return {
            "stages": [
                {"stage": each.stage, "fresh": each.fresh, "reasons": list(map(asdict, each.reasons))} for each in self.stages
            ],
            "at_work": None if self.at_work is None else asdict(self.at_work),
            "next_command": self.next_command,
        }


def status(config: Config) -> Status:
    """Return what a run would repeat, and why."""
    owner = read_owner(config) if is_held(config) else None
    try:
        return Status(_stages(config), owner)
    except FileNotFoundError:  # whoever is at work exchanged a folder meanwhile
        return Status(_stages(config), owner)


def _stages(config: Config) -> tuple[StageStatus, ...]:
    try:
        find_sources(config.paths.raw_csv, config.root)
    except ConfigError as error:
        return tuple(StageStatus(name, (Reason("input", str(error)),)) for name in ("ingest", *_AFTER_INGEST))
    first = StageStatus("ingest", tuple(ingest_stage(config).reasons()))
    return (first, *_after(config, first))


def _after(config: Config, ingested: StageStatus) -> Iterable[StageStatus]:
    try:
        manifest = _manifest(config, ingested)
    except DataError as error:
        return [StageStatus(name, (Reason("before", str(error)),)) for name in _AFTER_INGEST]
    before = () if ingested.fresh else (Reason("before", "ingest is stale, and its dataset may come out differently"),)
    tuned = config.with_candidates(tuned_candidates(config))
    found = {
        "eda": eda_stage(config, manifest).reasons(),
        "profile": profile_stage(config, manifest).reasons(),
        "train": train_reasons(tuned, train_stage(tuned, manifest)),
    }
    stale = [name for name in ("profile", "train") if found[name] or before]
    shown = [Reason("before", f"{' and '.join(stale)} {'is' if len(stale) == 1 else 'are'} stale")] if stale else []
    found["report"] = [*shown, *report_stage(config).reasons()]
    return [StageStatus(name, (*(before if name != "report" else ()), *found[name])) for name in _AFTER_INGEST]


def _manifest(config: Config, ingested: StageStatus) -> Manifest:
    """A stale dataset is told by its own stage; the others are compared with what it was."""
    return verify_dataset(config.dataset, config.ingest_digest()) if ingested.fresh else read_manifest(config.dataset)
