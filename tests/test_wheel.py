"""The built wheel, installed without the sources into a clean environment with the base dependencies alone."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.support.projects import REPO, Trained


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


def test_training_names_the_extra_that_it_needs(installed: Path, trained: Trained, tmp_path: Path) -> None:
    done = call(installed / "tabtrail", "run", "--config", trained.project.config_file, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: this needs polars, duckdb")
    assert "pip install 'tabtrail[train]'" in done.stderr
