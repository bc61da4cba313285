"""Training on many series: every model at the same rolling origins, the chosen one fitted on all of them, proven and deployed."""

import time
from dataclasses import replace
from functools import partial
from typing import Any

from tabtrail.bundle.demand.features import Array, FeatureRecipe
from tabtrail.bundle.signing import require_key_pair
from tabtrail.config.tree import Config
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.manifest import read_manifest
from tabtrail.errors import LeakageError, NothingToDeployError
from tabtrail.forecast.panel.baselines import BASELINES, Baseline
from tabtrail.forecast.panel.blend import BLEND, blend
from tabtrail.forecast.panel.build import build_panel, needed_columns
from tabtrail.forecast.panel.direct import DirectCandidate, DirectModel, default_candidates, fit_direct, parse_candidates
from tabtrail.forecast.panel.evaluate import Evaluated, best_baseline, choose, default_recipe, evaluate, money_of, rolling_origins
from tabtrail.forecast.panel.holidays import holiday_days
from tabtrail.forecast.panel.leakage import audit, without_leaks
from tabtrail.forecast.panel.notes import account_notes
from tabtrail.forecast.panel.panel import Panel
from tabtrail.forecast.panel.rows import Points
from tabtrail.forecast.panel.search import default_grids, search
from tabtrail.forecast.panel.tables import leaderboard, table
from tabtrail.forecast.panel.task import Task, Trained
from tabtrail.progress import Progress
from tabtrail.project.paths import Artifacts
from tabtrail.project.training import DEMAND_SECTIONS
from tabtrail.system.files import atomic_file, require_writable, write_json
from tabtrail.tracking.artifacts import log_files
from tabtrail.tracking.demand_items import candidate_items, training_items
from tabtrail.tracking.items import TAG, provenance_tags
from tabtrail.tracking.runs import log_items, running, set_tags
from tabtrail.tracking.store import open_store
from tabtrail.workflows.database import take_in_results
from tabtrail.workflows.demand_bundle import Training, store_model
from tabtrail.workflows.demand_results import write_explanations, write_tables
from tabtrail.workflows.promote import settle, write_history


def work(config: Config, progress: Progress, _force: bool) -> None:
    """Judge every model at the rolling origins, choose, fit on all, prove, bundle and register. What is deployed changes as
    `promotion.automatic` says.

    Raises `NothingToDeployError` where the best baseline beats the chosen model, unless `demand.choice.deploy_unless_beaten`.
    """
    project, config = config, config.for_demand()
    require_writable(config.paths.models_dir.parent, config.paths.models_dir, config.paths.output_dir)
    require_key_pair(config.bundle.signing_key, config.bundle.public_key)
    if config.demand is not None:
        parse_candidates(config.demand.candidates)  # refused here, before a run is opened
    manifest = read_manifest(config.dataset)
    store = open_store(config.mlflow.tracking_uri, config.mlflow.experiment)
    task = prepare(config)
    _say_account(task, progress)
    _say_leakage(task, config.leakage.policy, progress)
    tags = provenance_tags(manifest, config_sha256=config.digest(*DEMAND_SECTIONS), root=config.root)
    with running(store, f"demand {task.demand.name}", tags) as parent:
        training = Training(config, task, manifest, store, parent, tags, progress)
        trained = _judge_all(training)
        found = leaderboard(task, trained, parent, manifest.data_sha256, synthetic=manifest.synthetic)
        log_items(store, parent, training_items(task, trained, found))
        _write_leaderboard(training, found)
        write_tables(training, trained)
        take_in_results(project)
        if refusal := _beaten(task, trained):
            set_tags(store, parent, {TAG + "deployed": "false", TAG + "objections": refusal})
            raise NothingToDeployError(refusal)
        models = _fit_final(task, trained, progress)
        challenger = store_model(training, trained, models)
        write_explanations(training, trained, models, challenger.bundle.onnx)
    decision = settle(config, store, challenger, progress)
    write_json(Artifacts.of(config).verdict, decision.to_dict())
    progress.say(f"demand: {decision}")
    write_history(config)


def prepare(config: Config) -> Task:
    """Return the panel of the dataset, and what is computed of it. Raises `DataError` for rows that make none."""
    demand, date = config.demand, config.cleaning.date_column
    assert demand is not None and date is not None  # noqa: S101, PT018 - checked when the config was read
    panel = build_panel(scan_dataset(config.dataset).select(needed_columns(demand, date)), demand, date)
    flags = panel.flags()
    prices = tuple(name for name in demand.known_ahead if name not in flags)
    recipe = default_recipe(demand.frequency, demand.horizon, flags, prices)
    if demand.holidays is not None:
        first, last = (panel.calendar.first_day(each) for each in (panel.first, panel.last))
        recipe = replace(recipe, holidays=holiday_days(demand.holidays, first, last))
    origins = rolling_origins(
        panel.periods,
        demand.horizon - demand.gap,
        count=demand.origins,
        step=demand.step,
        gap=demand.gap,
        least=recipe.windows[-1],
    )
    findings = audit(panel, recipe, demand.random_state)
    if config.leakage.policy == "drop":
        recipe = without_leaks(recipe, findings)
    return Task(demand, panel, recipe, (*demand.series, *demand.static), origins, findings)


