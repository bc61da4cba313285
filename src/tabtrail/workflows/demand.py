"""Training on many series: every model at the same rolling origins, the chosen one fitted on all of them, proven and deployed."""

import time
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from typing import Any

from tabtrail.bundle.demand.features import LEFT, RUN, Array, FeatureRecipe
from tabtrail.bundle.signing import require_key_pair
from tabtrail.config.demand import Demand
from tabtrail.config.tree import Config
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.manifest import read_manifest
from tabtrail.errors import ConfigError, LeakageError, NothingToDeployError
from tabtrail.forecast.panel.baselines import BASELINES, Baseline
from tabtrail.forecast.panel.blend import BLEND, best_blend
from tabtrail.forecast.panel.build import build_panel, needed_columns
from tabtrail.forecast.panel.candidates import DirectCandidate, parse_candidates
from tabtrail.forecast.panel.direct import DirectModel, fit_direct
from tabtrail.forecast.panel.evaluate import (
    Evaluated,
    best_baseline,
    choose,
    default_recipe,
    evaluate,
    money_of,
    require_judged,
    rolling_origins,
    scored,
)
from tabtrail.forecast.panel.hierarchy import judge_totals
from tabtrail.forecast.panel.holidays import holiday_days
from tabtrail.forecast.panel.kept import keep
from tabtrail.forecast.panel.leakage import audit, without_leaks
from tabtrail.forecast.panel.learnable import learnable_defaults, require_learnable
from tabtrail.forecast.panel.notes import panel_notes, rejects_note
from tabtrail.forecast.panel.panel import Panel
from tabtrail.forecast.panel.rows import Points
from tabtrail.forecast.panel.search import default_grids, search
from tabtrail.forecast.panel.tables import leaderboard, table
from tabtrail.forecast.panel.task import Task, Trained
from tabtrail.progress import Progress
from tabtrail.project.paths import Artifacts
from tabtrail.project.training import DEMAND_SECTIONS
from tabtrail.system.code import code_files
from tabtrail.system.files import atomic_file, require_writable, write_json
from tabtrail.system.hashes import sha256_json
from tabtrail.tracking.artifacts import log_artifact, log_files
from tabtrail.tracking.demand_finished import FORECASTS, forecasts_sha256, forecasts_to_bytes, read_forecasts
from tabtrail.tracking.demand_items import candidate_items, training_items
from tabtrail.tracking.libraries import library_versions
from tabtrail.tracking.pages import with_links
from tabtrail.tracking.provenance import provenance_of
from tabtrail.tracking.runs import LoggedData, complete_children, log_dataset, log_items, running, set_primary_metric, set_tags
from tabtrail.tracking.store import open_store
from tabtrail.tracking.tags import EVALUATION, PREDICTIONS, TAG
from tabtrail.workflows.database import take_in_results
from tabtrail.workflows.demand_bundle import Training, store_model
from tabtrail.workflows.demand_intervals import calibrate
from tabtrail.workflows.demand_results import write_explanations, write_tables
from tabtrail.workflows.demand_tracking import Identity, holds_bundle, tracked
from tabtrail.workflows.deploy import Challenger, Site, fetch
from tabtrail.workflows.promote import settle, write_history

Judge = Callable[[DirectCandidate, Array | None], Evaluated]
"""A candidate at the origins; the array is the price of all periods [series, periods], where one is named."""


