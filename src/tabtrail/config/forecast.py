"""The section on forecasts of segments and their risk."""

from typing import Annotated, Literal

from pydantic import Field

from tabtrail.config.columns import Columns
from tabtrail.config.section import Problems, SafeName, Section, Share, undeclared

Count = Annotated[int, Field(ge=0, le=12)]


class SarimaOrder(Section):
    """A SARIMA(p, d, q)(P, D, Q) model; the length of the season is that of the frequency."""

    order: tuple[Count, Count, Count]
    seasonal: tuple[Count, Count, Count] = (0, 0, 0)
    trend: Literal["n", "c"] = Field("n", description="n for none, c for a constant.")


class Risk(Section):
    """The forecast of segments and its risk."""

    segments: dict[SafeName, str] = Field({}, description="Columns whose values make the segments, each with a name of its own.")
    value: str | None = Field(None, description="The column that is summed; the target where none is named.")
    frequency: Literal["MS", "W", "D"] = Field("MS", description="Months, weeks from Monday on, or days.")
    drop_incomplete: bool = Field(True, description="Leave out the last period where the data ends before it does.")
    lower_bound: float | None = Field(0, description="Forecasts are never below this; null for values that can be negative.")
    forecast_steps: Annotated[int, Field(ge=1, le=120)] = 6
    garch_horizon: Annotated[int, Field(ge=1, le=120)] = 6
    models: tuple[SafeName, ...] = Field(("ets",), description="Fitted forecasters, beside the baselines and `sarima`.")
    sarima: tuple[SarimaOrder, ...] = (
        SarimaOrder(order=(1, 0, 0), trend="c"),
        SarimaOrder(order=(0, 1, 1)),
        SarimaOrder(order=(1, 0, 0), seasonal=(1, 0, 0), trend="c"),
        SarimaOrder(order=(0, 1, 1), seasonal=(0, 1, 1)),
    )
    # Two years of months. A limit on time: every candidate is fitted at each origin.
    max_origins: Annotated[int, Field(ge=8, le=500)] = Field(24, description="Origins of the evaluation, the latest ones.")
    # A limit on time too: a series takes about 10 ms, of each set of segment names this many.
    neighbours: Annotated[int, Field(ge=0, le=10_000)] = Field(
        100, description="How many of the largest segments of each kind show which forecaster is the default; 0: none do."
    )
    # About a test at 5 %: with few origins, the lowest error of many candidates is mostly luck. Set on the sales data.
    hurdle: Annotated[float, Field(ge=0)] = Field(
        2.0, description="Standard errors by which a candidate must beat the default to be chosen."
    )
    # Where most periods are empty, smoothing and ARIMA forecast a level that no period has. Set on the sales data.
    intermittent_share: Share = Field(0.5, description="Share of periods without sales from which a series is intermittent.")
    interval_levels: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1)] = (0.8, 0.95)
    returns: Literal["log", "simple"] = "log"
    ewma_decay: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.94, description="Of the EWMA variance; RiskMetrics (1996) has 0.94."
    )
    # Two years of months: six returns for each of the four parameters of a GARCH(1,1). A floor set by judgement.
    min_returns: Annotated[int, Field(ge=10)] = Field(24, description="Least returns that a GARCH model is fitted to.")
    var_levels: Annotated[tuple[Annotated[float, Field(gt=0.5, lt=1)], ...], Field(min_length=1)] = (0.95, 0.99)
    sweep_plots: Annotated[int, Field(ge=0)] = Field(12, description="How many of the largest segments of a sweep are drawn.")
    experiment: str = "tabtrail_risk"


def check_risk(risk: Risk, columns: Columns) -> Problems:
    """Yield what is wrong with the columns and levels of the forecast."""
    for name, column in risk.segments.items():
        if column not in columns.dataset:
            yield ("risk", "segments", name), undeclared(column, columns.dataset)
        elif columns.kind(column) not in ("string", "int"):
            yield ("risk", "segments", name), f"'{column}' is neither text nor int, so it cannot make segments"
    if len(set(risk.segments.values())) < len(risk.segments):
        yield ("risk", "segments"), "a column is named twice"
    if risk.value is not None and risk.value not in columns.dataset:
        yield ("risk", "value"), undeclared(risk.value, columns.dataset)
    elif risk.value is not None and not columns.is_number(risk.value):
        yield ("risk", "value"), f"'{risk.value}' is not a number, so it cannot be summed"
    if len(set(risk.interval_levels)) < len(risk.interval_levels) or len(set(risk.var_levels)) < len(risk.var_levels):
        yield ("risk",), "a level is named twice"
