"""`tabtrail sample`: a synthetic CSV to try the commands with."""

from glob import has_magic
from pathlib import Path
from typing import Annotated

import typer

from tabtrail.cli.options import ConfigOption, SetOption, new_group
from tabtrail.cli.output import relative
from tabtrail.config.load import load_config
from tabtrail.data.sample import write_sample
from tabtrail.errors import UsageError

app = new_group()


@app.command(epilog="example: tabtrail sample --rows 100000 --output big.csv")
def sample(
    config: ConfigOption = None,
    set_: SetOption = None,
    rows: Annotated[int, typer.Option(min=1)] = 2823,
    seed: Annotated[int, typer.Option(min=0)] = 42,
    output: Annotated[Path | None, typer.Option(help="Where to write it.", show_default="paths.raw_csv")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    if_missing: Annotated[bool, typer.Option("--if-missing", help="Do nothing where the file exists.")] = False,
) -> None:
    """Write a synthetic sales CSV (25 columns, the mess of the real one), marked as synthetic. Nothing else invents data."""
    path = output or load_config(config, set_ or []).paths.raw_csv
    if output is None and has_magic(path.name):
        raise UsageError(f"paths.raw_csv is a pattern, {path.name}; name the file with --output")
    if if_missing and path.exists():
        return
    write_sample(path, rows=rows, seed=seed, force=force)
    typer.echo(f"SYNTHETIC data: {rows:,} made-up rows in {relative(path)}; put your own CSV there for real results", err=True)
