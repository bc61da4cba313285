"""Charts as data: ranges and ticks, and what both renderers make of every layer."""

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from tests.support.projects import Trained

from tabtrail import pipeline
from tabtrail.project.paths import Artifacts
from tabtrail.report import pictures
from tabtrail.report.charts import Axis, Band, Bars, Boxes, Cells, Chart, Columns, Layer, Line, Picture, Points, days
from tabtrail.report.live import chart_data
from tabtrail.report.png import _figure, _own_settings, draw
from tabtrail.report.scales import colours_of, shortened, span, ticks, wrapped
from tabtrail.report.svg import legend, svg

NUMBERS, NAMES = Axis("x"), Axis("", ("a", "b"))
FIXED = Axis("x", low=-3, high=7)
LAYERS: dict[str, tuple[Axis, Axis, Layer]] = {
    "points": (NUMBERS, NUMBERS, Points((1.0, 2.0), (3.0, 5.0), "dots")),
    "line": (NUMBERS, NUMBERS, Line((1.0, 2.0), (3.0, 5.0), "line", dots=True)),
    "faint": (NUMBERS, NUMBERS, Line((1.0, 2.0), (3.0, 5.0), faint=True)),
    "band": (NUMBERS, NUMBERS, Band((1.0, 2.0), (3.0, 4.0), (5.0, 6.0), "band")),
    "columns": (NUMBERS, NUMBERS, Columns((0.0, 1.0, 2.0), (3.0, -1.0), "columns", texts=("up", "down"))),
    "bars": (NUMBERS, NAMES, Bars((3.0, -1.0), (2.0, -2.0), (4.0, 0.0), ("first", "second"), ("3", "-1"), (False, True))),
    "boxes": (NUMBERS, NAMES, Boxes(((1.0, 2.0, 3.0, 4.0, 5.0), (0.0, 1.0, 2.0, 3.0, 4.0)), ("first", "second"))),
    "cells": (NAMES, NAMES, Cells(((1.0, -0.5), (None, 1.0)))),
}
MARKS = {
    "points": 'class="dots k0"',
    "line": 'class="line k0"',
    "faint": 'class="faint"',
    "band": 'class="area k0"',
    "columns": 'class="bar"',
    "bars": 'class="bar marked"',
    "boxes": 'class="box"',
    "cells": 'class="minus"',
}


def chart_of(*layers: Layer, x: Axis = NUMBERS, y: Axis = NUMBERS) -> Chart:
    return Chart("title", "in words", x, y, layers)


@pytest.fixture
def _settings_of_ones_own() -> Iterator[None]:
    with mpl.rc_context({"axes.facecolor": "black", "font.size": 30, "savefig.dpi": 17}):
        yield


@pytest.mark.parametrize("kind", LAYERS)
def test_every_layer_is_drawn_on_the_page_and_in_a_file(kind: str, tmp_path: Path) -> None:
    *axes, layer = LAYERS[kind]
    x, y = (FIXED if each is NUMBERS else each for each in axes)
    nothing = (Cells(((None, None), (None, None))),) if kind == "cells" else ()
    drawn = str(svg(chart_of(layer, x=x, y=y), "id"))
    assert MARKS[kind] in drawn
    assert "nan" not in drawn
    files = [tmp_path / f"{name}.png" for name in ("with", "without")]
    draw(Picture("p", "t", "", (chart_of(layer, x=x, y=y),)), files[0])
    draw(Picture("p", "t", "", (chart_of(*nothing, x=x, y=y),)), files[1])
    assert imread(files[0]).shape == imread(files[1]).shape
    assert np.abs(imread(files[0]) - imread(files[1])).max() > 0.1, "the layer left no mark"


