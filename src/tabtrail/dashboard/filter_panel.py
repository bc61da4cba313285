"""The filters as fields of a page."""

import streamlit as st

from tabtrail.dashboard.filters import Choice, Filters, Selection
from tabtrail.dashboard.place import Value
from tabtrail.dashboard.wording import clipped, literal


def choose(filters: Filters, key: str) -> Selection:
    """Show the filters where the page is, and return what is chosen. `key` tells the filters of several pages apart."""
    values = tuple((each.column, _pick(each, key)) for each in filters.choices)
    strata = dict(filters.strata)
    kept = _pick_names("Strata of the config", list(strata), key) if strata else []
    since = until = None
    if filters.days is not None and filters.days.first < filters.days.last:
        since = st.date_input("From", filters.days.first, filters.days.first, filters.days.last, key=f"{key}-since")
        until = st.date_input("To, inclusive", filters.days.last, filters.days.first, filters.days.last, key=f"{key}-until")
        since = None if since == filters.days.first else since  # rows without a date are among all
        until = None if until == filters.days.last else until
    date_column = filters.days.column if filters.days is not None else None
    return Selection(tuple(each for each in values if each[1]), date_column, since, until, tuple(strata[name] for name in kept))


def _pick(choice: Choice, key: str) -> tuple[Value, ...]:
    shown = st.multiselect(
        literal(choice.column), choice.values, format_func=_named, key=f"{key}-{choice.column}", placeholder="all"
    )
    return tuple(shown)


def _pick_names(label: str, names: list[str], key: str) -> list[str]:
    return list(st.multiselect(label, names, key=f"{key} strata", placeholder="all"))


def _named(value: Value) -> str:
    return "(missing)" if value is None else "(empty)" if value == "" else clipped(value)
