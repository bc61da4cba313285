"""What a training on many series leaves for people, the page and SQL: tables of the origins, explanations, uplifts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tabtrail.bundle.demand.features import Array
from tabtrail.contract.texts import unit_of
from tabtrail.data.result_files import demand_table_files
from tabtrail.errors import TabtrailError
from tabtrail.explain.demand import explain_forecasts, explained_table
from tabtrail.explain.groups import group_features
from tabtrail.explain.shapley import Importance
from tabtrail.export.outputs import open_graph
from tabtrail.forecast.panel.direct import DirectModel
from tabtrail.forecast.panel.judged import judged
from tabtrail.forecast.panel.panel import Panel
from tabtrail.forecast.panel.recursion import forecast_points
from tabtrail.forecast.panel.rows import Points, frame, training_points
from tabtrail.forecast.panel.task import Trained
from tabtrail.forecast.panel.uplift import uplift
from tabtrail.modeling.metrics import rounded
from tabtrail.project.paths import Artifacts
from tabtrail.system.files import write_json, write_parquet
from tabtrail.tracking.artifacts import log_files
from tabtrail.workflows.demand_bundle import Training, joined

# Each is forecast 1,024 times where the groups play as a whole: 200 take a second or two.
_EXPLAINED_ROWS = 200


def write_tables(training: Training, trained: Trained) -> None:
    """Write the tables of the origins, and bring them into the run."""
    config = training.config
    files = demand_table_files(config.paths.output_dir)
    for name, table in judged(training.task, trained).tables().items():
        write_parquet(files[name], table)
    for stale in (
        Artifacts.of(config).demand_importance,
        Artifacts.of(config).demand_explained,
        Artifacts.of(config).demand_uplift,
    ):
        stale.unlink(missing_ok=True)  # of another model: where this one is refused, nothing takes their place
    log_files(training.store, training.run_id, [*files.values(), config.paths.manifest])


def write_explanations(training: Training, trained: Trained, models: dict[str, DirectModel], graph: bytes) -> None:
    """Write what moves a forecast of the fitted model, and what its flags do to forecasts; `graph` is the proven one.

    An explanation that fails is missing, and its file says why: the model is as good without.
    """
    artifacts, task = Artifacts.of(training.config), training.task
    written = [artifacts.demand_importance, artifacts.demand_uplift]
    unit = unit_of(task.demand.target, task.demand.currency)
    none = Importance(trained.chosen.name, training.run_id, _EXPLAINED_ROWS, unit)
    try:
        written += _explain(training, trained, models, graph, none)
    except Exception as error:  # noqa: BLE001 - the boosters and nets raise classes of their own that have no common base
        reason = str(error) if isinstance(error, TabtrailError) else f"{type(error).__name__}: {str(error)[:200]}"
        write_json(artifacts.demand_importance, {**replace(none, missing=reason).to_dict(), "method": ""})
    recipe, run = next(iter(models.values())).recipe, open_graph(graph)

    def predict(panel: Panel, points: Points) -> Array:
        return forecast_points(run, panel, points, recipe=recipe, texts=task.texts)

    seed = task.demand.random_state
    uplifts = [uplift(predict, task.panel, flag, recipe.horizon, seed).to_dict() for flag in recipe.flags]
    write_json(artifacts.demand_uplift, {"run_id": training.run_id, "uplifts": uplifts})
    log_files(training.store, training.run_id, written)


def _explain(training: Training, trained: Trained, models: dict[str, DirectModel], graph: bytes, none: Importance) -> list[Path]:
    artifacts, task = Artifacts.of(training.config), training.task
    recipe = next(iter(models.values())).recipe
    points = training_points(task.panel, recipe, most=_EXPLAINED_ROWS, seed=task.demand.random_state)
    rows = frame(task.panel, recipe, points, task.texts)
    groups = group_features(recipe, task.texts)
    explanation, method = explain_forecasts(joined(trained, models), rows, rows, groups, open_graph(graph))
    found: dict[str, Any] = replace(
        none,
        rows=len(rows),
        base_value=rounded(explanation.base_value),
        additivity_error=explanation.additivity_error,
        mean_absolute_shap=explanation.importance,
        clipped_rows=int(np.sum(explanation.predictions < 0)),
    ).to_dict()
    write_json(artifacts.demand_importance, {**found, "method": method})
    write_parquet(artifacts.demand_explained, explained_table(explanation, rows))
    return [artifacts.demand_explained]
