"""What commands print: tables and JSON on stdout, progress on stderr."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from textwrap import indent as indented
from textwrap import wrap
from typing import Any

import typer
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from tabtrail.progress import Progress, quarters

SYNTHETIC = "THE DATA IS SYNTHETIC: made up by `tabtrail sample`, good for trying the commands, for nothing else"
_GAP = 3  # columns between two of a table
_WIDE = 240  # columns of a table in a file or pipe, where nothing wraps


def print_json(value: Any) -> None:
    """Print a value as indented JSON on stdout."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=str))


def print_table(title: str, header: list[str], rows: list[list[str]]) -> None:
    """Print a table on stdout: on a terminal in blocks of columns that fit it, elsewhere as wide as the table needs to be."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, emoji=False, width=_WIDE)
    console.print(f"\n{title}", style="bold", soft_wrap=not console.is_terminal)
    for block in _blocks([header, *rows], console.width):
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for index in block:
            table.add_column(header[index], justify="left" if index == 0 else "right", overflow="fold", no_wrap=index == 0)
        for row in rows:
            table.add_row(*(row[index] for index in block))
        console.print(table)


def _blocks(lines: list[list[str]], width: int) -> list[list[int]]:
    """Return the columns of each block of a table, so that blocks one below the other fit a width. All begin with the first."""
    sizes = [max(map(cell_len, column)) + _GAP for column in zip(*lines, strict=True)]
    blocks, used = [[0]], sizes[0]
    for index, size in enumerate(sizes[1:], 1):
        if used + size > width and len(blocks[-1]) > 1:
            blocks.append([0])
            used = sizes[0]
        blocks[-1].append(index)
        used += size
    return blocks


def print_text(text: str, *, indent: int = 0) -> None:
    """Print sentences on stdout: on a terminal with line breaks between words, elsewhere as one line."""
    console, margin = Console(), " " * indent
    if not console.is_terminal:
        typer.echo(indented(text, margin))
        return
    for line in text.split("\n"):
        wrapped = wrap(
            line, console.width, initial_indent=margin, subsequent_indent=margin, break_long_words=False, break_on_hyphens=False
        )  # a path that is longer than a line stays whole, so that it can be copied
        typer.echo("\n".join(wrapped))


def print_command(*words: str, row: Mapping[str, Any] | None = None) -> None:
    """Print a command to copy, indented by two; `row` is its last word, as JSON.

    On a terminal that it does not fit it is broken where a shell reads on: between words by a backslash, in the row between its
    columns, where JSON may have a new line.
    """
    console = Console(highlight=False, markup=False, emoji=False)
    parts = [(word, " \\") for word in words] + [(part, "") for part in _json_parts(row or {})]
    whole = "  " + " ".join(part for part, _ in parts)
    lines = _filled(parts, console.width) if console.is_terminal and cell_len(whole) > console.width else [whole]
    typer.echo("\n".join(lines))


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


@contextmanager
def progress_on_stderr(quiet: bool) -> Iterator[Progress]:
    """Lines on stderr; on a terminal a bar for what takes long, elsewhere a line each quarter of it; nothing when quiet."""
    if quiet:
        yield Progress()
        return
    console = Console(stderr=True, highlight=False)

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=not console.is_terminal)

    if not console.is_terminal:
        yield Progress(say=say, advance=quarters(say))
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, visible=False)

        def advance(done: int, of: int, what: str = "fits") -> None:
            bar.update(task, description=what, completed=done, total=of, visible=done < of)

        yield Progress(say=say, advance=advance)


def relative(path: Path) -> str:
    """Path as a person would type it: from the working folder where it is below that."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def number(value: Any) -> str:
    """Show a value with just the digits that the JSON has."""
    return "–" if value is None else str(value)


def short(value: float | None) -> str:
    """Show a number with six significant digits, nothing where there is none."""
    return "" if value is None else f"{value:,.6g}"


def printable(text: object) -> str:
    """Show a text that anyone may have written on one line: characters that would steer the terminal are replaced."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in str(text))


def cell(value: Any) -> str:
    """Show a value of the data, nothing where it is missing."""
    return "" if value is None else printable(value)


def plain(value: Any) -> Any:
    """Return a value of a table as JSON has it: None for what is not finite, text for what JSON does not know."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
