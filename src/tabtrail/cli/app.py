"""The `tabtrail` command and the doors of `src/`. Each command parses, calls and prints: data on stdout, progress on stderr."""

import gc
import sys
from collections.abc import Callable
from typing import Annotated, Any

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
        _last(app)


def door(command: str, prog: str) -> None:
    """Run one sub-command as a program of its own."""
    keep_imports()
    with report_errors():
        _last(lambda: load_command(command).main(sys.argv[1:], prog_name=prog))


def _last(work: Callable[[], Any]) -> None:
    """Do the last work of the process. A command that answers by the files alone, as `tabtrail status` does, leaves its objects
    to the end of the process: Python would look through all of them for garbage first, a tenth of such a command's time. DuckDB
    complains of what is left so, and what comes with numpy may.
    """
    try:
        work()
    finally:
        if sys.modules.keys().isdisjoint(("numpy", "duckdb")):
            gc.freeze()
        elif "duckdb" in sys.modules:
            gc.unfreeze()  # what `keep_imports` left out


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit
