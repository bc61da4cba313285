"""What the runs of a training on many series say."""

from collections.abc import Iterator, Mapping
from typing import Any

from tabtrail.forecast.panel.candidates import DirectCandidate
from tabtrail.forecast.panel.evaluate import Evaluated
from tabtrail.forecast.panel.task import Task, Trained
from tabtrail.tracking.demand_card import demand_card
from tabtrail.tracking.tags import TAG, MetricItem, RunItems

_BY_HORIZON = ("mae", "rmsse", "bias")
_HELD = ("coverage", "pinball")


def candidate_items(of_series: DirectCandidate, own: Evaluated, *, seconds: float, gap: int = 0) -> RunItems:
    """Return what the run of one model logs: its parameters, its scores at the origins, and those by horizon as steps.

    The first step is of the first period that is judged, after the gap.
    """
    candidate, strategy = of_series.candidate, "recursive" if of_series.recursive else "direct"
    params = {"candidate": candidate.name, "family": candidate.family, "scale": "level" if of_series.scaled else "none"}
    params |= {"strategy": strategy}
    params |= {f"model.{key}": str(value) for key, value in candidate.params.items()}
    tags = {TAG + "kind": "candidate", TAG + "candidate": candidate.name, TAG + "family": candidate.family}
    return RunItems(candidate.name, params, [*_scores(own, gap), MetricItem("fit_seconds", round(seconds, 4))], tags)


def training_items(task: Task, trained: Trained, found: Mapping[str, Any]) -> RunItems:
    """Return what the parent run logs: the settings that all models share, and the scores of the chosen one, with its skill and
    its errors by class of series and by level of the hierarchy from the leaderboard `found`.
    """
    demand, chosen = task.demand, trained.chosen
    settings = demand.model_dump(mode="json", exclude={"candidates", "choice"})
    params = {key: str(value) for key, value in settings.items() if value is not None}
    params |= {f"choice.{key}": str(value) for key, value in demand.choice} | {
        "series": str(task.panel.count),
        "champion": chosen.name,
    }
    tags = {TAG + "kind": "demand", TAG + "champion": chosen.name, TAG + "reason": trained.reason}
    tags[TAG + "leakage"] = "; ".join(f"{each.column}: {each.kind}" for each in task.findings) or "none found"
    own = next(each for each in found["models"] if each["model"] == chosen.name)
    metrics = [*_scores(chosen, task.origins.gap), *_details(own), *_coverage(trained.coverage or {})]
    return RunItems(f"demand {demand.name}", params, metrics, tags, demand_card(found))


def _details(own: Mapping[str, Any]) -> list[MetricItem]:
    """Skill, and errors by class and level: `mlflow ui` orders names, and these come after coverage, horizons and totals."""
    found = {"skill" if end == "value" else f"skill_{end}": value for end, value in own["skill"].items()}
    for kind in ("by_class", "by_level"):
        found |= {
            f"origins_{kind}_{name}_{metric}": scores.get(metric) for name, scores in own[kind].items() for metric in _BY_HORIZON
        }
    return [MetricItem(name, float(value)) for name, value in found.items() if value is not None]


def _coverage(coverage: Mapping[str, Any]) -> Iterator[MetricItem]:
    """Coverage and pinball loss of each level, by horizon as steps; of sums over the lead time without steps. Of quantiles
    also the mean width, and all three as they would be by errors alone.
    """
    for own in coverage.get("levels", ()):
        name = f"{own['level'] * 100:g}"
        yield from _stated({f"coverage_{name}": own["coverage"], f"pinball_{name}": own["pinball"]})
        for step, values in enumerate(own["by_horizon"], 1):
            yield from _stated({f"horizon_{key}_{name}": value for key, value in values.items()}, step)
    for end, levels in (
        (("", coverage.get("levels", ())), ("_by_errors", coverage["by_errors"])) if "by_errors" in coverage else ()
    ):
        for own in levels:
            name = f"{own['level'] * 100:g}{end}"
            yield from _stated({f"width_{name}": own["width"]} | ({f"{key}_{name}": own[key] for key in _HELD} if end else {}))
    for own in coverage.get("sums", {}).get("levels", ()):
        yield from _stated({f"coverage_sum_{own['level'] * 100:g}": own["coverage"]})
    if "sums" in coverage:
        yield from _stated({"orders_met": coverage["sums"]["met"]["coverage"]})


def _stated(values: Mapping[str, float | None], step: int = 0) -> Iterator[MetricItem]:
    return (MetricItem(key, value, step) for key, value in values.items() if value is not None)


def _scores(own: Evaluated, gap: int) -> list[MetricItem]:
    found = [MetricItem(f"origins_{name}", float(value)) for name, value in own.scores.items() if value is not None]
    for step, scores in enumerate(own.by_horizon, gap + 1):
        found += [
            MetricItem(f"horizon_{name}", float(value), step) for name in _BY_HORIZON if (value := scores.get(name)) is not None
        ]
    return found
