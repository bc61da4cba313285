"""The visible list of forecasters. Another one is a function in a file of its own and a line here."""

from dataclasses import dataclass

from tabtrail.config.forecast import Risk
from tabtrail.forecast.local import baselines, ets, smoothing, windows
from tabtrail.forecast.local.attempt import Forecast, each_origin
from tabtrail.forecast.local.sarima import sarima, sarima_name


@dataclass(frozen=True)
class Forecaster:
    """A way to forecast. A `baseline` or a `combination` always takes part, any other family where `risk.models` names it.

    A forecaster that is not a baseline must beat the best of the baselines to be chosen.
    """

    name: str
    family: str
    forecast: Forecast

    @property
    def cheap(self) -> bool:
        """Whether a forecast takes microseconds: no model is fitted by an optimiser."""
        return self.family in _ALWAYS


_ALWAYS = ("baseline", "combination", "smoothing")
# In the order in which equally good ones are preferred: the simplest first.
FORECASTERS: tuple[Forecaster, ...] = (
    Forecaster("naive", "baseline", each_origin(baselines.naive)),
    Forecaster("seasonal_naive", "baseline", each_origin(baselines.seasonal_naive)),
    Forecaster("average", "baseline", each_origin(baselines.average)),
    Forecaster("drift", "baseline", each_origin(baselines.drift)),
    Forecaster("moving_average", "baseline", each_origin(windows.moving_average)),
    Forecaster("season_average", "baseline", each_origin(windows.season_average)),
    Forecaster("median", "baseline", each_origin(windows.median)),
    Forecaster("moving_median", "baseline", each_origin(windows.moving_median)),
    Forecaster("seasonal_average", "baseline", each_origin(windows.seasonal_average)),
    Forecaster("seasonal_median", "baseline", each_origin(windows.seasonal_median)),
    Forecaster("combination", "combination", each_origin(baselines.combination)),
    Forecaster("seasonal_combination", "combination", each_origin(windows.seasonal_combination)),
    Forecaster("theta", "smoothing", smoothing.theta),
    Forecaster("seasonal_smoothing", "smoothing", smoothing.seasonal_smoothing),
    Forecaster("croston", "smoothing", smoothing.croston),
    Forecaster("tsb", "smoothing", smoothing.tsb),
    Forecaster("ets", "ets", each_origin(ets.ets)),
    Forecaster("ets_damped", "ets", each_origin(ets.ets_damped)),
)


def model_names() -> tuple[str, ...]:
    """Return the names that `risk.models` may have: of the forecasters that do not take part anyway."""
    return tuple(each.name for each in FORECASTERS if each.family not in _ALWAYS)


def list_forecasters(risk: Risk) -> list[Forecaster]:
    """Return the forecasters that take part: those without parameters, `risk.models`, and a SARIMA for each of `risk.sarima`."""
    named = {each.name: each for each in FORECASTERS}
    return [
        *(each for each in FORECASTERS if each.family in _ALWAYS),
        *(named[name] for name in risk.models),
        *(Forecaster(sarima_name(order), "sarima", sarima(order)) for order in risk.sarima),
    ]
