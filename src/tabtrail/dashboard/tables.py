"""Tables of the pages: figures written as the report writes them, right-aligned, with a text alternative."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import streamlit as st

from tabtrail.dashboard.wording import shown


def written(frame: pl.DataFrame, shares: Sequence[str] = ()) -> pl.DataFrame:
    """Return a table of texts: numbers at four digits, `shares` (0 to 1) as percent, what is missing as a dash."""
    return frame.with_columns(pl.col(pl.String).fill_null("–")).with_columns(
        pl.Series(name, [_text(value, percent=name in shares) for value in frame[name]], dtype=pl.String)
        for name, kind in frame.schema.items()
        if kind.is_numeric() or kind == pl.Boolean
    )


def show_table(
    frame: pl.DataFrame,
    alt: str,
    *,
    labels: Mapping[str, str] | None = None,
    shares: Sequence[str] = (),
    links: Sequence[str] = (),
) -> None:
    """Show a table under the `labels` of its columns; `links` are columns of addresses."""
    config: dict[str, Any] = {}
    for name, kind in frame.schema.items():
        label = (labels or {}).get(name, name.replace("_", " "))
        if name in links:
            config[name] = st.column_config.LinkColumn(label, display_text="open")
        elif kind.is_numeric():
            config[name] = st.column_config.TextColumn(label, alignment="right")
        else:
            config[name] = st.column_config.TextColumn(label)
    shown_frame = written(frame, shares).with_columns(frame[name] for name in links if name in frame.columns)
    st.dataframe(shown_frame, hide_index=True, column_config=config, alt=alt)


def _text(value: Any, *, percent: bool) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else ""
    return f"{value:,}" if isinstance(value, int) else shown(float(value), percent=percent)
