"""The visible list of charts. Another one is a function in a file of its own and a line here."""

from collections.abc import Callable

from tabtrail.report.charts import Picture, Placed
from tabtrail.report.data_evidence import DataEvidence
from tabtrail.report.data_pictures import boxes, correlations, histograms, scatter
from tabtrail.report.demand_evidence import DemandEvidence
from tabtrail.report.demand_pictures import (
    demand_classes,
    demand_coverage,
    demand_horizons,
    demand_importance,
    demand_largest,
    demand_uplift,
    demand_worst,
)
from tabtrail.report.evidence import Evidence
from tabtrail.report.explanation_pictures import beeswarm, dependence, importance, partial_dependence
from tabtrail.report.forecast_rows import detailed
from tabtrail.report.model_pictures import (
    error_slices,
    fold_scores,
    interval_coverage,
    learning_curve,
    predicted_actual,
    residuals,
)

# Where on the page a picture stands, and what makes it: None where a run did not leave what it shows. Each becomes a PNG file
# and an artifact of the run too. Places are those of the templates; the pictures of one place keep their order.
CHARTS: tuple[tuple[str, Callable[[Evidence], Picture | None]], ...] = (
    ("leaderboard", fold_scores),
    ("champion", predicted_actual),
    ("champion", residuals),
    ("intervals", interval_coverage),
    ("slices", error_slices),
    ("rows", learning_curve),
    ("importance", importance),
    ("importance", beeswarm),
    ("explanations", dependence),
    ("explanations", partial_dependence),
)
DATA_CHARTS: tuple[tuple[str, Callable[[DataEvidence], Picture | None]], ...] = (
    ("data", histograms),
    ("data", scatter),
    ("data", boxes),
    ("data", correlations),
)
DEMAND_CHARTS: tuple[tuple[str, Callable[[DemandEvidence], Picture | None]], ...] = (
    ("demand-errors", demand_horizons),
    ("demand-errors", demand_classes),
    ("demand-forecasts", demand_largest),
    ("demand-forecasts", demand_worst),
    ("demand-intervals", demand_coverage),
    ("demand-importance", demand_importance),
    ("demand-uplift", demand_uplift),
)


def place_pictures(evidence: Evidence | None, demand: DemandEvidence | None) -> list[Placed]:
    """Return every picture that the evidence allows; the forecast of a segment has a place of its own, by its name."""
    made: list[tuple[str, Picture | None]] = []
    segments: list[Placed] = []
    if (data := evidence or demand) is not None:
        made += [(place, make(data.data)) for place, make in DATA_CHARTS]
    if evidence is not None:
        made += [(place, make(evidence)) for place, make in CHARTS]
        drawn = detailed(evidence.forecasts, evidence.settings.ewma_decay)
        segments = [Placed(picture.name, picture) for picture, _ in drawn]
    if demand is not None:
        made += [(place, make(demand)) for place, make in DEMAND_CHARTS]
    return [*(Placed(place, picture) for place, picture in made if picture is not None), *segments]
