"""Shapley values as figures: which columns move predictions, in which direction, and how one prediction comes about."""

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import plotly.graph_objects as go
import polars as pl

from tabtrail.dashboard.figures import COLOURS, bars, finish
from tabtrail.dashboard.wording import clipped, plain, shown

_MOST_COLUMNS = 20
_MOST_TEXTS = 20
_LABEL = 22  # characters beside a waterfall on a phone


def importance_figure(importance: Mapping[str, Any]) -> go.Figure:
    """Return the mean absolute Shapley value by column, from what a training left."""
    values: Mapping[str, float] = importance["mean_absolute_shap"]
    names = list(values)[:_MOST_COLUMNS]
    unit = str(importance["unit"])
    left = f" {len(values) - len(names):,} smaller ones are not drawn." if len(values) > len(names) else ""
    told = "; ".join(f"{clipped(name)} {shown(values[name])}" for name in names[:6])
    alt = f"How far a column moves a prediction on average, over {importance['rows']:,} training rows, in {unit}: {told}.{left}"
    return bars(names, [values[name] for name in names], "What moves a prediction", alt, unit=f"mean |SHAP|, {unit}")


def columns_of(shap: pl.DataFrame) -> list[str]:
    """Return the columns of a table of Shapley values, the most important first."""
    values = shap.get_column("shap").struct.unnest()
    means = {name: float(values[name].abs().mean() or 0.0) for name in values.columns}  # type: ignore[arg-type]
    return sorted(means, key=lambda name: (-means[name], name))


def dependence(shap: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return value and Shapley value of a column for each explained row."""
    return pl.DataFrame(
        {
            "value": shap.get_column("value").struct.field(column),
            "shap": shap.get_column("shap").struct.field(column),
        }
    )


def dependence_figure(frame: pl.DataFrame, column: str, unit: str) -> go.Figure:
    """Return what a column's values add to a prediction: a dot a row, of texts the most frequent."""
    title = f"What {clipped(column)} adds to a prediction"
    if frame["value"].dtype == pl.String:
        counts = frame["value"].fill_null("").value_counts(sort=True)["value"].to_list()[:_MOST_TEXTS]
        means = {text: float(frame.filter(pl.col("value").fill_null("") == text)["shap"].mean() or 0.0) for text in counts}  # type: ignore[arg-type]
        counts.sort(key=lambda text: -means[text])
        kept = frame.filter(pl.col("value").fill_null("").is_in(counts))
        names = {text: plain(text or "missing") for text in counts}
        figure = go.Figure(
            go.Box(
                x=kept["shap"].to_list(),
                y=[names[text] for text in kept["value"].fill_null("").to_list()],
                orientation="h",
                boxpoints=False,
                hoverinfo="x",
            )
        )
        figure.update_yaxes(categoryorder="array", categoryarray=[names[text] for text in reversed(counts)], type="category")
        told = "; ".join(f"{clipped(text or 'missing')} {shown(means[text])}" for text in counts[:4])
        alt = f"SHAP of {clipped(column)} by its text, in {unit}; means: {told}."
        return finish(figure, title, alt, x=f"SHAP, {unit}", height=120 + 26 * max(2, len(counts)))
    known = frame.filter(pl.col("value").is_not_null() & pl.col("value").is_not_nan())
    figure = go.Figure(
        go.Scatter(
            x=known["value"].to_list(),
            y=known["shap"].to_list(),
            mode="markers",
            marker={"size": 5, "opacity": 0.55},
            hovertemplate="%{x:,.6~g}: %{y:+,.4~g}<extra></extra>",
        )
    )
    ends = (float(known["shap"].min() or 0.0), float(known["shap"].max() or 0.0))  # type: ignore[arg-type]
    alt = f"SHAP of {clipped(column)} by its value, from {shown(ends[0])} to {shown(ends[1])} {unit}; {known.height:,} rows."
    return finish(figure, title, alt, x=column, y=f"SHAP, {unit}")


def waterfall(
    parts: Sequence[tuple[str, str, float]], base: float, total: float, unit: str, *, most: int = _MOST_COLUMNS
) -> go.Figure:
    """Return how one prediction comes about: from the base value, part by part (name, value in words, contribution), the largest
    first; more than `most` of them as one. Base value and contributions add up to `total`.
    """
    ordered = sorted(parts, key=lambda part: -abs(part[2]))
    if len(ordered) > most:
        rest = ordered[most - 1 :]
        ordered = [*ordered[: most - 1], (f"{len(rest):,} other columns", "", sum(part[2] for part in rest))]
    names = [plain(name, _LABEL) + (f"<br>{plain(value, _LABEL)}" if value else "") for name, value, _ in ordered]
    figure = go.Figure(
        go.Waterfall(
            orientation="h",
            y=["base value", *names, "prediction"],
            x=[base, *(part[2] for part in ordered), 0],
            measure=["absolute", *("relative" for _ in ordered), "total"],
            text=[shown(base), *(signed(part[2]) for part in ordered), shown(total)],
            textposition="auto",
            hovertemplate="%{y}: %{text}<extra></extra>",
            increasing={"marker": {"color": COLOURS[0]}},
            decreasing={"marker": {"color": COLOURS[1]}},
            totals={"marker": {"color": COLOURS[6]}},
            connector={"line": {"width": 1, "color": COLOURS[6]}},
        )
    )
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_xaxes(range=_reach([base, *(part[2] for part in ordered)]))
    told = "; ".join(f"{clipped(name)} {signed(value)}" for name, _, value in ordered[:8])
    alt = f"From the base value {shown(base)} to {shown(total)} {unit}: {told}. Blue raises the prediction, orange lowers it."
    height = 130 + 36 * (len(names) + 2)
    return finish(figure, "From the base value to the prediction", alt, x=f"prediction, {unit}", height=height)


def _reach(steps: Sequence[float]) -> tuple[float, float]:
    """Return an axis on which the contributions are as wide as can be, with room for their texts on both sides."""
    places = list(accumulate(steps))
    room = 0.35 * ((max(places) - min(places)) or abs(places[0]) or 1.0)
    return min(places) - room, max(places) + room


def signed(value: float) -> str:
    """Return a contribution with its sign, as the report writes numbers."""
    return shown(value) if value < 0 else f"+{shown(value)}"


def explained_row(shap: pl.DataFrame, place: int) -> tuple[list[tuple[str, str, float]], float, float]:
    """Return the parts of one explained row (column, its value in words, Shapley value), its base value and its prediction."""
    row = shap.row(place, named=True)
    values: Mapping[str, Any] = row["value"]
    parts = [(name, value_text(values.get(name)), float(part)) for name, part in row["shap"].items()]
    return parts, float(row["base_value"]), float(row["prediction"])


def value_text(value: object) -> str:
    """Return a value of a column in words."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return "missing"
    return f"{value:.6g}" if isinstance(value, float) else clipped(value, 24)
