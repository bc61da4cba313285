"""The page Runs: the trainings that MLflow keeps, with links to its own pages."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from tabtrail.dashboard.deployed import deployed_runs
from tabtrail.dashboard.figures import draw
from tabtrail.dashboard.place import Place
from tabtrail.dashboard.runs import (
    Trainings,
    ask_trainings,
    candidates_figure,
    candidates_frame,
    metric_label,
    pages_command,
    server_page,
    trainings_frame,
)
from tabtrail.dashboard.tables import show_table
from tabtrail.dashboard.wording import literal, shown
from tabtrail.system.addresses import without_passwords

_KEPT_SECONDS = 60


def show(at: Place) -> None:
    """Show the page."""
    st.title("Runs")
    mlflow = at.config.mlflow
    st.caption(f"Experiment {literal(mlflow.experiment)} of the MLflow store {literal(without_passwords(mlflow.tracking_uri))}.")
    address = server_page(mlflow)
    if address is not None:
        st.link_button("Open MLflow", address, icon=":material/open_in_new:")
    else:
        st.caption("MLflow's own pages open with this command:")
        st.code(pages_command(mlflow), language=None, wrap_lines=True)
    if st.button("Ask the store again", icon=":material/refresh:"):
        _ask.clear()
    found = _ask(at.config.words, str(at.config.root))
    if found.problem:
        st.error("The runs cannot be shown. The other pages do without the store.")
        st.code(found.problem, language=None, wrap_lines=True)
    elif not found.found:
        st.info("There are no trainings yet. This command makes one:")
        st.code(at.command("train"), language=None, wrap_lines=True)
    else:
        _show_trainings(at, found.found)


@st.cache_data(ttl=_KEPT_SECONDS, max_entries=8, show_spinner="Asking the MLflow store")
def _ask(words: tuple[str, ...], root: str) -> Trainings:  # noqa: ARG001 - the words may be relative to it
    return ask_trainings(words)


def _show_trainings(at: Place, found: Sequence[dict[str, Any]]) -> None:
    frame = trainings_frame(found, deployed_runs(at))
    running = frame.filter(frame["state"] == "running").height
    alt = f"The {frame.height} newest trainings, newest first" + (f", {running} of them at work." if running else ".")
    shown_columns = [
        "started",
        "of",
        "state",
        "champion",
        "metric",
        "value",
        "candidates",
        "seconds",
        "deployed",
        "who",
        "commit",
    ]
    linked = frame["link"].null_count() < frame.height
    labels = {"started": "started (UTC)", "value": "champion's value", "deployed": "in use"}
    show_table(frame.select(*shown_columns, "run", *(["link"] if linked else [])), alt, labels=labels, links=("link",))
    st.subheader("A training")
    names = {each["run_id"]: f"{each['started'][:19].replace('T', ' ')} · {each['champion'] or each['state']}" for each in found}
    chosen = st.selectbox("Training", list(names), format_func=lambda run: names.get(run, run), key="runs-training")
    training = next((each for each in found if each["run_id"] == chosen), found[0])
    _show_training(training)


def _show_training(training: dict[str, Any]) -> None:
    value = "" if training["value"] is None else f", {metric_label(training['metric'])} {shown(training['value'])}"
    seconds = "" if training["seconds"] is None else f", {training['seconds']:,.0f} s"
    st.markdown(f"{literal(training['champion'] or training['state'])}{literal(value)}{literal(seconds)}")
    st.caption(f"run {training['run_id']}" + (f" · commit {training['commit']}" if training["commit"] else ""))
    if training["link"]:
        st.link_button("Open this training in MLflow", training["link"], icon=":material/open_in_new:")
    figure = candidates_figure(training)
    if figure is not None:
        draw(figure, "runs-candidates")
    candidates = candidates_frame(training)
    if candidates.height:
        linked = candidates["link"].null_count() < candidates.height
        own = candidates if linked else candidates.drop("link")
        label = {"value": metric_label(training["metric"])}
        show_table(own, f"The {own.height} candidates of the training, best first.", labels=label, links=("link",))
