"""Tables that fit the terminal that they are printed on; in a file or pipe they are as wide as they need to be.

What does not fit is first wrapped between words, then columns that a table can do without are left out (a line says which),
then columns stand in blocks one below the other. A number is never broken, and no value is cut: one broken word is continued
on the next line.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Self

from rich.cells import cell_len, chop_cells, set_cell_size

_GAP = "  "
_LEAST = 8  # cells of a column of wrapped text; narrower ones are hard to read
_NUMBER = re.compile(r"[<>±+\-−≈]?[\d.,]+(e[+\-]?\d+)?(\s?(%|\w{1,3}|µs))?|[–-]?")
_GLUED = re.compile(r" (?=%|±|µs\b|s\b)|(?<=±) |^ |(?<=^[ ★≈*]) ")  # what stays on the line of its number or name
_BLANK = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class _Column:
    """A heading and its cells, the cells of the longest of them, and the least width that breaks no word."""

    name: str
    cells: Sequence[str]
    most: int
    least: int

    @classmethod
    def of(cls, name: str, cells: Sequence[str]) -> Self:
        """Measure a column."""
        most = max(map(cell_len, (name, *cells)))
        longest = max(cell_len(word) for cell in (name, *cells) for word in _words(cell))
        return cls(name, cells, most, max(longest, min(_LEAST, most)))


def table_lines(
    header: Sequence[str], rows: Sequence[Sequence[str]], width: int | None, optional: Sequence[str] = ()
) -> list[str]:
    """Return a table as lines of at most `width` cells (None: as many as it needs): a heading, a rule, the rows.

    `optional` names the columns to leave out where room is short, the first of them first.
    """
    columns = [_Column.of(name, [row[place] for row in rows]) for place, name in enumerate(header)]
    if width is None or _fits(columns, width):
        return _block(columns, width)
    for count in range(1, len(optional) + 1):
        left = [each for each in columns if each.name not in optional[:count]]
        if _fits(left, width):
            named = ", ".join(each for each in header if each in optional[:count])
            note = f"(no room for {named}: a wider terminal, a pipe or --format json has all)"
            return [*_block(left, width), *fill(note, width)]
    return [line for block in _blocks(columns, width) for line in _block(block, width)]


def fill(text: str, width: int) -> list[str]:
    """Return a text as lines of at most `width` cells, broken between words; a longer word is continued on the next line."""
    return _wrapped(text, width)


def _fits(columns: Sequence[_Column], width: int) -> bool:
    """Tell whether the columns fit side by side, with their texts wrapped between words."""
    return sum(each.least + len(_GAP) for each in columns) - len(_GAP) <= width


def _blocks(columns: Sequence[_Column], width: int) -> list[list[_Column]]:
    """Return the columns of each block, so that blocks fit a width one below the other. All begin with the first column."""
    first = columns[0]
    blocks = [[first]]
    for column in columns[1:]:
        if not _fits([*blocks[-1], column], width) and len(blocks[-1]) > 1:
            blocks.append([first])
        blocks[-1].append(column)
    return blocks


def _block(columns: Sequence[_Column], width: int | None) -> list[str]:
    sizes = _sizes(columns, width)
    right = [_is_of_numbers(each.cells) for each in columns]
    lines = _row([each.name for each in columns], sizes, right)
    lines.append("─" * (sum(sizes) + len(_GAP) * (len(sizes) - 1)))
    for cells in zip(*(each.cells for each in columns), strict=True):
        lines += _row(cells, sizes, right)
    return lines


def _sizes(columns: Sequence[_Column], width: int | None) -> list[int]:
    """Return the width of each column: what it needs, less what has to be saved, taken from those that can give most."""
    sizes = [each.most for each in columns]
    excess = 0 if width is None else sum(sizes) + len(_GAP) * (len(sizes) - 1) - width
    while excess > 0:
        spare, place = max((size - each.least, -place) for place, (size, each) in enumerate(zip(sizes, columns, strict=True)))
        if spare <= 0:  # a word that is longer than the terminal: it is continued on the next line
            spare, place = max((size, -place) for place, size in enumerate(sizes))
            if spare <= _LEAST:
                break
        sizes[-place] -= 1
        excess -= 1
    return sizes


def _is_of_numbers(cells: Sequence[str]) -> bool:
    """Tell whether a column holds numbers (the first figure of a cell decides, as `+2.2 (-4.7 to 9.0)`), which stand right."""
    return any(cells) and all(_NUMBER.fullmatch(cell.strip().split(" (")[0]) for cell in cells)


def _row(cells: Sequence[str], sizes: Sequence[int], right: Sequence[bool]) -> list[str]:
    wrapped = [_wrapped(cell, size) for cell, size in zip(cells, sizes, strict=True)]
    return [
        _GAP.join(_set(part, size, at_right) for part, size, at_right in zip(parts, sizes, right, strict=True)).rstrip()
        for parts in zip_longest(*wrapped, fillvalue="")
    ] or [""]


def _set(text: str, size: int, at_right: bool) -> str:
    missing = size - cell_len(text)
    return " " * missing + text if at_right else set_cell_size(text, size)


def _words(cell: str) -> list[str]:
    return _GLUED.sub(_BLANK, cell).split(" ")


def _wrapped(cell: str, width: int) -> list[str]:
    lines, current = list[str](), ""
    for index, word in enumerate(_words(cell)):
        candidate = word if index == 0 else f"{current} {word}"
        if cell_len(candidate) <= width:
            current = candidate
            continue
        if current.strip():
            lines.append(current)
        *whole, current = _broken(word, width)
        lines += whole
    return [line.replace(_BLANK, " ").rstrip() for line in [*lines, current]]


def _broken(word: str, width: int) -> list[str]:
    """Return a word in parts that fit: after a mark that joins words within names and paths where there is one."""
    parts = list[str]()
    while cell_len(word) > width:
        head = chop_cells(word, width)[0] or word[0]
        at = max((head.rfind(mark) for mark in "/_-.,;:=&?"), default=-1)
        head = head[: at + 1] if at >= width // 2 else head
        parts.append(head)
        word = word[len(head) :]
    return [*parts, word]
