"""`tabtrail drift`: whether later rows are still like those that the model learned from."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tabtrail import pipeline
from tabtrail.cli import later
from tabtrail.cli.drift_screen import print_history, print_reports
from tabtrail.cli.job import begin_job
from tabtrail.cli.options import ConfigOption, FormatOption, QuietOption, SetOption, new_group
from tabtrail.cli.output import print_json
from tabtrail.cli.progress_line import progress_on_stderr
from tabtrail.errors import NothingToDeployError, UsageError

if TYPE_CHECKING:
    from tabtrail.monitor.outcome import DriftReport
    from tabtrail.workflows.drift_job import Job

DRIFT_FOUND = 5  # the documented exit code
app = new_group()
BetweenOption = Annotated[
    tuple[str, str] | None,
    typer.Option(
        metavar="REFERENCE WINDOW", help="Periods of the dataset: years, quarters (2005Q2), months (2005-04), days, A..B."
    ),
]


@app.command(epilog="example: tabtrail drift --between 2003 2004..2005Q2 --by quarter")
def drift(
    between: BetweenOption = None,
    by: Annotated[str | None, typer.Option(metavar="year|quarter|month", help="Check each of these of WINDOW by itself.")] = None,
    input_: Annotated[
        Path | None, typer.Option("--input", metavar="FILE", help="Rows of a file, of any format to score.")
    ] = None,
    table: Annotated[str | None, typer.Option(metavar="SCHEMA.NAME", help="Rows of a table of PostgreSQL.")] = None,
    period: Annotated[
        str | None, typer.Option(metavar="SPAN", help="Rows of the file, the table or the log of this time alone, as 2005Q2.")
    ] = None,
    together: Annotated[
        bool, typer.Option("--together", help="Also fit a model that tells the periods of --between apart (seconds).")
    ] = False,
    history: Annotated[bool, typer.Option("--history", help="List what was checked, its alarms and the deployments.")] = False,
    config: ConfigOption = None,
    set_: SetOption = None,
    format_: FormatOption = "text",
    quiet: QuietOption = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of a window's result, and stop.")] = False,
) -> None:
    """Compare later rows (by default those of the prediction log) with what the model learned from; exit code 5 for drift."""
    if schema:
        print_json(later.outcome.report_schema())
        return
    if together and between is None:
        raise UsageError("--together compares the rows of two periods of the dataset; give --between too")
    asked = _Asked(between, _step(by), input_, table, period)
    loaded = begin_job(config, set_, fetch=True)
    if history:
        print_history(later.drift_history.drift_history(later.drift_job.Job(loaded)), as_json=format_ == "json")
        return
    with progress_on_stderr(quiet) as progress:
        job = later.drift_job.Job(loaded, progress)
        reports = asked.check(job, together=together)
        _retrain(job, reports)
    _show(reports, as_json=format_ == "json")


@app.command(epilog="example: tabtrail labels --input actuals.parquet --key request_id --key row")
def labels(
    input_: Annotated[Path, typer.Option("--input", metavar="FILE", help="Actual values, in any format that is scored.")],
    key: Annotated[
        list[str], typer.Option(metavar="COLUMN", help="What finds a row in the log: request_id and row, or inputs of the model.")
    ],
    config: ConfigOption = None,
    set_: SetOption = None,
    format_: FormatOption = "text",
    quiet: QuietOption = False,
) -> None:
    """Join actual values that came late to the predictions of the log, all of them or none."""
    loaded = begin_job(config, set_, fetch=True)
    with progress_on_stderr(quiet) as progress:
        found = later.labels.join_labels(later.drift_job.Job(loaded, progress), input_, key)
    if format_ == "json":
        print_json(asdict(found))
        return
    typer.echo(
        f"{found.rows:,} rows: {found.labelled:,} logged predictions have a label now, {found.known_before:,} had it before"
    )
    for count, what in ((found.unknown, "keys are in no row of the log"), (found.without_value, "rows have no value yet")):
        if count:
            typer.echo(f"{count:,} {what}")


class _Asked:
    """The window that the options name. Raises `UsageError` for options that do not go together."""

    def __init__(
        self,
        between: tuple[str, str] | None,
        by: Literal["year", "quarter", "month"] | None,
        file: Path | None,
        table: str | None,
        period: str | None,
    ) -> None:
        if sum(each is not None for each in (between, file, table)) > 1:
            raise UsageError("--between, --input and --table are three ways to name a window; give one of them")
        if by is not None and between is None:
            raise UsageError("--by parts the window of --between; give both")
        if period is not None and between is not None:
            raise UsageError("--period is for rows of a file, a table or the log; --between names its periods itself")
        self._between = None if between is None else later.drift.Between.of(*between, by=by)
        self._file, self._table = file, table
        self._period = None if period is None else later.spans.parse_span(period)

    def check(self, job: "Job", *, together: bool) -> "list[DriftReport]":
        """Check the window."""
        if self._between is not None:
            return later.drift.check_periods(job, self._between, together=together)
        if self._file is not None:
            return later.drift_files.check_file(job, self._file, self._period)
        if self._table is not None:
            return later.drift_files.check_table(job, self._table, self._period)
        return later.drift_log.check_log(job, self._period)


def _retrain(job: "Job", reports: "list[DriftReport]") -> None:
    """Train on the newer rows of the sources where an alarm of the log asks for it and has its labels; the gate decides."""
    retraining = later.retraining.retraining_for(job, reports)
    if retraining is None:
        return
    if retraining.is_due:
        pipeline.run_stage("ingest", job.config, progress=job.progress)
        if not later.retraining.has_newer_data(job):
            job.progress.say(
                "drift: retraining is due, but the dataset is the one that the deployed model learned from; add newer rows"
            )
            return
        try:
            pipeline.run_stage("train", job.config, progress=job.progress)
        except NothingToDeployError as error:  # any other error may pass: the next call trains again
            later.retraining.record_retraining(job, retraining, error)
            raise
        retraining = later.retraining.record_retraining(job, retraining)
    job.progress.say(f"drift: {retraining}")


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
    if any(each.alarm for each in reports):
        raise typer.Exit(DRIFT_FOUND)