def _say_leakage(task: Task, policy: str, progress: Progress) -> None:
    """Raises `LeakageError` where the policy is `error` and a column gives the demand away."""
    for finding in task.findings:
        progress.say(f"demand: {finding.label.lower()}: {finding}")
    if policy == "error" and task.findings:
        raise LeakageError(
            "leakage.policy is error, and demand.known_ahead names what no plan could know:"
            f" {'; '.join(map(str, task.findings))}. Take it out of demand.known_ahead, or set leakage.policy: drop to read its"
            " past alone"
        )
    if task.recipe.lagged:
        progress.say(f"demand: leakage.policy drop: the past alone is read of {', '.join(task.recipe.lagged)}")


def _say_account(task: Task, progress: Progress) -> None:
    found = task.panel.account
    assert found is not None  # noqa: S101 - a built panel has one
    for note in account_notes(found, task.demand):
        progress.say(f"demand: {note}")


def _write_leaderboard(training: Training, found: dict[str, Any]) -> None:
    artifacts = Artifacts.of(training.config)
    with atomic_file(artifacts.demand_leaderboard_csv) as temporary:
        table(found).write_csv(temporary)
    write_json(artifacts.demand_leaderboard, found)
    log_files(training.store, training.run_id, [artifacts.demand_leaderboard, artifacts.demand_leaderboard_csv])


def _judge_all(training: Training) -> Trained:
    task, progress = training.task, training.progress
    demand, panel, origins = task.demand, task.panel, task.origins
    money = money_of(panel, demand.price)
    found = [
        evaluate(name, partial(_of_baseline, baseline, task.recipe), panel, origins, baseline=True, money=money)
        for name, baseline in BASELINES.items()
    ]
    members, candidates = [], _candidates(task, progress)
    for candidate in candidates:
        start = time.perf_counter()
        own = evaluate(candidate.name, partial(_forecast, task, candidate), panel, origins, money=money)
        _log_candidate(training, candidate, own, time.perf_counter() - start)
        progress.say(f"demand: {own.name}: MAE {own.scores['mae']}, RMSSE {own.scores['rmsse']}, bias {own.scores['bias']}")
        members.append(own)
    metric, bound = demand.choice.metric, demand.choice.max_bias
    # The members of a blend take the same features: those over the level of the series.
    scaled = {each.name for each in candidates if each.scaled}
    joined = [each for each in members if each.name in scaled]
    weights: dict[str, float] = {}
    if len(joined) > 1:
        mixed, weights = blend(joined, panel, origins, metric=metric, max_bias=bound, money=money)
        members.append(mixed)
    chosen, reason = choose(members, metric, bound)
    progress.say(f"demand: champion {chosen.name}: {reason}")
    return Trained((*found, *members), chosen, reason, weights, tuple(candidates))


def _candidates(task: Task, progress: Progress) -> list[DirectCandidate]:
    """Return the candidates with the values that the search chose."""
    demand = task.demand
    configured = search(
        demand.candidates or default_candidates(),
        demand.search if demand.candidates else default_grids(),
        task.panel,
        task.origins,
        metric=demand.choice.metric,
        forecaster=lambda candidate: partial(_forecast, task, candidate),
    )
    for name, grid in (demand.search if demand.candidates else default_grids()).items():
        progress.say(f"demand: {name}: {', '.join(f'{key} {configured[name][key]}' for key in grid)} of what was tried")
    return parse_candidates(configured)


def _of_baseline(baseline: Baseline, recipe: FeatureRecipe, known: Panel, _at: int) -> Array:
    return baseline(known, recipe)


def _forecast(task: Task, candidate: DirectCandidate, known: Panel, at: int) -> Array:
    """Forecast [series, horizon] of a candidate that is fitted on what was known at an origin."""
    model = _fitted(task, candidate, known, at)
    points = Points.at(known, known.periods - 1, range(1, task.recipe.horizon + 1))
    return model.predict(known, points).reshape(known.count, task.recipe.horizon)


def _fitted(task: Task, candidate: DirectCandidate, panel: Panel, at: int) -> DirectModel:
    demand = task.demand
    return fit_direct(candidate, panel, task.recipe, texts=task.texts, most=demand.max_rows, seed=demand.random_state + at)


def _log_candidate(training: Training, candidate: DirectCandidate, own: Evaluated, seconds: float) -> None:
    items = candidate_items(candidate.candidate, own, scaled=candidate.scaled, seconds=seconds)
    with running(training.store, candidate.name, training.tags, parent=training.run_id) as run_id:
        log_items(training.store, run_id, items)


def _beaten(task: Task, trained: Trained) -> str:
    """Return in words that a baseline is better than the chosen model; empty where none is, or it is deployed all the same."""
    metric, demand = task.demand.choice.metric, task.demand
    value = trained.chosen.scores[metric]
    best = best_baseline(trained.evaluated, metric, demand.choice.max_bias)
    if best is None or value is None or float(best.scores[metric] or 0.0) > float(value) or demand.choice.deploy_unless_beaten:
        return ""
    return (
        f"no model is worth deploying: {best.name}, for which nothing is fitted, has {metric.upper()} {best.scores[metric]}, and"
        f" the best model, {trained.chosen.name}, {value}; bring more history or columns that are known ahead, or set"
        " demand.choice.deploy_unless_beaten: true"
    )


def _fit_final(task: Task, trained: Trained, progress: Progress) -> dict[str, DirectModel]:
    """Return the chosen model, or the members of the blend, fitted on all that is known."""
    names = list(trained.weights) if trained.chosen.name == BLEND else [trained.chosen.name]
    candidates = {each.name: each for each in trained.candidates}
    fitted = {}
    for number, name in enumerate(names, 1):
        fitted[name] = _fitted(task, candidates[name], task.panel, len(task.origins.places))
        progress.advance(number, len(names))
    return fitted
