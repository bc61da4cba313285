"""`tabtrail drift`: whether later rows are still like those that the model learned from."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tabtrail.cli import later
from tabtrail.cli.drift_screen import print_reports
from tabtrail.cli.job import begin_job
from tabtrail.cli.options import ConfigOption, JsonOption, QuietOption, SetOption, new_group
from tabtrail.cli.output import print_json, progress_on_stderr
from tabtrail.errors import UsageError

if TYPE_CHECKING:
    from tabtrail.monitor.outcome import DriftReport

DRIFT_FOUND = 5  # the documented exit code
app = new_group()


@app.command(epilog="example: tabtrail drift --between 2003 2004..2005Q2 --by quarter")
def drift(
    between: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="REFERENCE WINDOW", help="Periods of the dataset: years, quarters (2005Q2), months (2005-04), days, A..B."
        ),
    ] = None,
    by: Annotated[str | None, typer.Option(metavar="year|quarter|month", help="Check each of these of WINDOW by itself.")] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of a window's result, and stop.")] = False,
) -> None:
    """Compare later rows with those the model learned from, or periods of the dataset; exit code 5 where there is drift."""
    if schema:
        print_json(later.outcome.report_schema())
        return
    if between is None:
        raise UsageError("say what to check: --between 2003 2005")
    asked = later.drift.Between.of(*between, by=_step(by))
    loaded = begin_job(config, set_)
    with progress_on_stderr(quiet) as progress:
        reports = later.drift.check_periods(later.drift_job.Job(loaded, progress), asked)
    _show(reports, as_json=as_json)


def _step(text: str | None) -> Literal["year", "quarter", "month"] | None:
    for step in ("year", "quarter", "month"):
        if text == step:
            return step
    if text is not None:
        raise UsageError(f"--by: write year, quarter or month, not '{text[:20]}'")
    return None


def _show(reports: "list[DriftReport]", *, as_json: bool) -> None:
    if as_json:
        print_json([each.to_dict() for each in reports])
    else:
        print_reports(reports)
    if any(each.check.alarm for each in reports):
        raise typer.Exit(DRIFT_FOUND)
