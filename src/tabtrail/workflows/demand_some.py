"""Some of the nets of a model that has one for each value of a column, trained again; the others stay those of the champion."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tabtrail.bundle.demand.intervals import DemandIntervals
from tabtrail.bundle.load import Bundle, load_bundle
from tabtrail.config.demand import Demand
from tabtrail.config.tree import Config
from tabtrail.data.manifest import read_manifest
from tabtrail.errors import NothingToDeployError, UsageError
from tabtrail.forecast.panel.candidates import DirectCandidate, parse_candidates
from tabtrail.forecast.panel.direct import DirectModel
from tabtrail.forecast.panel.kept import keep
from tabtrail.forecast.panel.nets.settings import WindowSettings
from tabtrail.forecast.panel.nets.window_net import WindowNet
from tabtrail.forecast.panel.tables import leaderboard
from tabtrail.forecast.panel.task import Task, Trained
from tabtrail.modeling.estimators import clipped, unclipped
from tabtrail.progress import SILENT, Progress
from tabtrail.project.lock import project_lock
from tabtrail.project.paths import Artifacts
from tabtrail.project.training import DEMAND_SECTIONS
from tabtrail.system.code import code_files
from tabtrail.system.files import write_json
from tabtrail.system.hashes import sha256_json
from tabtrail.tracking.artifacts import log_artifact
from tabtrail.tracking.demand_items import training_items
from tabtrail.tracking.libraries import library_versions
from tabtrail.tracking.provenance import provenance_of
from tabtrail.tracking.runs import log_items, set_tags
from tabtrail.tracking.store import open_store
from tabtrail.tracking.tags import EVALUATION, TAG
from tabtrail.workflows.demand import beaten, fit_chosen, judge_all, judge_candidate, prepare
from tabtrail.workflows.demand_bundle import Training, store_model
from tabtrail.workflows.demand_tracking import Identity, tracked
from tabtrail.workflows.pipelines import load_pipeline
from tabtrail.workflows.promote import settle, write_history

_ALL = "`tabtrail train` trains all of them"


@dataclass(frozen=True)
class Champion:
    """The deployed model: its bundle, its net, and the candidate of the config that it is."""

    bundle: Bundle
    net: WindowNet
    candidate: DirectCandidate

    @property
    def per(self) -> str:
        """The column that has a net for each of its values."""
        assert self.net.settings.per is not None  # noqa: S101 - `_champion` refuses others
        return self.net.settings.per


def train_some(config: Config, groups: Collection[str], progress: Progress = SILENT) -> dict[str, Any]:
    """Train the nets of some values of `per`, judged by their own series, and deploy them beside the champion's other nets, as
    `promotion.automatic` says. Returns the leaderboard of these series, which is written nowhere but into the run.

    Raises `UsageError` where the deployed model has no net of its own for each of the values, or the config has changed since;
    `NothingToDeployError` where the best baseline beats the nets.
    """
    config = config.for_demand()
    if config.demand is None:
        raise UsageError("the config has no demand: there is no model of series to train")
    with project_lock(config, "demand train", progress):
        task = prepare(config)
        champion = _champion(task.demand, config.paths.models_dir, config.bundle.public_key)
        places = _places(task, champion, groups)
        some = replace(task, panel=task.panel.take(places))
        manifest, store = read_manifest(config.dataset), open_store(config.mlflow)
        digest = config.digest(*DEMAND_SECTIONS)
        provenance = provenance_of(manifest, config_sha256=digest, root=config.root)
        key = sha256_json([manifest.data_sha256, digest, code_files(__name__), library_versions(), sorted(groups)])
        text = config.model_dump_json(indent=2, exclude={"paths", "mlflow", "bundle", "promotion"})
        progress.say(f"demand: {len(places):,} of {task.panel.count:,} series are trained; the nets of the others are kept")
        tags = {TAG + "groups": f"{len(set(groups)):,}"}
        identity = Identity(f"demand {task.demand.name}", key, provenance, text, tags)
        with tracked(store, identity, progress, force=True) as own:
            trained = judge_all(some, partial(judge_candidate, some), progress, wanted=[champion.candidate.name])
            found = leaderboard(some, trained, own.run_id, manifest.data_sha256, synthetic=manifest.synthetic)
            log_items(store, own.run_id, training_items(some, trained, found))
            log_artifact(store, own.run_id, EVALUATION, keep(some.panel, some.origins, trained.chosen).to_bytes())
            if refusal := beaten(some, trained):
                set_tags(store, own.run_id, {TAG + "deployed": "false", TAG + "objections": refusal})
                challenger = None
            else:
                ((name, (model, _)),) = fit_chosen(some, trained, some.panel, len(some.origins.places)).items()
                models = {name: _beside_the_others(task, model, champion)}
                training = Training(config, task, manifest, store, own.run_id, {**provenance.tags, **tags}, progress)
                challenger = store_model(training, _with_intervals(trained, champion), models)
        if challenger is None:
            raise NothingToDeployError(refusal)
        decision = settle(config, store, challenger, progress)
        write_json(Artifacts.of(config).verdict, decision.to_dict())
        progress.say(f"demand: {decision}")
        write_history(config)
    return found


def _champion(demand: Demand, folder: Path, public_key: Path | None) -> Champion:
    """Return the deployed model. Raises `UsageError` for one that learns from all series together."""
    bundle = load_bundle(folder, demand.name, public_key)
    name = str(bundle.metadata["model"])
    candidate = next((each for each in parse_candidates(demand.candidates) if each.name == name), None)
    net = unclipped(load_pipeline(folder, bundle.metadata))
    if not isinstance(net, WindowNet) or net.settings.per is None:
        raise UsageError(
            f"the deployed model, {name}, learns from all series together, so that some cannot be trained alone; {_ALL}"
        )
    if candidate is None or not isinstance(candidate.net, WindowSettings) or candidate.net != net.settings:
        raise UsageError(f"demand.candidates.{name} is not what the deployed model was trained by; {_ALL}")
    return Champion(bundle, net, candidate)


def _places(task: Task, champion: Champion, groups: Collection[str]) -> list[int]:
    """Return the places of the series of some values. Raises `UsageError` for values that no series has."""
    values = task.panel.static[champion.per].astype(str)
    unknown = [group for group in groups if group not in set(values)]
    if unknown or not groups:
        raise UsageError(f"{champion.per} has no value {', '.join(map(repr, unknown[:5]))}" if unknown else "no value is named")
    return [int(place) for place in np.flatnonzero(np.isin(values, list(groups)))]


def _beside_the_others(task: Task, model: DirectModel, champion: Champion) -> DirectModel:
    """Return a model with its own nets, and the champion's for the values that it was not trained on."""
    net, before = unclipped(model.estimator), champion.net
    same = list(net.feature_names_in_) == list(before.feature_names_in_)
    if not same or (net.series, net.horizon) != (before.series, before.horizon):
        raise UsageError(f"the deployed model reads other features than the config asks for; {_ALL}")
    kept = sorted(set(before.nets_) - set(net.nets_))
    net.nets_ = {group: net.nets_.get(group) or before.nets_[group] for group in sorted({*before.nets_, *net.nets_})}
    # The kept nets go on reading values in the mean and deviation that they were trained in.
    net.scales_, net.overall_ = {**before.scales_, **net.scales_}, before.overall_
    net.kept_ = {"run_id": str(champion.bundle.metadata["run_id"]), "groups": kept}
    least = 0.0 if not (task.panel.target < 0).any() else None
    return replace(model, estimator=clipped(net, (least, None)))


def _with_intervals(trained: Trained, champion: Champion) -> Trained:
    """Return the training with the champion's intervals, which were measured on all series."""
    stated = champion.bundle.metadata.get("demand_intervals")
    return trained if stated is None else replace(trained, intervals=DemandIntervals.from_dict(stated))
