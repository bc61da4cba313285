"""A search for parameters (Optuna): tracked trial by trial, pruned on folds, continued after a kill."""

import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import optuna
from optuna.exceptions import StorageInternalError
from optuna.trial import Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from tabtrail.config.section import Parameter
from tabtrail.config.tree import Config
from tabtrail.data.manifest import Manifest, verify_dataset
from tabtrail.errors import ConfigError, NothingToDeployError, StoreError, UsageError, nearest
from tabtrail.modeling.baselines import BASELINE, BLEND
from tabtrail.modeling.benchmark import run_tasks
from tabtrail.modeling.candidates import Candidate, list_candidates
from tabtrail.modeling.choice import corrected_difference
from tabtrail.modeling.families import FAMILIES, Params
from tabtrail.modeling.metrics import Metric, evaluate, mean_of
from tabtrail.modeling.results import Fit
from tabtrail.modeling.split import Split
from tabtrail.modeling.table import cut_folds
from tabtrail.modeling.worth import yardstick
from tabtrail.progress import SILENT, Progress
from tabtrail.project.lock import project_lock
from tabtrail.project.paths import Artifacts
from tabtrail.project.training import benchmark_digest
from tabtrail.system.files import growth_problem, make_folder, read_json, rename_command, write_json
from tabtrail.system.hashes import sha256_json
from tabtrail.tracking.provenance import log_origin, provenance_of
from tabtrail.tracking.refusals import store_errors
from tabtrail.tracking.runs import close_dead_runs, find_run, log_items, running
from tabtrail.tracking.store import Store, open_store
from tabtrail.tracking.tags import KEY, TAG, MetricItem, RunItems
from tabtrail.workflows.default_candidates import with_default_candidates
from tabtrail.workflows.prepare import Prepared, prepare

_SUFFIX = "_tuned"
_SPACES = "tune in the spaces of TabArena"  # a search in others is not continued
_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


def tune(
    config: Config, names: list[str], *, trials: int, seconds: float | None = None, progress: Progress = SILENT
) -> dict[str, dict[str, Any]]:
    """Search for better parameters of the named candidates (of all boosters where none is named) and keep the best.

    Every candidate gets `trials` trials, those of an earlier, interrupted search of the same data and config included, and no new
    one begins after its share of `seconds`. The folds are other ones than the benchmark's, made of the training part alone; a
    trial whose mean error so far, by the metric of the choice, is above the median of the others' is given up. The best
    parameters are written where the benchmark finds them: as one more candidate, `<name>_tuned`. Returns those, by name.

    Raises `UsageError` for an empty budget or a candidate that cannot be tuned, `NothingToDeployError` where the search found
    nothing that beats always predicting the mean: earlier findings stay.
    """
    if trials < 1 or (seconds is not None and seconds <= 0):
        raise UsageError("the budget is empty: give --trials 1 or more, and --seconds above 0 where you give any")
    config = with_default_candidates(config)
    candidates, file = _chosen(config.candidates, names), Artifacts.of(config).tuned
    with project_lock(config, "tune", progress), _quiet_optuna():
        manifest = verify_dataset(config.dataset, config.ingest_digest())
        prepared = prepare(config, progress)
        problem, table, split = prepared.problem, prepared.table, prepared.split
        folds = cut_folds(problem, table, split.train, split.test, problem.seed + 1)
        store = open_store(config.mlflow)
        until = None if seconds is None else time.monotonic() + seconds
        search = Search(prepared, manifest, folds, store, file.with_name("optuna.db"), trials, until)
        best = {}
        with trial_errors(search.storage):
            for left, candidate in zip(range(len(candidates), 0, -1), candidates, strict=True):
                if (found := _best_of(search.for_one_of(left), candidate, progress)) is not None:
                    best[candidate.name.removesuffix(_SUFFIX) + _SUFFIX] = found
        if not best:
            raise NothingToDeployError(
                f"nothing was found for {', '.join(each.name for each in candidates)} that is worth a training, and what was"
                " found before stays; give more --trials, or features that tell more of the target. Every trial is in MLflow"
            )
        known = (read_json(file) or {}).get("candidates", {})
        write_json(file, {"data_sha256": manifest.data_sha256, "candidates": {**known, **best}})
        return best


