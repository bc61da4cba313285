"""What the page Drift shows of checked windows: frames and figures over the files that a check leaves."""

import json
from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest
from tests.support.commands import run_in
from tests.support.dashboards import dashboard_project
from tests.support.projects import Project

from tabtrail.dashboard import drift
from tabtrail.dashboard.figures import alternative

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return dashboard_project(tmp_path_factory, "drift")


@pytest.fixture(scope="module")
def documents(project: Project) -> list[dict[str, Any]]:
    paths = sorted((project.root / "output" / "drift").glob("*.json"))
    return [json.loads(path.read_text()) for path in paths]


def changed(document: Mapping[str, Any], **sections: Any) -> dict[str, Any]:
    """A copy with some keys of `compared`, or whole sections, in the place of its own."""
    compared = {**document["compared"], **sections.pop("compared", {})}
    return {**document, "compared": compared, **sections}


def test_events_are_those_that_the_command_lists(project: Project, documents: list[dict[str, Any]]) -> None:
    promotions = pl.read_parquet(project.root / "output" / "metrics" / "promotions.parquet")
    listed = json.loads(run_in(project, "drift", "--history", "--format=json").stdout)
    own = promotions.filter(pl.col("name") == project.config().model.name) if "name" in promotions.columns else promotions
    frame = drift.events_frame(documents, own)
    assert sorted(zip(frame["what"], frame["of"], strict=True)) == sorted((each["kind"], each["name"]) for each in listed)
    alarms = {each["name"]: "DRIFT" if each["alarm"] else "–" for each in listed if each["kind"] == "check"}
    assert dict(frame.filter(pl.col("what") == "check").select("of", "alarm").iter_rows()) == alarms
    assert frame["when"].to_list() == sorted(frame["when"].to_list(), reverse=True)


def test_every_column_of_a_window_is_listed_with_its_own_figures(documents: list[dict[str, Any]]) -> None:
    for document in documents:
        frame, check = drift.columns_frame(document), document["check"]
        assert frame["column"].to_list() == [each["name"] for each in (*check["columns"], *check["apart"])]
        assert frame["psi"].to_list() == [each["psi"] for each in (*check["columns"], *check["apart"])]
        assert frame.filter(pl.col("alarm") == "DRIFT").height == sum(each["alarm"] for each in check["columns"])


def test_an_absent_column_is_listed_first_and_says_where_to_look(documents: list[dict[str, Any]]) -> None:
    gone = changed(documents[0], check={**documents[0]["check"], "absent": [HOSTILE], "alarm": True}, alarm=True)
    assert drift.columns_frame(gone).row(0)[:2] == (HOSTILE, "DRIFT")
    name, why, look = drift.advice(gone)[0]
    assert (name, why) == (HOSTILE, "the column is absent")
    assert "Look first at the source of the data" in look
    assert f"{HOSTILE} (absent)" in drift.windows_frame([gone])["columns"][0]


def test_columns_are_ranked_by_weighted_drift_and_by_drift_where_no_importance_is_known(documents: list[dict[str, Any]]) -> None:
    column = {**documents[0]["check"]["columns"][0], "importance": 0.5}
    heavy, light = {**column, "name": HOSTILE, "weight": 2.0, "drift": 1.0}, {**column, "name": "b", "weight": 1.0, "drift": 9.0}
    weighed = changed(documents[0], check={**documents[0]["check"], "columns": [light, heavy]})
    figure = drift.weights_figure(weighed)
    assert figure is not None
    assert [each.split(" ·")[0] for each in figure.data[0].y] == ["&lt;script&gt;alert(1)&lt;/script&gt;", "b"]
    unknown = [{**each, "importance": None} for each in (light, heavy)]
    plain = drift.weights_figure(changed(documents[0], check={**documents[0]["check"], "columns": unknown}))
    assert plain is not None
    assert figure.layout.xaxis.title.text != plain.layout.xaxis.title.text
    assert plain.data[0].y[0].startswith("b")


def test_the_martingale_is_drawn_from_the_state_of_the_watch_with_its_alarm_line() -> None:
    state = {"martingale": {"looks": 403, "history": [1.0, 0.5, 0.0, 25.0]}}
    places, values, what = drift.martingale_points(state, [])
    assert (places, values, what) == ([400, 401, 402, 403], [1.0, 0.5, 0.0, 25.0], "looks at the log")
    figure = drift.martingale_figure(state, [])
    assert figure is not None
    assert figure.layout.shapes[0].y0 == 20
    assert min(figure.data[0].y) > 0, "nothing cannot be drawn on a logarithmic axis"
    assert alternative(figure) == "Martingale over 4 looks of the log: now 25, largest 25, alarm at 20. It has alarmed."
    assert drift.martingale_figure({"martingale": {"looks": 0, "history": []}}, []) is None


def test_without_a_state_the_martingale_is_that_of_the_checks_in_their_order(documents: list[dict[str, Any]]) -> None:
    looked = {"value": 0.5, "largest": 1.0, "alarmed": False, "looks": 2, "parts": {}, "leading": []}
    checks = [
        changed(documents[0], compared={"created": f"2026-01-0{day}T00:00:00+00:00"}, martingale={**looked, "value": value})
        for day, value in ((2, 0.25), (1, 0.5))
    ]
    assert drift.martingale_points(None, [*checks, *documents])[1] == [0.5, 0.25]


def test_windows_of_one_reference_are_compared_in_their_order(project: Project) -> None:
    table = pl.read_parquet(project.root / "output" / "metrics" / "drift.parquet")
    (reference,) = table["reference"].unique()
    figure = drift.over_windows_figure(table, reference)
    assert figure is not None
    assert list(figure.data[0].x) == sorted(table["window"].unique())
    row = table.filter(pl.col("apart").is_null()).row(0, named=True)
    place = [list(figure.data[0].y).index(row["column"]), list(figure.data[0].x).index(row["window"])]
    assert figure.data[0].z[place[0]][place[1]] == pytest.approx(row["psi"] / row["psi_by_chance"], abs=1e-3)
    assert drift.over_windows_figure(table.filter(pl.col("window") == row["window"]), reference) is None


def test_a_retraining_that_waits_and_one_that_was_are_events() -> None:
    waiting = {"run_id": "a", "alarmed": "2026-01-01T00:00:00+00:00", "labelled": 5, "needed": 20, "trained": None}
    done = {**waiting, "run_id": "b", "trained": "2026-01-02T00:00:00+00:00", "action": "refused", "reasons": ["worse"]}
    frame = drift.events_frame([], None, [waiting, done])
    assert frame["what"].to_list() == ["retraining", "retraining due"]
    assert frame["about"].to_list() == ["refused; worse", "waits for labels: 5 of 20"]
