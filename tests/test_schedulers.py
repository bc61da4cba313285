"""The files for Airflow and DVC, run by them to the end on the sample: `make schedulers` installs both and calls this."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.buckets import Buckets
from tests.support.database_tables import Tables
from tests.support.projects import REPO, Project

PLACE = os.environ.get("TABTRAIL_SCHEDULERS")
pytestmark = pytest.mark.skipif(PLACE is None, reason="run by `make schedulers`, which installs Airflow and DVC")
AIRFLOW, DVC = Path(PLACE or "") / ".venv-airflow/bin", Path(PLACE or "") / ".venv-dvc/bin"
TASKS = ("validate", "load", "train", "promote", "upload", "kept")


@pytest.fixture
def sample(project: Project) -> Project:
    """A project whose training takes seconds, as its file says."""
    text = project.config_file.read_text()
    small = "candidates:\n  GradientBoosting_40: {n_estimators: 40}\n\nwarehouse: {table: demand_data}\n\nmlflow:"
    project.config_file.write_text(re.sub(r"(?ms)^candidates:.*?^mlflow:", small, text))
    return project


@pytest.fixture
def environment(sample: Project, tmp_path: Path) -> dict[str, str]:
    """What Airflow's worker has: the project, the command, and a home of its own."""
    command = tmp_path / "tabtrail"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m tabtrail "$@"\n')
    command.chmod(0o755)
    found = {**os.environ, "TABTRAIL_PROJECT": str(sample.root), "TABTRAIL_COMMAND": str(command)}
    found |= {"AIRFLOW_HOME": str(tmp_path / "airflow"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    return found | {"AIRFLOW__CORE__DAGS_FOLDER": str(REPO / "deploy/airflow"), "PATH": f"{tmp_path}:{os.environ['PATH']}"}


def run_dag(environment: dict[str, str]) -> tuple[dict[str, str], str]:
    """Run the DAG once; the state of each task, and the log."""
    airflow = str(AIRFLOW / "airflow")
    subprocess.run([airflow, "db", "migrate"], env=environment, check=True, capture_output=True)
    done = subprocess.run([airflow, "dags", "test", "tabtrail_training"], env=environment, capture_output=True, text=True)
    home = Path(environment["AIRFLOW_HOME"]) / "airflow.db"
    query = "SELECT task_id, state FROM task_instance"
    code = f"import sqlite3, json; print(json.dumps(dict(sqlite3.connect({str(home)!r}).execute({query!r}).fetchall())))"
    states = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return json.loads(states), done.stdout + done.stderr


def test_airflow_runs_the_sample_to_the_end_into_the_warehouse_and_the_bucket(
    environment: dict[str, str], tables: Tables, moto_server: Buckets
) -> None:
    bucket = moto_server.new()
    environment |= moto_server.environment | {"TABTRAIL_POSTGRES": tables.address}
    environment["TABTRAIL__PATHS__MODELS_DIR"] = f"s3://{bucket}/models"
    states, log = run_dag(environment)
    assert states == dict.fromkeys(TASKS, "success") | {"kept": "skipped"}, log[-3000:]
    assert tables.run("SELECT count(*) > 1000 FROM demand_data") == [(True,)]
    assert [name for name in moto_server.names(bucket) if name.endswith(".onnx")]


def test_a_broken_contract_ends_the_run_without_a_retry_and_nothing_after_it_starts(
    environment: dict[str, str], tables: Tables, sample: Project
) -> None:
    sample.rewrite(lambda data: data.replace(b"\n", b",\n", 2000))
    states, log = run_dag(environment | {"TABTRAIL_POSTGRES": tables.address})
    assert states["validate"] == "failed", log[-3000:]
    assert {states[name] for name in TASKS[1:5]} == {"upstream_failed"}
    assert "the data broke its contract" in log


def test_a_second_dvc_repro_does_nothing(environment: dict[str, str], sample: Project) -> None:
    shutil.copy(REPO / "deploy/dvc/dvc.yaml", sample.root)
    source = "data/raw/sales_data_sample.csv"
    for command in (
        ["git", "init", "-q"],
        [DVC / "dvc", "init", "-q"],
        [DVC / "dvc", "add", "-q", source],
        [DVC / "dvc", "repro"],
    ):
        subprocess.run(command, cwd=sample.root, env=environment, check=True, capture_output=True)
    before = sample.tree()
    again = subprocess.run([DVC / "dvc", "repro"], cwd=sample.root, env=environment, check=True, capture_output=True, text=True)
    assert "up to date" in again.stdout
    assert (sample.root / "output/report.html").is_file()
    assert sample.tree() == before
