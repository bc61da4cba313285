"""The pictures of why: importance, beeswarm, dependence, partial dependence with single rows, and one row's waterfall."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from tabtrail.explain.effects import Effect
from tabtrail.explain.shapley import Explanation
from tabtrail.report.charts import Axis, Bars, Chart, Line, Picture, Points, Values

_MOST_COLUMNS = 15
_MOST_TEXTS = 12


def explanation_pictures(
    explanation: Explanation, rows: pd.DataFrame, effects: Sequence[Effect], unit: str, top: int, labels: Mapping[str, str]
) -> Iterator[Picture]:
    """Yield the pictures of an explanation, whose values add up (or it would not be here). `unit` is that of the target."""
    importance = explanation.importance
    names = list(importance)[:_MOST_COLUMNS]
    bars = Bars(tuple(importance[name] for name in names))
    axis = Axis(f"mean |SHAP|, {unit}")
    alt = "Mean absolute Shapley value: " + "; ".join(f"{name} {importance[name]:,.6g}" for name in names) + "."
    note = f"Over {len(rows):,} training rows: how far a column moves a prediction on average."
    chart = Chart("Importance by column", alt, axis, Axis("", tuple(names)), (bars,))
    yield Picture("shap_importance", "What moves a prediction", note, (chart,))
    yield _beeswarm(explanation, rows, names, unit)
    if top and names:
        charts = tuple(_dependence(explanation, rows, name, unit, labels) for name in names[:top])
        note = f"Each dot is one of {len(rows):,} training rows: the column's value, and what it adds to that row's prediction."
        yield Picture("shap_dependence", "How a column acts", note, charts)
    if effects:
        charts = tuple(_effect(effect, unit, labels) for effect in effects)
        note = f"The prediction with one column changed, the others as they are: mean of {effects[0].rows:,} rows, some in grey."
        yield Picture("partial_dependence", "Partial dependence", note, charts)


def waterfall(columns: Sequence[str], shown: Sequence[str], values: Sequence[float], base: float, unit: str) -> Picture:
    """Return how one prediction comes about: from the base value, column by column, the largest contribution first."""
    order = sorted(range(len(values)), key=lambda place: -abs(values[place]))
    ends = np.cumsum([base, *(values[place] for place in order)]).tolist()
    names = tuple(f"{columns[place]} = {shown[place]}" for place in order)
    texts = tuple(f"{columns[place]} = {shown[place]}: {values[place]:+,.6g}" for place in order)
    marked = tuple(values[place] < 0 for place in order)
    bars = Bars(tuple(ends[1:]), starts=tuple(ends[:-1]), texts=texts, marked=marked)
    reach = (-0.5, len(order) - 0.5)
    lines = (
        Line((base, base), reach, f"base value {base:,.6g}", dashed=True),
        Line((ends[-1], ends[-1]), reach, f"prediction {ends[-1]:,.6g}"),
    )
    alt = f"From {base:,.6g} to {ends[-1]:,.6g} {unit}: " + "; ".join(texts) + "."
    chart = Chart("From the base value to the prediction", alt, Axis(f"prediction, {unit}"), Axis("", names), (*lines, bars))
    return Picture("waterfall", "Why this prediction", "Blue raises the prediction, orange lowers it.", (chart,))


def _shades(values: "pd.Series[float]") -> Values:
    """Return where each value stands among the others, 0 to 1; a missing one in the middle."""
    if values.dtype != np.float64:
        return (0.5,) * len(values)
    ranks = values.rank(pct=True).fillna(0.5)
    return tuple(round(float(rank), 3) for rank in ranks)


def _spread(values: Sequence[float], reach: float = 0.4, bins: int = 60) -> list[float]:
    """Return sideways places for dots, so that those with like values stand beside one another."""
    low, high = min(values), max(values)
    width = (high - low) or 1.0
    seen: Counter[int] = Counter()
    full = Counter(int((value - low) / width * bins) for value in values)
    most = max(full.values())
    places = []
    for value in values:
        key = int((value - low) / width * bins)
        step = (seen[key] + 1) // 2 * (1 if seen[key] % 2 else -1)
        seen[key] += 1
        places.append(round(2 * reach * step / max(most, 8), 3))
    return places


def _beeswarm(explanation: Explanation, rows: pd.DataFrame, names: list[str], unit: str) -> Picture:
    x: list[float] = []
    y: list[float] = []
    shade: list[float] = []
    for place, name in enumerate(names):
        values = explanation.values[:, explanation.columns.index(name)].tolist()
        x += [round(value, 6) for value in values]
        y += [place + each for each in _spread(values)]
        shade += _shades(rows[name])
    alt = f"For each column the Shapley values of {len(rows):,} rows; the widest spread has {names[0] if names else 'none'}."
    dots = Points(tuple(x), tuple(y), shade=tuple(shade))
    chart = Chart("Shapley values row by row", alt, Axis(f"SHAP, {unit}"), Axis("", tuple(names)), (dots,))
    note = "Each dot is a row. Blue: the row has a low value of that column; orange: a high one; grey: text, or the middle."
    return Picture("shap_beeswarm", "In which direction", note, (chart,))


def _dependence(explanation: Explanation, rows: pd.DataFrame, name: str, unit: str, labels: Mapping[str, str]) -> Chart:
    values = tuple(round(float(each), 6) for each in explanation.values[:, explanation.columns.index(name)])
    own = rows[name]
    if own.dtype == np.float64:
        known = own.notna().to_numpy()
        x = tuple(float(each) for each in own[known])
        y = tuple(value for value, there in zip(values, known, strict=True) if there)
        alt = f"SHAP of {name} by its value, from {min(y, default=0):,.4g} to {max(y, default=0):,.4g} {unit}."
        return Chart(f"SHAP of {name}", alt, Axis(labels.get(name, name)), Axis(f"SHAP, {unit}"), (Points(x, y),))
    texts = own.astype(str)
    kept = list(texts.value_counts().index[:_MOST_TEXTS])
    means = {text: float(np.mean([v for v, t in zip(values, texts, strict=True) if t == text])) for text in kept}
    kept.sort(key=lambda text: -means[text])
    alt = f"SHAP of {name} by its value; means: " + "; ".join(f"{text[:40]} {means[text]:,.4g}" for text in kept) + "."
    across: list[float] = []
    beside: list[float] = []
    for place, text in enumerate(kept):
        mine = [value for value, each in zip(values, texts, strict=True) if each == text]
        across += mine
        beside += [place + each for each in _spread(mine, 0.3)]
    return Chart(f"SHAP of {name}", alt, Axis(f"SHAP, {unit}"), Axis("", tuple(kept)), (Points(tuple(across), tuple(beside)),))


def _effect(effect: Effect, unit: str, labels: Mapping[str, str]) -> Chart:
    alt = f"Mean prediction by {effect.column}: from {min(effect.mean):,.6g} to {max(effect.mean):,.6g} {unit}."
    title = f"Prediction by {effect.column}"
    if effect.is_text:
        crowd = np.array(effect.lines)
        low, high = (tuple(float(each) for each in np.quantile(crowd, share, axis=0)) for share in (0.1, 0.9))
        texts = tuple(f"{name}: mean {value:,.6g}" for name, value in zip(effect.grid, effect.mean, strict=True))
        bars = Bars(effect.mean, low, high, texts)
        return Chart(
            title,
            alt + " Whiskers: 10th to 90th percentile of single rows.",
            Axis(f"prediction, {unit}"),
            Axis("", tuple(map(str, effect.grid))),
            (bars,),
        )
    grid = tuple(float(each) for each in effect.grid)
    lines = tuple(Line(grid, line, faint=True) for line in effect.lines)
    mean = Line(grid, effect.mean, "mean")
    return Chart(title, alt, Axis(labels.get(effect.column, effect.column)), Axis(f"prediction, {unit}"), (*lines, mean))
