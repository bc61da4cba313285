"""The pictures of why: importance, beeswarm, dependence, partial dependence with single rows, and one row's waterfall."""

from collections import Counter
from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd

from tabtrail.explain.effects import Effect
from tabtrail.explain.shapley import Explanation
from tabtrail.report.charts import Axis, Bars, Chart, Line, Picture, Points, Values, are_whole
from tabtrail.report.evidence import Evidence
from tabtrail.report.figures import shown

_MOST_COLUMNS = 15
_MOST_TEXTS = 12
_MISSING = "missing"  # a text that is not there, as the slices of the errors call it
_FIRST_DAY = date(1970, 1, 1).toordinal()  # models count the days of a date from here, an axis from the year 1


def importance(evidence: Evidence) -> Picture | None:
    """How far a column moves a prediction on average."""
    if evidence.explanation is None:
        return None
    explanation, rows = evidence.explanation
    names = _columns(explanation)
    values = [explanation.importance[name] for name in names]
    alt = (
        "Mean absolute Shapley value: "
        + "; ".join(f"{name} {shown(value)}" for name, value in zip(names, values, strict=True))
        + "."
    )
    note = f"Over {len(rows):,} training rows: how far a column moves a prediction on average."
    axis = Axis(f"mean |SHAP|, {evidence.unit}")
    chart = Chart(
        "Importance by column",
        alt,
        axis,
        Axis("", tuple(names)),
        (Bars(tuple(values), ends=tuple(shown(value, 3) for value in values)),),
    )
    return Picture("shap_importance", "What moves a prediction", note, (chart,))


def beeswarm(evidence: Evidence) -> Picture | None:
    """The Shapley values of single rows, coloured by the row's value."""
    if evidence.explanation is None:
        return None
    explanation, rows = evidence.explanation
    names = _columns(explanation)
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
    chart = Chart("Shapley values row by row", alt, Axis(f"SHAP, {evidence.unit}"), Axis("", tuple(names)), (dots,))
    note = "Each dot is a row. Blue: the row has a low value of that column; orange: a high one; grey: text, or the middle."
    return Picture("shap_beeswarm", "In which direction", note, (chart,))


def dependence(evidence: Evidence) -> Picture | None:
    """What a column's values add to a prediction, for the columns that matter most."""
    if evidence.explanation is None or not evidence.settings.top:
        return None
    explanation, rows = evidence.explanation
    names = _columns(explanation)[: evidence.settings.top]
    note = f"Each dot is one of {len(rows):,} training rows: the column's value, and what it adds to that row's prediction."
    charts = tuple(_dependence(explanation, rows[name], evidence) for name in names)
    return Picture("shap_dependence", "How a column acts", note, charts) if charts else None


def partial_dependence(evidence: Evidence) -> Picture | None:
    """The prediction with one column changed, on average and for single rows."""
    if not evidence.effects:
        return None
    rows = evidence.effects[0].rows
    note = f"The prediction with one column changed, the others as they are: mean of {rows:,} rows, some in grey."
    charts = tuple(_effect(effect, evidence) for effect in evidence.effects)
    return Picture("partial_dependence", "Partial dependence", note, charts)


def _columns(explanation: Explanation) -> list[str]:
    """The most important columns, the most important first."""
    return list(explanation.importance)[:_MOST_COLUMNS]


def waterfall(columns: Sequence[str], row: Sequence[str], values: Sequence[float], base: float, unit: str) -> Picture:
    """Return how one prediction comes about: from the base value, column by column, the largest contribution first."""
    order = sorted(range(len(values)), key=lambda place: -abs(values[place]))
    ends = np.cumsum([base, *(values[place] for place in order)]).tolist()
    names = tuple(f"{columns[place]} = {row[place]}" for place in order)
    texts = tuple(f"{columns[place]} = {row[place]}: {values[place]:+,.6g}" for place in order)
    marked = tuple(values[place] < 0 for place in order)
    bars = Bars(tuple(ends[1:]), starts=tuple(ends[:-1]), texts=texts, marked=marked)
    reach = (-0.5, len(order) - 0.5)
    lines = (
        Line((base, base), reach, f"base value {shown(base)}", dashed=True),
        Line((ends[-1], ends[-1]), reach, f"prediction {shown(ends[-1])}"),
    )
    alt = f"From {shown(base)} to {shown(ends[-1])} {unit}: " + "; ".join(texts) + "."
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