def test_long_names_are_broken_between_words_told_apart_and_never_cut_into_twins() -> None:
    names = [f"GradientBoosting_{rounds}_depth4" for rounds in (150, 200)]
    assert wrapped(names, 20) == [["GradientBoosting_", "150_depth4"], ["GradientBoosting_", "200_depth4"]]
    words = ["Modellbezeichnung laut Fahrzeugschein: Golf Variant", "Standheizung mit Fernbedienung und Zeitschaltuhr"]
    assert wrapped(words, 20) == [
        ["Modellbezeichnung", "laut Fahrzeugschein:", "Golf Varia…"],
        ["Standheizung mit", "Fernbedienung und", "Zeitschaltuhr"],
    ]
    assert wrapped(["Kilometerstand: 4,454 to below 32,266.4"], 20) == [["Kilometerstand:", "4,454 to below", "32,266.4"]]
    long = [f"the same beginning of a very long name {number} and the same end of it" for number in range(3)]
    ends = ["a" * 50 + end for end in "xyz"]
    for each in (names, long, ends):
        for labels in (shortened(each, 16), [" ".join(lines) for lines in wrapped(each, 20)]):
            assert len(set(labels)) == len(each), labels
    assert max(len(line) for lines in wrapped([*names, *long, *ends], 20) for line in lines) <= 20
    assert shortened(["same", "same"], 16) == ["same", "same"]


def test_a_note_stands_before_its_dot_on_the_page_and_in_a_file(tmp_path: Path) -> None:
    dots = Points((5.0, 6.0), (0.0, 1.0), "far", ("a: 50", "b: 60"), notes=("50", "60"))
    drawn = str(svg(chart_of(dots, x=FIXED, y=NAMES), "id"))
    assert re.findall(r'text-anchor="end" x="[^"]+" y="[^"]+">(50|60)</text>', drawn) == ["50", "60"]
    for name, notes in (("with", dots.notes), ("without", ())):
        chart = chart_of(Points(dots.x, dots.y, dots.label, dots.texts, notes=notes), x=FIXED, y=NAMES)
        draw(Picture("p", "t", "", (chart,)), tmp_path / f"{name}.png")
    assert (tmp_path / "with.png").read_bytes() != (tmp_path / "without.png").read_bytes()


@pytest.mark.parametrize("kind", ["points", "line", "faint", "band", "columns"])
def test_a_chart_of_numbers_carries_its_values_for_the_script(kind: str) -> None:
    layer = LAYERS[kind][2]
    data = json.loads(str(chart_data(chart_of(layer))))
    assert data["layers"][0]["x"] == list(layer.edges if isinstance(layer, Columns) else layer.x)
    assert data["y"]["span"] == pytest.approx(list(span(chart_of(layer), "y")))
    assert chart_data(chart_of(LAYERS["bars"][2], y=NAMES)) is None
    gap = Line(days([date(1970, 1, 2), date(1970, 1, 3)]), (1.0, float("nan")))
    found = json.loads(str(chart_data(chart_of(gap, x=Axis("date", dates=True)))))["layers"][0]
    assert (found["x"], found["y"]) == ([86400.0, 172800.0], [1, None])


def test_a_column_below_zero_hangs_from_zero() -> None:
    boxes = re.findall(
        r'<rect class="bar" x="[^"]+" y="([^"]+)" width="[^"]+" height="([^"]+)"', str(svg(chart_of(LAYERS["columns"][2]), "id"))
    )
    (top, height), (below, _) = [(float(y), float(tall)) for y, tall in boxes]
    assert top + height == pytest.approx(below)


def test_bars_leave_room_for_the_texts_at_their_ends() -> None:
    plain, written = (chart_of(Bars((0.0, 10.0), ends=ends), y=NAMES) for ends in ((), ("0", "10,000,000")))
    assert span(plain, "x") == (0.0, 10.4)
    assert span(written, "x") == (0.0, 12.5)
    drawn = str(svg(written, "id"))
    x = float(re.findall(r'<text class="tick" x="([^"]+)" y="[^"]+">10,000,000</text>', drawn)[0])
    assert x + 6.8 * len("10,000,000") < 380


