"""Figures and tables of a benchmark: who is best and by how much, what the champion misses, whether its intervals hold."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go
import polars as pl

from tabtrail.contract.texts import unit_of
from tabtrail.dashboard.figures import COLOURS, bars, finish
from tabtrail.dashboard.selection import SHOWN
from tabtrail.dashboard.wording import clipped, plain, shown
from tabtrail.modeling.leaderboard import CoverageRow, Leaderboard
from tabtrail.modeling.metrics import METRICS, Metric, Scores
from tabtrail.monitor.performance import Interval, wilson

_NEAR = 2.0  # as in the report: a score beyond twice the champion's would press all others into one corner
_MOST_BARS = 20
_MOST_TICKS = 6  # labels of periods that a phone has room for
_SAID = {
    "rmse": "RMSE",
    "mae": "MAE",
    "wape": "% error (WAPE)",
    "bias": "mean bias",
    "share_of_squared_error": "share of squared error",
}


def unit(board: Leaderboard) -> str:
    """Return what the target is counted in."""
    return unit_of(board.target, board.currency)


def figure_text(value: float | None, metric: Metric, unit: str = "") -> str:
    """Return a value of a metric as the report writes it, with its unit; a dash for one that is not defined."""
    if value is None:
        return "–"
    text = shown(value, metric.digits, percent=metric.is_percent)
    return f"{text} {unit}" if unit and metric.unit == "target" else text


def named(metric: Metric) -> str:
    """Return what a metric is called on the pages: WAPE is what people know as the % error."""
    return "% error (WAPE)" if metric.name == "wape" else metric.label


def leaderboard_table(board: Leaderboard) -> pl.DataFrame:
    """Return one row a candidate, the best first: rank, candidate, mark, the chosen metric over the folds with its standard
    deviation, the difference to the best with its 95 % interval, every shown metric on the test part, and what it costs.
    """
    chosen = board.chosen_metric
    rows = []
    for rank, row in enumerate(board.candidates, 1):
        mark = "champion" if row.candidate == board.champion else "as good" if row.indistinguishable else ""
        rows.append(
            {
                "rank": rank,
                "candidate": clipped(row.candidate, 80),
                "standing": mark,
                f"{chosen.label}, folds": row.cv[chosen.name],
                "± std": row.cv_std[chosen.name],
                "worse by": row.difference,
                "from": row.difference_low,
                "to": row.difference_high,
                **{f"{named(METRICS[name])}, test": row.test[name] for name in SHOWN},
                "CPU-µs a row": row.row_us,
                "over budget": clipped(row.over_budget or "", 80),
                "seconds to fit": row.fit_seconds,
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)


def leaderboard_words(board: Leaderboard) -> str:
    """Return the text alternative of the table: the first candidates with their figures."""
    metric = board.chosen_metric
    first = "; ".join(
        f"{clipped(row.candidate)} {figure_text(row.cv[metric.name], metric, unit(board))}" for row in board.candidates[:5]
    )
    return f"{len(board.candidates)} candidates by {metric.label} over the folds, the best first: {first}."


def differences(board: Leaderboard) -> go.Figure:
    """Return how much worse each candidate is than the best over the folds, with the 95 % interval of that."""
    known = [row for row in board.candidates if row.difference is not None]
    best = min((row.cv[board.metric] for row in known if row.cv[board.metric] is not None), default=None, key=_loss(board))
    near = [row for row in known if best is None or (row.difference or 0) <= (_NEAR - 1) * abs(best)][:_MOST_BARS]
    values = [row.difference or 0.0 for row in near]
    low = [
        value - (row.difference_low if row.difference_low is not None else value) for row, value in zip(near, values, strict=True)
    ]
    high = [
        (row.difference_high if row.difference_high is not None else value) - value
        for row, value in zip(near, values, strict=True)
    ]
    names = [plain(row.candidate) for row in near]
    figure = go.Figure(
        go.Scatter(
            x=values,
            y=names,
            mode="markers",
            marker={"size": 9},
            error_x={"type": "data", "symmetric": False, "array": high, "arrayminus": low},
            hovertemplate="%{y}: worse by %{x:,.4~g}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", type="category")
    figure.add_vline(x=0, line_dash="dash", line_color=COLOURS[6])
    left = len(board.candidates) - len(near)
    alt = f"{board.best} is best over the folds; " + "; ".join(
        f"{clipped(row.candidate)} is worse by {shown(value)}" for row, value in zip(near[:6], values, strict=False) if value
    )
    alt += f". {left} that are far worse or not comparable are not drawn." if left else "."
    metric = board.chosen_metric
    own = _axis(f"worse by, in {metric.label}", "" if metric.is_percent else unit(board) if metric.unit == "target" else "")
    return finish(
        figure, f"{metric.label} against the best, with 95 % intervals", alt, x=own, height=130 + 26 * max(2, len(near))
    )


def _loss(board: Leaderboard) -> Any:
    return board.chosen_metric.loss


def _axis(label: str, unit: str) -> str:
    return f"{label}, {unit}" if unit else label


def fold_scores(board: Leaderboard, folds: pl.DataFrame) -> go.Figure:
    """Return the score of each candidate on each fold; candidates far worse than the champion are left out and named."""
    metric = board.chosen_metric
    own = board.champion_row.cv[metric.name]
    near = [
        row.candidate
        for row in board.candidates
        if own is not None
        and (mean := row.cv[metric.name]) is not None
        and metric.loss(mean) - metric.loss(own) <= (_NEAR - 1) * abs(own)
    ][:_MOST_BARS]
    kept = folds.filter(pl.col("candidate").is_in(near) & pl.col(metric.name).is_not_null())
    figure = go.Figure()
    for name in near:
        values = kept.filter(candidate=name).get_column(metric.name).to_list()
        figure.add_scatter(
            x=values,
            y=[plain(name)] * len(values),
            mode="markers",
            marker={"size": 7, "opacity": 0.6, "color": COLOURS[5] if name == board.champion else COLOURS[0]},
            hovertemplate="%{x:,.6~g}<extra></extra>",
            showlegend=False,
        )
    figure.update_yaxes(autorange="reversed", type="category")
    left = [clipped(row.candidate) for row in board.candidates if row.candidate not in near]
    count = kept.filter(candidate=board.champion).height
    alt = f"{metric.label} on each of {count:,} folds; the spread of the dots is what one split can make of a score."
    alt += f" Far worse and not drawn: {', '.join(left)}." if left else ""
    own_unit = unit(board) if metric.unit == "target" else ""
    height = 130 + 26 * max(2, len(near))
    return finish(figure, f"{metric.label} of every candidate on every fold", alt, x=_axis(metric.label, own_unit), height=height)


def score_rows(scores: Scores | None, unit: str) -> list[tuple[str, str]]:
    """Return name and text of each shown metric of a selection; dashes where it has no rows."""
    found: list[tuple[str, str]] = []
    for name in SHOWN:
        metric = METRICS[name]
        found.append((named(metric), figure_text(None if scores is None else scores[name], metric, unit)))
    return found


def predicted_actual(drawn: pl.DataFrame, rows: int, what: str, unit: str) -> go.Figure:
    """Return predictions against actual values; those on the dashed line are right. `rows` is how many were chosen of `what`."""
    actual, predicted = drawn["actual"].to_list(), drawn["predicted"].to_list()
    error = (drawn["predicted"] - drawn["actual"]).abs()
    figure = go.Figure(
        go.Scatter(
            x=predicted,
            y=actual,
            mode="markers",
            marker={"size": 5, "opacity": 0.55},
            customdata=drawn["row"].to_list(),
            hovertemplate="row %{customdata}<br>predicted %{x:,.6~g}<br>actual %{y:,.6~g}<extra></extra>",
            name="one row",
        )
    )
    ends = [min([*actual, *predicted]), max([*actual, *predicted])]
    figure.add_scatter(x=ends, y=ends, mode="lines", line={"dash": "dash", "color": COLOURS[6]}, name="equal", hoverinfo="skip")
    worst = shown(float(error.max()))  # type: ignore[arg-type]
    many = (
        f"{len(actual):,} of {rows:,} rows are drawn, the largest errors among them" if len(actual) < rows else f"{rows:,} rows"
    )
    alt = f"{what}: {many}. Dots on the dashed line are right; the largest error is {worst} {unit}."
    return finish(figure, f"Predicted against actual, {what}", alt, x=f"predicted, {unit}", y=f"actual, {unit}", height=400)


def trend_figure(frame: pl.DataFrame, what: str, step: str, unit: str) -> go.Figure:
    """Return the means of actual and predicted values by period, with the selected periods highlighted."""
    days = frame["from"].to_list()
    figure = go.Figure()
    told = []
    for name, dash in (("actual", "solid"), ("predicted", "dot")):
        own = frame[name].to_list()
        hover = "%{x|%Y-%m-%d}: %{y:,.4~g}"
        figure.add_scatter(x=days, y=own, mode="lines+markers", name=name, line={"dash": dash}, hovertemplate=hover)
        told.append(f"{name} from {shown(min(own))} to {shown(max(own))} {unit}")
    whole = bool((frame["chosen"] == frame["rows"]).all())
    if not whole:
        for first, last in _spans(frame):
            figure.add_vrect(x0=first, x1=last, fillcolor=COLOURS[1], opacity=0.2, line_width=0)
    picked = frame.filter(pl.col("chosen") > 0)
    marked = "every period is selected" if whole else f"highlighted: {_periods(picked['from'].to_list(), step)}"
    alt = f"{what} by {step}, means of {int(frame['rows'].sum()):,} rows: {' and '.join(told)}; {marked}."
    if frame.height <= _MOST_TICKS:
        figure.update_xaxes(tickvals=days, ticktext=[f"{day:%Y}" if step == "year" else f"{day:%Y-%m}" for day in days])
    figure.update_yaxes(rangemode="tozero")
    return finish(figure, f"Trend by {step}, {what}", alt, x=step, y=f"mean of a row, {unit}")


def _spans(frame: pl.DataFrame) -> list[tuple[Any, Any]]:
    """Return first and last day of each run of selected periods, half a period wider on both sides."""
    days, chosen = frame["from"].to_list(), (frame["chosen"] > 0).to_list()
    gaps = [later - earlier for earlier, later in pairwise(days)]
    half = min(gaps) / 2 if gaps else None
    if half is None:
        return []
    spans: list[tuple[Any, Any]] = []
    for day, is_chosen in zip(days, chosen, strict=True):
        if is_chosen and spans and day - half <= spans[-1][1] + 2 * half / 10:
            spans[-1] = (spans[-1][0], day + half)
        elif is_chosen:
            spans.append((day - half, day + half))
    return spans


def _periods(days: Sequence[Any], step: str) -> str:
    texts = [f"{day:%Y}" if step == "year" else f"{day:%Y-%m}" for day in days]
    if not texts:
        return "none"
    return ", ".join(texts) if len(texts) <= 4 else f"{texts[0]} to {texts[-1]}, {len(texts)} {step}s"


def slices_figure(frame: pl.DataFrame, column: str, what: str, unit: str) -> go.Figure:
    """Return the RMSE by value of a column, the value with the largest share of the squared error on top."""
    names = ["missing" if value is None else value for value in frame["value"].to_list()]
    worst = "; ".join(
        f"{clipped(name)} {shown(row['rmse'])} over {row['rows']:,} rows"
        for name, row in list(zip(names, frame.iter_rows(named=True), strict=True))[:4]
    )
    alt = f"{what}: RMSE by {clipped(column)}, the largest share of the squared error on top: {worst}."
    return bars(names, frame["rmse"].to_list(), f"RMSE by {clipped(column)}", alt, unit=f"RMSE, {unit}")


def slices_table(frame: pl.DataFrame) -> pl.DataFrame:
    """Return errors by value as people read them."""
    return frame.with_columns(pl.col("value").fill_null("(missing)")).rename(_SAID)


def stored_slices(slices: pl.DataFrame) -> pl.DataFrame:
    """Return the slices that a training found, as people read them."""
    kept = ["column", "slice", "rows", "rmse", "mae", "wape", "bias", "share_of_squared_error"]
    return slices.select(name for name in kept if name in slices.columns).rename(_SAID, strict=False)


def slices_words(slices: pl.DataFrame, unit: str) -> str:
    """Return the text alternative of the slices that a training found."""
    told = "; ".join(
        f"{clipped(row['column'])} {clipped(row['slice'])}: RMSE {shown(row['rmse'])} {unit}" for row in slices.head(4).to_dicts()
    )
    return f"{slices.height:,} slices, the largest share of the squared error first: {told}."


def coverage_figure(rows: Sequence[CoverageRow], level: float) -> go.Figure:
    """Return the share of test rows inside their interval, by group, with its own 95 % interval and the promised share."""
    kept = list(rows)[:_MOST_BARS]
    names = ["all" if row.by == "all" else f"{row.by}: {row.value}" for row in kept]
    found = [coverage_interval(row) for row in kept]
    return _coverage(names, found, [row.rows for row in kept], level, "Share of test rows inside their interval")


def coverage_interval(row: CoverageRow) -> Interval:
    """Return a measured share with its 95 % interval, rows taken for independent."""
    return wilson(round(row.coverage * row.rows), row.rows)


def _coverage(names: Sequence[str], found: Sequence[Interval], rows: Sequence[int], level: float, title: str) -> go.Figure:
    values = [100 * each.value for each in found]
    figure = go.Figure(
        go.Scatter(
            x=values,
            y=[plain(name) for name in names],
            mode="markers",
            marker={"size": 9},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [100 * (each.high - each.value) for each in found],
                "arrayminus": [100 * (each.value - each.low) for each in found],
            },
            customdata=list(rows),
            hovertemplate="%{y}: %{x:.1f} % of %{customdata:,} rows<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_xaxes(range=[min([*(100 * each.low for each in found), 100 * level]) - 3, 101])
    figure.add_vline(x=100 * level, line_dash="dash", line_color=COLOURS[5])
    told = "; ".join(
        f"{clipped(name)} {100 * each.value:.1f} % ({100 * each.low:.0f} to {100 * each.high:.0f} %) of {count:,} rows"
        for name, each, count in list(zip(names, found, rows, strict=True))[:6]
    )
    alt = f"{100 * level:g} % are promised (dashed); held: {told}."
    return finish(figure, title, alt, x="% of the rows", height=130 + 26 * max(2, len(names)))
