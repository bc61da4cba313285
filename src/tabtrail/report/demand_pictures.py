"""The pictures of demand: errors by horizon and class, forecasts against what came, what moves a forecast, uplifts of flags."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from math import isnan, nan
from typing import Any

import polars as pl

from tabtrail.forecast.panel.uplifted import Uplift
from tabtrail.report.charts import Axis, Band, Bars, Chart, Layer, Line, Picture, Points, Values, days
from tabtrail.report.demand_evidence import DemandEvidence
from tabtrail.report.figures import shown

_MOST_LETTERS = 40
_DRAWN_ORIGINS = 3
_KINDS = {
    "largest": ("The largest series", "Those with most demand in the judged periods."),
    "worst": ("The worst series", "Those with the largest RMSSE: errors beside their own usual changes."),
}


def demand_horizons(evidence: DemandEvidence) -> Picture | None:
    """Error and bias by the number of periods ahead, of the chosen model and of the best baseline."""
    champion, baseline = evidence.board["champion"], evidence.best_baseline
    own = evidence.grouped("horizon", champion)
    if own.height < 2:
        return None
    frames = {champion: own}
    if baseline is not None:
        frames[baseline["model"]] = evidence.grouped("horizon", baseline["model"])
    axis = Axis(f"{evidence.period}s ahead", whole=True)
    charts = (
        Chart(
            "MAE", _told(own, "mae", "MAE", evidence), axis, Axis(f"MAE, {evidence.unit}", low=0), tuple(_lines(frames, "mae", 1))
        ),
        Chart(
            "Bias", _told(own, "bias", "bias", evidence), axis, Axis("bias, % of the demand"), tuple(_lines(frames, "bias", 100))
        ),
    )
    note = f"Over all series and origins, by {evidence.period}s ahead. A bias above zero is too much, below zero too little."
    return Picture("demand_horizons", "Error by horizon", note, charts)


def _lines(frames: Mapping[str, pl.DataFrame], metric: str, scale: float) -> Iterator[Line]:
    for name, frame in frames.items():
        known = frame.filter(pl.col(metric).is_not_null())
        x = tuple(float(each) for each in known["part"])
        if x:
            yield Line(x, tuple(scale * each for each in known[metric]), name, dashed=name != next(iter(frames)), dots=True)


def _told(frame: pl.DataFrame, metric: str, label: str, evidence: DemandEvidence) -> str:
    known = frame.filter(pl.col(metric).is_not_null())
    told = [f"{group}: {shown(value)}" for group, value in known.select("part", metric).iter_rows()]
    more = f"; … {told[-1]}" if len(told) > 13 else ""
    return f"{label} by {evidence.period}s ahead: {'; '.join(told[:13])}{more}."


def demand_classes(evidence: DemandEvidence) -> Picture | None:
    """Errors by class of series, of the chosen model and of the best baseline."""
    baseline = evidence.best_baseline
    own = evidence.grouped("class", evidence.board["champion"])
    own = own.filter(pl.col("mae").is_not_null()) if own.height else own
    if not own.height:
        return None
    names = tuple(own["part"])
    texts = tuple(f"{name}: MAE {shown(value)}" for name, value in own.select("part", "mae").iter_rows())
    layers: list[Layer] = [Bars(tuple(own["mae"]), texts=texts, label=str(evidence.board["champion"]))]
    other = {} if baseline is None else dict(evidence.grouped("class", baseline["model"]).select("part", "mae").iter_rows())
    known = [(place, other[name]) for place, name in enumerate(names) if other.get(name) is not None]
    if baseline is not None and known:
        other_texts = tuple(f"{names[place]}, {baseline['model']}: MAE {shown(value)}" for place, value in known)
        layers.append(Points(tuple(v for _, v in known), tuple(float(p) for p, _ in known), baseline["model"], other_texts))
    chart = Chart("MAE by class", "; ".join(texts) + ".", Axis(f"MAE, {evidence.unit}", low=0), Axis("", names), tuple(layers))
    note = "Smooth: sold often, in like amounts; intermittent: seldom; erratic: in very different amounts; lumpy: both."
    return Picture("demand_classes", "Error by class of series", note, (chart,))


def demand_largest(evidence: DemandEvidence) -> Picture | None:
    """Forecasts of the largest series beside what came."""
    return _fans(evidence, "largest")


def demand_worst(evidence: DemandEvidence) -> Picture | None:
    """Forecasts of the worst series beside what came."""
    return _fans(evidence, "worst")


def _fans(evidence: DemandEvidence, kind: str) -> Picture | None:
    series, forecasts = evidence.series, evidence.forecasts
    if series is None or forecasts is None:
        return None
    drawn = series.filter(pl.col("drawn") == kind).sort(
        "demand" if kind == "largest" else "rmsse", descending=True, nulls_last=True
    )
    if not drawn.height:
        return None
    origins = _apart(forecasts)
    own = forecasts.filter(pl.col("origin").is_in(origins))
    charts = tuple(
        _fan(evidence, row, own.filter(pl.col("series") == pl.lit(row["series"], dtype=own.schema["series"])))
        for row in drawn.iter_rows(named=True)
    )
    title, which = _KINDS[kind]
    note = f"{which} Forecasts of {len(origins)} origins (upright lines), each with what was known then; no line"
    note += f" where the demand of a {evidence.period} is not known (closed, sold out, without a row)."
    note += " Shaded: the intervals of the deployed model, calibrated at some of these origins too." if _levels(own) else ""
    return Picture(f"demand_{kind}", f"{title}: forecast and actual", note, charts)


def _apart(forecasts: pl.DataFrame) -> list[date]:
    """Return the latest origins, three at most, whose forecasts do not overlap."""
    spans = forecasts.group_by("origin").agg(first=pl.col("day").min(), last=pl.col("day").max()).sort("origin", descending=True)
    chosen: list[tuple[date, date]] = []
    for origin, first, last in spans.iter_rows():
        if not chosen or (len(chosen) < _DRAWN_ORIGINS and last < chosen[-1][1]):
            chosen.append((origin, first))
    return sorted(origin for origin, _ in chosen)


def _fan(evidence: DemandEvidence, row: Mapping[str, Any], forecasts: pl.DataFrame) -> Chart:
    ahead = forecasts.sort("day")
    past = _past(row, evidence.period, ahead["day"].max())  # type: ignore[arg-type]
    x, values = days(ahead["day"]), tuple(ahead["forecast"])
    bands = [
        Band(x, tuple(ahead[f"low_{level}"]), tuple(ahead[f"high_{level}"]), f"{level} % interval") for level in _levels(ahead)
    ]
    known = [each for each in past[1] if not isnan(each)]
    top = max([*known, *values, *(each for band in bands for each in band.high), 0.0])
    low = min([*known, *values, 0.0])
    marks = [
        Line((at, at), (low, top), "origin" if place == 0 else "", faint=True)
        for place, at in enumerate(days(ahead["origin"].unique().sort()))
    ]
    layers: tuple[Layer, ...] = (*marks, Line(*past, "actual"), *bands, Line(x, values, "forecast", dashed=True, dots=True))
    name = series_name(row["series"])
    rmsse = "" if row["rmsse"] is None else f", RMSSE {row['rmsse']:,.3g}"
    bias = "" if row["bias"] is None else f", bias {row['bias']:+.0%}"
    alt = (
        f"{name} ({row['class']}): demand {shown(row['demand'])} over {row['cells']:,} judged {evidence.period}s, forecast"
        f" {shown(row['forecast'])}; MAE {shown(row['mae'])}{rmsse}{bias}."
    )
    return Chart(
        short(name),
        alt,
        Axis("date", dates=True),
        Axis(f"{evidence.unit} a {evidence.period}", low=0 if low >= 0 else None),
        layers,
    )


def _levels(forecasts: pl.DataFrame) -> list[str]:
    """Return the levels of the intervals in percent, the widest first; none where the bundle has none."""
    names = [name.removeprefix("low_") for name in forecasts.columns if name.startswith("low_")]
    known = [name for name in names if not forecasts[f"low_{name}"].has_nulls() and not forecasts[f"high_{name}"].has_nulls()]
    return sorted(known, key=float, reverse=True)


def _past(row: Mapping[str, Any], period: str, last: date) -> tuple[Values, Values]:
    """Return days and values of a series' periods as they were; where none is known, closed or sold out, it is not a number."""
    every = {"day": "1d", "week": "1w", "month": "1mo"}[period]
    values = row["recent"] or []
    at = pl.date_range(row["since"], last, every, eager=True).to_list()[: len(values)]
    return days(at), tuple(nan if value is None else float(value) for value in values[: len(at)])


