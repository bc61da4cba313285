"""What a training on many series starts from, and what comes of it."""

from dataclasses import dataclass
from typing import Any

from tabtrail.bundle.demand.features import Array, FeatureRecipe
from tabtrail.bundle.demand.intervals import DemandIntervals
from tabtrail.config.demand import Demand
from tabtrail.forecast.panel.candidates import DirectCandidate
from tabtrail.forecast.panel.evaluate import Evaluated, Origins
from tabtrail.forecast.panel.panel import Panel
from tabtrail.modeling.leakage.findings import Finding


@dataclass(frozen=True)
class Task:
    """What is forecast: the series, the features of a forecast, the text columns that models take, and where they are judged."""

    demand: Demand
    panel: Panel
    recipe: FeatureRecipe
    texts: tuple[str, ...]
    origins: Origins
    findings: tuple[Finding, ...] = ()

    @property
    def parents(self) -> tuple[str, ...]:
        """The columns by which a new series is forecast like known ones."""
        return self.demand.static or self.panel.series[:-1]


@dataclass(frozen=True)
class Trained:
    """What came of a training: every model at the origins, the chosen one, why, the weights of the blend, and the candidates with
    the values that a search chose; the intervals and the coverage that was measured of them, None where history was too short;
    the quantiles at each origin [series, horizon, probabilities], of the models that were calibrated, where intervals have them.
    """

    evaluated: tuple[Evaluated, ...]
    chosen: Evaluated
    reason: str
    weights: dict[str, float]
    candidates: tuple[DirectCandidate, ...] = ()
    intervals: DemandIntervals | None = None
    coverage: dict[str, Any] | None = None
    quantiles: tuple[Array, ...] = ()
