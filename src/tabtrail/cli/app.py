"""The `tabtrail` command and the doors of `src/`: parse, call, print. Data goes to stdout, progress to stderr."""

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tabtrail import __version__
from tabtrail.cli import deploy as deploy_cli
from tabtrail.cli import state as state_cli
from tabtrail.cli.options import ConfigOption, ForceOption, JsonOption, QuietOption, SetOption, print_json, print_table
from tabtrail.errors import ReproductionError, UsageError, missing_modules, reported, require_extra

if TYPE_CHECKING:
    from tabtrail.config.tree import Config
    from tabtrail.data.manifest import Manifest
    from tabtrail.forecast.result import SegmentResult
    from tabtrail.forecast.sweep import Sweep
    from tabtrail.modeling.leaderboard import Leaderboard, Row
    from tabtrail.progress import Progress
    from tabtrail.project.deployment import Deployment
    from tabtrail.project.summary import Summary
    from tabtrail.workflows.forecast import Written

app = typer.Typer(
    name="tabtrail",
    help="One messy business CSV and one typed YAML in; tracked, explained, proven and served predictions out.",
    epilog="example: tabtrail run --set split.folds=10",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
config_app = typer.Typer(help="Show the resolved configuration, or its JSON Schema.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(config_app, name="config")
app.add_typer(deploy_cli.bundle_app, name="bundle")
app.command(epilog="example: tabtrail status --json")(state_cli.status)
app.command(epilog="example: tabtrail doctor")(state_cli.doctor)

Frequency = Literal["MS", "W", "D"]
SYNTHETIC = "THE DATA IS SYNTHETIC: made up by `tabtrail sample`, good for trying the commands, for nothing else"
_TRAIN = (
    "polars",
    "duckdb",
    "sklearn",
    "xgboost",
    "lightgbm",
    "catboost",
    "mlflow",
    "shap",
    "skl2onnx",
    "matplotlib",
    "filelock",
)


def main() -> None:
    """Run the `tabtrail` command."""
    with reported():
        app()


def door(command: str, prog: str) -> None:
    """Run one sub-command as a program of its own."""
    with reported():
        group: Any = typer.main.get_command(app)
        group.commands[command].main(sys.argv[1:], prog_name=prog)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command(epilog="example: tabtrail run --config config_v2.yaml")
def run(
    config: ConfigOption = None,
    set_: SetOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    no_report: Annotated[
        bool, typer.Option("--no-report", help="Leave out the data profile, the pictures and the page.")
    ] = False,
) -> None:
    """Run the whole job: ingest, SQL summaries, profile, benchmark, explanation, export, bundle and the page for people."""
    loaded = _load(config, set_)
    from tabtrail import pipeline

    with _progress(quiet) as progress:
        summary = pipeline.run(loaded, force=force, report=not no_report, progress=progress)
    if as_json:
        print_json(summary.to_dict())
    else:
        _print_summary(loaded, summary, config)


@app.command(epilog="example: tabtrail ingest --set source.encoding=auto")
def ingest(
    config: ConfigOption = None,
    set_: SetOption = None,
    force: ForceOption = False,
    append: Annotated[bool, typer.Option("--append", help="Add the files that the dataset does not hold yet.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Turn the CSV files into contract-checked, partitioned Parquet, and account for every row."""
    loaded = _load(config, set_)
    from tabtrail import pipeline
    from tabtrail.data.manifest import read_manifest
    from tabtrail.workflows.append import append_files

    with _progress(quiet) as progress:
        if append:
            append_files(loaded, pipeline.INGEST, progress)
        else:
            pipeline.run_stage("ingest", loaded, force=force, progress=progress)
    manifest = read_manifest(loaded.dataset)
    if as_json:
        print_json(asdict(manifest))
    else:
        _print_manifest(loaded, manifest)


@app.command(epilog="example: tabtrail eda --force")
def eda(
    config: ConfigOption = None,
    set_: SetOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Rebuild the DuckDB file from Parquet, and write the SQL summaries and their charts."""
    loaded = _load(config, set_)
    from tabtrail import pipeline
    from tabtrail.data.summaries import summary_files

    with _progress(quiet) as progress:
        pipeline.run_stage("eda", loaded, force=force, progress=progress)
    files = [loaded.paths.duckdb_file, *summary_files(loaded.aggregations, loaded.paths.output_dir)]
    if as_json:
        print_json({"files": [str(path) for path in files]})
        return
    import polars as pl

    for aggregation in loaded.aggregations:
        frame = pl.read_parquet(loaded.paths.output_dir / "summary" / f"{aggregation.name}.parquet")
        print_table(aggregation.name, frame.columns, [[_number(value) for value in row] for row in frame.iter_rows()])
    for path in files:
        typer.echo(_relative(path))


@app.command(epilog="example: tabtrail profile --set profile.outliers.factor=3")
def profile(
    config: ConfigOption = None,
    set_: SetOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Describe the data: columns, numbers, outliers, groups, correlations."""
    loaded = _load(config, set_)
    from tabtrail import pipeline
    from tabtrail.data.profile import profile_files
    from tabtrail.project.summary import read_profile

    with _progress(quiet) as progress:
        pipeline.run_stage("profile", loaded, force=force, progress=progress)
    found = read_profile(loaded)
    if as_json:
        print_json(asdict(found))
        return
    header = ["column", "type", "missing", "distinct", "mean", "std", "min", "median", "max"]
    rows = []
    for each in found.columns:
        own = each.numbers
        numbers = ["", "", "", "", ""] if own is None else [_short(v) for v in (own.mean, own.std, own.min, own.median, own.max)]
        rows.append([each.column, each.dtype.lower(), f"{each.missing:,}", f"{each.distinct:,}", *numbers])
    print_table(f"{found.rows:,} rows, {len(found.columns)} columns", header, rows)
    outliers = [[o.column, _short(o.low), _short(o.high), f"{o.below + o.above:,}", f"{o.sequential:,}"] for o in found.outliers]
    title = f"rows beyond {found.outlier_factor:g} × the interquartile range ({found.outlier_action})"
    print_table(title, ["column", "below", "or above", "rows", "one after the other"], outliers)
    for path in profile_files(loaded.paths.output_dir):
        typer.echo(_relative(path))


@app.command(epilog="example: tabtrail train --set split.folds=10 --set engine.workers=4")
def train(
    config: ConfigOption = None,
    set_: SetOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Benchmark the candidates, track every run, and explain, prove and bundle the champion."""
    loaded = _load(config, set_)
    from tabtrail import pipeline
    from tabtrail.project.deployment import read_deployment
    from tabtrail.project.summary import read_leaderboard

    with _progress(quiet) as progress:
        pipeline.run_stage("train", loaded, force=force, progress=progress)
    leaderboard = read_leaderboard(loaded)
    if as_json:
        print_json(leaderboard.to_dict())
    else:
        _print_leaderboard(leaderboard)
        _print_deployment(read_deployment(loaded, leaderboard.champion_row.run_id))


@app.command(epilog="example: tabtrail tune LightGBM --trials 50")
def tune(
    candidates: Annotated[list[str] | None, typer.Argument(help="Candidates of the config.", show_default="all boosters")] = None,
    trials: Annotated[int, typer.Option(help="Trials a candidate, those of an interrupted search included.")] = 30,
    seconds: Annotated[float | None, typer.Option(help="Begin no trial after so many seconds.")] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Search for better parameters; the best stand in the next benchmark as candidates of their own, NAME_tuned."""
    require_extra("tune", "optuna")
    loaded = _load(config, set_)
    from tabtrail.project.names import check_names
    from tabtrail.workflows.tune import tune as search

    check_names(loaded)
    with _progress(quiet) as progress:
        best = search(loaded, candidates or [], trials=trials, seconds=seconds, progress=progress)
    if as_json:
        print_json(best)
        return
    for name, params in best.items():
        typer.echo(f"{name}: {json.dumps(params)}")
    typer.echo("`tabtrail train` fits them among the others")


@app.command(epilog="example: tabtrail report --run 5c9ccb4f414b4f169bc6e962feb609ab")
def report(
    config: ConfigOption = None,
    set_: SetOption = None,
    run_id: Annotated[
        str | None, typer.Option("--run", metavar="RUN_ID", help="A benchmark of the MLflow store.", show_default="the last run")
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write the page for people, output/report.html, and its pictures."""
    loaded = _load(config, set_)
    from tabtrail import pipeline
    from tabtrail.project.paths import Artifacts

    with _progress(quiet) as progress:
        if run_id is None:
            pipeline.run_stage("report", loaded, force=force, progress=progress)
        else:
            from tabtrail.workflows.report import report_run

            report_run(loaded, run_id, progress)
    if as_json:
        print_json({"report": str(Artifacts.of(loaded).page)})
    else:
        typer.echo(_relative(Artifacts.of(loaded).page))


@app.command(epilog="example: tabtrail explain --json '{...}' --plot why.png, with the row of `tabtrail predict --show-schema`")
def explain(
    row: Annotated[str, typer.Option("--json", metavar="JSON", help="One row as a JSON object.")],
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Write a waterfall as PNG.")] = None,
    output: Annotated[str, typer.Option(help="text for people, or json for programs.", metavar="text|json")] = "text",
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Tell why the deployed model predicts what it does for a row: base value + contributions = prediction."""
    if output not in ("text", "json"):
        raise UsageError(f"--output: write text or json, not {output[:20]}")
    try:
        payload = json.loads(row)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--json is not JSON: {str(error)[:200]}") from None
    if plot is not None and plot.suffix.lower() != ".png":
        raise UsageError("--plot: the picture is a PNG; give a file name that ends in .png")
    loaded = _load(config, set_)
    from tabtrail.workflows.explain import draw_explanation, explain_row

    found = explain_row(loaded, payload)
    if plot is not None:
        draw_explanation(found, plot)
    if output == "json":
        print_json(found.to_dict())
        return
    rows = [["base value", "", f"{found.base_value:,.2f}"]]
    rows += [[name, _cell(found.values[name]), f"{value:+,.2f}"] for name, value in found.contributions.items()]
    print_table(f"why {found.model} predicts this, {found.unit}", ["column", "value", "adds"], rows)
    typer.echo(f"prediction: {found.prediction:,.2f} {found.unit}")
    typer.echo(f"model {found.model} · run {found.run_id}" + (f" · {_relative(plot)}" if plot else ""), err=True)


@app.command(epilog="example: tabtrail sql 'SELECT candidate, run_id FROM runs', then tabtrail reproduce RUN_ID")
def reproduce(
    run_id: Annotated[str, typer.Argument(help="The MLflow run of a benchmark, or of one candidate of it.")],
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Fit a run again from what it recorded, and tell whether all is equal (exit code 4 where it is not)."""
    loaded = _load(config, set_)
    from tabtrail.workflows.reproduce import reproduce as fit_again

    with _progress(quiet) as progress:
        result = fit_again(loaded, run_id, progress)
    if as_json:
        print_json(result.to_dict())
    else:
        for what in result.compared:
            typer.echo(f"equal: {what}")
        typer.echo(f"run {run_id} is reproduced" if result.equal else f"DIFFERENT: {result.difference}")
    if not result.equal:
        raise ReproductionError(f"run {run_id} came out differently: {result.difference}")


@app.command(epilog="example: tabtrail sql 'SELECT candidate, cv_rmse FROM runs ORDER BY 2'")
def sql(
    query: Annotated[str, typer.Argument(help="One SQL statement; tables: the data, runs, folds, error_slices, predictions.")],
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the DuckDB file, which nothing can change: the data, and the runs of the last benchmark."""
    loaded = _load(config, set_)
    from tabtrail.data.warehouse import query as run_query

    names, rows = run_query(loaded.paths.duckdb_file, query)
    if as_json:
        print_json([dict(zip(names, map(_plain, row), strict=True)) for row in rows])
    else:
        print_table(f"{len(rows):,} rows", names, [[_cell(value) for value in row] for row in rows])


@app.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    short_help="Predict rows given as JSON, or show what the model takes.",
)
def predict(context: typer.Context) -> None:
    """Predict rows given as JSON, or show what the model takes."""
    from tabtrail.cli import predict as predict_cli

    predict_cli.main(context.args, prog=context.command_path)


@app.command(epilog="example: tabtrail serve --port 8080 --workers 2")
def serve(
    config: ConfigOption = None,
    set_: SetOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; anything but loopback is your decision.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535)] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that share the port.")] = None,
) -> None:
    """Serve the deployed model over HTTP; one that is promoted later is served from then on."""
    from tabtrail.config.load import load_config
    from tabtrail.serving.app import create_app
    from tabtrail.serving.run import run as run_service

    loaded = load_config(config, set_ or [])
    options = {"host": host, "port": port, "workers": workers}
    settings = loaded.serve.model_copy(update={name: value for name, value in options.items() if value is not None})
    run_service(partial(create_app, loaded), settings)


@app.command(epilog="example: tabtrail sample --rows 100000 --output big.csv")
def sample(
    config: ConfigOption = None,
    set_: SetOption = None,
    rows: Annotated[int, typer.Option(min=1)] = 2823,
    seed: Annotated[int, typer.Option(min=0)] = 42,
    output: Annotated[Path | None, typer.Option(help="Where to write it.", show_default="paths.raw_csv")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    if_missing: Annotated[bool, typer.Option("--if-missing", help="Do nothing where the file exists.")] = False,
) -> None:
    """Write a synthetic sales CSV (25 columns, the mess of the real one), marked as synthetic. Nothing else invents data."""
    from tabtrail.config.load import load_config
    from tabtrail.data.sample import write_sample

    path = output or load_config(config, set_ or []).paths.raw_csv
    if output is None and has_magic(path.name):
        raise UsageError(f"paths.raw_csv is a pattern, {path.name}; name the file with --output")
    if if_missing and path.exists():
        return
    write_sample(path, rows=rows, seed=seed, force=force)
    typer.echo(f"SYNTHETIC data: {rows:,} made-up rows in {_relative(path)}; put your own CSV there for real results", err=True)


@app.command(epilog='example: python -m src.train_sales_timeseries_risk --product-line "Classic Cars" --country USA')
def forecast(
    config: ConfigOption = None,
    set_: SetOption = None,
    product_line: Annotated[str | None, typer.Option(help="The segment `product_line` of risk.segments.")] = None,
    country: Annotated[str | None, typer.Option(help="The segment `country` of risk.segments.")] = None,
    segment: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="Any segment or its column.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every segment, and a ranked table.")] = False,
    by: Annotated[list[str] | None, typer.Option(metavar="NAME", help="With --all: the segments by this one alone.")] = None,
    frequency: Annotated[Frequency | None, typer.Option(help="Months, weeks, days.", show_default="risk.frequency")] = None,
    forecast_steps: Annotated[
        int | None, typer.Option(min=1, max=120, help="Periods to forecast.", show_default="risk.forecast_steps")
    ] = None,
    garch_horizon: Annotated[
        int | None, typer.Option(min=1, max=120, help="Periods of variance.", show_default="risk.garch_horizon")
    ] = None,
    champion: Annotated[bool, typer.Option("--champion", help="The champion's own error over time instead.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of a segment's result, and stop.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Forecast a segment and its risk (all rows where none is named), each with what it was measured to be worth."""
    require_extra("risk", "statsmodels", "arch")
    if schema:
        from tabtrail.forecast.result import result_schema

        print_json(result_schema())
        return
    given = {"product_line": product_line, "country": country}
    wanted = {name: value for name, value in given.items() if value is not None}
    for text in segment or []:
        name, equals, value = text.partition("=")
        if not equals or wanted.setdefault(name, value) != value:
            raise UsageError(f"--segment {text}: write NAME=VALUE, each name once")
    if (all_ and wanted) or (by and not all_) or (champion and (all_ or wanted)):
        raise UsageError("--all takes every segment, --champion none: leave out the others; --by goes with --all")
    changes = {"frequency": frequency, "forecast_steps": forecast_steps, "garch_horizon": garch_horizon}
    loaded = _load(config, [*(set_ or []), *(f"risk.{key}={value}" for key, value in changes.items() if value is not None)])
    from tabtrail.workflows import forecast as workflow

    if champion:
        with _progress(quiet) as progress:
            errors = workflow.forecast_champion(loaded, progress=progress)
        if as_json:
            print_json(errors.model_dump(mode="json"))
        for line in [] if as_json else errors.summary:
            typer.echo(line)
        return
    with _progress(quiet) as progress:
        if all_:
            results, sweep = workflow.forecast_all(loaded, by or [], progress=progress)
        else:
            written = workflow.forecast_segment(loaded, wanted, progress=progress)
    if all_ and as_json:
        print_json({**sweep.model_dump(mode="json"), "results": [each.model_dump(mode="json") for each in results]})
    elif all_:
        _print_sweep(loaded, results, sweep)
    elif as_json:
        print_json(written.result.model_dump(mode="json"))
    else:
        _print_forecast(written)


app.command(epilog="example: tabtrail promote 3, or with a run id of `tabtrail sql 'FROM runs'`")(deploy_cli.promote)
app.command(epilog='example: tabtrail rollback --reason "worse on the new catalogue"')(deploy_cli.rollback)
app.command(epilog="example: tabtrail history --json")(deploy_cli.history)


@config_app.command("show", epilog="example: tabtrail config show --set split.folds=10")
def config_show(config: ConfigOption = None, set_: SetOption = None, as_json: JsonOption = False) -> None:
    """Print the resolved configuration: file, environment and flags applied, paths absolute."""
    from tabtrail.config.load import load_config

    loaded = load_config(config, set_ or [])
    if not missing_modules(*_TRAIN):
        from tabtrail.project.names import check_names

        check_names(loaded)
    tree = json.loads(loaded.model_dump_json(exclude_none=True))
    if as_json:
        print_json(tree)
        return
    import yaml

    typer.echo(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True), nl=False)


@config_app.command("schema", epilog="example: tabtrail config schema > config.schema.json")
def config_json_schema() -> None:
    """Print the JSON Schema of the YAML file, for editors."""
    from tabtrail.config.load import config_schema

    schema = config_schema()
    if not missing_modules(*_TRAIN):
        from tabtrail.project.names import add_names

        add_names(schema)
    print_json(schema)


def _load(config: Path | None, overrides: list[str] | None) -> "Config":
    require_extra("train", *_TRAIN)
    from tabtrail.config.load import load_config
    from tabtrail.system.interrupt import end_in_time
    from tabtrail.tracking.process import quiet_mlflow

    end_in_time()
    quiet_mlflow()
    return load_config(config, overrides or [])


@contextmanager
def _progress(quiet: bool) -> Iterator["Progress"]:
    """Lines on stderr; on a terminal a bar for what takes long, elsewhere a line each quarter of it; nothing when quiet."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from tabtrail.progress import Progress, quarters

    if quiet:
        yield Progress()
        return
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    say = lambda text: console.print(text, markup=False)  # noqa: E731
    if not console.is_terminal:
        yield Progress(say=say, advance=quarters(say))
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, visible=False)

        def advance(done: int, of: int, what: str = "fits") -> None:
            bar.update(task, description=what, completed=done, total=of, visible=done < of)

        yield Progress(say=say, advance=advance)


def _print_summary(config: "Config", summary: "Summary", config_file: Path | None) -> None:
    _print_manifest(config, summary.manifest)
    _print_leaderboard(summary.leaderboard)
    _print_deployment(summary.deployment)
    rows = [[name, _number(value)] for name, value in list(summary.importance.items())[:10]]
    print_table(
        f"what moves a prediction: mean |SHAP|, {config.model.currency or config.model.target}", ["column", "mean |SHAP|"], rows
    )
    typer.echo("\nwhere everything lies")
    for name, path in summary.artifacts.items():
        if path.exists():
            typer.echo(f"  {name:12} {_relative(path)}")
    done = [name for name, repeated in summary.repeated.items() if repeated]
    took = ", ".join(f"{name} {summary.durations[name]:.1f} s" for name in done)
    typer.echo(f"\ndone in {summary.seconds:.1f} s ({took or 'nothing had changed, no stage was repeated'})")
    typer.echo("next:")
    if (page := summary.artifacts["report"]).is_file():
        typer.echo(f"  open {_relative(page)} in a browser")
    if config.mlflow.sqlite_file is not None:
        typer.echo(f"  mlflow ui --backend-store-uri sqlite:///{_relative(config.mlflow.sqlite_file)}")
    else:
        typer.echo("  open the MLflow server that mlflow.tracking_uri names")
    prefix = f"TABTRAIL_CONFIG={config_file} " if config_file else ""
    typer.echo(f"  {prefix}uvicorn src.api_sales_v2:app")


def _print_manifest(config: "Config", manifest: "Manifest") -> None:
    if manifest.synthetic:
        typer.echo(SYNTHETIC)
    parts = ", ".join(f"{name} {rows:,}" for name, rows in manifest.partitions.items() if name != ".")
    typer.echo(
        f"{manifest.source} ({manifest.encoding}): {manifest.rows_in:,} rows in, {manifest.rows_kept:,} kept,"
        f" {manifest.rows_rejected:,} rejected" + (f"; partitions {parts}" if parts else "")
    )
    for rule, count in manifest.rejects.items():
        typer.echo(f"  rejected, {count:,} rows: {rule} (see {_relative(config.paths.rejects)})")
    for rule, count in manifest.warnings.items():
        if count:
            typer.echo(f"  warning, {count:,} rows: {rule}")


def _difference(board: "Leaderboard", row: "Row") -> str:
    if row.candidate == board.best:
        return ""
    return f"+{row.difference:.4g} ({row.difference_low:.4g} to {row.difference_high:.4g})"


def _parity(row: "Row") -> str:
    found = "no graph" if row.parity_max_difference is None else f"{row.parity_max_difference:.1e}"
    return found if row.deployable else f"{found}: not deployable"


def _plain(value: Any) -> Any:
    """Return a value of a table as JSON has it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _cell(value: Any) -> str:
    """Show a value of the data: what would steer the terminal is left out."""
    return "" if value is None else "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in str(value))


def _print_leaderboard(board: "Leaderboard") -> None:
    for finding in board.findings:
        typer.echo(f"LEAKAGE  {finding}")
    for note in board.notes:
        typer.echo(f"NOTE  {note}")
    by = board.split["group_key"] if board.split["kind"] in ("group", "group_time") else None
    split = f"{board.split['kind'].replace('_', '-')} split" + (f" by {by}" if by else "")
    repeats = f" × {board.split['repeats']}" if board.split["repeats"] > 1 else ""
    unit = f", {board.currency}" if board.currency else ""
    rows_of = f"{board.train_rows:,} rows train, {board.test_rows:,} test"
    title = f"{board.target}{unit}: {rows_of}, {board.split['folds']}{repeats} folds, {split}"
    header = ["candidate", "cv RMSE", "± std", "to the best (95 %)", "cv MAE", "test RMSE", "test MAE", "fit s"]
    rows = [
        [
            ("★ " if row.candidate == board.champion else "  ") + row.candidate,
            *map(_number, (row.cv_rmse, row.cv_rmse_std)),
            _difference(board, row),
            *map(_number, (row.cv_mae, row.test_rmse, row.test_mae, row.fit_seconds)),
        ]
        for row in board.candidates
    ]
    print_table(title, header, rows)
    strata = list(board.candidates[0].cv_by_stratum)
    level = f"{board.interval_level * 100:g}%"
    print_table(
        f"R², {level} intervals on the test part, largest difference of the ONNX graph in target standard deviations, size"
        + (", RMSE by stratum" if strata else ""),
        ["candidate", "cv R²", "test R²", "coverage", "mean width", "parity", "kB", *(f"cv RMSE {name}" for name in strata)],
        [
            [
                "  " + row.candidate,
                _number(row.cv_r2),
                _number(row.test_r2),
                _number(row.interval_coverage),
                _number(row.interval_width),
                _parity(row),
                f"{row.model_bytes / 1000:,.0f}",
                *(_number(row.cv_by_stratum[name]["rmse"]) for name in strata),
            ]
            for row in board.candidates
        ],
    )
    if board.synthetic:
        typer.echo(SYNTHETIC)
    if board.coverage:
        print_table(
            f"the champion's {level} intervals on the test part",
            ["of", "rows", "coverage", "mean width"],
            [[f"{row.by} {row.value}", str(row.rows), _number(row.coverage), _number(row.mean_width)] for row in board.coverage],
        )
    parts = ", ".join(f"{weight:.0%} {name}" for name, weight in board.weights.items())
    made_of = f", made of {parts}" if parts else ""
    typer.echo(f"champion: {board.champion}{made_of} ({board.chosen_by}; the test part decides nothing)")


def _print_deployment(deployed: "Deployment") -> None:
    if deployed.is_winner:
        back = f"; to go back to the one before: {deployed.next_command}" if deployed.next_command else ""
        typer.echo(f"deployed: {deployed.model} (run {deployed.run_id}){back}")
        return
    now = f"{deployed.model} (run {deployed.run_id}) stays deployed" if deployed.model else "no model is deployed"
    typer.echo(f"NOT DEPLOYED: {now}")
    for reason in deployed.reasons:
        typer.echo(f"  {reason}")
    typer.echo(f"  next: {deployed.next_command}")


def _print_forecast(written: "Written") -> None:
    result, path = written.result, written.path
    if result.synthetic:
        typer.echo(SYNTHETIC)
    for line in result.summary:
        typer.echo(line)
    if result.forecast is not None:
        for flag in result.forecast.flags:
            typer.echo(f"note: {flag}", err=True)
    for each in (path, *(path.with_name(name) for name in result.plots)):
        typer.echo(_relative(each), err=True)


def _print_sweep(config: "Config", results: list["SegmentResult"], sweep: "Sweep") -> None:
    from tabtrail.forecast.sweep import ranking
    from tabtrail.workflows.forecast import ranking_path, sweep_path

    if any(each.synthetic for each in results):
        typer.echo(SYNTHETIC)
    columns = ["label", "status", "model", "forecast_total", "mase", "baseline_mase", "volatility", "trend", "sarima_verdict"]
    table = ranking(results, list(config.risk.segments)).head(20)
    rows = [[_cell(value) for value in row] for row in table.select(columns).iter_rows()]
    print_table(f"the {table.height} largest forecasts of {len(results)} segments", columns, rows)
    for each in sweep.reconciliation:
        share = "" if each.difference_share is None else f" ({each.difference_share:+.1%})"
        typer.echo(
            f"sum over {each.segments} segments by {' × '.join(each.by)}: {sum(each.bottom_up):,.0f}, forecast of all rows"
            f" {sum(each.aggregate):,.0f}{share}; {each.without_forecast} segments have no forecast"
        )
    outer = sweep.outer
    if outer.mean_mase is not None and outer.best_baseline is not None:
        best = outer.baseline_mean_mase[outer.best_baseline]
        typer.echo(
            f"trust: mean MASE {outer.mean_mase:.4f}, best fixed baseline {best:.4f} ({outer.best_baseline}),"
            f" over {outer.segments} segments at origins that the choice knew nothing after"
        )
    for level, held in outer.coverage.items():
        typer.echo(f"trust: {float(level):.0%} intervals held {held:.1%} of {outer.coverage_points[level]:,} outcomes")
    typer.echo(f"statuses: {', '.join(f'{count} {status}' for status, count in sweep.statuses.items())}")
    path = ranking_path(config)
    for file in (path, path.with_suffix(".csv"), path.with_suffix(".png"), sweep_path(config)):
        typer.echo(_relative(file), err=True)


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:,.6g}"


def _number(value: Any) -> str:
    """Show a value with just the digits that the JSON has."""
    return "–" if value is None else str(value)


def _relative(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
