"""The program on one page: CSV → checked Parquet → SQL summaries → profile → benchmark, explained, proven, bundled → page.

The list `STAGES` is the only one. A stage declares what its results depend on (`project.stage.Stage` says how); running,
skipping what is fresh, the record, `tabtrail status` and the summary of a run follow from that. What a stage does is the
function `work` of its module in `workflows`, which is imported when there is work to do. A forecast is not a stage: it
answers for the segment that is asked for.
"""

import time
from typing import TYPE_CHECKING

from tabtrail.config.tree import Config
from tabtrail.progress import SILENT, Progress
from tabtrail.project.lock import project_lock
from tabtrail.project.project import Project
from tabtrail.project.run import run_one, run_stages
from tabtrail.project.stage import Stage
from tabtrail.project.training import BENCHMARK_SECTIONS, DEMAND_SECTIONS
from tabtrail.system.imports import Late

if TYPE_CHECKING:
    from tabtrail.project.summary import Summary

summary = Late("tabtrail.project.summary")  # brings numpy, which `tabtrail status` does without

INGEST = Stage(
    name="ingest",
    module="tabtrail.workflows.ingest",
    check=Project.require_sources,
    inputs=Project.source_inputs,
    used=Project.ingested_inputs,
    outputs=Project.ingest_outputs,
    sections=("paths", "source", "cleaning", "contract", "parquet"),
    parts=Project.column_settings,
)
EDA = Stage(
    name="eda",
    module="tabtrail.workflows.eda",
    after=("ingest",),
    check=Project.require_dataset,
    inputs=Project.dataset_inputs,
    outputs=Project.eda_outputs,
    sections=("paths", "parquet", "duckdb", "aggregations", "model"),
)
LOAD = Stage(
    name="load",
    module="tabtrail.workflows.load",
    after=("ingest", "eda"),
    accepts=Project.require_warehouse,
    check=Project.require_dataset,
    inputs=Project.loaded_inputs,
    outputs=Project.load_outputs,
    sections=("paths", "parquet", "warehouse"),
    parts=Project.column_settings,
    complaints=Project.load_complaints,
    applies=Project.has_warehouse,
)
PROFILE = Stage(
    name="profile",
    module="tabtrail.workflows.profile",
    after=("ingest",),
    check=Project.require_dataset,
    inputs=Project.dataset_inputs,
    outputs=Project.profile_outputs,
    sections=("paths", "parquet", "duckdb", "profile", "model"),
    for_people=True,
)
TRAIN = Stage(
    name="train",
    module="tabtrail.workflows.train",
    after=("ingest",),
    accepts=Project.check_names,
    check=Project.require_dataset,
    inputs=Project.training_inputs,
    outputs=Project.training_outputs,
    sections=("paths", *BENCHMARK_SECTIONS, "mlflow"),
    parts=Project.column_settings,
    complaints=Project.training_complaints,
    applies=Project.has_model,
)
DEMAND = Stage(
    name="demand",
    command="train",  # `tabtrail demand` is a group of commands
    module="tabtrail.workflows.demand",
    after=("ingest",),
    accepts=Project.check_names,
    check=Project.require_dataset,
    inputs=Project.dataset_inputs,
    outputs=Project.demand_outputs,
    sections=("paths", *DEMAND_SECTIONS, "mlflow"),
    complaints=Project.demand_complaints,
    applies=Project.has_demand,
)
REPORT = Stage(
    name="report",
    module="tabtrail.workflows.report",
    after=("profile", "train", "demand"),
    inputs=Project.shown_inputs,
    outputs=Project.report_outputs,
    sections=("paths", "profile", "report", "mlflow"),
    parts=Project.drawing_settings,
    for_people=True,
)

STAGES = (INGEST, EDA, LOAD, PROFILE, TRAIN, DEMAND, REPORT)


def stages_of(project: Project) -> list[Stage]:
    """Return the stages that the config has something to do for."""
    return [each for each in STAGES if each.applies(project)]


def run(config: Config, *, force: bool = False, report: bool = True, progress: Progress = SILENT) -> "Summary":
    """Run the whole job; stages whose inputs, config and code are unchanged are not repeated unless forced.

    Without `report` the stages for people are left out: profile, pictures and page.

    Raises a `TabtrailError` of the stage that failed; what the earlier stages made stays, and so does the last good result
    of the failed one. Another run of the project is waited for (`LockedError` in the end).
    """
    start = time.perf_counter()
    with project_lock(config, "run", progress):
        ran = run_stages(
            [each for each in stages_of(Project(config)) if report or not each.for_people], config, force=force, progress=progress
        )
        found: Summary = summary.summarise_run(config, ran, time.perf_counter() - start)
        return found


def run_stage(name: str, config: Config, *, force: bool = False, progress: Progress = SILENT) -> bool:
    """Run one stage unless it is fresh, and return whether it did its work. Raises as `run` does."""
    progress.begin(name, 1, 1)
    return run_one(next(each for each in STAGES if each.name == name), config, force=force, progress=progress)
