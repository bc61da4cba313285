"""Charts of the pages, in one style: each with a title, units on its axes, a text alternative, and a size that a phone holds."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from tabtrail.dashboard.wording import literal, plain

HEIGHT = 320
_ROW = 24
_MOST_ROWS = 40
_CONFIG = {"displaylogo": False, "displayModeBar": False, "scrollZoom": False, "topojsonURL": ""}
"""No logo, which is a link to elsewhere, nor the buttons that cover a small chart; maps would be fetched from elsewhere."""
_AXIS = {"automargin": True, "separatethousands": True}
# Okabe and Ito's colours, told apart by people who see few, on light and on dark alike. https://jfly.uni-koeln.de/color/
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999")


def finish(figure: go.Figure, title: str, alt: str, *, x: str = "", y: str = "", height: int = HEIGHT) -> go.Figure:
    """Give a chart its title, the names and units of its axes (`x`, `y`), and its text alternative; all as plain text."""
    return figure.update_layout(
        title={"text": plain(title, 80), "font": {"size": 15}, "x": 0, "xanchor": "left"},
        xaxis_title=plain(x),
        yaxis_title=plain(y),
        height=height,
        margin={"l": 8, "r": 8, "t": 44, "b": 8},
        legend={"orientation": "h", "yanchor": "top", "y": -0.36, "x": 0},
        colorway=list(COLOURS),
        meta={"alt": alt},
        hoverlabel={"namelength": -1},
        separators=".,",
        dragmode=False,  # a finger that scrolls the page would zoom the chart
    ).update_layout(xaxis=_AXIS, yaxis=_AXIS)


def alternative(figure: go.Figure) -> str:
    """Return the text alternative of a chart."""
    return str(figure.layout.meta["alt"])


def draw(figure: go.Figure, key: str) -> None:
    """Show a chart with its text alternative. `key` is unique in the page."""
    st.plotly_chart(figure, width="stretch", key=key, config=_CONFIG)
    st.caption(literal(alternative(figure)))


def bars(
    names: Sequence[object], values: Sequence[float | None], title: str, alt: str, *, unit: str = "", by: str = ""
) -> go.Figure:
    """Return lying bars, the first on top: `unit` is what they measure, `by` what their names are."""
    texts = _apart([plain(each) for each in names])
    figure = go.Figure(go.Bar(x=list(values), y=texts, orientation="h", hovertemplate="%{y}: %{x:,.4~g}<extra></extra>"))
    figure.update_yaxes(autorange="reversed", type="category")
    return finish(figure, title, alt, x=unit, y=by, height=110 + _ROW * max(2, min(len(texts), _MOST_ROWS)))


def columns(
    places: Sequence[Any], values: Sequence[float | None], title: str, alt: str, *, x: str = "", y: str = ""
) -> go.Figure:
    """Return upright columns, as of a histogram or over time."""
    figure = go.Figure(go.Bar(x=list(places), y=list(values), hovertemplate="%{x}: %{y:,.4~g}<extra></extra>"))
    return finish(figure, title, alt, x=x, y=y)


def lines(
    places: Sequence[Any], named: Mapping[str, Sequence[float | None]], title: str, alt: str, *, x: str = "", y: str = ""
) -> go.Figure:
    """Return lines by name over the same places."""
    figure = go.Figure()
    for name, values in named.items():
        figure.add_scatter(x=list(places), y=list(values), mode="lines", name=plain(name), hovertemplate="%{x}: %{y:,.4~g}")
    return finish(figure, title, alt, x=x, y=y)


def _apart(texts: Sequence[str]) -> list[str]:
    """Return the texts, told apart where two are alike once they are clipped: plotly would draw them as one."""
    seen: dict[str, int] = {}
    found = []
    for text in texts:
        seen[text] = seen.get(text, 0) + 1
        found.append(text if seen[text] == 1 else f"{text} ({seen[text]})")
    return found
