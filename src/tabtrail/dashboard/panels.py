"""Facts and tables as pages show them: plain text, whatever the data holds, for a phone, a keyboard and a screen reader too."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl
import streamlit as st

from tabtrail.dashboard.wording import clipped, shown

_LONGEST_CELL = 400
_LINE = "border-bottom:1px solid rgba(128,128,128,.35)"
_GRID = "display:grid;gap:.75rem;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr))"
_CARD = "border:1px solid rgba(128,128,128,.35);border-radius:.5rem;padding:.6rem .8rem;overflow-wrap:anywhere"


@dataclass(frozen=True)
class Fact:
    """A figure or a name with what it is; `note` says more of it."""

    label: str
    value: str
    note: str = ""


def show_facts(facts: Sequence[Fact]) -> None:
    """Show facts side by side, as many as there is room for."""
    if facts:
        st.html(facts_html(facts))


def facts_html(facts: Sequence[Fact]) -> str:
    """Return facts as HTML."""
    cards = (
        f'<div style="{_CARD}"><dt style="font-size:.875rem">{_text(fact.label)}</dt>'
        f'<dd style="margin:0;font-size:1.35rem;font-weight:600">{_text(fact.value)}</dd>'
        f'<dd style="margin:0;font-size:.875rem">{_text(fact.note)}</dd></div>'
        for fact in facts
    )
    return f'<dl style="{_GRID};margin:.25rem 0;padding:0">{"".join(cards)}</dl>'


def show_table(table: pl.DataFrame, caption: str) -> None:
    """Show a table of a few rows whole, its texts as they are. `caption` says what it is, to those who do not see it."""
    st.html(table_html(table, caption))


def table_html(table: pl.DataFrame, caption: str) -> str:
    """Return a table as HTML; where it is wider than the page it scrolls by itself, with the keyboard too."""
    sides = ["right" if dtype.is_numeric() else "left" for dtype in table.dtypes]
    head = _row("th", zip(table.columns, sides, strict=True))
    body = "".join(_row("td", zip(map(cell, row), sides, strict=True)) for row in table.iter_rows())
    return (
        f'<div role="region" tabindex="0" aria-label="{html.escape(caption)}" style="overflow-x:auto;font-size:.875rem">'
        f'<table style="width:100%;border-collapse:collapse"><thead>{head}</thead><tbody>{body}</tbody></table></div>'
    )


def cell(value: object) -> str:
    """Return a value as a page shows it."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return clipped(value, _LONGEST_CELL)
    return f"{value:,}" if isinstance(value, int) else shown(value)


def _row(tag: str, cells: Iterable[tuple[str, str]]) -> str:
    scope = ' scope="col"' if tag == "th" else ""
    style = f"padding:.3rem .6rem .3rem 0;vertical-align:top;overflow-wrap:break-word;max-width:40rem;{_LINE}"
    own = (f'<{tag}{scope} style="{style};text-align:{side}">{_text(text, _LONGEST_CELL)}</{tag}>' for text, side in cells)
    return f"<tr>{''.join(own)}</tr>"


def _text(text: str, longest: int = 120) -> str:
    return html.escape(clipped(text, longest))
