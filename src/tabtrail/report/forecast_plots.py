"""Pictures of a segment: history with forecast fan, volatility, returns with value at risk. And the sweep in one.

Colours are those of Okabe and Ito (2008), told apart with any colour vision; line styles and marks differ too.
"""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from tabtrail.forecast.champion_errors import ChampionErrors
from tabtrail.forecast.local.series import PERIOD_NAMES, PERIODS_A_YEAR
from tabtrail.forecast.result import SegmentResult
from tabtrail.forecast.risk.garch import ewma_variance
from tabtrail.system.files import atomic_file

_BLUE, _ORANGE, _GREEN, _GREY, _RED = "#0072B2", "#E69F00", "#009E73", "#666666", "#D55E00"
_TOP = 15
_METHODS = {"ewma": "EWMA", "sample": "sample", "garch_normal": "GARCH, normal errors", "garch_t": "GARCH, Student t errors"}


def draw(result: SegmentResult, path: Path, decay: float) -> list[Path]:
    """Write the pictures of a result beside its JSON file, and return their paths; a part that is missing has no picture."""
    made = []
    if result.forecast is not None and result.series is not None:
        made.append(_save(path.with_name(f"{path.stem}_forecast.png"), lambda axes: _forecast(axes, result)))
    if result.risk is not None and result.risk.status == "ok":
        made.append(_save(path.with_name(f"{path.stem}_volatility.png"), lambda axes: _volatility(axes, result, decay)))
        made.append(_save(path.with_name(f"{path.stem}_returns.png"), lambda axes: _returns(axes, result)))
    return made


def _save(path: Path, paint: Callable[[Any], None], size: tuple[float, float] = (9, 4.6)) -> Path:
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    paint(axes)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})
    return path


def _title(axes: Any, result: SegmentResult, text: str) -> None:
    # A dollar sign would begin a formula.
    label = result.label if len(result.label) <= 60 else result.label[:59] + "…"
    shown = f"{label}: {text}".replace("$", r"\$")
    axes.set_title(f"{shown} — SYNTHETIC DATA" if result.synthetic else shown, loc="left")


def _dates(axes: Any) -> None:
    locator: Any = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def _days(texts: Sequence[str]) -> list[date]:
    return [date.fromisoformat(text) for text in texts]


def _forecast(axes: Any, result: SegmentResult) -> None:
    series, forecast = result.series, result.forecast
    assert series is not None and forecast is not None  # noqa: S101, PT018 - the caller has checked
    history, ahead = _days(series.periods), _days(forecast.periods)
    axes.plot(history, series.values, color=_GREY, marker=".", linewidth=1.2, label="history")
    for interval, alpha in zip(reversed(forecast.intervals), (0.18, 0.3, 0.3), strict=False):
        held = f", held {interval.coverage:.0%}" if interval.coverage is not None else ""
        label = f"{interval.level:.0%} interval{held}"
        axes.fill_between(ahead, interval.lower, interval.upper, color=_BLUE, alpha=alpha, linewidth=0, label=label)
    axes.plot(ahead, forecast.mean, color=_BLUE, marker="o", markersize=4, linestyle="--", label=f"forecast, {forecast.model}")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_ylabel(f"{series.unit or 'value'} per {PERIOD_NAMES[series.frequency]}".replace("$", r"\$"))
    _title(axes, result, f"history and forecast of {forecast.steps} {PERIOD_NAMES[series.frequency]}s")
    _dates(axes)
    axes.legend(loc="upper left", frameon=False, fontsize="small")
    axes.margins(y=0.2)
    if min(series.values) >= 0:
        axes.set_ylim(bottom=0)


def _volatility(axes: Any, result: SegmentResult, decay: float) -> None:
    risk, series = result.risk, result.series
    assert risk is not None and series is not None  # noqa: S101, PT018
    import numpy as np

    period = PERIOD_NAMES[series.frequency]
    returns = np.array(risk.returns.log if risk.returns.kind == "log" else risk.returns.simple)
    days = _days(risk.returns.periods)
    axes.bar(days, np.abs(returns), width=0.6 * _width(series.frequency), color="#CCCCCC", label="size of the return")
    axes.plot(days, np.sqrt(ewma_variance(returns, decay)[:-1]), color=_ORANGE, label="EWMA")
    sample = next(each.next_period for each in risk.volatility if each.method == "sample")
    axes.axhline(sample, color=_GREY, linestyle=":", label=f"sample, {sample:.0f}%")
    ahead = _ahead(result, max((len(each.variance_forecast) for each in risk.garch), default=0))
    for each, colour, mark in zip(risk.garch, (_BLUE, _GREEN), ("o", "x"), strict=False):
        if each.status == "ok":
            values = np.sqrt(each.variance_forecast)
            label = f"forecast by {_METHODS['garch_' + each.distribution]}"
            axes.plot(ahead[: len(values)], values, color=colour, marker=mark, markersize=4, linestyle="--", label=label)
    axes.set_ylabel(f"percent a {period}")
    year = PERIODS_A_YEAR[series.frequency]
    _title(axes, result, f"volatility in percent a {period} (× √{year} for a year); {risk.grade}")
    _dates(axes)
    axes.legend(loc="upper left", frameon=False, fontsize="small", ncols=2)
    axes.margins(y=0.25)


