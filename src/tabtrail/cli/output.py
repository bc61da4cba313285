"""What commands print on stdout: sentences, tables, commands to copy, paths and JSON."""

import json
import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from textwrap import indent as indented
from textwrap import wrap
from typing import Any

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.style import Style

from tabtrail.cli.table import fill, table_lines

SYNTHETIC = "THE DATA IS SYNTHETIC: made up by `tabtrail sample`, good for trying the commands, for nothing else"


def print_json(value: Any) -> None:
    """Print a value as indented JSON on stdout."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=str))


def print_table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]], *, optional: Sequence[str] = ()) -> None:
    """Print a table on stdout: on a terminal so that it fits, elsewhere as wide as the table needs to be.

    `optional` names the columns that it can do without where room is short, the first of them first.
    """
    width, bold = terminal_width(), Style(bold=True)
    console = Console(highlight=False, markup=False, emoji=False)
    typer.echo("")
    for line in [title] if width is None else fill(title, width):
        console.print(line, style=bold, soft_wrap=True)
    shown = [[printable(cell) for cell in row] for row in rows]
    typer.echo("\n".join(table_lines(header, shown, width, optional)))


def terminal_width() -> int | None:
    """Width of the terminal that stdout is; None for a file or pipe."""
    console = Console()
    return console.width if console.is_terminal else None


def print_text(text: str, *, indent: int = 0, hang: int = 0) -> None:
    """Print sentences on stdout: on a terminal with line breaks between words, elsewhere as one line. Lines that a break makes
    are indented by `hang` more.
    """
    width, margin = terminal_width(), " " * indent
    if width is None:
        typer.echo(indented(text, margin))
        return
    rest = " " * min(indent + hang, width // 2)
    for line in text.split("\n"):
        wrapped = wrap(
            line, width, initial_indent=margin, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
        )  # a path that is longer than a line stays whole, so that it can be copied
        typer.echo("\n".join(wrapped))


def print_command(*words: str, row: Mapping[str, Any] | None = None) -> None:
    """Print a command to copy, indented by two; `row` is its last word, as JSON. On a terminal it is broken to fit."""
    typer.echo("\n".join(command_lines(*words, row=row, width=terminal_width())))


def command_lines(*words: str, row: Mapping[str, Any] | None = None, width: int | None = None) -> list[str]:
    """Return a command to copy, indented by two, as one line or as lines that fit a width.

    It is broken where a shell reads on: between words by a backslash, in the row between its columns, where JSON may have a new
    line.
    """
    parts = [(word, " \\") for word in words] + [(part, "") for part in _json_parts(row or {})]
    whole = "  " + " ".join(part for part, _ in parts)
    return _filled(parts, width) if width is not None and cell_len(whole) > width else [whole]


def _json_parts(row: Mapping[str, Any]) -> list[str]:
    """Return the columns of a row as the parts of a JSON object in single quotes."""
    columns = [f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(value, ensure_ascii=False)}" for name, value in row.items()]
    quoted = [column.replace("'", "'\"'\"'") for column in columns]  # as shlex.quote does
    ends = ["'{" + "".join(quoted[:1]), *quoted[1:]] if quoted else []
    return [part + ("," if place < len(ends) else "}'") for place, part in enumerate(ends, 1)]


def _filled(parts: Sequence[tuple[str, str]], width: int) -> list[str]:
    """Return parts as lines that fit a width where no part is longer; each has what is written where a line ends after it."""
    lines, current = list[str](), f"  {parts[0][0]}"
    for (_, broken), (part, own) in pairwise(parts):
        if cell_len(f"{current} {part}{own}") <= width:
            current += f" {part}"
        else:
            lines.append(current + broken)
            current = f"    {part}"
    return [*lines, current]


def print_paths(*paths: Path, err: bool = False) -> None:
    """Print paths, one a line: on stdout, or on stderr where they are not the result."""
    for path in paths:
        typer.echo(relative(path), err=err)


def relative(path: Path) -> str:
    """Path as a person would type it: from the working folder where it is below that."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def moment(when: str) -> str:
    """Show a moment of ISO 8601 to the second, so that it may break between day and time."""
    return when[:19].replace("T", " ")


def number(value: Any) -> str:
    """Show a value with just the digits that the JSON has."""
    return "–" if value is None else str(value)


def short(value: float | None) -> str:
    """Show a number with six significant digits, nothing where there is none."""
    return "" if value is None else f"{value:,.6g}"


def printable(text: object) -> str:
    """Show a text that anyone may have written on one line: characters that would steer the terminal are replaced."""
    shown = (" " if unicodedata.category(each) == "Zs" else each for each in str(text))  # blanks of any width do no harm
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in shown)


def cell(value: Any) -> str:
    """Show a value of the data, nothing where it is missing."""
    return "" if value is None else printable(value)


def plain(value: Any) -> Any:
    """Return a value of a table as JSON has it: None for what is not finite, text for what JSON does not know."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
