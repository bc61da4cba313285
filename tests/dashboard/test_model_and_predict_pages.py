"""The pages Model and Predict open in any state of a project, say what is missing, and show what is chosen."""

import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from tests.support.dashboard_pages import looked_at, open_page, texts
from tests.support.demand import both_project, demand_project
from tests.support.odd_project import odd
from tests.support.projects import Project, place_store
from tests.support.stages import run_ingest

from tabtrail import pipeline
from tabtrail.dashboard.overview import read_board
from tabtrail.dashboard.place import Place
from tabtrail.dashboard.views.predict import show
from tabtrail.errors import BundleError
from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.project.paths import Artifacts

TABS = ("Leaderboard", "Predicted and actual", "Where it errs", "Intervals", "Why")


def open_tab(shown: AppTest, name: str) -> AppTest:
    shown.session_state["model-tab"] = name
    return looked_at(shown.run())


def board(project: Project) -> Leaderboard:
    found = read_board(Place(project.config()))
    assert found is not None
    return found


def test_before_the_first_run_both_pages_say_which_command_makes_the_model(project: Project) -> None:
    for page in ("model", "predict"):
        shown = open_page(page, project.config_file)
        assert "There is no model yet" in texts(shown)
        assert any("tabtrail train" in each.value for each in shown.code)
    run_ingest(project.config())
    for page in ("model", "predict"):
        assert "There is no model yet" in texts(open_page(page, project.config_file))


def test_every_tab_of_the_model_opens_and_says_which_predictions_it_shows_and_how_many(small: Project) -> None:
    shown, own = open_page("model", small.config_file), board(small)
    assert f"tested on {own.test_rows:,} others" in texts(shown)
    for name in TABS:
        open_tab(shown, name)
        if name in TABS[1:4]:
            assert f"**Test part**: {own.test_rows:,} of {own.test_rows:,} rows that the measured model has never seen" in texts(
                shown
            )
    open_tab(shown, "Predicted and actual")
    shown.sidebar.radio(key="model-part").set_value("cv")
    looked_at(shown.run())
    assert f"**Out of fold**: {own.train_rows:,} of {own.train_rows:,} rows of the training part" in texts(shown)


def test_a_filter_changes_the_metrics_to_those_of_its_rows_and_the_trend_highlights_the_chosen_year(small: Project) -> None:
    shown = open_tab(open_page("model", small.config_file), "Predicted and actual")
    before = {each.label: each.value for each in shown.metric}
    shown.sidebar.multiselect(key="model-years").set_value([2004])
    looked_at(shown.run())
    after = {each.label: each.value for each in shown.metric}
    assert before.keys() == after.keys() == {"MAE", "RMSE", "% error (WAPE)", "mean bias", "R²"}
    assert before != after
    assert "highlighted\\: 2004" in texts(shown)


def test_a_choice_without_rows_is_said_to_be_one(small: Project) -> None:
    shown = open_tab(open_page("model", small.config_file), "Predicted and actual")
    shown.sidebar.multiselect(key="model-years").set_value([2005])
    shown.sidebar.multiselect(key="model-months").set_value([12])
    looked_at(shown.run())
    assert "No row is chosen" in texts(shown)
    assert {each.value for each in shown.metric} == {"–"}


def test_the_form_answers_with_the_numbers_of_the_bundle_and_refuses_what_the_contract_does(small: Project) -> None:
    shown = open_page("predict", small.config_file)
    assert shown.metric[0].value.endswith(" USD")
    assert "% interval" in texts(shown)
    first = shown.metric[0].value
    shown.number_input[0].set_value(90)
    looked_at(shown.run())
    assert shown.metric[0].value != first
    shown.number_input[0].set_value(-3)
    looked_at(shown.run())
    assert "does not take this row" in texts(shown)
    assert not shown.metric


def test_the_slider_follows_the_row_that_is_entered_and_forgets_what_it_stood_at_of_another(small: Project) -> None:
    shown = open_page("predict", small.config_file)
    slider = shown.select_slider[0]
    assert slider.value == shown.number_input[0].value
    slider.set_value(slider.options[-1])
    looked_at(shown.run())
    assert "against the row as entered" in texts(shown)
    for value in (37, 41):
        shown.number_input[0].set_value(value)
        looked_at(shown.run())
        assert shown.select_slider[0].value == value


def test_series_are_chosen_by_those_that_exist_and_forecast(tmp_path_factory: pytest.TempPathFactory) -> None:
    project = demand_project(tmp_path_factory).project
    shown = open_page("predict", project.config_file)
    assert "ahead of the last known day" in texts(shown)
    for store in ("STORE_001", "STORE_000"):
        shown.selectbox[0].set_value(store)
        looked_at(shown.run())
        assert "new since the training" not in texts(shown)
    assert "no model of single rows" in texts(open_page("model", project.config_file))


def test_a_project_with_both_kinds_of_models_asks_which_is_meant(tmp_path_factory: pytest.TempPathFactory) -> None:
    project = both_project(tmp_path_factory)
    shown = open_page("predict", project.config_file)
    assert "ahead of the last known day" not in texts(shown)
    shown.radio(key="predict-model").set_value("series")
    looked_at(shown.run())
    assert "ahead of the last known day" in texts(shown)


def test_names_with_markup_10000_categories_and_no_date_are_shown_as_they_are(tmp_path: Path, empty_store: Path) -> None:
    project = odd(tmp_path)
    place_store(empty_store, tmp_path / "mlruns" / "mlflow.db")
    config = project.config("split.repeats=1", "report.learning_curve_folds=0", "explain.max_rows=30")
    run_ingest(config)
    pipeline.run_stage("train", config)
    shown = open_page("model", project.config_file)
    for name in TABS:
        open_tab(shown, name)
    form = open_page("predict", project.config_file)
    assert all(len(each.options) < 1_000 for page in (shown, form) for each in page.selectbox)
    assert all("<script>" not in each.proto.spec for page in (shown, form) for each in page.get("plotly_chart"))


def test_a_damaged_bundle_is_refused_with_a_message_and_nothing_of_it_is_shown(small: Project, tmp_path: Path) -> None:
    copy = Project(Path(shutil.copytree(small.root, tmp_path / "copy")))
    config = copy.config()
    graph = Artifacts.of(config).graph
    graph.write_bytes(graph.read_bytes()[:-1] + b"?")
    with pytest.raises(BundleError, match="was altered"):
        show(Place(config))
