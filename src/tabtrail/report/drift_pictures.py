"""The pictures of a checked window: each column as it was and as it is."""

from itertools import pairwise

from tabtrail.monitor.outcome import DriftReport
from tabtrail.monitor.plain_psi import PlainPsi
from tabtrail.monitor.shapes import Shape
from tabtrail.report.charts import Axis, Bars, Chart, Columns, Line, Picture, Points, file_name
from tabtrail.report.figures import shown

_MOST = 9


def drift_columns(report: DriftReport) -> Picture | None:
    """The columns that alarm or weigh most, the target with them: shares now as bars, shares of the reference as dots."""
    ranked = [each.name for each in report.check.columns]
    target = [report.compared.target] if report.compared.target in ranked[_MOST - 1 :] else []
    chosen = [*ranked[: _MOST - len(target)], *target]
    charts = tuple(_shares(name, report.shapes[name], report) for name in chosen if name in report.shapes)
    if not charts:
        return None
    note = (
        f"Bars: share of the rows of {report.compared.window}; dots: of {report.compared.reference}, whose tenths the groups are."
    )
    left = len(ranked) - len(chosen)
    note += f" {left} more {'column is' if left == 1 else 'columns are'} in the table." if left > 0 else ""
    return Picture("drift_columns", "How the columns moved", note, charts)


def _shares(name: str, shape: Shape, report: DriftReport) -> Chart:
    places = tuple(map(float, range(len(shape.names))))
    rows = list(zip(shape.names, shape.before, shape.now, strict=True))
    texts = tuple(
        f"{group}: {shown(now, 3, percent=True)} now, {shown(before, 3, percent=True)} before" for group, before, now in rows
    )
    bars = Bars(tuple(100 * each for each in shape.now), texts=texts, label=report.compared.window)
    dots = Points(tuple(100 * each for each in shape.before), places, report.compared.reference, texts)
    moved = sorted(rows, key=lambda each: -abs(each[2] - each[1]))[:3]
    alt = (
        f"{name}: the shares that changed most: "
        + "; ".join(f"{g} {shown(b, 3, percent=True)} → {shown(n, 3, percent=True)}" for g, b, n in moved)
        + "."
    )
    return Chart(name, alt, Axis("% of the rows", low=0), Axis("", shape.names), (bars, dots))


def plain_picture(report: DriftReport, column: str) -> Picture:
    """The bins behind the PSI of a column as it is often computed."""
    plain, compared = report.plain_psi[column], report.compared
    chart = _plain(column, plain, (compared.reference, compared.window))
    explains = "does not explain" if plain.value > plain.by_chance else "explains"
    note = f"PSI {plain.value:.4f}; chance alone exceeds {plain.by_chance:.4f} in 5 % of cases, so it {explains} it."
    return Picture(plain_stem(report, column), f"{column}: {compared.window} against {compared.reference}", note, (chart,))


def plain_stem(report: DriftReport, column: str) -> str:
    """Name of the files of a column's plain PSI, without ending."""
    return file_name(column, report.compared.reference, report.compared.window)


def _plain(column: str, plain: PlainPsi, names: tuple[str, str]) -> Chart:
    before, now = ([100 * each / sum(counts) for each in counts] for counts in (plain.reference, plain.window))
    centres = tuple((low + high) / 2 for low, high in pairwise(plain.edges))
    bins = Columns(plain.edges, tuple(before), names[0])
    line = Line(centres, tuple(now), names[1], dots=True)
    alt = f"{column} in ten bins of one width: {names[0]} as columns, {names[1]} as a line."
    return Chart(column, alt, Axis(column), Axis("% of the rows", low=0), (bins, line))
