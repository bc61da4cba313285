"""Pictures as PNG files, drawn by matplotlib from the same charts as the page.

Nothing in a file depends on the time of day, on a reader's own matplotlib settings, or on a display.
"""

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font

from tabtrail.progress import SILENT, Advance
from tabtrail.report.charts import Axis, Band, Bars, Boxes, Cells, Chart, Columns, Layer, Line, Picture, Points
from tabtrail.report.scales import clipped, colours_of, depths_of, isolated, shortened, span, ticks, wrapped
from tabtrail.system.files import atomic_file

# Okabe & Ito (Color universal design, 2008): told apart by colour-blind readers.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8C6D00")
_SHADES = ("#0072B2", "#5B9BC6", "#9A9A9A", "#E0A54A", "#C96A00")
_SIGNS = ("#D55E00", "#ffffff", "#0072B2")
_GREY = "#8a8a8a"
_BAND = 0.18  # opacity of a band
_LABEL = 28  # letters of a line of a category's name
_DPI = 100
_PAD = 0.12  # inches around each chart: a title and the label of the axis above it are read apart
# Characters of the title in an inch of width.
_TITLE_LETTERS = 10
# Of the picture's width; the labels of the y axis take the rest.
_LEGEND_SHARE = 0.86


def draw(picture: Picture, path: Path, *, synthetic: bool = False) -> None:
    """Write a picture as PNG, its charts side by side."""
    with _own_settings():
        _write(picture, path, synthetic=synthetic)


def draw_all(
    pictures: Sequence[Picture], folder: Path, *, synthetic: bool = False, progress: Advance = SILENT.advance
) -> list[Path]:
    """Write pictures into a folder by their names, and return the files."""
    files = []
    with _own_settings():
        for picture in pictures:
            files.append(folder / f"{picture.name}.png")
            _write(picture, files[-1], synthetic=synthetic)
            progress(len(files), len(pictures), "pictures")
    return files


def _write(picture: Picture, path: Path, *, synthetic: bool) -> None:
    figure = _figure(picture, synthetic=synthetic)
    figure.dpi = _DPI
    if (layout := figure.get_layout_engine()) is not None:
        layout.execute(figure)
    figure.set_layout_engine(None)  # else savefig draws the whole picture once more, for its layout alone
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=_DPI, metadata={"Software": None})


@contextmanager
def _own_settings() -> Iterator[None]:
    """Draw with matplotlib's own defaults, and leave the process's as they were."""
    with mpl.rc_context():
        mpl.rcdefaults()
        yield


