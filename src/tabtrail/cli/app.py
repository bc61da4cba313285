"""The `tabtrail` command and the doors of `src/`. Each command parses, calls and prints: data on stdout, progress on stderr."""

import sys
from typing import Annotated

import typer

from tabtrail.cli.commands import LazyGroup, load_command
from tabtrail.errors import report_errors
from tabtrail.system.imports import keep_imports
from tabtrail.version import __version__

app = typer.Typer(
    name="tabtrail",
    cls=LazyGroup,
    help="One messy business CSV and one typed YAML in; tracked, explained, proven and served predictions out.",
    epilog="example: tabtrail run --set split.folds=10",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """Run the `tabtrail` command."""
    keep_imports()
    with report_errors():
        app()


def door(command: str, prog: str) -> None:
    """Run one sub-command as a program of its own."""
    keep_imports()
    with report_errors():
        load_command(command).main(sys.argv[1:], prog_name=prog)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit
