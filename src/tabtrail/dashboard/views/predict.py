"""The page Predict: one row by a form, why, what if, and a whole file."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl
import streamlit as st

from tabtrail.bundle.predictor import Prediction, Predictor
from tabtrail.dashboard import explained
from tabtrail.dashboard.answers import curve_figure
from tabtrail.dashboard.contributions import background_of, background_of_series, contributions
from tabtrail.dashboard.deployed import load_deployed
from tabtrail.dashboard.figures import draw
from tabtrail.dashboard.form import Entry, Field, fields_of, near_texts, row_of
from tabtrail.dashboard.missing import NO_DEMAND, NO_MODEL, say_missing
from tabtrail.dashboard.place import Place
from tabtrail.dashboard.predict import Answer, Curve, answer, unit, what_if
from tabtrail.dashboard.scoring import ENDINGS, MEDIA, Scored, score_upload
from tabtrail.dashboard.tables import show_table
from tabtrail.dashboard.wording import clipped, literal, shown
from tabtrail.data.warehouse import quoted
from tabtrail.explain.coalitions import Columns
from tabtrail.explain.stored import explained_columns

_MOST_EXACT = 2**53 - 1  # of a browser's whole numbers


def show(at: Place) -> None:
    """Show the page."""
    st.title("Predict")
    predictor = load_deployed(at, demand=_asks_of_series(at))
    if predictor is None:
        say_missing(at, NO_DEMAND if at.config.is_demand_only else NO_MODEL)
        return
    metadata = predictor.metadata
    st.caption(literal(f"{metadata['target']} by {metadata['model']}, run {metadata['run_id']}, deployed {metadata['created']}."))
    one, file = st.tabs(["One row", "A file"], key="predict-tab", on_change="rerun")
    if one.open:
        with one:
            _one_row(at, predictor)
    if file.open:
        with file:
            _file(predictor)


def _asks_of_series(at: Place) -> bool:
    """Tell whether the model of series is asked: it is the only one, or chosen."""
    if at.config.demand is None or at.config.is_demand_only:
        return at.config.demand is not None
    kinds = {"rows": "single rows", "series": "series over time"}
    kind = st.radio("Model of", list(kinds), format_func=kinds.__getitem__, key="predict-model", horizontal=True)
    return bool(kind == "series")


def _one_row(at: Place, predictor: Predictor) -> None:
    fields = fields_of(predictor)
    left, right = st.columns([2, 3])
    with left:
        st.header("The row")
        row = _form(predictor, fields)
    found = answer(predictor, row)
    with right:
        st.header("The answer")
        _answer(predictor, found)
        if found.prediction is not None:
            _why(at, predictor, found.prediction)
            _what_if(predictor, fields, row, found.prediction)


def _form(predictor: Predictor, fields: Sequence[Field]) -> dict[str, Any]:
    optional = {each.name for each in predictor.schema.features if each.optional}
    run, chosen = predictor.metadata["run_id"], dict[str, str]()
    entries: dict[str, Entry] = {}
    for place, field in enumerate(fields):
        options = _options(predictor, field, chosen)
        entries[field.name] = _enter(predictor, field, options, f"predict-{run}-{place}")
        if isinstance(entry := entries[field.name], str):
            chosen[field.name] = entry
    return row_of(fields, entries, tuple(optional))


def _options(predictor: Predictor, field: Field, chosen: dict[str, str]) -> tuple[str, ...]:
    """Return the texts of a choice; of a column of the series those that go with the columns chosen before it."""
    demand = predictor.demand
    if demand is None or field.name not in demand.panel.series:
        return field.options
    before = {name: text for name, text in chosen.items() if name in demand.panel.series}
    texts = demand.texts_of(field.name)
    return tuple(sorted({texts[place] for place in demand.list_series(before)})) or field.options


def _enter(predictor: Predictor, field: Field, options: tuple[str, ...], key: str) -> Entry:
    seen = f", seen {field.seen}" if field.seen else ""
    label = literal(clipped(field.name, 80) + seen) + ("" if field.required else " (may be empty)")
    hint, example = literal(field.hint) or None, field.example
    if field.kind == "choice":
        return _choose(label, options, example, hint, key, empty=not field.required)
    if field.kind == "date":
        day = None if example is None else date.fromisoformat(str(example)[:10])
        found = st.date_input(label, day, date(1, 1, 1), date(9999, 12, 31), key=key, help=hint, format="YYYY-MM-DD")
        return found.isoformat() if isinstance(found, date) else None
    if field.kind in ("whole", "number"):
        return _number(label, field, hint, key)
    text = st.text_input(label, "" if example is None else str(example), key=key, help=hint)
    if field.known and text.strip():
        near = near_texts(predictor, field.name, text)
        if near != [text.strip()]:
            st.caption(literal(f"known: {', '.join(clipped(each) for each in near)}" if near else "no known text is like it"))
    return text or None


def _choose(label: str, options: tuple[str, ...], example: Entry, hint: str | None, key: str, *, empty: bool) -> str | None:
    listed: list[str | None] = [*([None] if empty else []), *options]
    start = listed.index(str(example)) if example in options else 0
    found = st.selectbox(label, listed, start, format_func=_named, key=f"{key}-{hash(options)}", help=hint)
    return None if found is None else str(found)


def _named(text: str | None) -> str:
    return "(empty)" if text is None else clipped(text, 80)


def _number(label: str, field: Field, hint: str | None, key: str) -> Entry:
    example = field.example if isinstance(field.example, int | float) and abs(field.example) <= _MOST_EXACT else None
    if field.kind == "whole":
        value = None if example is None else int(example)
        found = st.number_input(label, value=value, step=1, key=key, help=hint)
    else:
        found = st.number_input(label, value=None if example is None else float(example), format="%g", key=key, help=hint)
    return None if found is None else found


def _answer(predictor: Predictor, found: Answer) -> None:
    prediction = found.prediction
    if prediction is None:
        st.error("The model does not take this row:\n\n" + "\n".join(f"- {literal(each)}" for each in found.problems))
        return
    st.metric(literal(clipped(predictor.metadata["target"])), f"{shown(prediction.value, 6)} {unit(predictor)}")
    for each in prediction.intervals or ((prediction.interval,) if prediction.interval is not None else ()):
        st.markdown(f"{100 * each.level:g} % interval: **{shown(each.low, 6)} to {shown(each.high, 6)}**")
    if prediction.interval is None:
        st.caption("The model has no interval for this row.")
    if prediction.forecast is not None:
        st.caption(f"{prediction.forecast.horizon:,} ahead of the last known day, {prediction.forecast.as_of}.")
    for warning in prediction.warnings:
        st.warning(literal(warning))


def _why(at: Place, predictor: Predictor, served: Prediction) -> None:
    background = background_of_series(predictor) if predictor.demand is not None else _background(at, predictor)
    if background is None:
        st.info("There are no rows to explain the prediction against; this command makes them:")
        st.code(at.command("ingest"), language=None, wrap_lines=True)
        return
    found = contributions(predictor, served, background)
    figure = explained.waterfall(found.parts, found.base_value, found.prediction, unit(predictor))
    draw(figure, "predict-why")
    st.caption("The base value is the mean prediction of other rows, from which columns are taken that are not known yet.")


def _background(at: Place, predictor: Predictor) -> Columns | None:
    """Return rows to explain against: those of the model's global explanation, else rows of the dataset."""
    importance = at.json(at.artifacts.importance) or {}
    table = at.frame(at.artifacts.shap) if importance.get("run_id") == predictor.metadata["run_id"] else None
    if table is not None and table.height:
        return explained_columns(table)
    if not at.has_rows:
        return None
    names = ", ".join(map(quoted, predictor.schema.names))
    rows = at.ask(f"SELECT {names} FROM {at.table} USING SAMPLE reservoir(200 ROWS) REPEATABLE (7)")
    return background_of(rows, predictor) if rows.height else None


