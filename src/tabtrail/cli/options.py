"""The options that commands share, and the group that a module puts its commands in."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

ConfigOption = Annotated[Path | None, typer.Option("--config", help="The YAML file.", show_default="config_v2.yaml here")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override one value of the config.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Repeat work that is unchanged.")]
FormatOption = Annotated[
    Literal["text", "json"], typer.Option("--format", help="What is printed on stdout: text for people, json for programs.")
]
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


class Command(TyperCommand):
    """A command that understands `--json`, which was the spelling of `--format json`, and says so."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse as Click does, with the old spelling replaced."""
        known = {name for each in self.params for name in each.opts}
        if "--json" in args and "--format" in known and "--json" not in known:
            typer.echo("note: --json is written --format json now", err=True)
            args = [word for each in args for word in (("--format", "json") if each == "--json" else (each,))]
        return super().parse_args(ctx, args)


class Group(typer.Typer):
    """A group of such commands."""

    def command(self, name: str | None = None, *, epilog: str | None = None, **more: Any) -> Any:
        """Return the decorator that adds a function as a command."""
        return super().command(name, epilog=epilog, **{"cls": Command, **more})


def new_group(help_text: str | None = None) -> typer.Typer:
    """Return an empty group for the commands of a module; help is plain text, as wide as the terminal."""
    return Group(help=help_text, no_args_is_help=True, rich_markup_mode=None)
