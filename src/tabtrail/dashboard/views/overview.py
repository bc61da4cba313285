"""The page Overview: what a project has come to, and what to do next."""

import polars as pl
import streamlit as st

from tabtrail.dashboard.missing import NO_MODEL, NO_ROWS, say_missing, show_command
from tabtrail.dashboard.overview import (
    alarms,
    champion_facts,
    checked,
    deployed,
    deployments,
    freshness,
    leakage,
    read_board,
    row_verdict,
    series_facts,
    series_verdict,
)
from tabtrail.dashboard.panels import Fact, show_facts, show_table
from tabtrail.dashboard.place import Place
from tabtrail.dashboard.wording import listed, literal


def show(at: Place) -> None:
    """Show the page."""
    st.title("Overview")
    _alarm(at)
    _verdict(at)
    st.header("In use")
    show_facts(deployed(at))
    _table("Deployments", deployments(at), "Nothing was deployed yet.")
    _freshness(at)


def _alarm(at: Place) -> None:
    windows = checked(at)
    if not windows:
        return
    newest, loud = windows[0], sum(each.alarm for each in windows)
    text = f"{loud} of the {len(windows)} newest windows of later rows drift; the page Drift says how."
    if newest.alarm:
        where = literal(listed(newest.columns)) or "its martingale"
        st.error(f"{literal(newest.window)} drifts in {where}. {text}", icon=":material/warning:")
    else:
        st.info(f"The newest window, {literal(newest.window)}, does not drift. {text}")
    with st.expander("Checked windows"):
        show_table(alarms(windows), "Checked windows")


def _verdict(at: Place) -> None:
    board, series = None if at.config.is_demand_only else read_board(at), series_verdict(at)
    if board is None and not series:
        say_missing(at, NO_MODEL if at.has_rows else NO_ROWS)
        return
    st.header("Verdict")
    if board is not None:
        _told(row_verdict(at, board), champion_facts(board))
    if series:
        _told(series, series_facts(at))
    if board is not None:
        _table("Leakage", leakage(board), f"The audit found no column or split that gives {board.target} away.")


def _told(sentences: list[str], facts: list[Fact]) -> None:
    """Show a verdict: its headline, its figures, and what else there is to say."""
    st.subheader(literal(sentences[0]), anchor=False)
    show_facts(facts)
    st.markdown("\n".join(f"- {literal(each)}" for each in sentences[1:]))


def _table(title: str, table: pl.DataFrame, otherwise: str) -> None:
    st.header(title)
    if table.is_empty():
        st.markdown(literal(otherwise))
    else:
        show_table(table, title)


@st.fragment  # last: to look at code and data takes longer than all above it
def _freshness(at: Place) -> None:
    st.header("Freshness of the stages")
    state, table = freshness(at)
    if state.at_work is not None:
        st.info(f"{literal(state.at_work)} is at work; figures may change while you look.")
    show_table(table, "Stages")
    if state.next_command:
        st.markdown("This command makes all of it fresh:")
        show_command(at, *state.next_command.removeprefix("tabtrail ").split())
