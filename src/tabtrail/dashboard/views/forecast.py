"""The page Forecast and demand: series of many, with what is to come and what came; segments with their risk."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from tabtrail.bundle.demand.history_file import history_name
from tabtrail.bundle.predictor import Predictor
from tabtrail.config.demand import Demand
from tabtrail.contract.periods import Calendar
from tabtrail.contract.texts import unit_of
from tabtrail.dashboard import segments, series
from tabtrail.dashboard.deployed import load_deployed
from tabtrail.dashboard.figures import draw
from tabtrail.dashboard.missing import NO_DEMAND, NO_FORECASTS, say_missing
from tabtrail.dashboard.place import Place, Stamp, stamp_of
from tabtrail.dashboard.series import Ahead
from tabtrail.dashboard.tables import show_table
from tabtrail.dashboard.wording import clipped, counted, literal
from tabtrail.data.result_files import demand_table_files
from tabtrail.errors import BundleError
from tabtrail.forecast.result import SegmentResult
from tabtrail.system.files import read_json

_WINDOWS = {"D": 7, "W": 4, "MS": 3}
"""Periods of the rolling mean that is shown first: a week of days, about a month of weeks, a quarter of months."""
_SHARES = ("wape", "bias")


def show(at: Place) -> None:
    """Show the page."""
    st.title("Forecast and demand")
    documents = _stamped(at.config.paths.output_dir / "timeseries")
    if at.config.cleaning.date_column is None:
        st.info("The rows have no date, so that nothing can be forecast: the config names no cleaning.date\\_column.")
        return
    if at.config.demand is None:
        _show_segments(at, documents)
        return
    if not documents:
        _show_series(at, at.config.demand)
        return
    kind = st.segmented_control("Forecasts of", ["Series", "Segments"], default="Series", required=True, key="forecast-kind")
    if kind == "Segments":
        _show_segments(at, documents)
    else:
        _show_series(at, at.config.demand)


# --- series -----------------------------------------------------------------------------------------------------------


def _show_series(at: Place, demand: Demand) -> None:
    board = at.json(at.demand_artifacts.demand_leaderboard)
    try:
        predictor = load_deployed(at, demand=True)
    except BundleError as error:
        predictor = None
        st.error("The deployed model cannot be used.")
        st.code(str(error), language=None, wrap_lines=True)
    files = demand_table_files(at.config.paths.output_dir)
    table = at.frame(files["demand_series"])
    keys = _keys(at, predictor, table)
    if not keys:
        say_missing(at, NO_DEMAND)
        return
    unit, period = unit_of(demand.target, demand.currency), Calendar(demand.frequency).name
    key, place = _choose(keys)
    ahead = None if predictor is None else series.look_ahead(predictor, place)
    if ahead is not None and predictor is not None:
        _show_ahead(predictor, ahead, (series.series_name(key), unit, period))
    _show_history(at, demand, key, ahead)
    _show_record(at, key, table, (unit, period))
    if board is not None and board.get("models"):
        _show_models(board, at.frame(files["demand_scores"]), (unit, period))


def _keys(at: Place, predictor: Predictor | None, table: pl.DataFrame | None) -> list[dict[str, str]]:
    if predictor is not None and predictor.demand is not None:
        folder, name = at.config.paths.models_dir, at.config.for_demand().model.name
        known: list[dict[str, str]] = _known(str(folder / history_name(name)), stamp_of(folder / history_name(name)), predictor)
        return known
    return [] if table is None else [dict(each) for each in table["series"].to_list()]


@st.cache_resource(max_entries=2, show_spinner=False)
def _known(path: str, stamp: Stamp | None, _predictor: Predictor) -> list[dict[str, str]]:  # noqa: ARG001 - part of the key
    return series.known_series(_predictor)


def _search(names: list[str], one: str, many: str) -> series.Found:
    """Return which of the names to offer: those with the words that are asked for, where there are too many to offer all."""
    wanted = ""
    if len(names) > series.MOST_FOUND:
        wanted = st.text_input(f"Search among {len(names):,} {many}", key=f"{one}-search", placeholder="words of its name")
    found = series.search(names, wanted)
    if not found.total:
        st.info(f"No {one} has these words in its name; all of them are offered.")
        found = series.search(names, "")
    return found


def _choose(keys: list[dict[str, str]]) -> tuple[dict[str, str], int]:
    names = [series.series_name(each) for each in keys]
    found = _search(names, "series", "series")
    if found.total > len(found.names):
        st.caption(f"{found.total:,} series fit; the first {len(found.names)} are offered. More words leave fewer.")
    places = [place for _, place in found.names]
    place = st.selectbox("Series", places, format_func=lambda at: clipped(names[at], 60), key="series-chosen")
    place = place if place in places else places[0]
    return keys[place], place


def _show_ahead(predictor: Predictor, ahead: Ahead, words: tuple[str, str, str]) -> None:
    name, unit, period = words
    st.subheader("What is to come")
    if ahead.coming.height:
        draw(series.ahead_figure(ahead, name, unit, period), "series-ahead")
        show_table(
            ahead.coming.with_columns(pl.col("day").cast(pl.String)),
            f"The forecasts of {name}, {unit}.",
            labels=_ends(ahead.coming),
        )
    if ahead.problem:
        st.warning(f"The forecasts end where something that has to be known ahead is not: {literal(ahead.problem)}")
    for each in ahead.warnings:
        st.caption(literal(each))
    st.caption(
        f"By {literal(predictor.metadata['model'])}, run {predictor.metadata['run_id']}, known up to {ahead.as_of}."
        f" `tabtrail demand update` brings newer {period}s without a training."
    )


def _show_history(at: Place, demand: Demand, key: Mapping[str, str], ahead: Ahead | None) -> None:
    history = series.history_frame(at, key) if at.has_rows else pl.DataFrame()
    told = "from the rows of the data"
    if not history.height and ahead is not None:
        history, told = ahead.past, "as far as the model keeps it"
    if not history.height:
        return
    unit, period = unit_of(demand.target, demand.currency), Calendar(demand.frequency).name
    st.subheader("History")
    usual = _WINDOWS[demand.frequency]
    window = st.slider(f"{period.capitalize()}s of the rolling mean", 2, max(60, usual), usual, key="series-window")
    draw(series.rolling_figure(history, series.series_name(key), window, unit, period), "series-history")
    rule = demand.missing_periods.replace("_", " ")
    st.caption(literal(f"By {period}, {told}. A {period} without a row: {rule} (demand.missing_periods)."))


def _show_record(at: Place, key: Mapping[str, str], table: pl.DataFrame | None, words: tuple[str, str]) -> None:
    row = None if table is None else next(series.rows_of(table.lazy(), key).iter_rows(named=True), None)
    path = demand_table_files(at.config.paths.output_dir)["demand_forecasts"]
    if row is None or not path.is_file():
        return
    figure = series.record_figure(row, series.rows_of(pl.scan_parquet(path), key), *words)
    if figure is None:
        return
    st.subheader("What was forecast, and what came")
    draw(figure, "series-record")
    st.caption("Out of sample: each forecast was made with what was known at its origin, by a model that learned nothing later.")


def _show_models(board: Mapping[str, Any], scores: pl.DataFrame | None, words: tuple[str, str]) -> None:
    unit, period = words
    st.subheader("All series: the models and the baselines")
    ahead, origins = counted(board["horizon"], period), counted(len(board["origins"]), "origin")
    st.caption(f"{board['series']:,} series, {origins}, {ahead} ahead; out of sample.")
    frame = series.models_frame(board)
    labels = {name: name.upper() for name in ("mae", "rmse", "wape", "rmsse", "mase")}
    show_table(frame, f"The {frame.height} models of the last training, best first.", labels=labels, shares=_SHARES)
    names = [str(board["champion"]), *([str(board["best_baseline"])] if board.get("best_baseline") else [])]
    horizon = None if scores is None else series.horizon_figure(scores, names, unit, period)
    if horizon is not None:
        draw(horizon, "series-horizon")
    coverage = series.coverage_figure(board, period)
    if coverage is not None:
        draw(coverage, "series-coverage")
    else:
        st.caption(literal(series.coverage_words(board)))


# --- segments ---------------------------------------------------------------------------------------------------------


def _stamped(folder: Path) -> tuple[tuple[str, Stamp], ...]:
    return tuple((str(path), stamp) for path in sorted(folder.glob("*_ts_risk_*.json")) if (stamp := stamp_of(path)))


@st.cache_resource(max_entries=2, show_spinner="Reading the stored forecasts")
def _index(files: tuple[tuple[str, Stamp], ...]) -> pl.DataFrame:
    found = ((path, read_json(Path(path))) for path, _ in files)
    return segments.index_frame({path: document for path, document in found if document is not None})


def _show_segments(at: Place, files: tuple[tuple[str, Stamp], ...]) -> None:
    index = _index(files)
    if not index.height:
        say_missing(at, NO_FORECASTS)
        return
    st.subheader("Segments")
    names = index["label"].to_list()
    found = _search(names, "segment", "segments")
    listed = index[[place for _, place in found.names]]
    left = f" The first {listed.height} of {found.total:,} that fit." if found.total > listed.height else ""
    labels = {
        "next": "next period",
        "total": "all periods",
        "mase": "MASE",
        "volatility": "volatility, % a year",
        "grade": "grade of the risk",
    }
    show_table(listed.drop("file", "of", "unit"), f"The stored forecasts, largest first.{left}", labels=labels)
    places = [place for _, place in found.names]
    place = st.selectbox("Segment", places, format_func=lambda at: clipped(names[at], 60), key="segment-chosen")
    row = index.row(place if place in places else places[0], named=True)
    result = segments.read_result(at.json(Path(row["file"])))
    if result is None:
        st.info("This forecast was written by another version. This command makes it again:")
        st.code(at.command("forecast"), language=None, wrap_lines=True)
        return
    _show_segment(at, result)


def _show_segment(at: Place, result: SegmentResult) -> None:
    manifest = at.json(at.config.paths.manifest) or {}
    if manifest and manifest.get("data_sha256") != result.data_sha256:
        st.warning("The data has changed since this was forecast. This command forecasts it again:")
        st.code(
            at.command("forecast", *(f"--segment={name}={value}" for name, value in result.segment.items())),
            language=None,
            wrap_lines=True,
        )
    if result.status != "ok":
        st.info(literal(f"{result.status.replace('_', ' ')}: {result.reason}"))
    for place, figure in enumerate(
        (segments.fan_figure(result), segments.returns_figure(result), segments.volatility_figure(result))
    ):
        if figure is not None:
            draw(figure, f"segment-{place}")
        if place == 0:
            _show_trust(result)
            if result.risk is not None:
                st.subheader("Risk")
                st.markdown(literal(f"{result.risk.grade}: {result.risk.reason}"))
    _show_risk(result)


def _show_trust(result: SegmentResult) -> None:
    ahead = result.forecast
    if ahead is not None:
        for each in ahead.intervals:
            st.caption(literal(segments.coverage_words(each)))
        frame = segments.intervals_frame(result)
        show_table(frame, f"The forecast of {result.label} by period, with the ends of the intervals.", labels=_ends(frame))
    baselines = segments.baselines_frame(result)
    if baselines.height:
        st.markdown("**Beside the baselines**, at origins that nothing after was known at")
        labels = {"mae": "MAE", "rmse": "RMSE", "mase": "MASE"}
        show_table(baselines, "Errors of the procedure and of the baselines, least first.", labels=labels)
    if result.choice is not None:
        st.caption(literal(f"{result.choice.name}: {result.choice.reason}"))


def _show_risk(result: SegmentResult) -> None:
    tails = segments.tails_frame(result)
    if tails.height:
        st.markdown("**Value at risk** of the next period: what it could lose, in percent of this one")
        labels = {
            "value_at_risk": "VaR, % as a return",
            "expected_shortfall": "shortfall, % as a return",
            "loss": "loss, %",
            "shortfall_loss": "mean loss beyond, %",
        }
        show_table(tails, "Value at risk and expected shortfall by method and level.", labels=labels, shares=("level",))
    volatility = segments.volatility_frame(result)
    if volatility.height:
        labels = {"next_period": "% a period", "annualised": "% a year"}
        show_table(volatility, "Volatility of the next period by method.", labels=labels)
    backtest = segments.backtest_frame(result)
    if backtest.height:
        st.markdown("**Backtest** of value at risk: each from the returns before it, against what came")
        labels = {
            "unconditional_p": "p, number",
            "independence_p": "p, independence",
            "conditional_p": "p, both",
        }
        show_table(backtest, "How often value at risk was passed, by method and level.", labels=labels, shares=("level",))


def _ends(frame: pl.DataFrame) -> dict[str, str]:
    ends = {name: name.replace("_", " ") + " %" for name in frame.columns if name.startswith(("low_", "high_"))}
    return {"forecast": "forecast", **ends}
