"""The page Predict."""

import streamlit as st

from tabtrail.dashboard.place import Place


def show(at: Place) -> None:
    """Show the page."""
    st.title("Predict")
    st.code(at.command("status"), language="bash")
