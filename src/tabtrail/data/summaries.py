"""The configured SQL summaries as CSV and Parquet, and their bar charts."""

from pathlib import Path

import polars as pl
import polars.selectors as cs

from tabtrail.config.summaries import Aggregation, parse_measure
from tabtrail.config.tree import Config
from tabtrail.data.warehouse import parquet_view, quoted
from tabtrail.system.files import atomic_file

# Kahan summation: totals of cents do not depend on the order in which threads add them.
_SQL = {
    "sum": "fsum({})",
    "avg": "favg({})",
    "min": "min({})",
    "max": "max({})",
    "median": "median({})",
    "stddev": "stddev_samp({})",
    "count_distinct": "count(DISTINCT {})",
}
_BAR = "#2f6f9f"


def summarise(config: Config, *, synthetic: bool) -> dict[str, pl.DataFrame]:
    """Compute every configured aggregation, write `summary/<name>.{csv,parquet}` and plots, and return the frames by name."""
    folder = config.paths.output_dir
    frames = summary_frames(config)
    for aggregation in config.aggregations:
        frame = frames[aggregation.name]
        with atomic_file(folder / "summary" / f"{aggregation.name}.csv") as temporary:
            frame.write_csv(temporary)
        with atomic_file(folder / "summary" / f"{aggregation.name}.parquet") as temporary:
            frame.write_parquet(temporary, compression="zstd")
        if aggregation.plot == "bar":
            draw_bars(config, aggregation, frame, synthetic=synthetic)
    return frames


def summary_frames(config: Config) -> dict[str, pl.DataFrame]:
    """Compute every configured aggregation from the Parquet layer, and return the frames by name."""
    with parquet_view(config) as connection:
        return {
            each.name: _exact(connection.sql(aggregation_sql(each, config.duckdb.table)).pl()) for each in config.aggregations
        }


def _exact(frame: pl.DataFrame) -> pl.DataFrame:
    """Round to the 12 significant digits that a sum of doubles can promise: 1903150.84, not 1903150.8399999999."""
    return frame.with_columns(cs.float().round_sig_figs(12))


def summary_files(config: Config) -> list[Path]:
    """Return the paths that `summarise` writes."""
    folder = config.paths.output_dir
    tables = [folder / "summary" / f"{each.name}.{kind}" for each in config.aggregations for kind in ("csv", "parquet")]
    return tables + [_plot_path(config, each) for each in config.aggregations if each.plot]


def aggregation_sql(aggregation: Aggregation, table: str) -> str:
    """Return the SQL of an aggregation. Ties are ordered by the group columns, so that the result is one and the same."""
    groups = ", ".join(quoted(name) for name in aggregation.group_by)
    measures = ", ".join(f"{_measure_sql(text)} AS {quoted(name)}" for name, text in aggregation.measures.items())
    order = groups
    if aggregation.order_by is not None:
        name, _, direction = aggregation.order_by.partition(" ")
        order = f"{quoted(name)} {direction or 'asc'}, {groups}"
    limit = f" LIMIT {aggregation.limit}" if aggregation.limit else ""
    return f"SELECT {groups}, {measures} FROM {quoted(table)} GROUP BY {groups} ORDER BY {order}{limit}"


def _measure_sql(text: str) -> str:
    function, column = parse_measure(text)
    return "count(*)" if column is None else _SQL[function].format(quoted(column))


def _plot_path(config: Config, aggregation: Aggregation) -> Path:
    return config.paths.output_dir / "plots" / f"{aggregation.name}.png"


def draw_bars(config: Config, aggregation: Aggregation, frame: pl.DataFrame, *, synthetic: bool) -> Path:
    """Write a horizontal bar chart of the first measure by group, largest on top, with the values at the bars."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    measure = next(iter(aggregation.measures))
    function, column = parse_measure(aggregation.measures[measure])
    unit = f" ({config.model.currency})" if column == config.model.target and config.model.currency else ""
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
    path = _plot_path(config, aggregation)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=120, metadata={"Software": None})
    return path
