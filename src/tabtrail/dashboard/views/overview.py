"""The page Overview."""

import streamlit as st

from tabtrail.dashboard.missing import NO_ROWS, say_missing
from tabtrail.dashboard.place import Place


def show(at: Place) -> None:
    """Show the page."""
    st.title("Overview")
    if not at.has_rows:
        say_missing(at, NO_ROWS)
