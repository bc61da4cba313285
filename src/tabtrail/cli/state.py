"""The commands that look at a project and change nothing: `tabtrail status` and `tabtrail doctor`."""

from typing import Annotated

import typer

from tabtrail.cli import later
from tabtrail.cli.options import ConfigOption, FormatOption, SetOption, new_group
from tabtrail.cli.output import print_json, print_text
from tabtrail.cli.typed import Typed
from tabtrail.config.load import load_config
from tabtrail.pipeline import STAGES
from tabtrail.project.buckets import tidy_buckets
from tabtrail.project.lock import project_lock
from tabtrail.project.status import status as look
from tabtrail.tracking.process import quiet_mlflow

app = new_group()


@app.command(epilog="example: tabtrail status --format json")
def status(config: ConfigOption = None, set_: SetOption = None, format_: FormatOption = "text") -> None:
    """Say for each stage of a run whether it is fresh, and why not: data, config key, code, or an output."""
    loaded = load_config(config, set_ or [])
    found = look(loaded, STAGES)
    if format_ == "json":
        print_json(found.to_dict())
        return
    for each in found.stages:
        typer.echo(f"{each.stage:7} {'fresh' if each.fresh else 'stale'}")
        for reason in each.reasons:
            print_text(str(reason), indent=8)
    if found.deployed is not None:
        print_text(f"deployed: {found.deployed}")
    if found.deployed_demand is not None:
        print_text(f"deployed for series: {found.deployed_demand}")
    if found.at_work is not None:
        print_text(f"at work: {found.at_work}")
    if found.next_command:
        typer.echo(f"next: {' '.join(Typed(config, set_).words(found.next_command))}")
    elif all(each.fresh for each in found.stages):
        typer.echo("there is nothing to do")


@app.command(epilog="example: tabtrail doctor")
def doctor(
    config: ConfigOption = None,
    set_: SetOption = None,
    tidy: Annotated[
        bool, typer.Option("--tidy", help="First remove what killed processes and interrupted uploads left, here and in buckets.")
    ] = False,
    format_: FormatOption = "text",
) -> None:
    """Check versions, extras, disk, lock, dataset, database, store, history and bundle, and say what to do (exit code 1)."""
    quiet_mlflow()  # the history is read through it
    loaded = load_config(config, set_ or [])
    if tidy:
        with project_lock(loaded, "doctor"):  # who takes it removes what lies here
            typer.echo(f"{tidy_buckets(loaded.paths):,} objects of interrupted uploads removed", err=True)
    checks = later.doctor.examine(loaded, STAGES)
    healthy = all(check.state != "broken" for check in checks)
    if format_ == "json":
        print_json({"healthy": healthy, "checks": [check.to_dict() for check in checks]})
    else:
        for check in checks:
            print_text(f"{check.state:7} {check.name:10} {check.found}", hang=19)
            if check.remedy:
                print_text(f"→ {check.remedy}", indent=19, hang=2)
        typer.echo("healthy" if healthy else "NOT healthy: the lines with → say what to do")
    if not healthy:
        raise typer.Exit(1)