@dataclass(frozen=True)
class Search:
    """What the searches for all candidates have in common: data, folds, where trials are kept, and the budget."""

    prepared: Prepared
    manifest: Manifest
    split: Split
    store: Store
    storage: Path
    trials: int
    until: float | None

    def for_one_of(self, candidates: int) -> Self:
        """Return the search for the next of so many candidates, which share alike what is left of the time."""
        now = time.monotonic()
        return self if self.until is None else replace(self, until=now + max(0.0, self.until - now) / candidates)

    def is_over(self, done: int) -> bool:
        """Tell whether the budget is used up."""
        return done >= self.trials or (self.until is not None and time.monotonic() >= self.until)

    @property
    def value_of_mean(self) -> float | None:
        """The metric, mean over the folds, of predicting the mean of the training rows for all; None where it is not defined."""
        y, metric = self.prepared.table.y, self.prepared.problem.metric
        means = ((y[fold.valid], float(y[fold.train].mean())) for fold in self.split.folds)
        return mean_of([evaluate(metric, actual, np.full(len(actual), mean)) for actual, mean in means])

    def written(self, candidate: Candidate) -> dict[str, Parameter]:
        """Return the parameters of a candidate as the config has them."""
        return dict(self.prepared.config.candidates.get(candidate.name, {}))


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Silence what Optuna logs of every trial, for as long as a search runs."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


@contextmanager
def trial_errors(storage: Path) -> Iterator[None]:
    """Turn what Optuna and its database raise into a `StoreError` that says whether its file cannot grow or not be read."""
    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) else error
        reason = str(getattr(cause, "orig", None) or type(error).__name__)
        if problem := growth_problem(storage):
            raise StoreError(f"the trials cannot be kept in {storage}: {problem}, and run the command again") from error
        if any(word in reason for word in ("full", "disk I/O error", "locked")):
            raise StoreError(f"the trials cannot be kept in {storage} ({reason}); run the command again") from error
        aside = rename_command(storage, ".damaged")
        raise StoreError(f"the trials of earlier searches cannot be read ({reason}); begin again: {aside}") from error


def _best_of(search: Search, candidate: Candidate, progress: Progress) -> dict[str, Parameter] | None:
    """Search for the parameters of a candidate; None where no trial was finished, or none beats the mean of the training rows."""
    study = _run_trials(search, candidate, progress)
    if not study.get_trials(states=(TrialState.COMPLETE,)):
        progress.say(f"tune: {candidate.name}: no trial was finished")
        return None
    metric, found, mean = search.prepared.problem.metric, study.best_trial.user_attrs, search.value_of_mean
    progress.say(f"tune: {candidate.name}: {metric.label} {found['value']} with {found['params']}")
    if yardstick(metric) is metric and metric.loss(found["value"]) >= metric.loss(mean):
        progress.say(f"tune: {candidate.name} is not kept: always predicting the mean has {metric.label} {mean}")
        return None
    progress.say(f"tune: {candidate.name}: {_won(search, candidate, found['params'])}")
    return {**search.written(candidate), **found["params"]}


def _won(search: Search, candidate: Candidate, params: Params) -> str:
    """Say how much better a candidate is than as it is configured, over folds that the search has not looked at (but of a time
    split, which has one order only).
    """
    problem, table, metric = search.prepared.problem, search.prepared.table, search.prepared.problem.metric
    folds = cut_folds(problem, table, search.split.train, search.split.test, problem.seed + 2)
    before = replace(candidate, bag=False)
    after = replace(before, params={**candidate.params, **params})
    tasks = [(each, fold) for each in (before, after) for fold in range(len(folds.folds))]
    losses = [metric.loss(fit.scores[metric.name]) for fit in run_tasks(problem, table, folds, tasks, in_order=True)]
    if not np.isfinite(losses).all():
        return f"what was won is not known, since {metric.label} is not defined on every fold"
    found = corrected_difference(losses[: len(folds.folds)], losses[len(folds.folds) :], valid_share=folds.valid_share)
    over = "the same folds" if problem.split.by_time else "other folds"
    return f"{metric.label} {found.mean:.4g} better than as configured (95 %: {found.low:.4g} to {found.high:.4g}), over {over}"


def _chosen(candidates: Mapping[str, dict[str, Parameter]], names: list[str]) -> list[Candidate]:
    configured = {each.name: each for each in list_candidates(candidates) if each.family not in (BASELINE, BLEND)}
    searched = [family.name for family in FAMILIES.values() if family.search is not None]
    if not names:
        # A net takes minutes a fit: it is tuned where it is named.
        boosters = [name for name in searched if FAMILIES[name].iterations is not None and FAMILIES[name].read_net is None]
        chosen = [each for each in configured.values() if each.family in boosters]
        if not chosen:
            raise UsageError(f"no candidate of the config is a booster ({', '.join(boosters)}); name one, or add one")
        return chosen
    for name in names:
        if name not in configured:
            known = f"{nearest(name, list(configured))}; {', '.join(configured)} are"
            raise UsageError(f"'{name}' is not a candidate of the config that can be tuned{known}")
        if configured[name].family not in searched:
            raise UsageError(f"{name} has no parameters to search; {', '.join(searched)} have")
    return [configured[name] for name in names]


