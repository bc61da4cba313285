"""Projects in every state that a dashboard may find."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from tests.support.commands import run_in
from tests.support.demand import both_project
from tests.support.projects import Project, once
from tests.support.series import FACTS, monthly, seasonal

from tabtrail.config.forecast import Risk
from tabtrail.dashboard.runs import Trainings
from tabtrail.forecast.result import SegmentResult
from tabtrail.forecast.segment import analyse
from tabtrail.tracking.listing import list_trainings

STATES = ("nothing", "data", "model", "forecasts", "drift")
LABEL = "<script>alert(1)</script> 🚗 " + "x" * 300


def dashboard_project(factory: pytest.TempPathFactory, state: str) -> Project:
    """A project in a state: config and CSV alone, ingested, trained (a model of rows, one of series), with a stored forecast of a
    segment, with checked windows. Each is made once, shared, and never to be changed.
    """
    whole = both_project(factory)
    with once(factory, f"dashboard_{state}") as root:
        if not root.exists():
            shutil.copytree(whole.root, root)
            _bring(Project(root), state)
    return Project(root)


def _bring(project: Project, state: str) -> None:
    if state in ("nothing", "data"):
        kept = {"config_v2.yaml", "demand.csv", *(["data", "duckdb", "output"] if state == "data" else [])}
        gone = [each for each in project.root.iterdir() if each.name not in kept]
        if state == "data":
            gone += [each for each in (project.root / "output").iterdir() if each.name != "summary"]
        for path in gone:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return
    if state == "model":
        return
    folder = project.root / "output" / "timeseries"
    folder.mkdir(parents=True)
    data = json.loads(project.config().paths.manifest.read_text())["data_sha256"]
    found = monthly_result().model_copy(update={"data_sha256": data, "label": LABEL})
    (folder / "units_ts_risk_all.json").write_text(found.model_dump_json())
    if state == "drift":
        done = run_in(project, "drift", "--between", "2023-01..2023-04", "2023-05..2023-07", "--by", "month")
        assert done.returncode in (0, 5), done.stderr


@cache
def monthly_result() -> SegmentResult:
    """A forecast of forty months with a season, with intervals and risk."""
    return analyse(monthly(seasonal(40)), Risk(), FACTS)


def charts(app: AppTest) -> list[dict[str, Any]]:
    """The charts of a page as plotly has them."""
    return [json.loads(each.proto.spec) for each in app.get("plotly_chart")]


@contextmanager
def in_process_runs(project: Project) -> Iterator[None]:
    """Let the page Runs ask the store within this process: a process of its own takes seconds to import MLflow."""

    listed = [each.to_dict() for each in list_trainings(project.config().mlflow)]
    found = Trainings(tuple(json.loads(json.dumps(listed))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tabtrail.dashboard.views.runs.ask_trainings", lambda words: found)
        yield
