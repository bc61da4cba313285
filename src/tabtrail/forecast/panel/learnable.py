"""Which candidates can learn from the demand of a panel: those with Tweedie, Poisson or gamma errors know none below zero."""

from collections.abc import Mapping, Sequence

import numpy as np

from tabtrail.config.section import Parameter
from tabtrail.errors import DataError
from tabtrail.forecast.panel.candidates import DirectCandidate, default_candidates, parse_candidates
from tabtrail.forecast.panel.nets.settings import LOG_LOSSES
from tabtrail.forecast.panel.panel import Panel


def require_learnable(candidates: Sequence[DirectCandidate], panel: Panel, target: str) -> None:
    """Raise `DataError` for candidates of the config that cannot learn from the demand."""
    if unfit := _unfit(candidates, panel):
        names = ", ".join(f"demand.candidates.{name}" for name in unfit)
        raise DataError(
            f"{_below(panel, target)}, and the objective of {names} knows no demand below zero; set demand.negative: zero or"
            " missing, or another objective"
        )


def learnable_defaults(panel: Panel, target: str) -> tuple[Mapping[str, dict[str, Parameter]], str]:
    """Return what is tried where the config names nothing, and in words what is left out of it; empty where nothing is."""
    defaults = default_candidates()
    unfit = _unfit(parse_candidates(defaults), panel)
    if not unfit:
        return defaults, ""
    kept = {name: params for name, params in defaults.items() if name not in unfit}
    return kept, (
        f"{_below(panel, target)}: {', '.join(unfit)} cannot learn from that and are left out; demand.negative: zero or missing"
        " brings them back"
    )


def _unfit(candidates: Sequence[DirectCandidate], panel: Panel) -> list[str]:
    if not (panel.target < 0).any():
        return []
    return [each.name for each in candidates if each.candidate.has_link or (each.net is not None and each.net.loss in LOG_LOSSES)]


def _below(panel: Panel, target: str) -> str:
    below = panel.target < 0
    return f"{target} is below zero in {int(below.sum()):,} periods, such as {np.nanmin(panel.target):g}"
