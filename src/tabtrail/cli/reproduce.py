"""`tabtrail reproduce`: a recorded run fitted again, and compared."""

from typing import Annotated

import typer

from tabtrail.cli import later
from tabtrail.cli.job import begin_job
from tabtrail.cli.options import ConfigOption, FormatOption, QuietOption, SetOption, new_group
from tabtrail.cli.output import print_json
from tabtrail.cli.progress_line import progress_on_stderr
from tabtrail.errors import ReproductionError

app = new_group()


@app.command(epilog="example: tabtrail sql 'SELECT candidate, run_id FROM runs', then tabtrail reproduce RUN_ID")
def reproduce(
    run_id: Annotated[str, typer.Argument(help="The MLflow run of a benchmark, or of one candidate of it.")],
    config: ConfigOption = None,
    set_: SetOption = None,
    format_: FormatOption = "text",
    quiet: QuietOption = False,
) -> None:
    """Fit a run again from what it recorded, and say whether all is equal (exit code 4 where it is not)."""
    loaded = begin_job(config, set_, fetch=True)
    with progress_on_stderr(quiet) as progress:
        result = later.reproduce.reproduce(loaded, run_id, progress)
    if format_ == "json":
        print_json(result.to_dict())
    else:
        for what in result.compared:
            typer.echo(f"equal: {what}")
        typer.echo(f"run {run_id} is reproduced" if result.equal else f"DIFFERENT: {result.difference}")
    if not result.equal:
        raise ReproductionError(f"run {run_id} came out differently: {result.difference}")