def work(config: Config, progress: Progress, force: bool) -> None:
    """Judge every model at the rolling origins, choose, fit on all, prove, bundle and register. What is deployed changes as
    `promotion.automatic` says.

    A training of the same data, config and code that was cut short is continued: what it judged is not fitted at the origins
    again, unless `force`, and what it registered is not registered twice.

    Raises `NothingToDeployError` where the best baseline beats the chosen model, unless `demand.choice.deploy_unless_beaten`.
    """
    config = config.for_demand()
    require_writable(config.paths.models_dir.parent, config.paths.models_dir, config.paths.output_dir)
    require_key_pair(config.bundle.signing_key, config.bundle.public_key)
    candidates = parse_candidates({} if config.demand is None else config.demand.candidates)  # refused before a run is opened
    manifest = read_manifest(config.dataset)
    store = open_store(config.mlflow)
    if store.note:
        progress.say(f"demand: {store.note}")
    task = prepare(config)
    require_learnable(candidates, task.panel, task.demand.target)
    _say_account(task, manifest.rows_rejected, progress)
    _say_leakage(task, config.leakage.policy, progress)
    digest = config.digest(*DEMAND_SECTIONS)
    provenance = provenance_of(manifest, config_sha256=digest, root=config.root)
    key = sha256_json([manifest.data_sha256, digest, code_files(__name__), library_versions()])
    text = config.model_dump_json(indent=2, exclude={"paths", "mlflow", "bundle", "promotion"})
    with tracked(store, Identity(f"demand {task.demand.name}", key, provenance, text), progress, force=force) as own:
        training = Training(config, task, manifest, store, own.run_id, provenance.tags, progress, own.finished)
        trained = judge_all(task, partial(_judge, training), progress)
        found = leaderboard(task, trained, own.run_id, manifest.data_sha256, synthetic=manifest.synthetic)
        found["hierarchy"] = _judge_hierarchy(task, trained)
        order = f"origins_{task.demand.choice.metric}"
        log_items(store, own.run_id, with_links(training_items(task, trained, found), store, own.run_id, order))
        if not config.is_view:  # the experiment of a config that has `model` too is ordered by that
            set_primary_metric(store, order, greater=False)
        _log_judged(training, trained)
        _write_leaderboard(training, found)
        write_tables(training, trained)
        refusal = beaten(task, trained)
        if refusal:
            set_tags(store, own.run_id, {TAG + "deployed": "false", TAG + "objections": refusal})
        challenger = None if refusal else _challenger(training, trained)
    if challenger is None:
        take_in_results(config)
        raise NothingToDeployError(refusal)
    decision = settle(config, store, challenger, progress)
    write_json(Artifacts.of(config).verdict, decision.to_dict())
    progress.say(f"demand: {decision}")
    write_history(config)
    take_in_results(config)


def _log_judged(training: Training, trained: Trained) -> None:
    """Log the forecasts of the chosen model, which a later one is held to, and the data that all models were judged on."""
    store, parent, task, config = training.store, training.run_id, training.task, training.config
    log_artifact(store, parent, EVALUATION, keep(task.panel, task.origins, trained.chosen).to_bytes())
    used = scan_dataset(config.dataset).select(needed_columns(task.demand, config.cleaning.date_column or ""))
    data = LoggedData(used.collect_schema(), training.manifest.rows_kept, task.demand.target, config.origin)
    runs = [parent, *(each.run_id for each in complete_children(store, parent).values())]
    log_dataset(store, runs, data, training.manifest.data_sha256)


def _challenger(training: Training, trained: Trained) -> Challenger:
    """Return the bundle of the chosen model, which is fitted on all that is known: the one that the run holds already, or a new
    one; write what explains it.
    """
    config, store, run_id = training.config, training.store, training.run_id
    task = training.task
    fitted = fit_chosen(task, trained, task.panel, len(task.origins.places))
    models = {name: model for name, (model, _) in fitted.items()}
    held = holds_bundle(store, run_id, config.model.name, signed=config.bundle.signing_key is not None)
    found = fetch(Site.of(config, store), run_id) if held else store_model(training, trained, models)
    write_explanations(training, trained, models, found.bundle.onnx)
    return found


