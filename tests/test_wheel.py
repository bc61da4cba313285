"""The built wheel, installed without the sources into a clean environment with the base dependencies alone."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import mlflow
import pandas as pd
import polars as pl
import pytest
from mlflow.exceptions import MlflowException
from tests.support.commands import call as call_module
from tests.support.commands import run_here
from tests.support.projects import REPO, Trained, serving

from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.config.tree import Config


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(REPO)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    pins = re.findall(r"^([a-z0-9._-]+==\S+(?: ;[^\\\n]*)?)", (REPO / "requirements.lock").read_text(), re.M)
    (folder / "pins.txt").write_text("\n".join(pins))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "venv" / "bin" / "python"), "install", "--quiet"]
    pip += ["--disable-pip-version-check", "--no-compile", "--constraint", str(folder / "pins.txt")]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    return folder / "venv" / "bin"


def call(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, cwd=cwd, env=environment)


def test_only_the_package_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {"tabtrail", "tabtrail-0.1.0.dist-info"}
    assert "tabtrail/py.typed" in names


def test_the_templates_of_the_page_are_in_the_wheel_as_they_are_in_the_sources(wheel: Path) -> None:
    folder = REPO / "src" / "tabtrail" / "report" / "templates"
    with zipfile.ZipFile(wheel) as archive:
        packed = {Path(name).name: archive.read(name) for name in archive.namelist() if "/templates/" in name}
    assert {"report.css", "report.html.j2", "report.js", "uPlot.iife.min.js", "LICENSE"} <= set(packed)
    assert packed == {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_settings_of_the_dashboard_are_in_the_wheel_beside_its_entry(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = archive.read("tabtrail/dashboard/.streamlit/config.toml").decode()
        assert "tabtrail/dashboard/app.py" in archive.namelist()
    assert "gatherUsageStats = false" in packed
    assert 'address = "127.0.0.1"' in packed


def test_it_predicts_and_serves_without_the_training_packages(installed: Path, trained: Trained, tmp_path: Path) -> None:
    config = str(trained.project.config_file)
    shown = call(installed / "tabtrail", "predict", "--config", config, "--show-schema", cwd=tmp_path)
    payload = shown.stdout.strip().splitlines()[-1]
    done = call(installed / "tabtrail", "predict", "--config", config, "--json", payload, "--format", "json", cwd=tmp_path)
    assert json.loads(done.stdout)["model_name"] == trained.report.leaderboard.champion
    code = (
        "import importlib.util as u, tabtrail.serving.app as s; s.create_app();"
        "print([u.find_spec(name) for name in ('sklearn', 'pandas', 'mlflow')])"
    )
    assert call(installed / "python", "-c", code, cwd=tmp_path).stdout.strip() == "[None, None, None]"


@pytest.fixture(scope="module")
def scoring(trained: Trained, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A clean environment made from the requirements of the registered champion, and its files."""
    folder, config = tmp_path_factory.mktemp("scoring"), trained.config
    version = mlflow.MlflowClient(config.mlflow.tracking_uri).get_model_version_by_alias(config.model.name, "champion")
    model = Path(mlflow.artifacts.download_artifacts(version.source, dst_path=str(folder)))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "venv" / "bin" / "python"), "install", "--quiet"]
    pip += ["--disable-pip-version-check", "--no-compile", "--find-links", str(wheel.parent)]
    done = subprocess.run([*pip, "-r", str(model / "requirements.txt")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "venv" / "bin", model


Answers = list[tuple[float, float, float, list[str]]]


class Refused(Exception):  # noqa: N818 - what a way in says of rows that it does not take
    """Why a way in refused rows."""


@pytest.fixture(scope="module")
def ways(
    scoring: tuple[Path, Path], trained: Trained, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Callable[[list[Any]], Answers]]]:
    """What answers rows: the command, the service, the registered model in Python and behind MLflow's server."""
    folder = tmp_path_factory.mktemp("ways")
    with serving(trained.project) as service, model_server(*scoring, folder) as server:
        registered = mlflow.pyfunc.load_model(str(scoring[1]))
        yield {
            "predict_sales": lambda rows: by_command(trained, folder / "rows.json", rows),
            "/predict/batch": lambda rows: by_service(service, rows),
            "mlflow.pyfunc": lambda rows: by_pyfunc(registered, rows),
            "mlflow models serve": lambda rows: by_model_server(server, rows),
        }


def by_command(trained: Trained, file: Path, rows: list[Any]) -> Answers:
    file.write_text(json.dumps(rows))
    words = ("--json-file", str(file), "--format", "json", "--config", str(trained.project.config_file))
    # The door ends its process at once, and so takes one of its own: a second for the many rows, not for each broken one.
    done = call_module("src.predict_sales", *words) if len(rows) > 2 else run_here("predict", *words)
    if done.returncode == 2:
        raise Refused(done.stderr)
    return [told(each) for each in json.loads(done.stdout)]


def by_service(service: httpx.Client, rows: list[Any]) -> Answers:
    answer = service.post("/predict/batch", json=rows)
    if answer.status_code == 422:
        raise Refused("; ".join(f"{each['column']}: {each['message']}" for each in answer.json()["errors"]))
    return [told(each) for each in answer.json()["predictions"]]


def by_pyfunc(model: mlflow.pyfunc.PyFuncModel, rows: list[Any]) -> Answers:
    try:
        return list(model.predict(pd.DataFrame(rows)).itertuples(index=False, name=None))
    except MlflowException as error:
        raise Refused(str(error)) from None


def by_model_server(server: httpx.Client, rows: list[Any]) -> Answers:
    answer = server.post("/invocations", json={"dataframe_records": rows})
    if answer.status_code == 400:
        raise Refused(answer.text)
    return [(each["prediction"], each["low"], each["high"], each["warnings"]) for each in answer.json()["predictions"]]


def told(answer: dict[str, Any]) -> tuple[float, float, float, list[str]]:
    return answer["prediction"], answer["interval"]["low"], answer["interval"]["high"], answer["warnings"]


@contextmanager
def model_server(programs: Path, model: Path, folder: Path) -> Iterator[httpx.Client]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"PATH": f"{programs}:{os.environ['PATH']}"}  # the server starts `uvicorn` by its name
    command = [programs / "mlflow", "models", "serve", "-m", model, "--env-manager", "local", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment, start_new_session=True)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            wait_until_up(client, server, folder / "log")
            yield client
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def test_the_requirements_of_the_registered_champion_bring_nothing_that_trains(
    scoring: tuple[Path, Path], tmp_path: Path
) -> None:
    assert call(scoring[0] / "python", "-c", "import sklearn", cwd=tmp_path).returncode == 1


