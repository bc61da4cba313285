"""The picture of one explained prediction."""

from pathlib import Path

from tabtrail.report.explanation_pictures import waterfall
from tabtrail.report.png import draw
from tabtrail.workflows.explain import LocalExplanation


def draw_explanation(explanation: LocalExplanation, path: Path) -> None:
    """Write the waterfall of a local explanation as PNG."""
    names = list(explanation.contributions)
    shown = ["missing" if explanation.values[name] is None else str(explanation.values[name]) for name in names]
    parts = list(explanation.contributions.values())
    draw(waterfall(names, shown, parts, explanation.base_value, explanation.unit), path)
