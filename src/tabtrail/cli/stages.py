"""The commands that run the stages: `tabtrail run` all of them, and one command for each.

A stage without a function here has a plain command, which runs it and lists what it left.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tabtrail import pipeline
from tabtrail.cli import later
from tabtrail.cli.job import begin_job
from tabtrail.cli.leaderboard import print_leaderboard
from tabtrail.cli.options import (
    BudgetOption,
    ConfigOption,
    ForceOption,
    FormatOption,
    QuietOption,
    SetOption,
    VerboseOption,
    new_group,
    with_budget,
)
from tabtrail.cli.output import number, print_json, print_paths, print_table
from tabtrail.cli.place import sharing_a_deployment
from tabtrail.cli.progress_line import progress_on_stderr
from tabtrail.cli.results import (
    how_it_ended,
    last_lines,
    print_demand,
    print_deployment,
    print_manifest,
    print_profile,
    print_screen,
    print_summary,
)
from tabtrail.cli.suggestions import suggested_yaml
from tabtrail.cli.typed import Typed
from tabtrail.config.file import config_path
from tabtrail.config.warehouse import Warehouse
from tabtrail.data.manifest import read_manifest
from tabtrail.data.result_files import profile_files, summary_files
from tabtrail.errors import ConfigError, UsageError, require_extra
from tabtrail.progress import Progress
from tabtrail.project.deployment import read_deployment
from tabtrail.project.overview import read_overview
from tabtrail.project.paths import Artifacts
from tabtrail.project.project import Project
from tabtrail.project.run import run_one
from tabtrail.project.stage import Stage
from tabtrail.project.summary import read_leaderboard
from tabtrail.system.files import read_json

app = new_group()


@app.command(epilog="example: tabtrail run --config config_v2.yaml")
def run(
    config: ConfigOption = None,
    set_: SetOption = None,
    force: ForceOption = False,
    format_: FormatOption = "text",
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    no_report: Annotated[
        bool, typer.Option("--no-report", help="Leave out the data profile, the pictures and the page.")
    ] = False,
    budget: BudgetOption = None,
) -> None:
    """Run the whole job: ingest, SQL summaries, profile, benchmark, explanation, export, bundle and the page for people."""
    loaded = begin_job(config, with_budget(set_, budget))
    with progress_on_stderr(quiet) as progress:
        _note_sharing(config, set_, progress)
        summary = pipeline.run(loaded, force=force, report=not no_report, progress=progress)
    if format_ == "json":
        print_json(summary.to_dict())
        return
    typed = Typed(config, set_)
    page = None if no_report else Artifacts.of(loaded).page
    end = last_lines(page, loaded.mlflow, typed, ended=how_it_ended(summary))
    if verbose:
        print_summary(loaded, summary, end)
    else:
        print_screen(read_overview(Project(loaded)), end, typed)


@app.command(epilog="example: tabtrail ingest --set source.encoding=auto")
def ingest(
    config: ConfigOption = None,
    set_: SetOption = None,
    force: ForceOption = False,
    append: Annotated[bool, typer.Option("--append", help="Add the files that the dataset does not hold yet.")] = False,
    format_: FormatOption = "text",
    quiet: QuietOption = False,
) -> None:
    """Turn the CSV files into contract-checked, partitioned Parquet, and account for every row."""
    loaded = begin_job(config, set_)
    with progress_on_stderr(quiet) as progress:
        if append:
            later.append.append_files(loaded, pipeline.INGEST, progress)
        else:
            pipeline.run_stage("ingest", loaded, force=force, progress=progress)
    manifest = read_manifest(loaded.dataset)
    if format_ == "json":
        print_json(asdict(manifest))
    else:
        print_manifest(manifest, loaded.paths.rejects)


@app.command(epilog="example: tabtrail eda --force")
def eda(
    config: ConfigOption = None,
    set_: SetOption = None,
    force: ForceOption = False,
    format_: FormatOption = "text",
    quiet: QuietOption = False,
) -> None:
    """Rebuild the DuckDB file from Parquet, and write the SQL summaries and their charts."""
    loaded = begin_job(config, set_)
    with progress_on_stderr(quiet) as progress:
        pipeline.run_stage("eda", loaded, force=force, progress=progress)
    files = [loaded.paths.duckdb_file, *summary_files(loaded.aggregations, loaded.paths.output_dir)]
    if format_ == "json":
        print_json({"files": [str(path) for path in files]})
        return
    for aggregation in loaded.aggregations:
        frame = later.summaries.read_summary(aggregation.name, loaded.paths.output_dir)
        print_table(aggregation.name, frame.columns, [[number(value) for value in row] for row in frame.iter_rows()])
    print_paths(*files)


@app.command(epilog="example: tabtrail load predictions.parquet --table analytics.predictions")
def load(
    file: Annotated[
        Path | None, typer.Argument(help="A Parquet file, as predict --output writes.", show_default="the dataset")
    ] = None,
    table: Annotated[str | None, typer.Option(metavar="SCHEMA.NAME", help="The table that the rows of FILE replace.")] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
    force: ForceOption = False,
    format_: FormatOption = "text",
    quiet: QuietOption = False,
) -> None:
    """Replace the rows of the warehouse's tables by those of the dataset and its summaries, or those of a table by a file."""
    if (file is None) != (table is None):
        raise UsageError("FILE and --table go together; without both, the dataset is loaded into warehouse.table")
    loaded = begin_job(config, set_)
    with progress_on_stderr(quiet) as progress:
        if file is not None and table is not None:
            rows = {table: later.load.load_file(file, table, loaded.warehouse, progress)}
        else:
            _require_warehouse(loaded.warehouse)
            pipeline.run_stage("load", loaded, force=force, progress=progress)
            rows = (read_json(Artifacts.of(loaded).loaded) or {})["rows"]
    if format_ == "json":
        print_json({"rows": rows})
        return
    for name, count in rows.items():
        typer.echo(f"{name}: {count:,} rows")


