"""`tabtrail check`: all that stands in the way of a run, in one list."""

import typer

from tabtrail.cli import later
from tabtrail.cli.options import ConfigOption, FormatOption, QuietOption, SetOption, new_group
from tabtrail.cli.output import print_json, print_text
from tabtrail.cli.progress_line import progress_on_stderr
from tabtrail.system.interrupt import end_in_time

app = new_group()


@app.command(epilog="example: tabtrail check --config prices.yaml")
def check(
    config: ConfigOption = None, set_: SetOption = None, format_: FormatOption = "text", quiet: QuietOption = False
) -> None:
    """Read config and data as a run would, fit nothing, change nothing, and list all that is wrong, each with its remedy."""
    end_in_time()
    with progress_on_stderr(quiet) as progress:
        found = later.check.check(config, set_ or [], progress)
    if format_ == "json":
        print_json(found.to_dict())
        raise typer.Exit(found.exit_code)
    for each in found.checks:
        print_text(f"{each.state:7} {each.name:10} {each.found}", hang=19)
        if each.remedy:
            print_text(f"→ {each.remedy}", indent=19, hang=2)
    count = found.faults
    typer.echo(
        f"{count} {'fault stands' if count == 1 else 'faults stand'} in the way of a run"
        if count
        else "nothing stands in the way of a run"
    )
    raise typer.Exit(found.exit_code)