def demand_coverage(evidence: DemandEvidence) -> Picture | None:
    """What share of the values their intervals held, by the number of periods ahead."""
    levels = (evidence.board.get("intervals") or {}).get("levels") or []
    lines: list[Layer] = []
    told = []
    for each in levels:
        known = [(step, one["coverage"]) for step, one in enumerate(each["by_horizon"], 1) if one["coverage"] is not None]
        if not known:
            continue
        x, name = tuple(float(step) for step, _ in known), f"{100 * each['level']:g} % interval"
        lines.append(Line(x, tuple(100 * value for _, value in known), name, dots=True))
        wanted = 100 * each["level"]
        lines.append(Line((x[0], x[-1] if len(x) > 1 else x[0] + 1), (wanted, wanted), faint=True))
        told.append(f"{name} held {100 * each['coverage']:.1f} %")
    if not lines:
        return None
    axes = Axis(f"{evidence.period}s ahead", whole=True), Axis("% of the values held", high=100)
    chart = Chart("Coverage by horizon", f"{'; '.join(told)}, over all horizons.", *axes, tuple(lines))
    note = (
        f"Measured at {evidence.board['intervals']['origins']:,} origins after those of the calibration; grey is what is wanted."
    )
    return Picture("demand_coverage", "Coverage by horizon", note, (chart,))