def test_lines_have_colours_in_order_a_band_that_of_the_line_after_it_and_bars_the_first() -> None:
    line, faint, band = Line((0.0,), (0.0,), "line"), Line((0.0,), (0.0,), faint=True), Band((0.0,), (0.0,), (1.0,), "band")
    assert colours_of(chart_of(line, band, band, line, faint)) == [0, 1, 1, 1, None]
    assert colours_of(chart_of(Columns((0.0, 1.0), (1.0,)), line)) == [0, 1]
    assert colours_of(chart_of(Columns((0.0, 1.0), (1.0,), faint=True), line)) == [None, 0]
    assert legend(chart_of(line, band, faint, Columns((0.0, 1.0), (1.0,), "rows", faint=True))) == [
        ("line k0", "line"),
        ("area k1", "band"),
        ("bar grey", "rows"),
    ]


def test_bands_that_lie_over_one_another_have_a_key_each_as_dark_as_they_are_seen() -> None:
    wide, narrow = Band((0.0, 1.0), (0.0, 0.0), (9.0, 9.0), "90 %"), Band((0.0, 1.0), (3.0, 3.0), (5.0, 5.0), "80 %")
    chart = chart_of(wide, narrow, Line((0.0, 1.0), (4.0, 4.0), "forecast"), Band((0.0, 1.0), (0.0, 0.0), (1.0, 1.0), "other"))
    assert [style for style, _ in legend(chart)] == ["area k0", "area k0 over2", "line k0", "area k1"]
    with _own_settings():
        (axes,) = _figure(Picture("p", "t", "", (chart,)), synthetic=False).axes
    alphas = [key.get_facecolor()[3] for key in axes.get_legend().get_patches()]
    assert alphas == pytest.approx([0.18, 1 - 0.82**2, 0.18])
    assert axes.get_xlim() == span(chart, "x")


@pytest.mark.parametrize(
    ("first", "last", "labels"),
    [
        (date(2003, 1, 1), date(2005, 6, 1), ["2003", "Jul", "2004", "Jul", "2005"]),
        (date(2004, 3, 1), date(2004, 11, 20), ["2004-03", "May", "Jul", "Sep", "Nov"]),
        (date(2004, 3, 1), date(2004, 3, 20), ["2004-03-01", "2004-03-08", "2004-03-15"]),
        (date(1900, 1, 1), date(2020, 1, 1), ["1900", "1925", "1950", "1975", "2000"]),
        (date(1, 1, 1), date(9999, 12, 31), ["2000", "4000", "6000", "8000"]),
    ],
)
def test_ticks_of_dates_are_the_firsts_of_years_and_months_or_days(first: date, last: date, labels: list[str]) -> None:
    found = ticks(Axis("date", dates=True), *days([first, last]))
    assert [label for _, label in found] == labels
    assert all(first <= date.fromordinal(int(place)) <= last for place, _ in found)


def own_settings() -> dict[str, object]:
    """Matplotlib's settings as they stand: asked for as usual, the backend is looked for."""
    return {key: mpl.rcParams._get(key) for key in mpl.rcParams}


@pytest.mark.usefixtures("_settings_of_ones_own")
def test_a_picture_depends_on_nobodys_settings_and_leaves_them_alone(tmp_path: Path) -> None:
    picture = Picture("p", "t", "", (chart_of(LAYERS["line"][2]),))
    before = own_settings()
    draw(picture, tmp_path / "dark.png")
    assert own_settings() == before
    with mpl.rc_context():
        mpl.rcdefaults()
        draw(picture, tmp_path / "plain.png")
    assert (tmp_path / "dark.png").read_bytes() == (tmp_path / "plain.png").read_bytes()


def test_a_picture_is_laid_out_once_and_drawn_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engines, draw_figure = [], Figure.draw

    def counted(figure: Figure, renderer: Any) -> None:
        engines.append(figure.get_layout_engine())
        draw_figure(figure, renderer)

    monkeypatch.setattr(Figure, "draw", counted)
    draw(Picture("p", "t", "", (chart_of(LAYERS["line"][2]),)), tmp_path / "p.png")
    assert engines == [None]


