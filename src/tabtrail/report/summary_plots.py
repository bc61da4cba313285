"""Bar charts of the SQL summaries as PNG files."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from tabtrail.config.summaries import Aggregation, parse_measure
from tabtrail.system.files import atomic_file

_BAR = "#2f6f9f"


def draw_bars(aggregation: Aggregation, frame: pl.DataFrame, path: Path, *, units: Mapping[str, str], synthetic: bool) -> None:
    """Write a horizontal bar chart of the first measure by group, largest on top, with the values at the bars.

    `units` are those of columns that have one.
    """
    measure = next(iter(aggregation.measures))
    function, column = parse_measure(aggregation.measures[measure])
    unit = f" ({units[column]})" if column is not None and units.get(column) else ""
    labels = [" · ".join(str(value) for value in row) for row in frame.select(aggregation.group_by).iter_rows()][::-1]
    values = [float(value or 0) for value in frame.get_column(measure)][::-1]
    figure = Figure(figsize=(9, 1.4 + 0.45 * len(labels)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    bars = axes.barh(labels, values, color=_BAR)
    axes.bar_label(bars, labels=[f"{value:,.0f}" for value in values], padding=4)
    axes.margins(x=0.14)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(f"{function} of {column}{unit}" if column else "rows")
    title = f"{measure.replace('_', ' ').capitalize()} by {' and '.join(aggregation.group_by)}"
    axes.set_title(f"{title} — SYNTHETIC DATA" if synthetic else title, loc="left")
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=120, metadata={"Software": None})