def prepare(config: Config) -> Task:
    """Return the panel of the dataset, and what is computed of it. Raises `DataError` for rows that make none."""
    demand, date = config.demand, config.cleaning.date_column
    assert demand is not None and date is not None  # noqa: S101, PT018 - checked when the config was read
    panel = build_panel(scan_dataset(config.dataset).select(needed_columns(demand, date)), demand, date)
    flags = panel.flags()
    prices = tuple(name for name in demand.known_ahead if name not in flags)
    recipe = default_recipe(demand.frequency, demand.horizon, flags, prices)
    _refuse_names_of_features(demand, recipe)
    if demand.holidays is not None:
        first, last = (panel.calendar.first_day(each) for each in (panel.first, panel.last + demand.horizon))
        recipe = replace(recipe, holidays=holiday_days(demand.holidays, first, last))
    origins = rolling_origins(
        panel.periods,
        demand.horizon - demand.gap,
        count=demand.origins,
        step=demand.step,
        gap=demand.gap,
        least=recipe.windows[-1],
    )
    require_judged(panel, origins)
    findings = audit(panel, recipe, demand.random_state)
    if config.leakage.policy == "drop":
        recipe = without_leaks(recipe, findings)
    return Task(demand, panel, recipe, (*panel.series, *demand.static), origins, findings)


def _refuse_names_of_features(demand: Demand, recipe: FeatureRecipe) -> None:
    """Raise `ConfigError` for a column of the config that is called like a feature: one would take the place of the other."""
    own = replace(recipe, flags=(), prices=(), holidays=(1,)).names
    ends = [*((name, ("_change",)) for name in recipe.prices), *((name, (RUN, LEFT)) for name in recipe.flags)]
    taken = {*own, *(name + end for name, each in ends for end in each)}
    for key, names in (("series", demand.series), ("static", demand.static), ("known_ahead", demand.known_ahead)):
        if odd := next((name for name in names if name in taken), None):
            raise ConfigError(f"demand.{key}: '{odd}' is what a feature of the forecast is called; rename it (source.rename)")


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


def _say_account(task: Task, rejected: int, progress: Progress) -> None:
    demand, fit = task.demand, len(task.origins.places)
    fewer = f"{fit:,} of demand.origins, {demand.origins:,}, fit into the history" if fit < demand.origins else ""
    for note in (*panel_notes(task.panel, demand), rejects_note(rejected, demand), fewer):
        if note:
            progress.say(f"demand: {note}")


def _write_leaderboard(training: Training, found: dict[str, Any]) -> None:
    artifacts = Artifacts.of(training.config)
    with atomic_file(artifacts.demand_leaderboard_csv) as temporary:
        table(found).write_csv(temporary)
    write_json(artifacts.demand_leaderboard, found)
    log_files(training.store, training.run_id, [artifacts.demand_leaderboard, artifacts.demand_leaderboard_csv])


def judge_all(task: Task, judge: Judge, progress: Progress, *, wanted: Collection[str] | None = None) -> Trained:
    """Return every baseline and candidate (or those `wanted` alone) at the origins, the chosen one and its intervals; `judge` is
    asked for a candidate.
    """
    demand, panel, origins = task.demand, task.panel, task.origins
    money = money_of(panel, demand.price)
    found = [
        evaluate(name, partial(_of_baseline, baseline, task.recipe), panel, origins, baseline=True, money=money)
        for name, baseline in BASELINES.items()
    ]
    members, candidates = [], _candidates(task, progress, wanted)
    for number, candidate in enumerate(candidates, 1):
        own = judge(candidate, money)
        said = ", ".join(f"{name} {own.scores[key]}" for name, key in (("MAE", "mae"), ("RMSSE", "rmsse"), ("bias", "bias")))
        progress.say(f"demand: {number} of {len(candidates)} models: {own.name}: {said}")
        progress.advance(number, len(candidates), "models")
        members.append(own)
    metric, bound = demand.choice.metric, demand.choice.max_bias
    reads = {each.name: each.reads for each in candidates}
    mixed = best_blend(members, reads, panel, origins, metric=metric, max_bias=bound, money=money)
    weights: dict[str, float] = {} if mixed is None else mixed[1]
    members += [] if mixed is None else [mixed[0]]
    chosen, reason = choose(members, metric, bound)
    progress.say(f"demand: champion {chosen.name}: {reason}")
    trained = Trained((*found, *members), chosen, reason, weights, tuple(candidates))
    return calibrate(task, trained, partial(fit_chosen, task, trained), progress)


