"""Small tables for notebooks, in the colours of whatever theme they are shown in."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

_LEFT, _RIGHT = "text-align:left", "text-align:right;font-variant-numeric:tabular-nums"


def page(*parts: str) -> str:
    """Return parts one below the other; wide ones scroll within themselves."""
    return f'<div style="overflow-x:auto">{"".join(parts)}</div>'


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table; a column whose cells begin like numbers is set to the right."""
    cells = [tuple(map(str, row)) for row in rows]
    right = [bool(cells) and all(_is_number(row[place]) for row in cells) for place in range(len(header))]
    styles = [_RIGHT if each else _LEFT for each in right]
    head = "".join(f'<th style="{style}">{escape(name)}</th>' for name, style in zip(header, styles, strict=True))
    body = "".join(
        "<tr>" + "".join(f'<td style="{style}">{escape(cell)}</td>' for cell, style in zip(row, styles, strict=True)) + "</tr>"
        for row in cells
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def facts(values: Mapping[str, Any]) -> str:
    """Return what is named, each with its value; several of one name stand below each other."""
    rows = "".join(
        f'<tr><th style="{_LEFT}">{escape(name)}</th><td style="{_LEFT}">{_lines(each)}</td></tr>'
        for name, each in values.items()
    )
    return f"<table><tbody>{rows}</tbody></table>"


def shown(value: Any) -> str:
    """Return a value for people: numbers to four digits or whole, with marks of thousands."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 10_000 or value == int(value) else f"{value:,.4g}"


def _lines(value: Any) -> str:
    return "<br>".join(escape(str(each)) for each in ((value,) if isinstance(value, str) else value))


def _is_number(cell: str) -> bool:
    return not cell or cell.lstrip("+-")[:1].isdigit()
