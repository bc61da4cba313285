"""The commands that change what is deployed, and list its changes: `tabtrail promote`, `rollback` and `history`."""

from typing import TYPE_CHECKING, Annotated

import typer

from tabtrail.cli import later
from tabtrail.cli.job import begin_job
from tabtrail.cli.options import ConfigOption, DemandOption, FormatOption, SetOption, new_group
from tabtrail.cli.output import moment, print_json, print_table
from tabtrail.progress import Progress

if TYPE_CHECKING:
    from tabtrail.workflows.deploy import Decision

ReasonOption = Annotated[str, typer.Option("--reason", help="The reason, for the history.")]
app = new_group()
_SAY = Progress(say=lambda text: typer.echo(text, err=True))


@app.command(epilog="example: tabtrail promote 3, or with a run id of `tabtrail sql 'FROM runs'`")
def promote(
    what: Annotated[str, typer.Argument(metavar="RUN_ID|VERSION", help="A benchmark's run, a candidate's run, or a version.")],
    candidate: Annotated[
        str | None, typer.Option("--candidate", metavar="NAME", help="Another candidate of the benchmark than its winner.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Deploy it although the gate refuses; needs --reason.")] = False,
    reason: ReasonOption = "",
    demand: DemandOption = False,
    config: ConfigOption = None,
    set_: SetOption = None,
    format_: FormatOption = "text",
) -> None:
    """Deploy a trained model, if it holds its own against the deployed one on the same rows (exit code 4 where not)."""
    loaded = begin_job(config, set_, demand=demand)
    _print_decision(
        later.promote.promote(loaded, later.promote.Asked(what, candidate), force=force, reason=reason, progress=_SAY),
        as_json=format_ == "json",
    )


@app.command(epilog='example: tabtrail rollback --reason "worse on the new catalogue"')
def rollback(
    reason: ReasonOption = "",
    demand: DemandOption = False,
    config: ConfigOption = None,
    set_: SetOption = None,
    format_: FormatOption = "text",
) -> None:
    """Deploy again, byte for byte, what was deployed before; again to go back further."""
    loaded = begin_job(config, set_, demand=demand)
    _print_decision(later.promote.rollback(loaded, reason=reason, progress=_SAY), as_json=format_ == "json")


@app.command(epilog="example: tabtrail history --format json")
def history(
    demand: DemandOption = False, config: ConfigOption = None, set_: SetOption = None, format_: FormatOption = "text"
) -> None:
    """List every change of what is deployed: when, who, from, to, why, and what the gate measured."""
    loaded = begin_job(config, set_, demand=demand)
    entries = later.promote.history(loaded)
    if format_ == "json":
        print_json([entry.to_dict() for entry in entries])
        return
    header = ["#", "when (UTC)", "who", "action", "from", "to", "run", "difference", "why"]
    rows = []
    for entry in entries:
        figures = (entry.verdict or {}).get("comparison") or {}
        change = (
            "{metric} {difference:+.4g} ({low:+.4g} to {high:+.4g})".format(**{"metric": "rmse", **figures}) if figures else ""
        )
        sides = [f"{each.version or '?'} {each.model}" if each else "–" for each in (entry.before, entry.after)]
        action = entry.action + (" (forced)" if entry.forced else "")
        rows.append([str(entry.number), moment(entry.when), entry.who, action, *sides, entry.after.run_id, change, entry.reason])
    print_table(f"what was deployed as {loaded.model.name}", header, rows, optional=("run", "from", "who"))


def _print_decision(decision: "Decision", *, as_json: bool) -> None:
    if as_json:
        print_json(decision.to_dict())
        return
    typer.echo(str(decision))
    for note in () if decision.verdict is None else decision.verdict.notes:
        typer.echo(f"NOTE  {note}")
    for reason in decision.reasons:
        typer.echo(f"overruled: {reason}")
    if decision.promoted:
        typer.echo(
            "to take it back: tabtrail rollback" if decision.action != "rollback" else "`tabtrail history` lists all of it"
        )
