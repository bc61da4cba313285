"""The pages Overview and Explore open in any state of a project and on any data, and show what SQL and the report have."""

import json
import shutil
import sys
import threading
from datetime import date
from pathlib import Path

import polars as pl
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from tests.support.dashboard_pages import looked_at, open_page, texts
from tests.support.demand import demand_project
from tests.support.odd_project import odd
from tests.support.projects import Project, Trained
from tests.support.stages import run_ingest

from tabtrail import pipeline
from tabtrail.dashboard import app, explore, explore_figures
from tabtrail.dashboard.explore import Measure
from tabtrail.dashboard.figures import alternative
from tabtrail.dashboard.filters import Selection
from tabtrail.dashboard.overview import freshness, read_board, row_verdict
from tabtrail.dashboard.panels import table_html
from tabtrail.dashboard.place import Place
from tabtrail.data.result_files import drift_table_file
from tabtrail.errors import DataError
from tabtrail.project.paths import Artifacts
from tabtrail.project.status import status
from tabtrail.system.files import write_parquet
from tabtrail.system.held import is_held

TABS = ("Over time", "Categories", "Distribution", "Relation", "Missing", "Rows")


@pytest.fixture(scope="module")
def demand(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return demand_project(tmp_path_factory)


def tiny(root: Path, rows: str) -> Project:
    """A project with a target `y`, a date `day` and a text `name`, in euros; nothing ran in it."""
    config = {
        "version": 2,
        "paths": {"raw_csv": "rows.csv"},
        "cleaning": {"date_column": "day", "date_formats": ["%Y-%m-%d"]},
        "model": {"name": "m", "target": "y", "categorical_features": ["name"], "currency": "EUR"},
        "split": {"kind": "random", "folds": 2},
    }
    (root / "rows.csv").write_text(f"y,day,name\n{rows}\n")
    (root / "config_v2.yaml").write_text(json.dumps(config))
    return Project(root)


def open_tabs(config: Path) -> str:
    """Every text of every tab of Explore."""
    shown = open_page("explore", config)
    said = [texts(shown)]
    for name in TABS:
        shown.session_state["explore-tab"] = name
        said.append(texts(looked_at(shown.run())))
    return "\n".join(said)


def test_before_the_first_run_both_pages_say_which_command_makes_the_data(project: Project) -> None:
    for page in ("overview", "explore"):
        shown = texts(open_page(page, project.config_file))
        assert "There is no data yet" in shown
        assert f"tabtrail ingest --config {project.config_file}" in shown


def test_with_rows_alone_the_first_page_asks_for_a_model_and_explore_shows_every_tab(rows_only: Place) -> None:
    file = rows_only.config.root / "config_v2.yaml"
    shown = texts(open_page("overview", file))
    assert "There is no model yet" in shown
    assert "tabtrail train" in shown
    said = open_tabs(file)
    for words in (
        "Rows",
        "Sum of SALES",
        "All rows",
        "first with",
        "Each point is a row",
        "lacks most values",
        "The first 1,000 rows",
    ):
        assert words.lower() in said.lower(), words


def test_the_first_page_has_the_verdict_of_the_report_the_champion_and_what_is_deployed(small: Project) -> None:
    at = Place(small.config())
    board = read_board(at)
    assert board is not None
    shown = texts(open_page("overview", small.config_file)).replace("\\", "")
    for sentence in row_verdict(at, board):
        assert sentence in shown
    for words in (
        board.champion,
        "Deployments",
        "it is the first model",
        "Freshness of the stages",
        "DEALSIZE",
    ):
        assert words in shown


def test_an_alarm_stands_above_everything_else_of_the_first_page(small: Project, tmp_path: Path) -> None:
    shutil.copytree(small.root, tmp_path / "p")
    project = Project(tmp_path / "p")
    window = {"window": "2005 <b>", "reference": "2003", "created": "2026-01-01T00:00:00", "rows": 10, "alarm": True}
    rows = pl.DataFrame(
        [{**window, "column": "MSRP", "column_alarm": True}, {**window, "column": "SALES", "column_alarm": False}]
    )
    write_parquet(drift_table_file(project.root / "output"), rows)
    shown = open_page("overview", project.config_file)
    assert [each.value for each in shown.error] == [
        "2005 \\<b\\> drifts in MSRP. 1 of the 1 newest windows of later rows drift; the page Drift says how."
    ]
    assert "2005 &lt;b&gt;" in texts(shown)


def test_a_project_of_series_shows_their_verdict_and_its_rows(demand: Trained) -> None:
    shown = texts(open_page("overview", demand.project.config_file))
    assert "series" in shown
    assert "Champion" in shown
    assert "Sum of units" in open_tabs(demand.project.config_file)


def test_names_with_markup_10000_categories_and_no_date_are_shown_as_they_are(tmp_path: Path) -> None:
    project = odd(tmp_path)
    run_ingest(project.config())
    said = open_tabs(project.config_file)
    assert "<script>" not in said.replace("\\<script", "")
    assert "9,985 more categories with 9,985 rows are not drawn" in said.replace("\\", "")
    assert "The rows have no date" in said
    open_page("overview", project.config_file)


@pytest.mark.parametrize("rows", [1, 0])
def test_one_row_or_none_is_enough_to_open_every_tab(tmp_path: Path, rows: int) -> None:
    project = tiny(tmp_path, "1,2003-01-06,a\n2,2003-01-07,b\n3,2003-01-08,c")
    run_ingest(project.config())
    (file,) = project.config().paths.processed_dir.rglob("*.parquet")
    write_parquet(file, pl.read_parquet(file).head(rows))  # an ingest would refuse so few, for want of folds
    assert f">{rows}<" in open_tabs(project.config_file)
    open_page("overview", project.config_file)


def frame(at: Place) -> pl.DataFrame:
    return pl.read_parquet(at.config.paths.processed_dir / "**/*.parquet", hive_partitioning=True)


def test_totals_categories_periods_and_ranges_are_those_of_the_rows(rows_only: Place) -> None:
    chosen = Selection((("STATUS", ("Shipped",)),), "ORDERDATE", date(2003, 3, 1), date(2004, 10, 31))
    rows = frame(rows_only).filter(chosen.expression())
    facts = {each.label: each.value for each in explore.totals(rows_only, chosen)}
    assert facts["Rows"] == f"{rows.height:,}"
    found = explore.ranked(rows_only, chosen, "COUNTRY", Measure("sum", "SALES"), most=3)
    by_country = rows.group_by("COUNTRY").agg(pl.col("SALES").sum(), pl.len()).sort("SALES", descending=True)
    assert found.table["name"].to_list() == by_country["COUNTRY"].head(3).to_list()
    assert found.table["value"].to_list() == pytest.approx(by_country["SALES"].head(3).to_list())
    assert (found.more, found.more_rows) == (by_country.height - 3, int(by_country["len"].slice(3).sum()))
    months = explore.over_time(rows_only, chosen, Measure("count", ""), step="month", window=3)
    by_month = rows.group_by(pl.col("ORDERDATE").dt.truncate("1mo")).len().sort("ORDERDATE")
    assert months.filter(pl.col("rows") > 0)["rows"].to_list() == by_month["len"].to_list()
    assert months["rolling"].to_list() == months["value"].rolling_mean(3).to_list()
    bins = explore.distribution(rows_only, chosen, "MSRP")
    assert bins["rows"].sum() == rows.height
    for low, high, count in bins.head(39).iter_rows():
        assert count == rows.filter(pl.col("MSRP") >= low, pl.col("MSRP") < high).height


def test_a_period_without_rows_counts_as_none_of_a_sum_and_is_a_gap_of_a_mean(tmp_path: Path) -> None:
    at = Place(tiny(tmp_path, "1,2003-01-06,a\n1,2003-01-07,a\n4,2003-03-06,a").config())
    run_ingest(at.config)
    for function, values in (("sum", [2.0, 0.0, 4.0]), ("avg", [1.0, None, 4.0])):
        found = explore.over_time(at, Selection(), Measure(function, "y"), step="month", window=2)  # type: ignore[arg-type]
        assert found["value"].to_list() == values
    figure = explore_figures.time_figure(found, "Mean of y, EUR", "month", 2)
    assert alternative(figure) == "From 2003-01 to 2003-03; largest in 2003-03: 4. In 1 months there is no row."
    assert figure.layout.yaxis.title.text == "Mean of y, EUR"


def test_a_drawn_sample_says_so_and_of_how_many_rows_it_is(rows_only: Place) -> None:
    found, rows = explore.sampled(rows_only, Selection(), ("MSRP", "SALES"), 500)
    assert (found.height, rows) == (500, frame(rows_only).height)
    figure = explore_figures.scatter_figure(found, rows, ("MSRP", "SALES"))
    assert "(a sample)" in figure.layout.title.text
    assert alternative(figure) == f"Each point is a row: 500 of {rows:,} rows, drawn at random."


def test_rows_are_read_from_parquet_where_the_database_is_missing_older_or_damaged(rows_only: Place, tmp_path: Path) -> None:
    shutil.copytree(rows_only.config.root, tmp_path / "p")
    at = Place(Project(tmp_path / "p").config())
    file, count = at.config.paths.duckdb_file, f"SELECT count(*) FROM {at.table}"
    rows = frame(rows_only).height
    assert at.ask(count).item() == rows
    file.write_bytes(b"no database")
    assert at.ask(count).item() == rows
    file.unlink()
    assert at.ask(count).item() == rows


def test_rows_of_another_config_are_one_message_with_what_makes_them_anew(rows_only: Place) -> None:
    changed = Project(rows_only.config.root).config("contract.columns.NEW={dtype: string}")
    with pytest.raises(DataError, match=r'do not fit this config .*"NEW" not found.*`tabtrail run` makes them anew'):
        explore.first_rows(Place(changed), Selection(), 10)


def test_to_look_takes_no_lock_even_where_the_state_is_asked_again_and_again(
    small: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_: Path) -> bool:
        raise AssertionError("the lock was asked, which takes it for a moment")

    monkeypatch.setattr("tabtrail.project.status.is_held", never)
    assert is_held is not never
    open_page("overview", small.config_file)
    assert status(small.config(), pipeline.STAGES, ask_lock=False).at_work is None


def test_a_table_holds_texts_as_they_are_and_figures_as_the_report_writes_them() -> None:
    shown = table_html(pl.DataFrame({"<a>": ["<script>x</script>", None], "n": [1234.5678, 12_345_678.0]}), "A & B")
    assert "&lt;script&gt;" in shown
    assert "<script" not in shown
    assert 'aria-label="A &amp; B"' in shown
    assert all(figure in shown for figure in (">1,235<", ">12,345,678<", ">–<"))


def test_the_entry_lists_eight_pages_and_says_what_is_wrong_with_a_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [each.path for each in app.PAGES] == ["overview", "explore", "model", "predict", "forecast", "drift", "runs", "train"]
    (tmp_path / "config_v2.yaml").write_text("version: 2\nmodle: {}\n")
    monkeypatch.setattr(sys, "argv", ["app.py", "--config", str(tmp_path / "config_v2.yaml")])
    shown = looked_at(AppTest.from_file(app.__file__, default_timeout=60).run())
    assert "The config cannot be read" in texts(shown)
    assert "modle: unknown key; did you mean 'model'?" in texts(shown)


def test_artifacts_of_the_first_page_are_those_of_the_project(small: Project) -> None:
    assert Place(small.config()).artifacts == Artifacts.of(small.config())


def test_who_looks_while_ingest_and_eda_work_again_and_again_sees_whole_rows_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    project = tiny(tmp_path, "\n".join(f"{day},2003-01-{day:02},a" for day in range(1, 29)))
    at, counts, wrong = Place(project.config()), set[int](), list[Exception]()
    run_ingest(at.config)
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            try:
                st.cache_data.clear()
                counts.add(int(explore.totals(at, Selection())[0].value))
                freshness(at)
            except Exception as error:  # noqa: BLE001 - whatever it is, a person would see it
                wrong.append(error)

    looking = [threading.Thread(target=look) for _ in range(2)]  # two dashboards
    for each in looking:
        each.start()
    try:
        for rows in (28, 21, 28, 14):
            tiny(tmp_path, "\n".join(f"{day},2003-01-{day:02},a" for day in range(1, rows + 1)))
            pipeline.run_stage("ingest", at.config, force=True)
            pipeline.run_stage("eda", at.config, force=True)
    finally:
        done.set()
        for each in looking:
            each.join()
    assert wrong == []
    assert counts <= {28, 21, 14}
    assert not list(tmp_path.rglob("*look*"))
