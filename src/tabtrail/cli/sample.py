"""`tabtrail sample`: a synthetic CSV to try the commands with."""

from glob import has_magic
from pathlib import Path
from typing import Annotated, Literal

import typer

from tabtrail.cli.options import ConfigOption, SetOption, new_group
from tabtrail.cli.output import relative
from tabtrail.config.load import load_config
from tabtrail.data.demand_sample import HEADER as DEMAND_HEADER
from tabtrail.data.demand_sample import DemandSize, write_demand_sample
from tabtrail.data.sample import HEADER, ROWS, write_sample
from tabtrail.errors import UsageError
from tabtrail.storage.address import Address

app = new_group()
Kind = Literal["sales", "demand"]


@app.command(epilog="example: tabtrail sample --rows 100000 --output big.csv")
def sample(
    config: ConfigOption = None,
    set_: SetOption = None,
    kind: Annotated[
        Kind | None,
        typer.Option(help="Order lines, or units by day, store and product.", show_default="that of the config"),
    ] = None,
    rows: Annotated[int | None, typer.Option(min=1, help="Order lines.", show_default="2823")] = None,
    stores: Annotated[int | None, typer.Option(min=1, help="Of demand.", show_default="4")] = None,
    products: Annotated[int | None, typer.Option(min=1, help="Of demand.", show_default="8")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Of demand.", show_default="730")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 42,
    output: Annotated[Path | None, typer.Option(help="Where to write it.", show_default="paths.raw_csv")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    if_missing: Annotated[bool, typer.Option("--if-missing", help="Do nothing where the file exists.")] = False,
) -> None:
    """Write a synthetic CSV, marked as synthetic: sales (25 columns, the mess of the real file), or demand (prices, promotions,
    closed days, stock-outs, new products, returns). Nothing else invents data.
    """
    found = None if output else load_config(config, set_ or [])
    kind = kind or ("demand" if found is not None and found.is_demand_only else "sales")
    sizes = {"stores": stores, "products": products, "days": days}
    given = {name: value for name, value in sizes.items() if value is not None}
    if kind == "sales" and given:
        raise UsageError(f"--{next(iter(given))} goes for --kind demand; a sample of sales has --rows")
    if kind == "demand" and rows is not None:
        raise UsageError("--rows goes for --kind sales; a sample of demand has --stores, --products and --days")
    named = output if found is None else found.paths.source
    if named is None:
        raise UsageError("the rows come from a table, so there is no paths.raw_csv; name a file with --output")
    if isinstance(named, Address):
        raise UsageError(f"paths.raw_csv is in a bucket, {named}; name a file with --output, and put it there")
    path = named
    if output is None and has_magic(path.name):
        raise UsageError(f"paths.raw_csv is a pattern, {path.name}; name the file with --output")
    if if_missing and path.exists():
        return
    if found is not None and not found.source.rename:
        _require_target(found.model.target, kind)
    if kind == "demand":
        written = write_demand_sample(path, DemandSize(**given), seed=seed, force=force)
    else:
        written = rows or ROWS
        write_sample(path, rows=written, seed=seed, force=force)
    typer.echo(f"SYNTHETIC data: {written:,} made-up rows in {relative(path)}; put your own CSV there for real results", err=True)


def _require_target(target: str, kind: Kind) -> None:
    """Raise `UsageError` where the columns that are made up lack the one that the config is about."""
    made = DEMAND_HEADER if kind == "demand" else HEADER
    if target not in made:
        raise UsageError(
            f"the config is about '{target}', which made-up {kind} does not have: put your own file at"
            " paths.raw_csv, or name another with --output"
        )