def _candidates(task: Task, progress: Progress, wanted: Collection[str] | None) -> list[DirectCandidate]:
    """Return the candidates with the values that the search chose."""
    demand = task.demand
    defaults, left_out = learnable_defaults(task.panel, demand.target)
    if left_out and not demand.candidates:
        progress.say(f"demand: warning: {left_out}")
    tried, grids = (demand.candidates, demand.search) if demand.candidates else (defaults, default_grids())
    if wanted is not None:
        tried = {name: own for name, own in tried.items() if name in wanted}
        grids = {name: own for name, own in grids.items() if name in wanted}
    configured = search(
        tried,
        grids,
        task.panel,
        task.origins,
        metric=demand.choice.metric,
        forecaster=lambda candidate: partial(_forecast, task, candidate),
    )
    for name, grid in grids.items():
        progress.say(f"demand: {name}: {', '.join(f'{key} {configured[name][key]}' for key in grid)} of what was tried")
    return parse_candidates(configured)


def _judge(training: Training, candidate: DirectCandidate, money: Array | None) -> Evaluated:
    """Return a model as it is at the origins: as its finished run has it, or fitted now."""
    task, name = training.task, candidate.name
    if (run := training.finished.get(name)) is not None:
        shape = (task.panel.count, len(task.origins.places) * task.origins.horizon)
        return scored(name, read_forecasts(training.store, run, shape), task.panel, task.origins, money=money)
    start = time.perf_counter()
    own = judge_candidate(task, candidate, money)
    _log_candidate(training, candidate, own, time.perf_counter() - start)
    return own


def judge_candidate(task: Task, candidate: DirectCandidate, money: Array | None) -> Evaluated:
    """Return a model that is fitted at each origin."""
    return evaluate(candidate.name, partial(_forecast, task, candidate), task.panel, task.origins, money=money)


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
    items = candidate_items(candidate, own, seconds=seconds, gap=training.task.origins.gap)
    with running(training.store, candidate.name, training.tags, parent=training.run_id) as run_id:
        log_items(training.store, run_id, items)
        log_artifact(training.store, run_id, FORECASTS, forecasts_to_bytes(own.forecast))
        set_tags(training.store, run_id, {PREDICTIONS: forecasts_sha256(own.forecast)})


def beaten(task: Task, trained: Trained) -> str:
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


def _judge_hierarchy(task: Task, trained: Trained) -> list[dict[str, Any]]:
    """Errors by level; the direct forecast is of the chosen model's kind, of a blend that of its heaviest member."""
    if not task.demand.hierarchy:
        return []
    name = max(_chosen_names(trained), key=lambda each: trained.weights.get(each, 1.0))
    candidates = {each.name: each for each in trained.candidates}
    return judge_totals(task, trained, candidates[name])


def _chosen_names(trained: Trained) -> list[str]:
    """The chosen model, or the members of the blend."""
    return list(trained.weights) if trained.chosen.name == BLEND else [trained.chosen.name]


def fit_chosen(task: Task, trained: Trained, panel: Panel, at: int) -> dict[str, tuple[DirectModel, float]]:
    """Return the chosen model, or the members of the blend, fitted on a panel, with their weights."""
    candidates = {each.name: each for each in trained.candidates}
    return {
        name: (
            _fitted(task, candidates[name], panel, at),
            trained.weights.get(name, 1.0) if trained.chosen.name == BLEND else 1.0,
        )
        for name in _chosen_names(trained)
    }
