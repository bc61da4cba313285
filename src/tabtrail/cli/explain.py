"""`tabtrail explain`: why the deployed model predicts what it does for a row."""

import json
from pathlib import Path
from typing import Annotated

import typer

from tabtrail.bundle.load import load_bundle
from tabtrail.cli import later
from tabtrail.cli.job import begin_job
from tabtrail.cli.options import ConfigOption, DemandOption, FormatOption, QuietOption, SetOption, new_group
from tabtrail.cli.output import cell, print_json, print_table, relative
from tabtrail.errors import UsageError
from tabtrail.project.paths import Artifacts

app = new_group()


@app.command(epilog="example: tabtrail explain --json '{...}' --plot why.png, with the row of `tabtrail predict --show-schema`")
def explain(
    row: Annotated[str, typer.Option("--json", metavar="JSON", help="One row as a JSON object.")],
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Write a waterfall as PNG.")] = None,
    format_: FormatOption = "text",
    output: Annotated[str | None, typer.Option(hidden=True)] = None,
    demand: DemandOption = False,
    quiet: QuietOption = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Show why the deployed model predicts what it does for a row: base value + contributions = prediction."""
    if output is not None:  # how --format was written before
        if output not in ("text", "json"):
            raise UsageError("--output: an explanation is printed; --plot FILE writes a picture, --format json is for programs")
        typer.echo(f"note: --output {output} is written --format {output} now", err=True)
        format_ = "json" if output == "json" else "text"
    try:
        payload = json.loads(row)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--json is not JSON: {str(error)[:200]}") from None
    if plot is not None and plot.suffix.lower() != ".png":
        raise UsageError("--plot: the picture is a PNG; give a file name that ends in .png")
    loaded = begin_job(config, set_, demand=demand, fetch=True)
    folder, artifacts, mlflow = loaded.paths.models_dir, Artifacts.of(loaded), loaded.mlflow
    bundle = load_bundle(folder, loaded.model.name, loaded.bundle.public_key)
    if loaded.is_of_series:
        found = later.explain_demand.explain_forecast(bundle, payload, artifacts, mlflow, folder)
    else:
        fetch = lambda run_id: later.explained_rows.fetch_explained_rows(mlflow, run_id)  # noqa: E731
        found = later.explain.explain_row(bundle, payload, artifacts, fetch)
    if plot is not None:
        later.explain_picture.draw_explanation(found, plot)
    if format_ == "json":
        print_json(found.to_dict())
        return
    rows = [["base value", "", f"{found.base_value:,.2f}"]]
    rows += [[name, cell(found.values[name]), f"{value:+,.2f}"] for name, value in found.contributions.items()]
    print_table(
        f"why {found.model} predicts this, {found.unit}", ["group" if found.by_group else "column", "value", "adds"], rows
    )
    if found.is_clipped:
        typer.echo(
            f"the sum is {found.unclipped:,.2f}, and {'demand is not below 0' if found.by_group else 'model.clip bounds it'}"
        )
    typer.echo(f"prediction: {found.prediction:,.2f} {found.unit}")
    for warning in found.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if not quiet:
        typer.echo(f"model {found.model} · run {found.run_id}" + (f" · {relative(plot)}" if plot else ""), err=True)
