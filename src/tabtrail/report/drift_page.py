"""The page of one checked window, self-contained as the report is."""

from collections.abc import Mapping
from datetime import date, timedelta

from tabtrail.monitor.check import ColumnDrift
from tabtrail.monitor.outcome import DriftReport
from tabtrail.report.charts import Picture, Placed
from tabtrail.report.frame import page_environment, page_frame

_SECTIONS = (
    ("verdict", "Verdict"),
    ("columns", "Columns"),
    ("errors", "Errors"),
    ("apart", "Apart"),
    ("made", "How this was made"),
)


def render_drift(report: DriftReport, picture: Picture | None, tags: Mapping[str, str]) -> str:
    """Return the page of a window as HTML."""
    environment = page_environment()
    placed = [] if picture is None else [Placed("columns", picture)]
    days = tuple(_day(each) for each in (report.check.first_day, report.check.last_day))
    return environment.get_template("drift.html.j2").render(
        report=report,
        evidence={"tags": tags},
        name=f"{report.compared.model}: {report.compared.window}",
        synthetic=report.compared.synthetic,
        sections=_SECTIONS,
        placed=placed,
        days=None if None in days else days,
        smallest=smallest,
        **page_frame(environment),
    )


def smallest(column: ColumnDrift) -> str:
    """Return the smallest adjusted p-value of a column as it is shown."""
    value = min(column.adjusted.values(), default=None)
    if value is None:
        return "–"
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _day(day: float | None) -> str | None:
    return None if day is None else str(date(1970, 1, 1) + timedelta(int(day)))