def _dependence(explanation: Explanation, own: "pd.Series[float]", evidence: Evidence) -> Chart:
    name, unit = str(own.name), evidence.unit
    values = tuple(round(float(each), 6) for each in explanation.values[:, explanation.columns.index(name)])
    if own.dtype == np.float64:
        known = own.notna().to_numpy()
        x, axis = _along(name, own[known].tolist(), evidence)
        y = tuple(value for value, there in zip(values, known, strict=True) if there)
        alt = f"SHAP of {name} by its value, from {shown(min(y, default=0))} to {shown(max(y, default=0))} {unit}."
        return Chart(f"SHAP of {name}", alt, axis, Axis(f"SHAP, {unit}"), (Points(x, y),))
    return _dependence_on_text(name, own, values, unit)


def _along(name: str, values: Sequence[float | str], evidence: Evidence) -> tuple[Values, Axis]:
    """Return the values of a column of numbers, and its axis: that of days where the column is one of dates."""
    is_date = evidence.profile is not None and any(
        each.column == name and each.dtype == "DATE" for each in evidence.profile.columns
    )
    along = tuple(float(each) + (_FIRST_DAY if is_date else 0) for each in values)
    return along, Axis(evidence.settings.label(name), dates=is_date, whole=are_whole(along))


def _dependence_on_text(name: str, own: "pd.Series[float]", values: Values, unit: str) -> Chart:
    texts = own.astype(str).replace("", _MISSING)
    kept = list(texts.value_counts().index[:_MOST_TEXTS])
    means = {text: float(np.mean([v for v, t in zip(values, texts, strict=True) if t == text])) for text in kept}
    kept.sort(key=lambda text: -means[text])
    alt = f"SHAP of {name} by its value; means: " + "; ".join(f"{text[:40]} {shown(means[text])}" for text in kept) + "."
    across: list[float] = []
    beside: list[float] = []
    for place, text in enumerate(kept):
        mine = [value for value, each in zip(values, texts, strict=True) if each == text]
        across += mine
        beside += [place + each for each in _spread(mine, 0.3)]
    return Chart(f"SHAP of {name}", alt, Axis(f"SHAP, {unit}"), Axis("", tuple(kept)), (Points(tuple(across), tuple(beside)),))


def _effect(effect: Effect, evidence: Evidence) -> Chart:
    unit = evidence.unit
    alt = f"Mean prediction by {effect.column}: from {shown(min(effect.mean))} to {shown(max(effect.mean))} {unit}."
    title = f"Prediction by {effect.column}"
    if effect.is_text:
        crowd = np.array(effect.lines)
        low, high = (tuple(float(each) for each in np.quantile(crowd, share, axis=0)) for share in (0.1, 0.9))
        names = tuple(str(each) or _MISSING for each in effect.grid)
        texts = tuple(f"{name}: mean {shown(value)}" for name, value in zip(names, effect.mean, strict=True))
        bars = Bars(effect.mean, low, high, texts)
        return Chart(
            title,
            alt + " Whiskers: 10th to 90th percentile of single rows.",
            Axis(f"prediction, {unit}"),
            Axis("", names),
            (bars,),
        )
    grid, axis = _along(effect.column, effect.grid, evidence)
    lines = tuple(Line(grid, line, faint=True) for line in effect.lines)
    mean = Line(grid, effect.mean, "mean")
    return Chart(title, alt, axis, Axis(f"prediction, {unit}"), (*lines, mean))
