"""`tabtrail init`: a config for a file, written from what the file holds."""

from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from tabtrail.cli import later
from tabtrail.cli.options import FormatOption, QuietOption, new_group
from tabtrail.cli.output import print_command, print_json, print_text, relative
from tabtrail.cli.progress_line import progress_on_stderr
from tabtrail.errors import UsageError
from tabtrail.proposal.naming import default_config

app = new_group()


@app.command(epilog="example: tabtrail init houses.csv --target price")
def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV (also .gz, .zst), Excel, Parquet or JSON lines.")],
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column to predict.", show_default="list the likely ones")
    ] = None,
    date: Annotated[str | None, typer.Option(metavar="COLUMN", help="The dates of the rows.", show_default="found")] = None,
    group: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The key whose rows stay together.", show_default="found")
    ] = None,
    demand: Annotated[bool, typer.Option("--demand", help="Forecast the target over time, for each series of the file.")] = False,
    output: Annotated[
        Path | None, typer.Option(metavar="YAML", help="The config to write.", show_default="FILE's name .yaml, here")
    ] = None,
    format_: FormatOption = "text",
    quiet: QuietOption = False,
) -> None:
    """Look at a file and write the config that predicts one of its columns, each guess with its evidence. Nothing is trained."""
    if target is None and not demand:
        _require_nothing_else({"--date": date, "--group": group, "--output": output})
        _list_targets(file, format_)
        return
    path = output or default_config(file)
    later.propose.require_free(path)
    with progress_on_stderr(quiet) as progress:
        progress.say(f"init: looking at {file.name}")
        if demand:
            _refuse_group(group)
            proposal = later.propose.propose_demand(file, target=target, date=date, output=path)
        else:
            proposal = later.propose.propose(file, target=target or "", date=date, group=group, output=path)
        later.propose.write_proposal(proposal)
    if format_ == "json":
        print_json({"config": str(path), "findings": proposal.findings, "values": proposal.config})
        return
    if proposal.findings:
        typer.echo("LOOK AT THIS in the data:")
    for finding in proposal.findings:
        print_text(f"- {finding}", indent=2, hang=2)
    typer.echo(relative(path))
    print_text("Read it, then:")
    print_command("tabtrail", "run", "--config", quote(relative(path)))


def _require_nothing_else(given: Mapping[str, object]) -> None:
    if named := [option for option, value in given.items() if value is not None]:
        raise UsageError(f"{named[0]}: nothing is written without --target; leave both out to see which columns are likely")


def _refuse_group(group: str | None) -> None:
    if group is not None:
        raise UsageError("--group parts rows of a model of rows; with --demand the columns of a series are found in the file")


def _list_targets(file: Path, form: str) -> None:
    likely = later.propose.find_targets(file)
    if form == "json":
        print_json({"targets": [{"column": each.name, "reason": each.reason} for each in likely]})
        return
    typer.echo(f"Which column of {file.name} is to be predicted? The likeliest first:")
    for each in likely[:10]:
        print_text(f"{each.name}: {each.reason}", indent=2)
    print_command("tabtrail", "init", quote(str(file)), "--target", quote(likely[0].name))