@st.fragment
def _what_if(predictor: Predictor, fields: Sequence[Field], row: dict[str, Any], served: Prediction) -> None:
    st.header("What if")
    names = [field.name for field in fields]
    column = st.selectbox("Column to change", names, format_func=lambda name: clipped(name, 80), key="predict-what")
    curve = what_if(predictor, row, column)
    if not curve.frame.height:
        st.info(literal(f"No other value goes with this row: {curve.reason}"))
        return
    chosen = _slide(curve)
    draw(curve_figure(curve, chosen, unit(predictor)), "predict-curve")
    if chosen is not None:
        value = curve.frame.filter(pl.col("value") == chosen).get_column("predicted").first()
        change = float(value) - served.value  # type: ignore[arg-type]
        text = f"{shown(float(value), 6)} {unit(predictor)}, {explained.signed(change)} against the row as entered"  # type: ignore[arg-type]
        st.markdown(f"With **{literal(clipped(column))}** = {literal(_place(chosen))}: {literal(text)}.")


def _slide(curve: Curve) -> Any:
    """Return the place of the curve that the slider stands at; None where there is but one."""
    places = curve.frame.get_column("value").to_list()
    if len(places) < 2:
        return None
    own = curve.frame.filter(pl.col("current")).get_column("value").to_list()
    start = own[0] if own else places[len(places) // 2]
    key = f"predict-slide-{hash((curve.column, *places))}"  # what was chosen of other places is forgotten
    return st.select_slider(f"Value of {literal(clipped(curve.column))}", places, start, format_func=_place, key=key)


def _place(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else clipped(value)


def _file(predictor: Predictor) -> None:
    st.markdown(
        "Score a file: a row a prediction, with the columns of the form. It lies as the files that the model learned from."
    )
    upload = st.file_uploader("File to score", list(ENDINGS), key="predict-file")
    ending = st.radio("Predictions as", list(MEDIA), key="predict-ending", horizontal=True)
    if upload is None:
        return
    model = predictor.metadata["run_id"], "" if predictor.demand is None else predictor.demand.as_of
    _scored(_score(predictor, model, (upload.file_id, upload.name), ending, upload), ending)


@st.cache_resource(max_entries=1, show_spinner="Scoring the file")
def _score(_predictor: Predictor, model: tuple[str, str], file: tuple[str, str], ending: str, _upload: Any) -> Scored:  # noqa: ARG001
    return score_upload(_predictor, file[1], _upload.getvalue(), ending=ending)


def _scored(found: Scored, ending: str) -> None:
    if found.problem:
        st.error(literal(found.problem))
        return
    account = found.account
    if not found.is_whole:
        st.error("The account of the rows does not add up: do not use these predictions.")
    st.markdown(
        f"**{account.rows:,}** rows read: **{account.scored:,}** predicted, **{account.rejected:,}** set aside with a reason;"
        f" {account.warned:,} of the predicted have something that the model has not seen."
    )
    for note in account.notes:
        st.caption(literal(note))
    st.download_button(
        "Download predictions",
        found.predictions,
        f"predictions.{ending}",
        MEDIA[ending],
        key="predict-download",
        on_click="ignore",
    )
    if found.rejects and found.first_rejects is not None:
        show_table(found.first_rejects, "The first rows that were set aside, with the reasons.")
        name = f"rejects.{ending}"
        st.download_button(
            "Download what was set aside", found.rejects, name, MEDIA[ending], key="predict-rejects", on_click="ignore"
        )
