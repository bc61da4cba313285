"""Which model is deployed, and what to type to change that."""

from dataclasses import dataclass

from tabtrail.bundle.load import read_metadata
from tabtrail.config.tree import Config
from tabtrail.errors import BundleError
from tabtrail.project.paths import Artifacts
from tabtrail.system.files import read_json


@dataclass(frozen=True)
class Deployment:
    """Which model is deployed, and why the benchmark's winner is not; `next_command` puts that in, or takes it out again."""

    model: str
    run_id: str
    is_winner: bool
    reasons: tuple[str, ...]
    next_command: str


def read_deployment(config: Config, winner: str) -> Deployment:
    """Return what is deployed, by the run of the last benchmark's winner. `model` is empty where nothing can be read."""
    own = " --demand" if config.is_view else ""
    said = read_json(Artifacts.of(config).verdict) or {}
    try:
        metadata = read_metadata(config.paths.models_dir, config.model.name, config.bundle.public_key)
    except BundleError as error:
        return Deployment("", "", False, (str(error),), "tabtrail train")
    if metadata["run_id"] == winner:
        replaced = said.get("promoted") and said.get("champion")
        return Deployment(metadata["model"], winner, True, (), f"tabtrail rollback{own}" if replaced else "")
    challenger = said.get("challenger") or {}
    concerned = challenger.get("run_id") == winner
    reasons = tuple(said.get("reasons") or ()) if concerned else ()
    what = challenger.get("version") if concerned and challenger.get("version") else winner
    forced = ' --force --reason "…"' if reasons and said.get("action") == "refused" else ""
    return Deployment(metadata["model"], metadata["run_id"], False, reasons, f"tabtrail promote {what}{own}{forced}")
