"""What the runs of a training on many series say."""

from tabtrail.config.demand import Demand
from tabtrail.forecast.panel.evaluate import Evaluated
from tabtrail.forecast.panel.panel import Panel
from tabtrail.modeling.candidates import Candidate
from tabtrail.tracking.items import TAG, MetricItem, RunItems

_BY_HORIZON = ("mae", "rmsse", "bias")


def candidate_items(candidate: Candidate, own: Evaluated, *, scaled: bool, seconds: float) -> RunItems:
    """Return what the run of one model logs: its parameters, its scores at the origins, and those by horizon as steps."""
    params = {"candidate": candidate.name, "family": candidate.family, "scale": "level" if scaled else "none"}
    params |= {f"model.{key}": str(value) for key, value in candidate.params.items()}
    tags = {TAG + "kind": "candidate", TAG + "candidate": candidate.name, TAG + "family": candidate.family}
    return RunItems(candidate.name, params, [*_scores(own), MetricItem("fit_seconds", round(seconds, 4))], tags)


def training_items(demand: Demand, panel: Panel, chosen: Evaluated, reason: str) -> RunItems:
    """Return what the parent run logs: the settings that all models share, and the scores of the chosen one."""
    settings = demand.model_dump(mode="json", exclude={"candidates", "choice"})
    params = {key: str(value) for key, value in settings.items() if value is not None}
    params |= {f"choice.{key}": str(value) for key, value in demand.choice} | {
        "series": str(panel.count),
        "champion": chosen.name,
    }
    tags = {TAG + "kind": "demand", TAG + "champion": chosen.name, TAG + "reason": reason}
    return RunItems(f"demand {demand.name}", params, _scores(chosen), tags, f"**{chosen.name}**: {reason}.")


def _scores(own: Evaluated) -> list[MetricItem]:
    found = [MetricItem(f"origins_{name}", float(value)) for name, value in own.scores.items() if value is not None]
    for step, scores in enumerate(own.by_horizon, 1):
        found += [
            MetricItem(f"horizon_{name}", float(value), step) for name in _BY_HORIZON if (value := scores.get(name)) is not None
        ]
    return found
