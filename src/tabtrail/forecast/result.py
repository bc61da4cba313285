"""The JSON of one segment, typed: it is checked against these models before it is written, and their JSON Schema is published."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tabtrail.forecast.accuracy import Accuracy

FORMAT = 1
Status = Literal["ok", "short", "too_short", "all_zero", "constant", "single_spike", "failed"]
Verdict = Literal["better", "not_better", "not_told_apart", "not_evaluated"]
Grade = Literal["refused", "indicative", "limited", "usable"]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SeriesPart(Part):
    """The series: sums by period, from the first period with rows to the last of the data; periods without rows are 0."""

    frequency: Literal["MS", "W", "D"]
    unit: str
    start: str
    end: str
    length: int
    zeros: int
    periods: list[str]
    values: list[float]
    notes: list[str]


class CandidatePart(Part):
    """One candidate over the evaluation origins. `refused` counts origins without a forecast, `reason` is the last one's.

    `family` is `baseline` or `combination`, or the kind of model: `ets`, `sarima`.
    """

    name: str
    family: str
    origins: int
    refused: int
    reason: str | None
    accuracy: Accuracy


class FallbackPart(Part):
    """A candidate that would have been taken, and why it was not."""

    candidate: str
    kind: str
    reason: str


class ChoicePart(Part):
    """The chosen candidate. `gain` is by how much its mean absolute error is lower than the default's (1 is all of it).

    `neighbours` is how many series showed the default to be good; 0 where nothing did.
    """

    name: str
    default: str
    reason: str
    gain: float | None
    gain_error: float | None
    origins: int
    neighbours: int = 0
    fallbacks: list[FallbackPart]


class OuterPart(Part):
    """The whole procedure, choice included, scored at origins that it knew nothing after, beside the fixed baselines."""

    origins: int
    horizon: int
    chosen: Accuracy
    baselines: dict[str, Accuracy]
    best_baseline: str | None
    picked: dict[str, int]


class SarimaPart(Part):
    """The best SARIMA against the best naive baseline, on the origins that both have.

    `improvement` is 1 - MAE of the SARIMA / MAE of the baseline, `improvement_error` its standard error over origins (widened
    for overlapping periods), `origins_better` the share of origins at which the SARIMA erred less. Both were picked for having
    the lowest error on these very origins.
    """

    verdict: Verdict
    sarima: str | None
    baseline: str | None
    improvement: float | None
    improvement_error: float | None
    origins: int
    origins_better: float | None
    reason: str


class IntervalPart(Part):
    """An interval for each step at a nominal level; `coverage` is what such intervals held at the outer origins."""

    level: float
    lower: list[float]
    upper: list[float]
    coverage: float | None
    coverage_points: int
    coverage_held: int


class ForecastPart(Part):
    model: str
    steps: int
    periods: list[str]
    mean: list[float]
    intervals: list[IntervalPart]
    flags: list[str]


class ReturnsPart(Part):
    """Percent returns. A return needs a positive value on both sides: others are undefined, counted, and not invented."""

    kind: Literal["log", "simple"]
    periods: list[str]
    log: list[float]
    simple: list[float]
    undefined: int
    gaps: int
    note: str


class GarchPart(Part):
    """A GARCH(1,1) with constant mean, of percent returns, or why there is none.

    `omega` is in percent², `volatility` figures in percent a period, `annualised_volatility` in percent a year, the variance
    forecast in percent² by step.
    """

    distribution: Literal["normal", "t"]
    status: Literal["ok", "refused"]
    kind: str | None = None
    reason: str | None = None
    mu: float | None = None
    omega: float | None = None
    alpha: float | None = None
    beta: float | None = None
    degrees_of_freedom: float | None = None
    persistence: float | None = None
    stationary: bool | None = None
    long_run_volatility: float | None = None
    annualised_volatility: float | None = None
    log_likelihood: float | None = None
    bic: float | None = None
    variance_forecast: list[float] = []


class VolatilityPart(Part):
    """Volatility of one method: percent a period for the next one, and annualised by the root of the periods in a year."""

    method: Literal["sample", "ewma", "garch_normal", "garch_t"]
    next_period: float
    annualised: float


class TailPart(Part):
    """What the next period could lose, as positive percent of this one: value at risk, and the mean loss beyond it."""

    method: Literal["historical", "sample", "ewma", "garch_normal", "garch_t"]
    level: float
    value_at_risk: float
    expected_shortfall: float
    loss: float
    shortfall_loss: float


class BacktestPart(Part):
    """One-step value at risk, each from the returns before it, against what came. `p` values are exact (see the docs)."""

    method: Literal["sample", "ewma", "garch_normal"]
    level: float
    status: Literal["ok", "refused"]
    reason: str | None = None
    forecasts: int = 0
    violations: int = 0
    expected: float = 0.0
    unconditional: float | None = None
    unconditional_p: float | None = None
    independence: float | None = None
    independence_p: float | None = None
    conditional: float | None = None
    conditional_p: float | None = None


class RiskPart(Part):
    status: Literal["ok", "refused"]
    kind: str | None
    reason: str
    grade: Grade
    returns: ReturnsPart
    method: str | None
    volatility: list[VolatilityPart]
    garch: list[GarchPart]
    tails: list[TailPart]
    backtests: list[BacktestPart]


class SegmentResult(Part):
    """Everything that was found out about one segment, and from what."""

    format: Literal[1]
    segment: dict[str, str]
    label: str
    columns: dict[str, str]
    status: Status
    reason: str
    summary: list[str]
    synthetic: bool
    series: SeriesPart | None
    candidates: list[CandidatePart]
    choice: ChoicePart | None
    outer: OuterPart | None
    sarima: SarimaPart | None
    forecast: ForecastPart | None
    trend: float | None
    risk: RiskPart | None
    plots: list[str]
    versions: dict[str, str]
    data_sha256: str
    config_sha256: str
    created: str
    run_id: str | None


def result_schema() -> dict[str, Any]:
    """Return the JSON Schema of a segment's JSON file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **SegmentResult.model_json_schema()}
