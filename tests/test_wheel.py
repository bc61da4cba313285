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
from pathlib import Path
from typing import Any

import httpx
import mlflow
import polars as pl
import pytest
from tests.support.projects import REPO, Trained

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
    assert {"report.css", "report.html.j2", "report.js"} <= set(packed)
    assert packed == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_it_predicts_and_serves_without_the_training_packages(installed: Path, trained: Trained, tmp_path: Path) -> None:
    config = str(trained.project.config_file)
    shown = call(installed / "tabtrail", "predict", "--config", config, "--show-schema", cwd=tmp_path)
    payload = shown.stdout.strip().splitlines()[-1]
    done = call(installed / "tabtrail", "predict", "--config", config, "--json", payload, "--output", "json", cwd=tmp_path)
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


def test_the_registered_champion_serves_from_its_own_requirements_what_we_predict(
    scoring: tuple[Path, Path], trained: Trained, tmp_path: Path
) -> None:
    programs, model = scoring
    assert call(programs / "python", "-c", "import sklearn", cwd=tmp_path).returncode == 1
    predictor = Predictor(load_bundle(trained.config.paths.models_dir, trained.config.model.name))
    rows = dataset_rows(trained.config, predictor.schema.names)[:500]
    wanted = predictor.predict(rows)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"PATH": f"{programs}:{os.environ['PATH']}"}  # the server starts `uvicorn` by its name
    command = [programs / "mlflow", "models", "serve", "-m", model, "--env-manager", "local", "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path, env=environment, start_new_session=True)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            wait_until_up(client, server, tmp_path / "log")
            found = client.post("/invocations", json={"dataframe_records": rows}).json()["predictions"]
            refused = client.post("/invocations", json={"dataframe_records": [{**rows[0], "QUANTITYORDERED": -5}]})
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    assert [each["prediction"] for each in found] == pytest.approx([each.value for each in wanted], rel=1e-12)
    assert [each["warnings"] for each in found] == [list(each.warnings) for each in wanted]
    assert refused.status_code == 400
    assert "QUANTITYORDERED: must be at least 1" in refused.text


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
