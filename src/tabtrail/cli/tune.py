"""`tabtrail tune`: a search for better parameters."""

import json
from typing import Annotated

import typer

from tabtrail.cli import later
from tabtrail.cli.job import begin_job
from tabtrail.cli.options import ConfigOption, FormatOption, QuietOption, SetOption, new_group
from tabtrail.cli.output import print_json, print_text
from tabtrail.cli.progress_line import progress_on_stderr
from tabtrail.config.budget import parse_budget
from tabtrail.errors import UsageError

app = new_group()
_UNBOUNDED = 10_000  # trials, where only time is a limit: more than any search comes to


@app.command(epilog="example: tabtrail tune LightGBM --trials 50")
def tune(
    candidates: Annotated[list[str] | None, typer.Argument(help="Candidates of the config.", show_default="all boosters")] = None,
    trials: Annotated[int, typer.Option(help="Trials a candidate, those of an interrupted search included.")] = 30,
    seconds: Annotated[float | None, typer.Option(help="Begin no trial after so many seconds.")] = None,
    budget: Annotated[
        str | None,
        typer.Option(metavar="TIME|N trials", help="Instead: a time for all candidates, shared alike, or trials for each."),
    ] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
    format_: FormatOption = "text",
    quiet: QuietOption = False,
) -> None:
    """Search for better parameters; the best stand in the next benchmark as candidates of their own, NAME_tuned."""
    loaded = begin_job(config, set_)
    if budget is not None:
        trials, seconds = limits(budget)
    later.names.check_names(loaded)
    with progress_on_stderr(quiet) as progress:
        best = later.tune.tune(loaded, candidates or [], trials=trials, seconds=seconds, progress=progress)
    if format_ == "json":
        print_json(best)
        return
    for name, params in best.items():
        print_text(f"{name}: {json.dumps(params)}", hang=2)
    typer.echo("`tabtrail train` fits them among the others")


def limits(budget: str) -> tuple[int, float | None]:
    """Return the trials of each candidate and the seconds of all. Raises `UsageError` for a text that is no budget."""
    try:
        found = parse_budget(budget)
    except ValueError as error:
        raise UsageError(f"--budget: {error}") from None
    return found.trials or _UNBOUNDED, found.seconds
