"""A trained model of series proven, bundled with its history and registered."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabtrail.bundle.build import build_bundle
from tabtrail.bundle.demand.expander import Panel as PanelInputs
from tabtrail.bundle.demand.expander import digest_of
from tabtrail.bundle.demand.features import FeatureRecipe
from tabtrail.bundle.demand.history import read_history, write_history
from tabtrail.bundle.demand.history_file import history_name
from tabtrail.config.dataset import TableRules
from tabtrail.config.tree import Config
from tabtrail.contract.aliases import tables_over
from tabtrail.contract.schema import ColumnRule, Feature, ModelSchema, rules_over
from tabtrail.contract.typed_cells import cell_text
from tabtrail.data.manifest import Manifest
from tabtrail.errors import ParityError
from tabtrail.export.graph import export_onnx
from tabtrail.export.outputs import open_graph
from tabtrail.export.parity import check_parity
from tabtrail.export.pickles import pickled
from tabtrail.forecast.panel.blend import BLEND
from tabtrail.forecast.panel.direct import DirectModel
from tabtrail.forecast.panel.history import history_of, prove_served
from tabtrail.forecast.panel.nets.window_net import SEPARATOR, WindowNet
from tabtrail.forecast.panel.quantiles import fit_quantiles
from tabtrail.forecast.panel.recursion import prove_recursion
from tabtrail.forecast.panel.rows import frame, training_points
from tabtrail.forecast.panel.task import Task, Trained
from tabtrail.modeling.estimators import Blend, unclipped
from tabtrail.modeling.proof import Parity
from tabtrail.progress import Progress
from tabtrail.project.training import DEMAND_SECTIONS
from tabtrail.system.files import json_bytes
from tabtrail.tracking.artifacts import log_folder
from tabtrail.tracking.libraries import library_versions
from tabtrail.tracking.models import FittedModel, log_model
from tabtrail.tracking.registry import register_challenger
from tabtrail.tracking.runs import Run, read_run, set_tags
from tabtrail.tracking.store import Store
from tabtrail.tracking.tags import BUNDLE, BUNDLE_FOLDER, MODEL, VERSION
from tabtrail.workflows.champion import made_at, opening_requirements, proven_rules, registration
from tabtrail.workflows.deploy import Challenger

# A proof on more rows than this finds nothing new, and takes minutes.
_PROVEN_ROWS = 50_000


@dataclass(frozen=True)
class Training:
    """A training at work: what it is of, the run that it is tracked in, and the candidates that this holds already, by name."""

    config: Config
    task: Task
    manifest: Manifest
    store: Store
    run_id: str
    tags: dict[str, str]
    progress: Progress
    finished: Mapping[str, Run] = field(default_factory=dict)


def store_model(training: Training, trained: Trained, models: dict[str, DirectModel]) -> Challenger:
    """Prove the model, bundle it with the history, leave the bundle in the run, and register it.

    Raises `ParityError` for a graph that does not predict what Python does.
    """
    task, store, parent = training.task, training.store, training.run_id
    name = task.demand.name
    recipe = next(iter(models.values())).recipe
    estimator = deployable(task, trained, models)
    x = rows_of_proof(task, recipe)
    graph, parity = _proven(training, trained, estimator, x)
    inputs, history = _inputs(training, recipe), _stored_history(training, recipe)
    parity = _served_as_trained(task, inputs, history, parity)
    if recipe.recursive:
        parity = _recursive_as_served(training, inputs, estimator, graph, parity)
    _keep_model(training, trained, estimator, x)
    files = _bundle(training, trained, inputs, (graph, estimator, parity))
    files[history_name(name)] = history
    log_folder(store, parent, BUNDLE_FOLDER, files)
    version = register_challenger(store, registration(parent, files, name))
    built = Challenger.built(parent, version, files, name)
    set_tags(store, parent, {BUNDLE: built.bundle.sha256, VERSION: version})
    return built


def _proven(training: Training, trained: Trained, estimator: Any, x: pd.DataFrame) -> tuple[bytes, Parity]:
    task, config = training.task, training.config
    graph = graph_of(task, estimator, x)
    scale, seed = float(np.nanstd(task.panel.target)) or 1.0, task.demand.random_state
    parity = check_parity(graph, estimator, x, texts=task.texts, scale=scale, tolerance=config.export.parity_tolerance, seed=seed)
    if not parity.passed:
        raise ParityError(f"the graph of {trained.chosen.name} does not predict what Python does: {parity.complaint}")
    training.progress.say(
        f"demand: ONNX equals Python on {parity.rows:,} rows, within {parity.max_difference:.2g} standard deviations"
    )
    return graph, parity


def graph_of(task: Task, estimator: Any, x: pd.DataFrame) -> bytes:
    """Return the ONNX graph of a fitted model; `x` has the features by their names."""
    return export_onnx(estimator, [column for column in x.columns if column not in task.texts], task.texts, task.demand.name)


def rows_of_proof(task: Task, recipe: FeatureRecipe) -> pd.DataFrame:
    """Return the features that a graph is proven on."""
    most = min(task.demand.max_rows, _PROVEN_ROWS)
    return frame(task.panel, recipe, training_points(task.panel, recipe, most=most, seed=task.demand.random_state), task.texts)


def _inputs(training: Training, recipe: FeatureRecipe) -> PanelInputs:
    date = training.config.cleaning.date_column
    assert date is not None  # noqa: S101 - checked when the config was read
    keys = zip(*(training.task.panel.static[name].astype(str) for name in training.task.panel.series), strict=True)
    trained = "".join(map(digest_of, keys))
    return PanelInputs(date, training.task.panel.series, training.task.texts, training.task.parents, recipe, trained)


def _stored_history(training: Training, recipe: FeatureRecipe) -> bytes:
    name = training.task.demand.name
    return write_history(history_of(training.task.panel, recipe, name, training.manifest.data_sha256, {}))


def _served_as_trained(task: Task, inputs: PanelInputs, history: bytes, parity: Parity) -> Parity:
    """Return the proof with the class `served`: features from the stored history against those of the training, bit for bit."""
    tried = prove_served(task.panel, inputs, read_history(history, task.demand.name))
    if tried.max_difference:
        raise ParityError(f"the stored history does not give the features of the training: {tried.worst}")
    return replace(parity, classes={**parity.classes, "served": tried})


def _recursive_as_served(training: Training, inputs: PanelInputs, estimator: Any, graph: bytes, parity: Parity) -> Parity:
    """Return the proof with the class `recursive`: what is served period by period against Python, on every judged row."""
    task = training.task
    scale = float(np.nanstd(task.panel.target)) or 1.0
    steps, whole = prove_recursion(estimator.predict, open_graph(graph), task.panel, inputs, origins=task.origins, scale=scale)
    parity = replace(parity, classes={**parity.classes, "recursive": steps})
    if not parity.passed:
        raise ParityError(f"what is served period by period is not what Python forecasts: {parity.complaint}")
    if whole.p999_difference > parity.tolerance:
        raise ParityError(
            f"what is served period by period differs from what Python forecasts by {whole.p999_difference:.2g} standard"
            f" deviations on one row in a thousand ({whole.worst}); allowed is {parity.tolerance:g}"
        )
    training.progress.say(
        f"demand: {steps.rows:,} forecasts period by period are Python's, within {steps.max_difference:.2g} standard deviations a"
        f" step and {whole.max_difference:.2g} as a whole"
    )
    return parity


def joined(trained: Trained, models: dict[str, DirectModel]) -> Any:
    """Return the chosen model as one: itself, or the blend of its fitted members."""
    if trained.chosen.name != BLEND:
        return models[trained.chosen.name].estimator
    names = tuple(models)
    return Blend(names, tuple(trained.weights[each] for each in names), tuple(models[each].estimator for each in names))


def deployable(task: Task, trained: Trained, models: dict[str, DirectModel]) -> Any:
    """Return the chosen model as it is deployed: with its quantiles, fitted on all that is known, where intervals have them."""
    estimator = joined(trained, models)
    if trained.intervals is None or not trained.intervals.quantiles:
        return estimator
    recipe, levels = next(iter(models.values())).recipe, trained.intervals.levels
    return fit_quantiles(task, task.panel, levels=levels, recipe=recipe, at=len(task.origins.places)).beside(estimator)


def _keep_model(training: Training, trained: Trained, estimator: Any, x: pd.DataFrame) -> None:
    """Keep the Python model in the run, for Python users, unless an earlier process left it there."""
    task, store, run_id = training.task, training.store, training.run_id
    known = read_run(store, run_id)
    if known is not None and MODEL in known.tags:
        return
    features = tuple(
        Feature(column, "categorical", ColumnRule("string"))
        if column in task.texts
        else Feature(column, "numeric", ColumnRule("float"))
        for column in x.columns
    )
    schema = ModelSchema(task.demand.target, features)
    model = FittedModel(trained.chosen.name, estimator, schema, x.head(3), opening_requirements())
    set_tags(store, run_id, {MODEL: log_model(store, run_id, model).sha256})


def _bundle(training: Training, trained: Trained, inputs: PanelInputs, exported: tuple[bytes, Any, Parity]) -> dict[str, bytes]:
    config, task, manifest = training.config, training.task, training.manifest
    demand, panel = task.demand, task.panel
    graph, estimator, parity = exported
    date = config.cleaning.date_column
    assert date is not None  # noqa: S101 - checked when the config was read
    metadata: dict[str, Any] = {
        "model": trained.chosen.name,
        "family": trained.chosen.name.partition("_")[0],
        "target": demand.target,
        "currency": demand.currency,
        "run_id": training.run_id,
        "created": made_at(training.store, training.run_id, demand.name),
        "synthetic": manifest.synthetic,
        "schema": describe_rows(proven_rules(config.table_rules, manifest), date, task).to_dict(),
        "layout": asdict(config.source.layout),
        "melt": None if demand.melt is None else {"columns": demand.melt.columns, "dropped": config.cleaning.drop_columns},
        "date_column": None,
        "panel": inputs.to_dict(),
        **_window(estimator, task, manifest),
        "metrics": {key: value for key, value in trained.chosen.scores.items() if value is not None},
        "intervals": None,
        "demand_intervals": None if trained.intervals is None else trained.intervals.to_dict(),
        "leakage": [each.to_dict() for each in task.findings],
        "clip": [0.0 if not (panel.target < 0).any() else None, None],
        "weaker_than": [],
        "explanation_missing": None,
        "parity": parity.summary(),
        "versions": library_versions(),
        "choice_metric": demand.choice.metric,
        "data_sha256": manifest.data_sha256,
        "config_sha256": config.digest(*DEMAND_SECTIONS),
        "test_sha256": manifest.data_sha256,
    }
    return build_bundle(
        demand.name,
        onnx=graph,
        joblib=pickled(estimator),
        metadata=metadata,
        reports={"parity": json_bytes({"model": trained.chosen.name, "data_sha256": manifest.data_sha256, **parity.to_dict()})},
        signing_key=config.bundle.signing_key,
    )


def _window(estimator: Any, task: Task, manifest: Manifest) -> dict[str, Any]:
    """Return what a model of windows learned from: their size, the last day, the data, and the scale of each series."""
    net = unclipped(estimator)
    if not isinstance(net, WindowNet):
        return {}
    scales = {" · ".join(key.split(SEPARATOR)): {"mean": mean, "std": std} for key, (mean, std) in net.scales_.items()}
    cut = task.panel.calendar.last_day(net.cut_).isoformat()
    window = {"size": net.settings.window, "cut": cut, "data_sha256": manifest.data_sha256, "scales": scales}
    return {"window": {**window, "per": net.settings.per, "kept": net.kept_}}


def describe_rows(rules: TableRules, date: str, task: Task) -> ModelSchema:
    """Return what is asked for a forecast, with an example that works: the day, the series, what is known ahead, and of a new
    series the static columns, where a fill would be a value that nobody gave.
    """
    panel, flags = task.panel, task.recipe.flags
    day = panel.calendar.first_day(panel.last + 1).isoformat()
    features = [Feature(date, "date", replace(rules.columns.rule(date), nullable=False), day, reading=rules.reading(date))]
    for name in panel.series:
        texts, rule = panel.static[name], _text_rule(rules, name, nullable=False)
        categories = tuple(sorted(set(map(str, texts))))
        reading, only = rules.reading(name), not task.demand.series
        features.append(
            Feature(
                name,
                "categorical",
                replace(rule, nullable=only),
                str(texts[0]),
                categories=categories,
                reading=reading,
                optional=only,
            )
        )
    for name in (*task.recipe.flags, *task.recipe.prices):
        values = panel.known[name]
        rule = replace(rules.columns.rule(name), nullable=True)
        if name in flags:
            rule = replace(rule, dtype="int")
        last = values[0, panel.periods - 1]
        example = None if np.isnan(last) else int(last) if rule.dtype == "int" else float(last)
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        features.append(Feature(name, "numeric", rule, example, seen_min=low, seen_max=high, reading=rules.reading(name)))
    names = {each.name for each in features}
    features += [_static(rules, name, panel.static[name]) for name in task.demand.static]
    tables = tables_over(rules.aliases, [each.name for each in features])
    return ModelSchema(task.demand.target, tuple(features), rules_over(rules.contract.rows, names), tables)


def _static(rules: TableRules, name: str, texts: NDArray[np.object_]) -> Feature:
    rule, reading = _text_rule(rules, name, nullable=True), replace(rules.reading(name), fill=None)
    categories = tuple(sorted(set(map(str, texts))))
    return Feature(name, "categorical", rule, str(texts[0]), categories=categories, reading=reading, optional=True)


def _text_rule(rules: TableRules, name: str, *, nullable: bool) -> ColumnRule:
    """Return the rule of a column whose values are texts here, whole numbers too."""
    rule = rules.columns.rule(name)
    allowed = None if rule.allowed is None else tuple(str(cell_text(each)) for each in rule.allowed)
    return replace(rule, nullable=nullable, min=None, max=None, allowed=allowed)
