"""The page Drift: windows that were checked, their columns, the martingale of the log, alarms and what they say to do."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from tabtrail.bundle.logged import RETRAINING_STATE, WATCH_STATE
from tabtrail.dashboard import drift
from tabtrail.dashboard.drift import Document, is_check
from tabtrail.dashboard.figures import draw
from tabtrail.dashboard.missing import NO_DRIFT, say_missing
from tabtrail.dashboard.place import Place, Stamp, stamp_of
from tabtrail.dashboard.tables import show_table
from tabtrail.dashboard.wording import clipped, literal
from tabtrail.data.result_files import drift_table_file, promotions_file
from tabtrail.system.files import read_json

_MOST_FILES = 200
"""Checked windows that are read at once: a check a day for half a year, in some tens of megabytes."""


def show(at: Place) -> None:
    """Show the page."""
    st.title("Drift")
    documents, left = _documents(at)
    log = at.config.serve.prediction_log_dir
    state = None if log is None else at.json(log / WATCH_STATE)
    if not documents and state is None:
        say_missing(at, NO_DRIFT)
        st.caption("It compares later rows, a file or the service's own log with what the model learned from.")
        return
    if left:
        st.caption(
            f"The newest {len(documents):,} checked windows; {left:,} older ones are in {at.config.paths.output_dir.name}/drift."
        )
    _watched(state, documents)
    if documents:
        frame = drift.windows_frame(documents)
        alarms = frame.filter(frame["alarm"] == "DRIFT").height
        st.subheader("Checked windows")
        st.caption(f"{frame.height:,} windows, {alarms:,} with an alarm.")
        show_table(frame, f"The {frame.height} checked windows, newest first.", labels={"checked": "checked (UTC)"})
        _over_windows(at, documents)
        _window(documents)
    _events(at, documents)


def _documents(at: Place) -> tuple[list[Document], int]:
    """Return the checked windows, newest first, and how many older ones are left out."""
    found = {path: stamp for path in (at.config.paths.output_dir / "drift").glob("*.json") if (stamp := stamp_of(path))}
    newest = sorted(found, key=lambda path: (found[path], path.name), reverse=True)
    return _read(tuple((str(path), found[path]) for path in newest[:_MOST_FILES])), max(0, len(newest) - _MOST_FILES)


@st.cache_resource(max_entries=2, show_spinner=False)
def _read(files: tuple[tuple[str, Stamp], ...]) -> list[Document]:
    found = [known for path, _ in files if (known := read_json(Path(path))) is not None and is_check(known)]
    return sorted(found, key=lambda each: str(each["compared"]["created"]), reverse=True)


def _watched(state: Document | None, documents: Sequence[Document]) -> None:
    figure = drift.martingale_figure(state, documents)
    if figure is None:
        return
    st.subheader("The log of predictions")
    draw(figure, "drift-martingale")
    st.caption("Without drift it reaches the line in at most 5 % of all deployments, however often it is looked at.")


def _over_windows(at: Place, documents: Sequence[Document]) -> None:
    table = at.frame(drift_table_file(at.config.paths.output_dir))
    references = sorted({str(each["compared"]["reference"]) for each in documents})
    for place, reference in enumerate(references):
        figure = None if table is None else drift.over_windows_figure(table, reference)
        if figure is not None:
            draw(figure, f"drift-over-{place}")
        errors = drift.errors_figure(documents, reference)
        if errors is not None:
            draw(errors, f"drift-errors-{place}")


def _window(documents: Sequence[Document]) -> None:
    st.subheader("One window")
    names = [drift.name_of(each) for each in documents]
    place = st.selectbox("Window", range(len(names)), format_func=lambda at: clipped(names[at], 60), key="drift-window")
    document = documents[place if place is not None and place < len(documents) else 0]
    single = "As a single check it would be: " if document["martingale"] else ""
    verdict = literal(f"{single}{document['check']['verdict']}")
    if document["alarm"]:
        st.warning(verdict, icon=":material/warning:")
    else:
        st.info(verdict)
    for name, why, look in drift.advice(document):
        st.markdown(f"**{literal(name)}**: {literal(why)}. {literal(look)}")
    figure = drift.weights_figure(document)
    if figure is not None:
        draw(figure, "drift-weights")
    frame = drift.columns_frame(document)
    labels = {
        "weight": "drift × importance",
        "importance": "share of importance",
        "psi": "PSI",
        "psi_by_chance": "PSI by chance",
        "moved": "moved, sd",
        "missing_before": "missing before",
        "missing_now": "missing now",
        "p": "p, adjusted",
    }
    shares = ("importance", "missing_before", "missing_now")
    show_table(frame, f"The {frame.height} columns of the window, those that alarm first.", labels=labels, shares=shares)
    columns = [name for name in frame["column"].to_list() if document["shapes"].get(name)]
    if columns:
        column = st.selectbox("Column", columns, format_func=clipped, key="drift-column")
        shares_of = drift.shares_figure(document, column if column in columns else columns[0])
        if shares_of is not None:
            draw(shares_of, "drift-shares")
    for note in (*document["check"]["notes"], *document["compared"]["notes"]):
        st.caption(literal(note))


def _events(at: Place, documents: Sequence[Document]) -> None:
    log = at.config.serve.prediction_log_dir
    kept = None if log is None else at.json(log / RETRAINING_STATE)
    promotions = at.frame(promotions_file(at.config.paths.output_dir))
    frame = drift.events_frame(documents, promotions, (kept or {}).get("retrainings") or ())
    st.subheader("Checks and deployments")
    show_table(frame, f"{frame.height} checks, deployments and retrainings, newest first.", labels={"when": "when (UTC)"})
