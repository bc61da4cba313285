"""Figures of an answer: the curve of what if, with its interval."""

import plotly.graph_objects as go
import polars as pl

from tabtrail.dashboard.figures import COLOURS, finish
from tabtrail.dashboard.predict import Curve
from tabtrail.dashboard.wording import clipped, plain, shown

_BAND = "rgba(0, 114, 178, 0.18)"


def curve_figure(curve: Curve, chosen: object, unit: str) -> go.Figure:
    """Return the prediction over the range of a column with its interval, the row's own value and the chosen one marked."""
    frame, name = curve.frame, clipped(curve.column)
    figure = _texts(frame) if curve.kind == "text" else _line(frame)
    _mark(figure, curve, frame.filter(pl.col("current")), "as entered", COLOURS[6])
    if chosen is not None:
        _mark(figure, curve, frame.filter(pl.col("value") == chosen), "what if", COLOURS[5])
    lowest, highest = (float(each) for each in (frame["predicted"].min(), frame["predicted"].max()))  # type: ignore[arg-type]
    ends = f"from {shown(lowest)} to {shown(highest)} {unit}"
    refused = f" {curve.refused:,} values are left out: {curve.reason}." if curve.refused else ""
    others = f" {curve.left_out:,} other known texts are not drawn." if curve.left_out else ""
    alt = f"Prediction by {name}, everything else as entered: {ends} over {frame.height:,} values.{refused}{others}"
    title = f"What if {name} were another"
    if curve.kind == "text":
        return finish(figure, title, alt, x=f"prediction, {unit}", height=120 + 24 * max(3, frame.height))
    return finish(figure, title, alt, x="" if curve.kind == "date" else curve.column, y=f"prediction, {unit}")


def _line(frame: pl.DataFrame) -> go.Figure:
    figure, places = go.Figure(), frame["value"].to_list()
    if frame["low"].null_count() < frame.height:
        figure.add_scatter(x=places, y=frame["high"].to_list(), mode="lines", line_width=0, showlegend=False, hoverinfo="skip")
        figure.add_scatter(
            x=places, y=frame["low"].to_list(), mode="lines", line_width=0, fill="tonexty", fillcolor=_BAND, name="interval"
        )
    figure.add_scatter(
        x=places,
        y=frame["predicted"].to_list(),
        mode="lines+markers",
        marker_size=4,
        line_color=COLOURS[0],
        name="prediction",
        hovertemplate="%{x}: %{y:,.6~g}<extra></extra>",
    )
    return figure


def _texts(frame: pl.DataFrame) -> go.Figure:
    predicted = frame["predicted"]
    error = None
    if frame["low"].null_count() == 0:
        above, below = frame["high"] - predicted, predicted - frame["low"]
        error = {"type": "data", "symmetric": False, "array": above.to_list(), "arrayminus": below.to_list()}
    figure = go.Figure(
        go.Scatter(
            x=predicted.to_list(),
            y=[plain(text) for text in frame["value"].to_list()],
            mode="markers",
            error_x=error,
            name="prediction",
            hovertemplate="%{y}: %{x:,.6~g}<extra></extra>",
        )
    )
    return figure.update_yaxes(autorange="reversed", type="category")


def _mark(figure: go.Figure, curve: Curve, rows: pl.DataFrame, name: str, colour: str) -> None:
    if not rows.height:
        return
    values, predicted = rows["value"].to_list()[:1], rows["predicted"].to_list()[:1]
    is_text = curve.kind == "text"
    figure.add_scatter(
        x=predicted if is_text else values,
        y=[plain(values[0])] if is_text else predicted,
        mode="markers",
        marker={"size": 13, "color": colour, "symbol": "diamond"},
        name=name,
        hovertemplate="%{x}, %{y}<extra></extra>",
    )
