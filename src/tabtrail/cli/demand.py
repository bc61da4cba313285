"""`tabtrail demand`: what keeps a model of series up to date between trainings, and what to order by it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from tabtrail import pipeline
from tabtrail.cli import later
from tabtrail.cli.job import begin_job
from tabtrail.cli.options import ConfigOption, FormatOption, QuietOption, SetOption, new_group
from tabtrail.cli.output import print_json, print_text
from tabtrail.cli.place import locate_bundle
from tabtrail.cli.progress_line import progress_on_stderr
from tabtrail.cli.results import print_demand
from tabtrail.errors import UsageError
from tabtrail.reading.strict_json import object_without_repeats

app = new_group("Keep a model of many series up to date between trainings, and order by it.")


@app.command(epilog="example: tabtrail demand update")
def update(
    config: ConfigOption = None, set_: SetOption = None, format_: FormatOption = "text", quiet: QuietOption = False
) -> None:
    """Bring the history that forecasts start from up to the source files, without a training; a service takes it up by itself."""
    loaded = begin_job(config, set_)
    with progress_on_stderr(quiet) as progress:
        pipeline.run_stage("ingest", loaded, progress=progress)
        found = later.demand_update.update_history(loaded, progress)
    if format_ == "json":
        print_json(asdict(found))
    else:
        typer.echo(f"{found.series:,} series, known up to {found.after} (before: {found.before or 'nothing'})")


@app.command(epilog="example: tabtrail demand train --only Beauty")
def train(
    only: Annotated[list[str], typer.Option(help="A value of the column that has a net for each of its values (`per`)")],
    config: ConfigOption = None,
    set_: SetOption = None,
    format_: FormatOption = "text",
    quiet: QuietOption = False,
) -> None:
    """Train some of the nets of the deployed model again, and keep the others."""
    loaded = begin_job(config, set_)
    with progress_on_stderr(quiet) as progress:
        pipeline.run_stage("ingest", loaded, progress=progress)
        found = later.demand_some.train_some(loaded, only, progress)
    if format_ == "json":
        print_json(found)
    else:
        print_demand(found)


@app.command(epilog="example: tabtrail demand order --format json")
def order(
    config: ConfigOption = None,
    set_: SetOption = None,
    json_file: Annotated[
        Path | None,
        typer.Option(help="Series to order, as a JSON object or list, each with a `plan` where it is not the stored one"),
    ] = None,
    service_level: Annotated[
        float | None, typer.Option(help="Share of times in which an order is to be enough; `demand.service_level` if not given")
    ] = None,
    format_: FormatOption = "text",
) -> None:
    """Print what to order for the lead time: of each series the demand to come, and what meets it at the service level."""
    asked = None if json_file is None else _read_asked(json_file)
    found = later.orders.load_orders(locate_bundle(config, set_ or (), demand=True), asked, service_level)
    if format_ == "json":
        print_json([each.document() for each in found])
        return
    for each in found:
        name = ", ".join(map(str, each.series.values()))
        quantity = "not known" if each.order_quantity is None else f"{each.order_quantity:,.1f}"
        print_text(f"{name}: {each.sum:,.1f} up to {each.until}; order {quantity} for {each.service_level:.0%}")


def _read_asked(path: Path) -> list[dict[str, Any]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=object_without_repeats)
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not JSON in UTF-8"
        raise UsageError(f"cannot read {path}: {reason}") from None
    asked = found if isinstance(found, list) else [found]
    if not asked or not all(isinstance(each, dict) for each in asked):
        raise UsageError(f"{path} is not a JSON object of a series, nor a list of them")
    return asked
