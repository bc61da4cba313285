"""The page Model: who is best, what the champion misses, whether its intervals hold, and why it predicts what it does."""

import polars as pl
import streamlit as st

from tabtrail.bundle.load import read_metadata
from tabtrail.dashboard import explained, model
from tabtrail.dashboard.figures import draw
from tabtrail.dashboard.filter_panel import choose
from tabtrail.dashboard.filters import Days, Filters, read_filters
from tabtrail.dashboard.judged import Judged, Part, RowColumns, read_judged
from tabtrail.dashboard.missing import NO_EXPLANATION, NO_MODEL, say_missing
from tabtrail.dashboard.overview import read_board
from tabtrail.dashboard.place import Place, stamp_of
from tabtrail.dashboard.selection import Picked, Step, by_value, columns_to_read, coverage_of, drawn, scores_of, trend
from tabtrail.dashboard.tables import show_table
from tabtrail.dashboard.wording import clipped, literal
from tabtrail.data.result_files import benchmark_table_files
from tabtrail.errors import BundleError
from tabtrail.modeling.leaderboard import Leaderboard

_PARTS: dict[Part, str] = {"test": "test part", "cv": "out of fold"}
_MEANS: dict[Part, str] = {
    "test": "rows that the measured model has never seen",
    "cv": "rows of the training part, each predicted by a model that did not learn from it",
}
_STEPS: dict[str, Step] = {"year": "1y", "quarter": "1q", "month": "1mo"}


def show(at: Place) -> None:
    """Show the page."""
    st.title("Model")
    board = read_board(at)
    if board is None:
        if at.config.is_demand_only:
            st.info("This project has no model of single rows; that of series is on the page Forecast and demand.")
        else:
            say_missing(at, NO_MODEL)
        return
    _introduce(at, board)
    names = ["Leaderboard", "Predicted and actual", "Where it errs", "Intervals", "Why"]
    leaderboard, actual, errors, intervals, why = st.tabs(names, key="model-tab", on_change="rerun")
    if leaderboard.open:
        with leaderboard:
            _leaderboard(at, board)
    if why.open:
        with why:
            _why(at)
    opened = next((each for each in ((actual, _actual), (errors, _errors), (intervals, _intervals)) if each[0].open), None)
    if opened is not None:
        with st.sidebar:
            part: Part = st.radio("Predictions", list(_PARTS), format_func=_PARTS.__getitem__, key="model-part", horizontal=True)
            judged = _judged(at, board, "test" if intervals.open else part)
            picked = _choose(at, judged)
        with opened[0]:
            opened[1](judged, picked, board)
            if errors.open:
                _stored_slices(at, board)


def _introduce(at: Place, board: Leaderboard) -> None:
    metric, champion = board.chosen_metric, board.champion_row
    value = model.figure_text(champion.cv[metric.name], metric, model.unit(board))
    st.markdown(
        f"Champion: **{literal(board.champion)}**, {literal(board.chosen_by)} of {len(board.candidates)} candidates:"
        f" {literal(value)}. It learned from {board.train_rows:,} rows and was tested on {board.test_rows:,} others."
    )
    for text in filter(None, (board.parts_text, board.deployed_text)):
        st.caption(literal(text))
    if board.synthetic:
        st.warning("The model learned from synthetic data.")
    try:
        deployed = read_metadata(at.config.paths.models_dir, at.config.model.name, at.config.bundle.public_key)
    except BundleError as error:
        st.info(literal(error))
        return
    if deployed["run_id"] not in (board.parent_run_id, champion.run_id):
        st.info(literal(f"Deployed is {deployed['model']} of run {deployed['run_id']}; this page shows the last benchmark."))


def _leaderboard(at: Place, board: Leaderboard) -> None:
    table = model.leaderboard_table(board)
    show_table(table, model.leaderboard_words(board), shares=_shares(table))
    draw(model.differences(board), "model-differences")
    folds = at.frame(benchmark_table_files(at.config.paths.output_dir)["folds"])
    if folds is not None and folds.height:
        draw(model.fold_scores(board, folds), "model-folds")
    for note in (*(f"{name} was {why}" for name, why in board.dropped.items()), *board.notes):
        st.caption(literal(note))


def _shares(table: pl.DataFrame) -> list[str]:
    """Return the columns of shares, which are written as percent."""
    return [name for name in table.columns if name.startswith(("%", "share"))]


def _judged(at: Place, board: Leaderboard, part: Part) -> Judged:
    filters = read_filters(at) if at.has_rows else Filters()
    columns = RowColumns(columns_to_read(filters), board.target, at.config.cleaning.date_column)
    table = benchmark_table_files(at.config.paths.output_dir)["predictions"]
    stamps = tuple(map(stamp_of, (table, at.artifacts.leaderboard, at.config.paths.manifest)))
    found: Judged = _read((str(table), *stamps), part, columns, board, at)
    return found


@st.cache_resource(max_entries=2, show_spinner="Reading the predictions")
def _read(key: object, part: Part, columns: RowColumns, _board: Leaderboard, _at: Place) -> Judged:  # noqa: ARG001 - the cache's key
    table = benchmark_table_files(_at.config.paths.output_dir)["predictions"]
    return read_judged(table, part, _board, _at.config.dataset, columns)