def _require_warehouse(warehouse: Warehouse) -> None:
    if not warehouse.is_configured:
        raise ConfigError("the config has no warehouse to load; set warehouse.table, as analytics.sales")


@app.command(epilog="example: tabtrail profile --set profile.outliers.factor=3")
def profile(
    config: ConfigOption = None,
    set_: SetOption = None,
    force: ForceOption = False,
    suggest_aliases: Annotated[
        bool, typer.Option("--suggest-aliases", help="Print texts that may be one as a table to review; nothing is applied.")
    ] = False,
    format_: FormatOption = "text",
    quiet: QuietOption = False,
) -> None:
    """Describe the data: columns, numbers, outliers, groups, correlations."""
    loaded = begin_job(config, set_)
    if suggest_aliases:
        require_extra("train", "rapidfuzz")
    with progress_on_stderr(quiet) as progress:
        pipeline.run_stage("profile", loaded, force=force, progress=progress)
    if suggest_aliases:
        suggestions = later.alias_suggestions.suggest_aliases(later.dataset.scan_dataset(loaded.dataset))
        if format_ == "json":
            print_json({"suggestions": [asdict(each) for each in suggestions]})
        else:
            typer.echo(suggested_yaml(suggestions), nl=False)
        return
    found = later.profile.read_profile(loaded.paths.output_dir)
    if format_ == "json":
        print_json(asdict(found))
        return
    print_profile(found)
    print_paths(*profile_files(loaded.paths.output_dir))


@app.command(epilog="example: tabtrail train --set split.folds=10 --set engine.workers=4")
def train(
    config: ConfigOption = None,
    set_: SetOption = None,
    force: ForceOption = False,
    format_: FormatOption = "text",
    quiet: QuietOption = False,
    budget: BudgetOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Benchmark the candidates, track every run, and explain, prove and bundle the champion."""
    loaded = begin_job(config, with_budget(set_, budget))
    with progress_on_stderr(quiet) as progress:
        _note_sharing(config, set_, progress)
        for stage in ("train", "demand"):
            if stage in [each.name for each in pipeline.stages_of(Project(loaded))]:
                pipeline.run_stage(stage, loaded, force=force, progress=progress)
    of_demand = loaded.for_demand()
    demand = read_json(Artifacts.of(of_demand).demand_leaderboard) or {} if loaded.demand is not None else None
    leaderboard = None if loaded.is_demand_only else read_leaderboard(Artifacts.of(loaded))
    if format_ == "json":
        both = {} if leaderboard is None or demand is None else {"demand": demand}
        print_json({**(leaderboard.to_dict() if leaderboard is not None else demand or {}), **both})
        return
    typed = Typed(config, set_)
    if not verbose:
        print_screen(read_overview(Project(loaded)), last_lines(None, loaded.mlflow, typed), typed)
        return
    if leaderboard is not None:
        print_leaderboard(leaderboard)
        print_deployment(read_deployment(loaded, leaderboard.champion_row.run_id))
    if demand is not None:
        print_demand(demand)
        print_deployment(read_deployment(of_demand, str(demand["run_id"])))


@app.command(epilog="example: tabtrail report --run 5c9ccb4f414b4f169bc6e962feb609ab")
def report(
    config: ConfigOption = None,
    set_: SetOption = None,
    run_id: Annotated[
        str | None, typer.Option("--run", metavar="RUN_ID", help="A benchmark of the MLflow store.", show_default="the last run")
    ] = None,
    force: ForceOption = False,
    format_: FormatOption = "text",
    quiet: QuietOption = False,
) -> None:
    """Write the page for people, output/report.html, and its pictures."""
    loaded = begin_job(config, set_)
    with progress_on_stderr(quiet) as progress:
        if run_id is None:
            pipeline.run_stage("report", loaded, force=force, progress=progress)
        else:
            later.report.report_run(loaded, run_id, progress)
    if format_ == "json":
        print_json({"report": str(Artifacts.of(loaded).page)})
    else:
        print_paths(Artifacts.of(loaded).page)


def _note_sharing(config: Path | None, overrides: Sequence[str] | None, progress: Progress) -> None:
    """Say which other configs deploy in the place of this one's model."""
    path = config_path(config)
    if others := sharing_a_deployment(path, overrides or ()):
        progress.say(
            f"note: {path.name} and {' and '.join(others)} deploy their models at one place under one name, so that each"
            " replaces the other's, and is compared with it; to keep both, give one another model.name"
        )


def add_plain_commands(group: typer.Typer, stages: Sequence[Stage]) -> None:
    """Add a command for each stage that has none in the group yet."""
    own = {command.name or (command.callback and command.callback.__name__) for command in group.registered_commands}
    for stage in stages:
        if stage.name not in own:
            group.command(stage.name, epilog=f"example: tabtrail {stage.name} --force")(_plain_command(stage))


def _plain_command(stage: Stage) -> Callable[..., None]:
    def run_plain(
        config: ConfigOption = None,
        set_: SetOption = None,
        force: ForceOption = False,
        format_: FormatOption = "text",
        quiet: QuietOption = False,
    ) -> None:
        """Run this stage unless it is fresh, and list its files."""
        loaded = begin_job(config, set_)
        with progress_on_stderr(quiet) as progress:
            run_one(stage, loaded, force=force, progress=progress)
        files = stage.outputs(Project(loaded))
        if format_ == "json":
            print_json({"files": [str(path) for path in files]})
        else:
            print_paths(*files)

    return run_plain


add_plain_commands(app, pipeline.STAGES)