def _figure(picture: Picture, *, synthetic: bool) -> Figure:
    """A figure with a canvas of its own: pyplot would choose a backend for the process, and keep the figure."""
    count = len(picture.charts)
    columns = count if picture.one_row else 3 if count > 4 else min(2, count)
    rows = -(-count // columns)
    width = 1.6 + 3 * columns if picture.one_row else {1: 7.6, 2: 11.2, 3: 13.2}[columns]
    figure = Figure(figsize=(width, 0.9 + max(map(_height, picture.charts)) * rows))
    figure.set_layout_engine("constrained", h_pad=_PAD, w_pad=_PAD)
    FigureCanvasAgg(figure)
    for place, chart in enumerate(picture.charts, 1):
        axes = figure.add_subplot(rows, columns, place)
        _draw_chart(axes, chart, alone=count == 1)
        if picture.one_row and place > 1:
            axes.tick_params("y", left=False, labelleft=False)
    title = picture.title + (" — SYNTHETIC DATA" if synthetic else "")
    figure.suptitle(textwrap.fill(_plain(title), int(_TITLE_LETTERS * width)), fontsize=13)
    return figure


def _height(chart: Chart) -> float:
    rows = len(chart.y.categories)
    if any(isinstance(layer, Cells) for layer in chart.layers):
        return 1.6 + 0.42 * rows
    lines = max(map(len, wrapped(chart.y.categories, _LABEL)), default=1)
    return max(3.4, 1.2 + max(0.34, 0.17 * lines) * rows) if rows else 3.6


def _plain(text: str) -> str:
    """matplotlib reads dollar signs as formulas, and warns of what its font lacks: the page shows that, a picture cannot."""
    return "".join(each if each in " \n" or _has_glyph(each) else "\ufffd" for each in text).replace("$", r"\$")


@cache
def _has_glyph(character: str) -> bool:
    return bool(get_font(findfont("DejaVu Sans")).get_char_index(ord(character)))


def _draw_chart(axes: Any, chart: Chart, *, alone: bool) -> None:
    for layer, kind, depth in zip(chart.layers, colours_of(chart), depths_of(chart), strict=True):
        colour = _GREY if kind is None else _COLOURS[kind % len(_COLOURS)]
        if isinstance(layer, Band):
            _draw_band(axes, layer, colour, depth)
        else:
            _draw_layer(axes, layer, colour)
    for axis, name in ((chart.x, "x"), (chart.y, "y")):
        bounds = span(chart, name)
        _draw_axis(getattr(axes, f"{name}axis"), axis, *bounds)
        getattr(axes, f"set_{name}lim")(*bounds)
    if chart.y.categories:
        axes.invert_yaxis()
    if chart.x.categories:
        axes.tick_params("x", rotation=40)
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("right")
    if not alone:
        axes.set_title(_plain(clipped(chart.title, 60)), fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    if not any(isinstance(layer, Cells) for layer in chart.layers):
        axes.grid(axis="x" if chart.y.categories else "both", color="#e4e4e4", linewidth=0.7)
    axes.set_axisbelow(True)
    _draw_legend(axes, alone=alone)


def _draw_axis(drawn: Any, axis: Axis, low: float, high: float) -> None:
    drawn.set_label_text(_plain(axis.label))
    if axis.categories:
        upright = drawn.axis_name == "y"
        labels = ["\n".join(lines) for lines in wrapped(axis.categories, _LABEL)] if upright else shortened(axis.categories, 20)
        drawn.set_ticks(range(len(axis.categories)), [_plain(label) for label in labels])
    else:
        places = ticks(axis, low, high)
        drawn.set_ticks([place for place, _ in places], [label for _, label in places])


def _draw_legend(axes: Any, *, alone: bool) -> None:
    """Several charts have it inside; a single one has it above, in as many columns as there is room for."""
    if not axes.get_legend_handles_labels()[1]:
        return
    if not alone:
        axes.legend(fontsize=8, frameon=False)
        return
    room = _LEGEND_SHARE * axes.figure.bbox.width
    for columns in (4, 3, 2, 1):
        above = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": columns, "borderaxespad": 0.2}
        legend = axes.legend(fontsize=8, frameon=False, **above)
        if legend.get_window_extent(axes.figure.canvas.get_renderer()).width <= room:
            return


def _draw_band(axes: Any, layer: Band, colour: str, depth: int) -> None:
    """Its key is drawn apart, as dark as the bands that lie over one another there."""
    axes.fill_between(layer.x, layer.low, layer.high, color=colour, alpha=_BAND, linewidth=0)
    axes.fill_between([], [], color=colour, alpha=1 - (1 - _BAND) ** depth, linewidth=0, label=_plain(layer.label))


def _draw_layer(axes: Any, layer: Layer, colour: str) -> None:
    match layer:
        case Points():
            _draw_points(axes, layer, colour)
        case Line():
            crowd = {"alpha": 0.35, "linewidth": 0.8}
            look = {"linewidth": 1.4 if layer.dashed else 2} if layer.dashed or not layer.faint else crowd
            marks = {"marker": "o", "markersize": 3.5} if layer.dots else {}
            style = "--" if layer.dashed else "-"
            axes.plot(layer.x, layer.y, linestyle=style, color=colour, label=_plain(layer.label), **look, **marks)
            alone = [] if layer.faint else isolated(layer)
            axes.plot([layer.x[at] for at in alone], [layer.y[at] for at in alone], ".", color=colour)
        case Columns():
            _draw_columns(axes, layer, colour)
        case Bars():
            _draw_bars(axes, layer)
        case Boxes():
            _draw_boxes(axes, layer)
        case Cells():
            _draw_cells(axes, layer)


def _draw_points(axes: Any, layer: Points, colour: str) -> None:
    shown: dict[str, Any] = {"color": colour}
    if layer.shade:
        shown = {"c": layer.shade, "cmap": LinearSegmentedColormap.from_list("low to high", _SHADES), "vmin": 0, "vmax": 1}
    # An emphasised few are larger.
    axes.scatter(layer.x, layer.y, s=22 if layer.texts else 7, alpha=0.7, linewidths=0, label=_plain(layer.label), **shown)
    for x, y, text in zip(layer.x, layer.y, layer.notes, strict=False):
        axes.annotate(_plain(text), (x, y), (-6, 0), textcoords="offset points", ha="right", va="center", size=9)


def _draw_columns(axes: Any, layer: Columns, colour: str) -> None:
    widths = np.diff(layer.edges)
    look = {"color": colour, "alpha": 0.45 if layer.faint else 1.0, "edgecolor": "white", "linewidth": 0.4}
    axes.bar(layer.edges[:-1], layer.heights, widths, align="edge", label=_plain(layer.label), **look)


def _draw_bars(axes: Any, layer: Bars) -> None:
    values, starts = np.array(layer.values), np.array(layer.starts or (0.0,) * len(layer.values))
    reach = np.maximum(0.0, [values - layer.low, np.array(layer.high) - values]) if layer.low else None
    colours = [_COLOURS[1] if each else _COLOURS[0] for each in layer.marked] or _COLOURS[0]
    axes.barh(
        range(len(values)),
        values - starts,
        0.65,
        left=starts,
        color=colours,
        xerr=reach,
        ecolor="#333333",
        capsize=3,
        label=_plain(layer.label),
    )
    for place, text in enumerate(layer.ends):
        axes.annotate(
            _plain(text),
            (max(layer.values[place], 0.0), place),
            (4, 0),
            textcoords="offset points",
            va="center",
            size=9,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},  # read over lines
        )


def _draw_boxes(axes: Any, layer: Boxes) -> None:
    keys = ("whislo", "q1", "med", "q3", "whishi")
    axes.bxp(
        [dict(zip(keys, each, strict=True)) for each in layer.quantiles],
        positions=range(len(layer.quantiles)),
        orientation="horizontal",
        showfliers=False,
        patch_artist=True,
        boxprops={"facecolor": "#9cc8e3", "edgecolor": _COLOURS[0]},
        medianprops={"color": _COLOURS[1], "linewidth": 2},
    )


def _draw_cells(axes: Any, layer: Cells) -> None:
    values = np.array([[np.nan if each is None else each for each in row] for row in layer.values], dtype=float)
    # Beyond -1 and 1 the colours would be too dark for the figures written on them.
    shades = LinearSegmentedColormap.from_list("minus to plus", _SIGNS)
    axes.imshow(values, vmin=-1.6, vmax=1.6, cmap=shades, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if not np.isnan(value):
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8)
