"""What a run left, gathered from the results for a person or a program to read."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tabtrail.config.tree import Config
from tabtrail.contract.schema import ModelSchema
from tabtrail.data.manifest import Manifest, read_manifest
from tabtrail.errors import NotTrainedError
from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.project.deployment import Deployment, read_deployment
from tabtrail.project.paths import Artifacts
from tabtrail.project.run import Ran
from tabtrail.system.files import read_json


@dataclass(frozen=True)
class Summary:
    """What a run found and where it lies: of a model of rows the `leaderboard`, of series what `demand` holds.

    `importance` is of a column, or of a group of a forecast's features; `example` is a row that the deployed model of series
    answers. `explanation_missing` says why there are no importances, None where there are. `repeated` says for each stage whether
    it did its work or was unchanged, `durations` its wall time in seconds.
    """

    manifest: Manifest
    leaderboard: Leaderboard | None
    importance: dict[str, float]
    explanation_missing: str | None
    artifacts: dict[str, Path]
    deployment: Deployment
    seconds: float
    demand: dict[str, Any] | None = None
    demand_deployment: Deployment | None = None
    example: dict[str, Any] | None = None
    repeated: dict[str, bool] = field(default_factory=dict)
    durations: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return what `tabtrail run --format json` prints."""
        return {
            "manifest": asdict(self.manifest),
            "leaderboard": None if self.leaderboard is None else self.leaderboard.to_dict(),
            "demand": self.demand,
            "mean_absolute_shap": self.importance,
            "explanation_missing": self.explanation_missing,
            "deployment": asdict(self.deployment),
            **({} if self.demand_deployment is None else {"demand_deployment": asdict(self.demand_deployment)}),
            "artifacts": {name: str(path) for name, path in self.artifacts.items()},
            "repeated": self.repeated,
            "durations": self.durations,
            "seconds": self.seconds,
        }


def summarise_run(config: Config, ran: Ran, seconds: float) -> Summary:
    """Return the summary of a run that is done."""
    artifacts = Artifacts.of(config)
    leaderboard = None if config.is_demand_only else read_leaderboard(artifacts)
    of_demand = config.for_demand()
    own = Artifacts.of(of_demand)
    explained = read_json(own.demand_importance if leaderboard is None else artifacts.importance) or {}
    demand = None if config.demand is None else read_json(own.demand_leaderboard)
    demand_run = str((demand or {}).get("run_id", ""))
    run_id = demand_run if leaderboard is None else leaderboard.champion_row.run_id
    return Summary(
        manifest=read_manifest(config.dataset),
        leaderboard=leaderboard,
        importance=dict(explained.get("mean_absolute_shap", {})),
        explanation_missing=explained.get("missing"),
        artifacts=artifacts.listed(),
        deployment=read_deployment(config, run_id),
        seconds=round(seconds, 2),
        repeated=ran.repeated,
        durations=ran.durations,
        demand=demand,
        demand_deployment=read_deployment(of_demand, demand_run) if of_demand.is_view else None,
        example=None if demand is None else _example(own),
    )


def _example(artifacts: Artifacts) -> dict[str, Any] | None:
    """Return the example of the deployed model's schema, None where there is none."""
    metadata = read_json(artifacts.metadata)
    return None if metadata is None else ModelSchema.from_dict(metadata["schema"]).example


def read_leaderboard(artifacts: Artifacts) -> Leaderboard:
    """Return the leaderboard of the last benchmark. Raises `NotTrainedError` where there is none."""
    path = artifacts.leaderboard
    value = read_json(path)
    if value is None:
        raise NotTrainedError(f"there is no leaderboard {path}; run `tabtrail train` first")
    return Leaderboard.from_dict(value)