def test_charts_in_one_row_name_their_categories_once_and_long_titles_are_wrapped(tmp_path: Path) -> None:
    bars = chart_of(Bars((1.0, 2.0)), y=Axis("", ("a long name of a category", "another long name")))
    for name, one_row in (("row", True), ("apart", False)):
        draw(Picture("p", "word " * 60, "", (bars, bars), one_row=one_row), tmp_path / f"{name}.png")
    row, apart = (imread(tmp_path / f"{name}.png") for name in ("row", "apart"))
    assert row.shape[1] < apart.shape[1]
    for image in (row, apart):
        assert image[:, :2].min() == image[:, -2:].min() == 1.0, "the title runs over the edge"


def test_a_title_stands_clear_of_the_axis_above_it() -> None:
    chart = chart_of(LAYERS["columns"][2], x=Axis("a label, in units"))
    with _own_settings():
        figure = _figure(Picture("p", "t", "", (chart,) * 6), synthetic=False)
        figure.canvas.draw()
        boxes = [(axes.title.get_window_extent(), axes.xaxis.label.get_window_extent()) for axes in figure.axes]
    assert min(upper[1].y0 - lower[0].y1 for upper, lower in zip(boxes, boxes[3:], strict=False)) > 10


def test_years_on_an_axis_have_no_comma() -> None:
    assert [label for _, label in ticks(Axis("year", whole=True), 2002.9, 2005.1)] == ["2003", "2004", "2005"]
    assert next(label for _, label in ticks(Axis("pieces"), 1000, 3000)) == "1,200"


@pytest.mark.parametrize("lengths", [(4, 12, 31, 34, 18), (60, 60), (3,) * 9, (30,) * 4])
def test_a_legend_above_a_chart_stays_inside_the_picture(lengths: tuple[int, ...], tmp_path: Path) -> None:
    lines = [
        Line((0.0, 1.0), (0.0, float(place)), "abcdefghij"[: size % 10] + "abcdefghij" * (size // 10))
        for place, size in enumerate(lengths)
    ]
    draw(Picture("p", "t", "", (chart_of(*lines),)), tmp_path / "p.png")
    image = imread(tmp_path / "p.png")
    assert image[:, -2:].min() == 1.0, "the legend is cut off"
    # The axes keep most of the width: a legend that is too wide would squeeze them.
    dark = np.flatnonzero((image[-60:, :, :3].sum(axis=2) < 1.0).any(axis=0))
    assert dark[-1] - dark[0] > 0.8 * image.shape[1]


def test_a_chart_of_ones_own_is_one_function_and_one_line(
    reported: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def own(evidence: pictures.Evidence) -> Picture:
        chart = chart_of(Points((1.0, 2.0), (float(evidence.model.board.rows), 0.0), "rows"))
        return Picture("of_ones_own", "A chart of one's own", "", (chart,))

    monkeypatch.setattr(pictures, "CHARTS", (*pictures.CHARTS, ("data", own)))
    config = reported.copy(tmp_path).config(*reported.overrides)
    pipeline.run_stage("report", config, force=True)
    html = Artifacts.of(config).page.read_text(encoding="utf-8")
    figures = re.findall(r'<figure id="picture-([^"]+)"', html)
    assert figures[figures.index("correlations") + 1] == "of_ones_own"
    assert (Artifacts.of(config).plots / "of_ones_own.png").is_file()


def test_every_chart_of_the_lists_has_a_place_that_a_page_has() -> None:
    templates = (Path(pictures.__file__).parent / "templates").glob("*.j2")
    places = re.findall(r'picture_at\("([\w-]+)"\)', "".join(each.read_text(encoding="utf-8") for each in templates))
    lists = (pictures.CHARTS, pictures.DATA_CHARTS, pictures.DEMAND_CHARTS)
    assert {place for charts in lists for place, _ in charts} <= set(places)
