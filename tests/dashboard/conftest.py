"""A project with rows and no model, made once."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.projects import REAL_CSV, Project, make_project, once
from tests.support.stages import run_ingest

from tabtrail import pipeline
from tabtrail.dashboard.place import Place

_MAIN = sys.modules["__main__"]


@pytest.fixture(autouse=True)
def _main_module() -> Iterator[None]:
    """Streamlit puts a script into the place of `__main__` and leaves it there: processes that are spawned later would run it."""
    yield
    sys.modules["__main__"] = _MAIN


@pytest.fixture(scope="session")
def rows_only(tmp_path_factory: pytest.TempPathFactory, sample_csv: Path) -> Place:
    """The rows of the real file (of the sample where it is missing), as Parquet and in the DuckDB file."""
    with once(tmp_path_factory, "dashboard_rows") as root:
        project = Project(root) if root.exists() else make_project(root, REAL_CSV if REAL_CSV.is_file() else sample_csv)
        config = project.config()
        run_ingest(config)
        pipeline.run_stage("eda", config)
    return Place(config)
