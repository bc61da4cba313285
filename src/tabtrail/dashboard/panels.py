"""Facts and tables as pages show them: plain text, whatever the data holds, and readable on a phone."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import streamlit as st

from tabtrail.dashboard.wording import clipped, literal

_LONGEST_CELL = 200


@dataclass(frozen=True)
class Fact:
    """A figure or a name with what it is; `note` says more of it."""

    label: str
    value: str
    note: str = ""


def show_facts(facts: Sequence[Fact]) -> None:
    """Show facts side by side, below one another on a phone."""
    for place, fact in zip(st.columns(len(facts)) if facts else (), facts, strict=True):
        with place, st.container(border=True):
            st.markdown(literal(fact.label))
            st.markdown(f"#### {literal(clipped(fact.value))}")
            st.caption(literal(clipped(fact.note, 120)) or " ")


def show_table(table: pl.DataFrame) -> None:
    """Show a table of a few rows whole, its texts as they are."""
    texts = pl.selectors.string().map_elements(lambda text: literal(clipped(text, _LONGEST_CELL)), return_dtype=pl.String)
    st.table(table.with_columns(texts).rename(literal), border="horizontal")


def offer_csv(table: pl.DataFrame, name: str, key: str) -> None:
    """Offer a table as a CSV file, which is made when it is asked for."""
    st.download_button("Download as CSV", table.write_csv, file_name=name, mime="text/csv", key=key, on_click="ignore")
