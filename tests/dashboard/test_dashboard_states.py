"""The pages on forecasts, drift, runs and trainings open in every state of a project, and say what makes what lacks."""

import pytest
from tests.support.dashboard_pages import open_page, texts
from tests.support.dashboards import LABEL, STATES, charts, dashboard_project, in_process_runs
from tests.support.projects import Project


@pytest.fixture(scope="module", params=STATES)
def state(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def project(state: str, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return dashboard_project(tmp_path_factory, state)


def test_forecasts_are_shown_once_they_are_there(project: Project, state: str) -> None:
    app = open_page("forecast", project.config_file)
    if state in ("nothing", "data"):
        assert "There is no model of series yet." in texts(app)
        assert f"tabtrail run --config {project.config_file}" in texts(app)
        return
    assert {"What is to come", "History"} <= {each.value for each in app.subheader}
    assert len(charts(app)) >= 4
    if state == "model":
        return
    app.segmented_control(key="forecast-kind").set_value("Segments").run()
    assert "Risk" in {each.value for each in app.subheader}
    (title,) = {each["layout"]["title"]["text"] for each in charts(app)[:1]}
    assert "<script>" not in title, "a name is text"
    assert "&lt;script&gt;" in title
    assert len(title) < len(LABEL)


def test_model_and_predictions_are_shown_once_there_is_a_model(project: Project, state: str) -> None:
    for page in ("model", "predict"):
        app = open_page(page, project.config_file)
        if state in ("nothing", "data"):
            assert "There is no model yet." in texts(app)
            assert f"tabtrail train --config {project.config_file}" in texts(app)
        else:
            assert "There is no model yet." not in texts(app)
            assert len(charts(app)) >= 2


def test_drift_is_shown_once_it_was_checked(project: Project, state: str) -> None:
    app = open_page("drift", project.config_file)
    if state != "drift":
        assert "No later rows were checked for drift yet." in texts(app)
        assert f"tabtrail drift --config {project.config_file}" in texts(app)
        return
    assert {"Checked windows", "One window", "Checks and deployments"} <= {each.value for each in app.subheader}
    assert len(app.selectbox(key="drift-window").options) == 3
    assert len(charts(app)) >= 3


def test_runs_are_shown_once_there_are_some(project: Project, state: str) -> None:
    with in_process_runs(project):
        app = open_page("runs", project.config_file)
    if state in ("nothing", "data"):
        assert "There are no trainings yet." in texts(app)
    else:
        assert len(app.selectbox(key="runs-training").options) == 2
        assert len(charts(app)) == 1
    assert "mlflow ui --backend-store-uri sqlite:///" in texts(app)


def test_a_dashboard_that_only_looks_says_how_to_train_and_has_no_button(project: Project) -> None:
    app = open_page("train", project.config_file)
    assert "--allow-train" in texts(app)
    assert not app.button
    assert not app.text_input


@pytest.mark.parametrize("name", ["forecast", "drift", "runs", "train"])
def test_every_chart_has_a_title_units_and_a_text_alternative(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    project = dashboard_project(tmp_path_factory, "drift")
    with in_process_runs(project):
        app = open_page(name, project.config_file)
    said = texts(app).replace("\\", "")  # as Markdown shows it
    for chart in charts(app):
        layout = chart["layout"]
        assert layout["title"]["text"]
        assert layout["xaxis"]["title"]["text"]
        assert layout["meta"]["alt"] in said