def _run_trials(search: Search, candidate: Candidate, progress: Progress) -> "optuna.Study":
    """Run trials until the budget is used up, those of an interrupted search included, each a run under that of the search."""
    config, metric, store = search.prepared.config, search.prepared.problem.metric, search.store
    sections = config.digest("source", "cleaning", "contract", "model", "split", "leakage")
    parameters = search.written(candidate)
    key = sha256_json([_SPACES, search.manifest.data_sha256, sections, metric.name, candidate.name, parameters])
    study = _study(search, f"{candidate.name} {key[:16]}")
    with store_errors(store.uri):
        close_dead_runs(store)
        resumed = find_run(store, key)
    config_sha256 = benchmark_digest(config)
    provenance = provenance_of(search.manifest, config_sha256=config_sha256, root=config.root)
    tags = {**provenance.tags, TAG + "kind": "tuning", TAG + "candidate": candidate.name}
    with running(store, f"tune {candidate.name}", {**tags, KEY: key}, resumed=resumed) as parent:
        log_origin(store, parent, provenance)
        while not search.is_over(done := len(study.get_trials(states=_FINISHED))):
            progress.advance(done, search.trials)
            trial = study.ask()
            with running(store, f"{candidate.name} trial {trial.number}", tags, parent=parent) as run_id:
                log_items(store, run_id, _run_trial(search, candidate, study, trial))
        progress.advance(search.trials, search.trials)
        log_items(store, parent, _items(study, candidate, metric, search.trials))
    return study


def _study(search: Search, name: str) -> "optuna.Study":
    """Return a study, that of an interrupted search where there is one: what it left running is given up."""
    make_folder(search.storage.parent)
    study = optuna.create_study(
        storage=f"sqlite:///{search.storage}",
        study_name=name,
        load_if_exists=True,
        direction="minimize",
        sampler=optuna.samplers.TPESampler(seed=search.prepared.problem.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5),  # Optuna's default: a median of fewer says little
    )
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def _items(study: "optuna.Study", candidate: Candidate, metric: Metric, trials: int) -> RunItems:
    """Return what the run of a search logs: the budget, and the best trial where one was finished."""
    params, metrics = {"trials": str(trials)}, []
    if study.get_trials(states=(TrialState.COMPLETE,)):
        best = study.best_trial.user_attrs
        params = {**{f"model.{name}": str(value) for name, value in best["params"].items()}, **params}
        metrics = [MetricItem(f"cv_{metric.mlflow_name}", best["value"])]
    return RunItems(f"tune {candidate.name}", params, metrics, {})


def _run_trial(search: Search, candidate: Candidate, study: "optuna.Study", trial: Trial) -> RunItems:
    """Fit one set of parameters fold by fold, given up where the median of the other trials is better."""
    problem, split, suggest = search.prepared.problem, search.split, FAMILIES[candidate.family].search
    metric, suggested = problem.metric, {} if suggest is None else suggest(trial)
    if candidate.early_stopping_rounds is not None:  # it finds the number of rounds itself, up to the configured one
        suggested = {name: value for name, value in suggested.items() if name != FAMILIES[candidate.family].iterations}
    trial.set_user_attr("params", suggested)
    tried = replace(candidate, params={**candidate.params, **suggested})
    alone = replace(tried, bag=False)  # a trial is scored fold by fold; those of a bag are scored once all are there
    tasks = [(alone, fold) for fold in range(len(split.folds))]
    fits = run_tasks(problem, search.prepared.table, split, tasks, in_order=True)
    try:
        scores = _scored(fits, metric, trial, of=len(tasks))
    except ConfigError as error:
        study.tell(trial, state=TrialState.FAIL)
        raise ConfigError(f"tune: {error}") from None
    finally:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "(?s).*cancelled", UserWarning, "joblib")  # what was given up is the purpose
            fits.close()
    mean = mean_of(scores) if len(scores) == len(tasks) else None
    trial.set_user_attr("value", mean)
    if mean is None:
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, float(np.mean([metric.loss(value) for value in scores])))
    metrics = [MetricItem(f"fold_{metric.mlflow_name}", value, step) for step, value in enumerate(scores)]
    metrics += [] if mean is None else [MetricItem(f"cv_{metric.mlflow_name}", mean)]
    params = {f"model.{name}": str(value) for name, value in tried.params.items()}
    tags = {TAG + "pruned": str(mean is None).lower(), TAG + "trial": str(trial.number)}
    return RunItems(f"{candidate.name} trial {trial.number}", {"candidate": candidate.name, **params}, metrics, tags)


def _scored(fits: Iterable[Fit], metric: Metric, trial: Trial, *, of: int) -> list[float]:
    """Return the metric on each fold, reported to the trial; on fewer than all where the trial is given up.

    That is where the median of the other trials is better, or the metric is not defined for the predictions.
    """
    scores: list[float] = []
    for fit in fits:
        value = fit.scores[metric.name]
        if value is None:
            break
        scores.append(value)
        trial.report(float(np.mean([metric.loss(each) for each in scores])), len(scores))
        if len(scores) < of and trial.should_prune():
            break
    return scores