def test_500_rows_have_one_answer_by_the_command_the_service_and_both_ways_of_mlflow(
    ways: dict[str, Callable[[list[Any]], Answers]], trained: Trained
) -> None:
    predictor = Predictor(load_bundle(trained.config.paths.models_dir, trained.config.model.name))
    rows = dataset_rows(trained.config, predictor.schema.names)[:500]
    rows[7] = {**rows[7], "COUNTRY": "Atlantis"}
    wanted = [
        (each.value, each.interval.low, each.interval.high, list(each.warnings))
        for each in predictor.predict(rows)
        if each.interval
    ]
    assert len(wanted) == 500
    assert wanted[7][3], "training has no such country"
    for way, answers in ways.items():
        found = answers(rows)
        for place in range(3):
            assert [each[place] for each in found] == pytest.approx([each[place] for each in wanted], rel=1e-12), way
        assert [list(each[3]) for each in found] == [each[3] for each in wanted], way


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"QUANTITYORDERED": -5}, "QUANTITYORDERED: row 2 of 2: must be at least 1"),
        ({"QUANTITYORDERED": 2.5}, "QUANTITYORDERED: row 2 of 2: must be a whole number"),
        ({"QUANTITYORDERED": True}, "QUANTITYORDERED: row 2 of 2: must be a number"),
        ({"PRICEEACH": "cheap"}, "PRICEEACH: row 2 of 2: must be a number, not text"),
        ({"PRICEEACH": None}, "PRICEEACH: row 2 of 2: must not be null"),
        ({"PRICEEACH": 1e300}, "PRICEEACH: row 2 of 2: is too large (beyond 2**53)"),
        ({"COUNTRY": None}, "COUNTRY: row 2 of 2: must not be null"),
        ({"COUNTRY": ["USA"]}, "COUNTRY: row 2 of 2: must be text"),
        ({"MONTH_ID": 13}, "MONTH_ID: row 2 of 2: must be at most 12"),
        ({"QTR_ID": 1, "MONTH_ID": 12}, "row 2 of 2: breaks the rule quarter_matches_month"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_broken_row_is_refused_in_the_same_words_by_all_four(
    ways: dict[str, Callable[[list[Any]], Answers]], trained: Trained, broken: dict[str, Any], words: str
) -> None:
    row = dict(Predictor(load_bundle(trained.config.paths.models_dir, trained.config.model.name)).schema.example)
    for way, answers in ways.items():
        with pytest.raises(Refused) as caught:
            answers([row, {**row, **broken}])
        assert words in str(caught.value), way


def test_a_column_that_is_missing_is_refused_by_all_four(
    ways: dict[str, Callable[[list[Any]], Answers]], trained: Trained
) -> None:
    """MLflow says of a frame itself that it lacks a column of the signature."""
    row = dict(Predictor(load_bundle(trained.config.paths.models_dir, trained.config.model.name)).schema.example)
    del row["MSRP"]
    for answers in ways.values():
        with pytest.raises(Refused, match="MSRP"):
            answers([row])


def dataset_rows(config: Config, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Rows of the dataset as they are sent, dates as texts."""
    frame = pl.read_parquet(f"{config.paths.processed_dir}/**/*.parquet", hive_partitioning=True).select(names)
    return frame.with_columns(pl.selectors.temporal().cast(pl.String)).to_dicts()


def wait_until_up(client: httpx.Client, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(1200):
        try:
            if client.get("/ping").status_code == 200:
                return
        except httpx.TransportError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.1)
    raise AssertionError(log.read_text())


def test_training_names_the_extra_that_it_needs(installed: Path, trained: Trained, tmp_path: Path) -> None:
    done = call(installed / "tabtrail", "run", "--config", trained.project.config_file, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: this needs polars, duckdb")
    assert "pip install 'tabtrail[train]'" in done.stderr
