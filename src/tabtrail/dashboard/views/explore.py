"""The page Explore: the rows by what is chosen of them."""

import streamlit as st

from tabtrail.dashboard.filter_panel import choose
from tabtrail.dashboard.filters import read_filters
from tabtrail.dashboard.missing import NO_ROWS, say_missing
from tabtrail.dashboard.place import Place


def show(at: Place) -> None:
    """Show the page."""
    st.title("Explore")
    if not at.has_rows:
        say_missing(at, NO_ROWS)
        return
    with st.sidebar:
        selection = choose(read_filters(at), "explore")
    where, bound = selection.where()
    rows = at.ask(f"SELECT count(*) AS rows FROM {at.table} WHERE {where}", bound).item()
    st.metric("Rows", f"{rows:,}")
