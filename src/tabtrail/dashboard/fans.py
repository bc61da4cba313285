"""The shaded intervals around a forecast."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

_SHADE = "rgba(213, 94, 0, 0.18)"
"""Vermilion as the forecast's line, so thin that a wide interval under a narrow one stays lighter, on light and dark alike."""


@dataclass(frozen=True)
class Band:
    """An interval by place: its name with the level, lower and upper ends; None where there is none."""

    name: str
    low: Sequence[float | None]
    high: Sequence[float | None]


def add_band(figure: go.Figure, places: Sequence[Any], band: Band) -> None:
    """Shade an interval, with its ends on pointing. Wider ones are added first."""
    edge = {"mode": "lines", "line": {"width": 0}, "legendgroup": band.name}
    figure.add_scatter(
        x=list(places),
        y=list(band.low),
        showlegend=False,
        name=f"{band.name}, low",
        hovertemplate="%{y:,.4~g}",
        **edge,
    )
    figure.add_scatter(
        x=list(places),
        y=list(band.high),
        fill="tonexty",
        fillcolor=_SHADE,
        name=band.name,
        hovertemplate="%{y:,.4~g}",
        **edge,
    )