def _choose(at: Place, judged: Judged) -> Picked:
    dates = judged.days
    days = None
    if dates.len() and (column := at.config.cleaning.date_column) is not None:
        days = Days(column, dates.min(), dates.max())  # type: ignore[arg-type]
    own = Filters() if judged.missing else read_filters(at)
    cleaning = at.config.cleaning
    by_date = {*cleaning.derived_columns, cleaning.year_check_column, cleaning.month_check_column} if dates.len() else set()
    choices = tuple(each for each in own.choices if each.column not in by_date)
    years, months = (sorted(each.unique().to_list()) for each in (dates.dt.year(), dates.dt.month()))
    chosen_years = st.multiselect("Year", years, key="model-years", placeholder="all") if len(years) > 1 else []
    chosen_months = st.multiselect("Month", months, key="model-months", placeholder="all") if len(months) > 1 else []
    selection = choose(Filters(choices, days, own.strata), "model")
    return Picked(selection, tuple(chosen_years), tuple(chosen_months))


def _say(judged: Judged, shown: Judged) -> None:
    """Say which predictions are shown and how many, and what of them is not."""
    part, rows, chosen = judged.part, judged.predictions.height, shown.predictions.height
    st.markdown(f"**{_PARTS[part].capitalize()}**: {chosen:,} of {rows:,} {_MEANS[part]}.")
    if judged.missing:
        st.warning(literal(f"Filters by columns are not there: {judged.missing}."))
    if judged.left_out:
        st.caption(
            f"{judged.left_out:,} more predictions are not read, evenly spread over all: the figures are those of a sample."
        )


def _actual(judged: Judged, picked: Picked, board: Leaderboard) -> None:
    part, shown = judged.part, picked.of(judged)
    _say(judged, shown)
    unit, frame = model.unit(board), shown.predictions
    texts = model.score_rows(scores_of(frame), unit)
    for cell, (name, text) in zip(st.columns(len(texts)), texts, strict=True):
        cell.metric(name, text)
    if not frame.height:
        st.info("No row is chosen; choose less in the filters.")
        return
    few = drawn(frame, 1_500)
    draw(model.predicted_actual(few, frame.height, _PARTS[part], unit), "model-actual")
    everything = picked.of_any_period(judged)
    dated = everything.predictions.get_column("date")
    if dated.null_count() == dated.len():
        st.caption("There is no date column, so there is no trend over time.")
        return
    step = st.radio("Trend by", list(_STEPS), key="model-step", horizontal=True)
    line = trend(everything.predictions, picked.in_period(everything), _STEPS[step])
    draw(model.trend_figure(line, _PARTS[part], step, unit), "model-trend")


def _errors(judged: Judged, picked: Picked, board: Leaderboard) -> None:
    part, shown = judged.part, picked.of(judged)
    _say(judged, shown)
    names = [name for name in shown.rows.columns if name.isprintable()]
    if not shown.predictions.height or not names:
        st.info("No row is chosen; choose less in the filters." if names else "There is no column to tell rows apart by.")
        return
    column = st.selectbox("By", names, format_func=lambda name: clipped(name, 80), key="model-by")
    frame = by_value(shown.predictions, shown.rows.get_column(column))
    draw(model.slices_figure(frame, column, _PARTS[part], model.unit(board)), "model-slices")
    table = model.slices_table(frame)
    show_table(table, f"Errors by {clipped(column)}, as in the chart.", shares=_shares(table))


def _stored_slices(at: Place, board: Leaderboard) -> None:
    slices = at.frame(benchmark_table_files(at.config.paths.output_dir)["error_slices"])
    if slices is None or not slices.height:
        return
    st.header("The slices with most of the error")
    st.caption("Out of fold, over all rows: the training's own search, whatever is chosen in the filters.")
    table = model.stored_slices(slices)
    show_table(table, model.slices_words(slices, model.unit(board)), shares=_shares(table))


def _intervals(judged: Judged, picked: Picked, board: Leaderboard) -> None:
    shown = picked.of(judged)
    _say(judged, shown)
    st.caption("Rows out of fold made the intervals as wide as they are, so only the test part can tell whether they hold.")
    found = coverage_of(shown.predictions)
    level = board.interval_level
    if found is None:
        st.info("No chosen row has an interval.")
    else:
        rows, share = found
        st.metric(f"Inside the {100 * level:g} % interval", f"{100 * share.value:.1f} %")
        st.caption(
            f"of {rows:,} chosen rows. So many rows tell the true share to {100 * share.low:.1f} to {100 * share.high:.1f} %"
            " (95 % interval, rows taken for independent)."
        )
    if board.coverage:
        draw(model.coverage_figure(board.coverage, level), "model-coverage")


def _why(at: Place) -> None:
    importance, shap = at.json(at.artifacts.importance), at.frame(at.artifacts.shap)
    if importance is None or shap is None:
        say_missing(at, NO_EXPLANATION)
        return
    if importance.get("missing"):
        st.info(literal(f"The model has no explanation: {importance['missing']}"))
        return
    unit = str(importance["unit"])
    st.caption(literal(f"{importance['model']}, explained on {importance['rows']:,} training rows."))
    draw(explained.importance_figure(importance), "model-importance")
    names = explained.columns_of(shap)
    column = st.selectbox("Column", names, format_func=lambda name: clipped(name, 80), key="model-column")
    draw(explained.dependence_figure(explained.dependence(shap, column), column, unit), "model-dependence")
    st.header("One row")
    place = st.number_input(f"Explained row, 1 to {shap.height:,}", 1, shap.height, 1, key="model-row")
    parts, base, total = explained.explained_row(shap, int(place) - 1)
    draw(explained.waterfall(parts, base, total, unit), "model-waterfall")
