"""`tabtrail demand`: what keeps a model of series up to date between trainings."""

from dataclasses import asdict

import typer

from tabtrail import pipeline
from tabtrail.cli import later
from tabtrail.cli.job import begin_job
from tabtrail.cli.options import ConfigOption, JsonOption, QuietOption, SetOption, new_group
from tabtrail.cli.output import print_json, progress_on_stderr

app = new_group("Keep a model of many series up to date between trainings.")


@app.callback()
def demand() -> None:
    """Make a group of the only command that there is."""


@app.command(epilog="example: tabtrail demand update")
def update(config: ConfigOption = None, set_: SetOption = None, as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Bring the history that forecasts start from up to the source files, without a training; a service takes it up by itself."""
    loaded = begin_job(config, set_)
    with progress_on_stderr(quiet) as progress:
        pipeline.run_stage("ingest", loaded, progress=progress)
        found = later.demand_update.update_history(loaded, progress)
    if as_json:
        print_json(asdict(found))
    else:
        typer.echo(f"{found.series:,} series, known up to {found.after} (before: {found.before or 'nothing'})")
