"""Pictures as PNG files, drawn by matplotlib from the same charts as the page."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tabtrail.progress import SILENT, Advance
from tabtrail.report.charts import (
    Axis,
    Bars,
    Boxes,
    Cells,
    Chart,
    Columns,
    Layer,
    Line,
    Picture,
    Points,
    clipped,
    colours_of,
    short,
    span,
    ticks,
)
from tabtrail.system.files import atomic_file

# Okabe & Ito (Color universal design, 2008): told apart by colour-blind readers.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8C6D00")
SHADES = ("#0072B2", "#5B9BC6", "#9A9A9A", "#E0A54A", "#C96A00")
_GREY = "#8a8a8a"
_DPI = 100


def draw(picture: Picture, path: Path, *, synthetic: bool = False) -> None:
    """Write a picture as PNG, its charts side by side. Nothing in it depends on the time of day."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = 3 if len(picture.charts) > 4 else min(2, len(picture.charts))
    rows = -(-len(picture.charts) // columns)
    tall = max(_height(chart) for chart in picture.charts)
    figure = Figure(
        figsize=(7.6 if columns == 1 else 5.6 * columns if columns == 2 else 4.4 * columns, 0.9 + tall * rows),
        layout="constrained",
    )
    FigureCanvasAgg(figure)
    for place, chart in enumerate(picture.charts, 1):
        _draw_chart(figure.add_subplot(rows, columns, place), chart, alone=len(picture.charts) == 1)
    figure.suptitle(_plain(picture.title) + (" — SYNTHETIC DATA" if synthetic else ""), fontsize=13)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=_DPI, metadata={"Software": None})


def draw_all(
    pictures: Sequence[Picture], folder: Path, *, synthetic: bool = False, progress: Advance = SILENT.advance
) -> list[Path]:
    """Write pictures into a folder by their names, and return the files."""
    files = []
    for picture in pictures:
        files.append(folder / f"{picture.name}.png")
        draw(picture, files[-1], synthetic=synthetic)
        progress(len(files), len(pictures), "pictures")
    return files


def _height(chart: Chart) -> float:
    rows = len(chart.y.categories)
    if any(isinstance(layer, Cells) for layer in chart.layers):
        return 1.6 + 0.42 * rows
    return max(3.4, 1.2 + 0.34 * rows) if rows else 3.6


def _plain(text: str) -> str:
    """matplotlib reads dollar signs as formulas, and warns of what its font lacks: the page shows that, a picture cannot."""
    return "".join(each if each in " \n" or _has_glyph(each) else "\ufffd" for each in text).replace("$", r"\$")


@cache
def _has_glyph(character: str) -> bool:
    from matplotlib.font_manager import findfont, get_font

    return bool(get_font(findfont("DejaVu Sans")).get_char_index(ord(character)))


def _draw_chart(axes: Any, chart: Chart, *, alone: bool) -> None:
    for layer, kind in zip(chart.layers, colours_of(chart), strict=True):
        _draw_layer(axes, layer, COLOURS[(kind or 0) % len(COLOURS)])
    cells = any(isinstance(layer, Cells) for layer in chart.layers)
    for axis, name in ((chart.x, "x"), (chart.y, "y")):
        _draw_axis(getattr(axes, f"{name}axis"), axis, *span(chart, name))
        getattr(axes, f"set_{name}lim")(*span(chart, name))
    if chart.y.categories:
        axes.invert_yaxis()
    if chart.x.categories:
        axes.tick_params("x", rotation=40)
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("right")
    if not alone:
        axes.set_title(_plain(clipped(chart.title, 60)), fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    if not cells:
        axes.grid(axis="x" if chart.y.categories else "both", color="#e4e4e4", linewidth=0.7)
    axes.set_axisbelow(True)
    if axes.get_legend_handles_labels()[1]:
        above = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 4, "borderaxespad": 0.2}
        axes.legend(fontsize=8, frameon=False, **(above if alone else {}))


def _draw_axis(drawn: Any, axis: Axis, low: float, high: float) -> None:
    drawn.set_label_text(_plain(axis.label))
    if axis.categories:
        drawn.set_ticks(range(len(axis.categories)), [_plain(clipped(name, 28)) for name in axis.categories])
    else:
        places = ticks(low, high, whole=axis.whole)
        drawn.set_ticks(places, [short(place) for place in places])


def _draw_layer(axes: Any, layer: Layer, colour: str) -> None:
    match layer:
        case Points():
            from matplotlib.colors import LinearSegmentedColormap

            shown: dict[str, Any] = {"color": colour}
            if layer.shade:
                shown = {"c": layer.shade, "cmap": LinearSegmentedColormap.from_list("low to high", SHADES), "vmin": 0, "vmax": 1}
            # An emphasised few are larger.
            axes.scatter(layer.x, layer.y, s=22 if layer.texts else 7, alpha=0.7, linewidths=0, label=layer.label, **shown)
        case Line():
            look = {"color": _GREY, "alpha": 0.35, "linewidth": 0.8} if layer.faint else {"color": colour, "linewidth": 2}
            axes.plot(layer.x, layer.y, linestyle="--" if layer.dashed else "-", label=layer.label, **look)
        case Columns():
            widths = [high - low for low, high in zip(layer.edges, layer.edges[1:], strict=False)]
            axes.bar(layer.edges[:-1], layer.counts, widths, align="edge", color=COLOURS[0], edgecolor="white", linewidth=0.4)
        case Bars():
            reach = None
            if layer.low:
                reach = [
                    [max(0.0, value - low) for value, low in zip(layer.values, layer.low, strict=True)],
                    [max(0.0, high - value) for value, high in zip(layer.values, layer.high, strict=True)],
                ]
            bars = [COLOURS[1] if each else COLOURS[0] for each in layer.marked] or COLOURS[0]
            starts = layer.starts or (0.0,) * len(layer.values)
            wide = [value - start for value, start in zip(layer.values, starts, strict=True)]
            axes.barh(range(len(wide)), wide, 0.65, left=starts, color=bars, xerr=reach, ecolor="#333333", capsize=3)
        case Boxes():
            keys = ("whislo", "q1", "med", "q3", "whishi")
            stats = [dict(zip(keys, each, strict=True)) for each in layer.quantiles]
            box = {"facecolor": "#9cc8e3", "edgecolor": COLOURS[0]}
            axes.bxp(
                stats,
                positions=range(len(stats)),
                orientation="horizontal",
                showfliers=False,
                patch_artist=True,
                boxprops=box,
                medianprops={"color": COLOURS[1], "linewidth": 2},
            )
        case Cells():
            import numpy as np
            from matplotlib.colors import LinearSegmentedColormap

            values = np.array([[np.nan if each is None else each for each in row] for row in layer.values], dtype=float)
            shades = LinearSegmentedColormap.from_list("minus to plus", ("#D55E00", "#ffffff", "#0072B2"))
            axes.imshow(values, vmin=-1.6, vmax=1.6, cmap=shades, aspect="auto")
            for (row, column), value in np.ndenumerate(values):
                if not np.isnan(value):
                    axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8)
