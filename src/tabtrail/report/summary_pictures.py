"""The pictures of the SQL summaries."""

from collections.abc import Mapping

import polars as pl

from tabtrail.config.summaries import Aggregation, parse_measure
from tabtrail.report.charts import Axis, Bars, Chart, Picture


def summary_picture(aggregation: Aggregation, frame: pl.DataFrame, units: Mapping[str, str]) -> Picture:
    """Return a bar for each group of the first measure, in the order of the rows, with its value at the end.

    `units` are those of columns that have one.
    """
    measure = next(iter(aggregation.measures))
    function, column = parse_measure(aggregation.measures[measure])
    unit = f" ({units[column]})" if column is not None and units.get(column) else ""
    groups = tuple(" · ".join(str(value) for value in row) for row in frame.select(aggregation.group_by).iter_rows())
    values = tuple(float(value or 0) for value in frame.get_column(measure))
    written = tuple(f"{value:,.0f}" for value in values)
    title = f"{measure.replace('_', ' ').capitalize()} by {' and '.join(aggregation.group_by)}"
    alt = f"{title}: " + "; ".join(f"{group} {text}" for group, text in zip(groups, written, strict=True)) + "."
    label = f"{function} of {column}{unit}" if column else "rows"
    chart = Chart(title, alt, Axis(label), Axis("", groups), (Bars(values, ends=written),))
    return Picture(aggregation.name, title, "", (chart,))
