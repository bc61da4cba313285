"""The dashboard: `tabtrail dashboard`, or `streamlit run …/dashboard/app.py -- --config FILE`. The pages stand in `PAGES`."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import streamlit as st

from tabtrail.config.file import config_path
from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.dashboard.place import Place, Stamp, stamp_of
from tabtrail.dashboard.views import drift, explore, forecast, model, overview, predict, runs, train
from tabtrail.errors import TabtrailError

# Drawn here: an icon by name, as ":material/insights:", is fetched from elsewhere where it is the page's own.
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Cpath d='M1 15V9h3v6zm5 0V5h3v10zm5 0V1h3v14z' fill='%230072B2'/%3E%3C/svg%3E"
)


@dataclass(frozen=True)
class Page:
    """A page: its address, its name, its icon, and what shows it."""

    path: str
    title: str
    icon: str
    show: Callable[[Place], None]


PAGES = (
    Page("overview", "Overview", ":material/home:", overview.show),
    Page("explore", "Explore", ":material/bar_chart:", explore.show),
    Page("model", "Model", ":material/model_training:", model.show),
    Page("predict", "Predict", ":material/calculate:", predict.show),
    Page("forecast", "Forecast and demand", ":material/show_chart:", forecast.show),
    Page("drift", "Drift", ":material/monitor_heart:", drift.show),
    Page("runs", "Runs", ":material/list:", runs.show),
    Page("train", "Train", ":material/play_circle:", train.show),
)


def main(words: list[str]) -> None:
    """Show the page that was asked for."""
    st.set_page_config(page_title="tabtrail", page_icon=_ICON, layout="wide")
    options = _options(words)
    try:
        path = config_path(options.config)
        config = _load(path, tuple(options.set), stamp_of(path))
    except TabtrailError as error:
        st.title("The config cannot be read")
        st.code(str(error), language=None, wrap_lines=True)
        return
    at = Place(config, allow_train=options.allow_train)
    pages = [
        st.Page(partial(_show, page, at), title=page.title, icon=page.icon, url_path=page.path, default=page is PAGES[0])
        for page in PAGES
    ]
    st.navigation(pages).run()


def _show(page: Page, at: Place) -> None:
    try:
        page.show(at)
    except TabtrailError as error:
        st.error("This page cannot be shown.")
        st.code(str(error), language=None, wrap_lines=True)


@st.cache_resource(
    max_entries=4, show_spinner=False, ttl=60
)  # the files that a config names, as tables of aliases, have no stamp here
def _load(path: Path, overrides: tuple[str, ...], stamp: Stamp | None) -> Config:  # noqa: ARG001 - the stamp is part of the key
    return load_config(path, overrides)


def _options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="streamlit run app.py --", description=__doc__)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--allow-train", action="store_true")
    return parser.parse_args(words)


if __name__ == "__main__":
    main(sys.argv[1:])