def demand_importance(evidence: DemandEvidence) -> Picture | None:
    """What moves a forecast, by group of features."""
    if not evidence.importance:
        return None
    names, values = tuple(evidence.importance), tuple(evidence.importance.values())
    ends = tuple(f"{value:,.3g}" for value in values)
    told = "; ".join(f"{name} {shown(value)}" for name, value in evidence.importance.items())
    chart = Chart(
        "What moves a forecast",
        f"Mean |SHAP|, {evidence.unit}: {told}.",
        Axis(f"mean |SHAP|, {evidence.unit}"),
        Axis("", names),
        (Bars(values, ends=ends),),
    )
    return Picture(
        "demand_importance",
        "What moves a forecast",
        "By group of features, the mean size of what it adds to a forecast or takes away.",
        (chart,),
    )


def demand_uplift(evidence: DemandEvidence) -> Picture | None:
    """What each flag that is known ahead does to the forecasts of the model."""
    charts = tuple(_uplift(each) for each in evidence.uplifts if each.varied and each.without > 0)
    if not charts:
        return None
    note = "The same days forecast with and without it. This is what the model does, not what causes demand."
    return Picture("demand_uplift", "Uplift as the model sees it", note, charts)


def _uplift(found: Uplift) -> Chart:
    rows = [("all series", found.without, found.with_flag)]
    rows += [(" · ".join(each.series), each.without, each.with_flag) for each in found.largest if each.without > 0]
    values = tuple(100 * (after / before - 1) for _, before, after in rows)
    texts = tuple(f"{name}: {shown(before)} without, {shown(after)} with" for name, before, after in rows)
    names = tuple(short(name) for name, _, _ in rows)
    bars = Bars(values, texts=texts, ends=tuple(f"{value:+.0f} %" for value in values), marked=tuple(v < 0 for v in values))
    return Chart(
        f"Forecast with {found.flag}",
        "; ".join(texts) + ".",
        Axis(f"change with {found.flag}, %"),
        Axis("", names),
        (bars,),
    )


def series_name(series: Mapping[str, Any]) -> str:
    """Return a series as people read it."""
    return " · ".join(str(value) for value in series.values())


def short(text: str) -> str:
    """Shorten a name to what fits above a chart."""
    return text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 1] + "…"


def shown_series(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of series."""
    return [series_name(each["series"]) for each in rows]
