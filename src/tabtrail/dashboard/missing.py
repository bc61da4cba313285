"""What is not there yet, and the command that makes it."""

from dataclasses import dataclass

import streamlit as st

from tabtrail.dashboard.place import Place


@dataclass(frozen=True)
class Missing:
    """Something that a page would show: what it is, as "There is no model yet.", and the words of the command that makes it."""

    what: str
    words: tuple[str, ...]


NO_ROWS = Missing("There is no data yet.", ("ingest",))
NO_MODEL = Missing("There is no model yet.", ("train",))
NO_DEMAND = Missing("There is no model of series yet.", ("run",))
NO_EXPLANATION = Missing("There is no explanation of the model yet.", ("train", "--force"))  # a fresh one is not repeated
NO_FORECASTS = Missing("There are no forecasts yet.", ("forecast",))
NO_DRIFT = Missing("No later rows were checked for drift yet.", ("drift",))


def say_missing(at: Place, missing: Missing) -> None:
    """Show what is missing and the command that makes it."""
    st.info(f"{missing.what} This command makes it:")
    show_command(at, *missing.words)


def show_command(at: Place, *words: str) -> None:
    """Show a command of `tabtrail` about this project, to be copied; in one colour, since others are too faint."""
    st.code(at.command(*words), language=None, wrap_lines=True)
