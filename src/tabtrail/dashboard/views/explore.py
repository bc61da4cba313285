"""The page Explore: the rows by what is chosen of them."""

from functools import partial

import polars as pl
import streamlit as st

from tabtrail.dashboard import explore, explore_figures
from tabtrail.dashboard.explore import FUNCTIONS, STEPS, Measure, Step
from tabtrail.dashboard.figures import draw
from tabtrail.dashboard.filter_panel import choose
from tabtrail.dashboard.filters import Selection, named_columns, read_filters
from tabtrail.dashboard.missing import NO_ROWS, say_missing
from tabtrail.dashboard.panels import show_facts
from tabtrail.dashboard.place import Place
from tabtrail.dashboard.wording import clipped, literal

_TABLE_ROWS = 1_000
_CSV_ROWS = 100_000
"""Rows of a download: more than a spreadsheet is pleasant with, few enough for the memory of a small machine."""
_CHARTS = 4
_PERIODS = 2_000
"""Periods that a line is drawn through at most: days of five years."""


def show(at: Place) -> None:
    """Show the page."""
    st.title("Explore")
    if not at.has_rows:
        say_missing(at, NO_ROWS)
        return
    with st.sidebar:
        st.header("Filters")
        selection = choose(read_filters(at), "explore")
    st.caption(f"Shown: {literal(clipped(explore.words_of(at, selection), 300))}. The filters are in the side bar (»).")
    show_facts(explore.totals(at, selection))
    tabs = {
        "Over time": _time,
        "Categories": _categories,
        "Distribution": _distribution,
        "Relation": _relation,
        "Missing": _missing,
        "Rows": _rows,
    }
    opened = st.tabs(list(tabs), key="explore-tab", on_change="rerun")
    for tab, fill in zip(opened, tabs.values(), strict=True):
        if tab.open:
            with tab:
                fill(at, selection)


def _measure(at: Place, key: str) -> Measure:
    left, right = st.columns(2)
    function = left.selectbox("What", list(FUNCTIONS), format_func=FUNCTIONS.__getitem__, key=f"{key}-function")
    names = explore.number_columns(at)
    if function == "count" or not names:
        return Measure("count", "")
    return Measure(function, right.selectbox("Of", names, format_func=clipped, key=f"{key}-column"))


def _time(at: Place, selection: Selection) -> None:
    if at.config.cleaning.date_column is None:
        st.info("The rows have no date: the config names no cleaning.date_column.")
        return
    measure = _measure(at, "explore-time")
    label = measure.label(at)
    left, right = st.columns(2)
    step: Step = left.selectbox("Period", list(STEPS), index=2, format_func=str.capitalize, key="explore-step")
    window = int(right.number_input("Periods of the rolling mean", 2, 366, 3, key="explore-window"))
    found = explore.over_time(at, selection, measure, step=step, window=window)
    if found.height > _PERIODS:
        st.info(f"The last {_PERIODS:,} of {found.height:,} {step}s are drawn.")
    draw(explore_figures.time_figure(found.tail(_PERIODS), label, step, window), "explore-time-figure")
    months = explore.over_time(at, selection, measure, step="month", window=2)
    draw(explore_figures.months_figure(months, label), "explore-months-figure")
    draw(
        explore_figures.years_figure(explore.over_time(at, selection, measure, step="year", window=2), label),
        "explore-years-figure",
    )


def _categories(at: Place, selection: Selection) -> None:
    measure = _measure(at, "explore-top")
    columns = [name for name in at.config.columns.dataset if name != measure.column]
    first = [name for name in named_columns(at) if name in columns][:_CHARTS]
    chosen = st.multiselect("By", columns, first, max_selections=8, format_func=clipped, key="explore-by")
    places = st.columns(2)
    for number, column in enumerate(chosen):
        found = explore.ranked(at, selection, column, measure)
        with places[number % 2]:
            draw(explore_figures.ranked_figure(found, column, measure.label(at)), f"explore-top-{column}")


def _distribution(at: Place, selection: Selection) -> None:
    names = explore.number_columns(at)
    if not names:
        st.info("No column holds numbers.")
        return
    column = st.selectbox("Column", names, format_func=clipped, key="explore-distribution")
    draw(
        explore_figures.distribution_figure(explore.distribution(at, selection, column), explore.label_of(at, column)),
        "explore-bins",
    )


def _relation(at: Place, selection: Selection) -> None:
    names = explore.number_columns(at)
    if len(names) < 2:
        st.info("Fewer than two columns hold numbers.")
        return
    left, right = st.columns(2)
    pairs = [*at.config.profile.scatter, *((name, names[0]) for name in at.config.model.numeric_features), (names[1], names[0])]
    first = next(pair for pair in pairs if set(pair) <= set(names) and pair[0] != pair[1])
    pair = (
        left.selectbox("Across", names, index=names.index(first[0]), format_func=clipped, key="explore-across"),
        right.selectbox("Up", names, index=names.index(first[1]), format_func=clipped, key="explore-up"),
    )
    found, rows = explore.sampled(at, selection, pair, at.config.profile.points)
    labels = explore.label_of(at, pair[0]), explore.label_of(at, pair[1])
    draw(explore_figures.scatter_figure(found, rows, labels), "explore-scatter")


def _missing(at: Place, selection: Selection) -> None:
    found = explore.gaps(at, selection)
    filled = at.config.cleaning.fill_unknown_columns
    if filled:
        st.caption(
            literal(
                f"In {', '.join(filled)} '{at.config.cleaning.fill_value}', which cleaning fills gaps with, counts as missing."
            )
        )
    if found.is_empty():
        st.success("No value is missing in the rows that are chosen.")
        return
    draw(explore_figures.gaps_figure(found), "explore-gaps")


def _rows(at: Place, selection: Selection) -> None:
    table = explore.first_rows(at, selection, _TABLE_ROWS)
    more = "; there may be more" if table.height == _TABLE_ROWS else ""
    st.caption(f"The first {table.height:,} rows that are chosen{more}.")
    days = {name: st.column_config.DateColumn(format="YYYY-MM-DD") for name, kind in table.schema.items() if kind == pl.Date}
    st.dataframe(table, hide_index=True, height=420, column_config=days)
    st.download_button(
        f"Download as CSV (at most {_CSV_ROWS:,} rows)",
        partial(_csv, at, selection),
        file_name=f"{at.config.duckdb.table}.csv",
        mime="text/csv",
        key="explore-csv",
        on_click="ignore",
    )


def _csv(at: Place, selection: Selection) -> str:
    return explore.first_rows(at, selection, _CSV_ROWS).write_csv()