def _ahead(result: SegmentResult, steps: int) -> list[date]:
    from tabtrail.forecast.local.series import periods

    series = result.series
    assert series is not None  # noqa: S101
    return periods(date.fromisoformat(series.start), series.frequency, series.length + steps)[series.length :]


def _width(frequency: str) -> float:
    return {"MS": 30.0, "W": 7.0, "D": 1.0}[frequency]


def _returns(axes: Any, result: SegmentResult) -> None:
    risk, series = result.risk, result.series
    assert risk is not None and series is not None  # noqa: S101, PT018
    period = PERIOD_NAMES[series.frequency]
    values = risk.returns.log if risk.returns.kind == "log" else risk.returns.simple
    days = _days(risk.returns.periods)
    axes.bar(days, values, width=0.6 * _width(series.frequency), color=_BLUE, label=f"{risk.returns.kind} return")
    for tail, style in zip([each for each in risk.tails if each.method == risk.method], ("--", ":", "-."), strict=False):
        label = f"−VaR {tail.level:.0%} = −{tail.value_at_risk:.0f}% (a fall by {tail.loss:.0f}%)"
        axes.axhline(-tail.value_at_risk, color=_RED, linestyle=style, label=label)
    axes.axhline(0, color=_GREY, linewidth=0.8)
    axes.set_ylabel(f"percent from {period} to {period}")
    undefined = f"; {risk.returns.undefined} undefined" if risk.returns.undefined else ""
    _title(
        axes,
        result,
        f"{risk.returns.kind} returns and next {period}'s value at risk ({_METHODS[risk.method or 'ewma']}){undefined}",
    )
    _dates(axes)
    axes.legend(loc="upper left", frameon=False, fontsize="small")
    axes.margins(y=0.25)


def draw_champion(errors: ChampionErrors, path: Path) -> Path:
    """Write the champion's mean absolute error by period, the reference, and the period by which a retrain was due."""

    def paint(axes: Any) -> None:
        days, period = _days(errors.periods), PERIOD_NAMES[errors.frequency]
        axes.plot(days, errors.error, color=_BLUE, marker=".", label="mean absolute error")
        axes.axvspan(days[0], days[errors.reference_periods - 1], color="#DDDDDD", alpha=0.6, linewidth=0, label="reference")
        if errors.retrain_due is not None:
            due = date.fromisoformat(errors.retrain_due)
            axes.axvline(due, color=_RED, linestyle="--", label=f"retrain due, {due}")
        axes.set_ylim(bottom=0)
        axes.set_ylabel(f"{errors.unit or 'error'} a row".replace("$", r"\$"))
        axes.set_title(f"The champion's error by {period} on rows that it did not learn from", loc="left")
        _dates(axes)
        axes.legend(loc="upper left", frameon=False, fontsize="small")
        axes.margins(y=0.25)

    return _save(path, paint)


_PANELS = {
    "forecast_total": "forecast, {unit} in {steps} periods",
    "volatility": "volatility, percent a period",
    "trend": "trend, percent of the mean a year",
    "error_against_naive": "error, naive forecast = 1",
}


def draw_sweep(ranking: pl.DataFrame, path: Path, *, unit: str, steps: int, synthetic: bool) -> Path:
    """Write the 15 segments with the largest forecast: forecast, volatility, trend and error, in four panels."""
    figure = Figure(figsize=(14, 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    rows = ranking.filter(pl.col("forecast_total").is_not_null() & (pl.col("by") != "all")).head(_TOP)
    labels = [text if len(text) <= 34 else text[:33] + "…" for text in rows.get_column("label")]
    places = list(range(rows.height))[::-1]
    panels = figure.subplots(1, len(_PANELS), sharey=True)
    for axes, (name, text), colour in zip(panels, _PANELS.items(), (_BLUE, _ORANGE, _GREEN, _RED), strict=True):
        values = rows.get_column(name).to_list()
        known = [(place, value) for place, value in zip(places, values, strict=True) if value is not None]
        axes.hlines([place for place, _ in known], 0, [value for _, value in known], color="#BBBBBB", linewidth=1)
        axes.scatter([value for _, value in known], [place for place, _ in known], color=colour, zorder=3)
        for place in [place for place, value in zip(places, values, strict=True) if value is None]:
            axes.text(0, place, " refused", color=_GREY, va="center", fontsize="small")
        axes.set_xlabel(text.format(unit=unit or "value", steps=steps).replace("$", r"\$"))
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axes.locator_params(axis="x", nbins=4)
    panels[0].set_yticks(places, [text.replace("$", r"\$") for text in labels])
    panels[-1].axvline(1, color=_GREY, linestyle=":")
    panels[1].set_xlim(left=0)
    title = f"The {rows.height} segments with the largest forecast"
    figure.suptitle(f"{title} — SYNTHETIC DATA" if synthetic else title, x=0.01, ha="left")
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})
    return path
