"""The options that commands share, and the group that a module puts its commands in."""

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[Path | None, typer.Option("--config", help="The YAML file.", show_default="config_v2.yaml here")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override one value of the config.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Repeat work that is unchanged.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
BudgetOption = Annotated[
    str | None,
    typer.Option(metavar="TIME|N trials", help="Begin no candidate after this time (30min, 2h), or only so many (3 trials)."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Print every table, not one screen.")]
DemandOption = Annotated[bool, typer.Option("--demand", help="The model of series, where the project has one of rows too.")]


def with_budget(set_: list[str] | None, budget: str | None) -> list[str]:
    """Return the overrides of the config with that of `--budget`."""
    return [*(set_ or []), *([] if budget is None else [f"choice.budget={budget}"])]


def new_group(help_text: str | None = None) -> typer.Typer:
    """Return an empty group for the commands of a module; help is plain text, as wide as the terminal."""
    return typer.Typer(help=help_text, no_args_is_help=True, rich_markup_mode=None)
